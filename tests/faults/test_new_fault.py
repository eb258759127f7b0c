"""A new fault is a file and a line: the example of CONTRIBUTING.md, carried out on a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import invis_sim

PACKAGE = Path(invis_sim.__file__).parent
ROOT = PACKAGE.parent
GUIDE = ROOT / "CONTRIBUTING.md"

USE = """
from invis_sim import faults
from invis_sim.cli import main
from invis_sim.faults import KINDS
from invis_sim.faults.fault import LAYERS
from invis_sim.scenario import parse
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.json_schema import scenario_schema
from tests.guides.reference import PARTS

(fault,) = parse('''
    [[faults]]
    kind = "capitals"
    which = "first"
    when = { callback = 20 }
''').faults
assert fault == faults.Capitals(which="first", when=faults.When(callback=20))
assert parse_fault("capitals:which=first,when={callback=20}") == fault
assert fault.corrupt(b'{"sn":"ab"}', faults.Context("reply", None, "tcp", 1, 0.0)) == b'{"Sn":"Ab"}'
assert "Capitals" in scenario_schema()["definitions"]
assert main(["faults", "capitals"]) == 0
assert "| `capitals` | Sends the packet in capital letters. | `which` |" in PARTS["faults"]()
layers = [LAYERS.index(one.layer) for one in KINDS.values()]
assert layers == sorted(layers)
"""


@pytest.fixture(scope="module", name="copy")
def copy_with_the_new_fault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of the catalogue's tests, to which the guide was applied; with the
    compiled files, which saves seconds.
    """
    if not GUIDE.exists():
        pytest.skip("an installed package has no guide")
    folder = tmp_path_factory.mktemp("copy")
    for name in ("invis_sim", "scenarios"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("pyproject.toml", "tests/__init__.py", "tests/support.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "tests/faults", folder / "tests/faults")
    shutil.copytree(ROOT / "tests/guides", folder / "tests/guides")
    _, _, section = GUIDE.read_text(encoding="utf-8").partition("\n## A new fault")
    path = re.search(r"`invis_sim/(faults/kinds/\w+\.py)`", section)
    assert path is not None
    file, line = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[:2]
    kinds = folder / "invis_sim/faults/kinds"
    (folder / "invis_sim" / path[1]).write_text(file, encoding="utf-8")
    registry = (kinds / "__init__.py").read_text(encoding="utf-8")
    first = registry.index("from invis_sim")
    (kinds / "__init__.py").write_text(registry[:first] + line + registry[first:], "utf-8")
    return folder


def run(copy: Path, *arguments: str) -> str:
    """What Python says that runs in the copy, and must succeed."""
    ended = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_example_of_the_guide_is_known_everywhere(copy: Path) -> None:
    assert "display driver" in run(copy, "-c", USE)


def test_the_tests_of_the_catalogue_pass_with_the_example_of_the_guide(copy: Path) -> None:
    # Of what is tested for each kind, the new one is enough.
    test = "tests/faults/test_catalogue.py"
    said = run(copy, "-m", "pytest", "-q", test, "-k", "capitals or not [")
    assert " passed" in said
