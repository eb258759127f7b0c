"""The package keeps to the layers that CONTRIBUTING.md draws."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import invis_sim

PACKAGE = Path(invis_sim.__file__).parent

LAYERS = {
    "protocol": 1,
    "schema": 1,
    "device": 2,
    "faults": 2,
    "client": 2,
    "journal": 3,
    "commands": 4,
    "scenario": 5,
    "server": 6,
    "testing": 7,
    "cli": 8,
}
NO_IO = ("protocol", "schema", "device", "faults", "journal", "commands", "scenario")
FORBIDDEN_BELOW_THE_SERVER = {"trio", "socket", "time", "asyncio", "select", "subprocess"}

FILES = sorted(path for package in LAYERS for path in (PACKAGE / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            yield node.module


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_from_itself_and_from_layers_below(path: Path) -> None:
    package = package_of(path)
    for module in imported(path):
        parts = module.split(".")
        if parts[0] == "invis_sim" and len(parts) > 1 and parts[1] != package:
            assert LAYERS[parts[1]] < LAYERS[package], f"{package} imports {module}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if package_of(path) in NO_IO],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_what_does_no_io_imports_nothing_that_does(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(path)} & FORBIDDEN_BELOW_THE_SERVER


def test_every_module_can_be_the_first_to_be_imported() -> None:
    names = [
        ".".join(("invis_sim", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in FILES
        if path.name != "__init__.py"
    ]
    # Each in a state in which nothing of ours is loaded, so that a cycle would show.
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    for loaded in [m for m in sys.modules if m.split('.')[0] == 'invis_sim']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_names_that_the_package_hands_out_are_there() -> None:
    code = "import invis_sim\nfor name in invis_sim.__all__: getattr(invis_sim, name)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        importlib.import_module("invis_sim").nonsense  # noqa: B018


def test_type_checkers_may_read_the_package() -> None:
    assert (PACKAGE / "py.typed").exists()
