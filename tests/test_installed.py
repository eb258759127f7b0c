"""The package as others have it: installed, in a zip file, without docstrings, in a faked file
system.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
import tomli

from invis_sim.gauntlet.report.html import _resource
from invis_sim.guides import guides
from invis_sim.protocol.package_files import files_below, package_folder
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.loading import ScenarioError, load
from invis_sim.schema.manual import NO_MANUALS
from invis_sim.web.api.page import OPERATIONS

ROOT = Path(__file__).parent.parent
NAMES = [*bundled()]


def install(folder: Path) -> None:
    """Put into a folder what a wheel puts beside other packages."""
    build = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    ignored = shutil.ignore_patterns("__pycache__")
    for package in wheel["packages"]:
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    for source, target in wheel["force-include"].items():
        shutil.copytree(ROOT / source, folder / target)


def printed(code: str, path: Path, *options: str) -> str:
    """What code prints that imports the package from this path. options: of Python."""
    found = subprocess.run(
        [sys.executable, "-P", *options, "-c", code],
        env={**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_the_scenarios_lie_where_they_are_looked_for_after_installation(tmp_path: Path) -> None:
    install(tmp_path)
    code = "from invis_sim.scenario import bundled; print(*bundled().values())"
    folder = tmp_path / "invis_sim" / "scenarios"
    assert printed(code, tmp_path).split() == [str(folder / f"{name}.toml") for name in NAMES]


FROM_A_ZIP_FILE = """
import invis_sim
from invis_sim.gauntlet.report.html import _resource
from invis_sim.guides import guides
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.loading import load, resolve
from invis_sim.web.api.page import OPERATIONS

assert ".zip" in invis_sim.__file__, invis_sim.__file__
assert resolve() == load("default") == resolve(bundled()["default"])
for name in bundled():
    load(name)
    print(name)
for operation in OPERATIONS:
    assert operation.handler(None).body, operation.path
    print(operation.path)
assert _resource("page.css") and _resource("page.js")
assert len(guides()) > 5 and all(guide.read_text() for guide in guides().values())
"""


def test_the_scenarios_the_guides_and_the_page_are_found_in_a_zip_file(tmp_path: Path) -> None:
    install(tmp_path / "wheel")
    package = Path(shutil.make_archive(str(tmp_path / "package"), "zip", tmp_path / "wheel"))
    paths = [operation.path for operation in OPERATIONS]
    assert {"/", "/index.html", "/main.js"} <= {*paths}
    assert printed(FROM_A_ZIP_FILE, package).split() == [*NAMES, *paths]


def contents() -> list[Any]:
    """All that is in the files of the package."""
    page = files_below(package_folder("web", "static"))
    return [
        {name: load(name) for name in bundled()},
        {name: guide.read_text() for name, guide in guides().items()},
        {path: file.read_bytes() for path, file in page.items()},
        _resource("page.css"),
    ]


def test_the_files_of_the_package_are_found_though_the_file_system_is_faked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As pyfakefs does it: files are faked in `pathlib` and `os`, and not for Python's imports."""

    def missing(*_: object, **__: object) -> NoReturn:
        raise FileNotFoundError(2, "No such file or directory")

    expected = contents()
    assert all(expected)
    with monkeypatch.context() as replaced:
        for name in ("stat", "scandir", "listdir"):
            replaced.setattr(os, name, missing)
        replaced.setattr("pathlib.Path.is_dir", lambda self: False)
        replaced.setattr("pathlib.Path.iterdir", missing)
        replaced.setattr("pathlib.Path.read_bytes", missing)
        replaced.setattr("builtins.open", missing)
        found = contents()
        with pytest.raises(ScenarioError, match="is neither a file nor"):
            load("no-such")
    assert found == expected


WITHOUT_DOCSTRINGS = """
from invis_sim.cli import main
from invis_sim.web.app import OPERATIONS
from invis_sim.web.openapi import openapi

for words in "faults delay", "faults", "keys", "keys sensors", "keys steps", "schema":
    main(words.split())
    print(END)
try:
    main(["--help"])
except SystemExit:
    pass
print(END, openapi(OPERATIONS))
"""


def test_without_docstrings_each_manual_says_why_it_is_not_there() -> None:
    end = "-- end --"
    outputs = printed(WITHOUT_DOCSTRINGS.replace("END", repr(end)), ROOT, "-OO").split(end)
    assert len(outputs) == 8
    for output in outputs:
        assert NO_MANUALS in " ".join(output.split())
        assert "efficient serializable objects" not in output  # as msgspec describes its base class
    assert 'kind = "delay"' in outputs[0]
    assert "device_type = 1" in outputs[3]
