"""What `make` does with interpreters and environments, with stand-ins that only write down what
they are asked to do.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import TIMEOUT

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")

PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv")
    mkdir -p "$4/bin" && touch "$4/pyvenv.cfg" && cp "$0" "$4/bin/python"
    printf '#!/bin/sh\\necho "run $*" >> log\\n' > "$4/bin/invis-sim"
    chmod +x "$4/bin/invis-sim"
    echo "venv {name}" >> log ;;
"-m pip") echo "pip {name} $*" >> log ;;
*) exec {real} -c 'import sys
sys.version_info = {version}
sys.version = "{name}"
exec(sys.argv[1])' "$2" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone with stand-ins for three interpreters; one of them is too old."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name, version in {"a": (3, 11, 0), "b": (3, 12, 0), "old": (3, 10, 9)}.items():
        path = tmp_path / name
        path.write_text(PYTHON.format(name=name, version=version, real=sys.executable))
        path.chmod(0o755)
    return tmp_path


def make(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Run make; its status, the first line on stderr, and what the stand-ins were asked."""
    log = folder / "log"
    log.write_text("")
    ended = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return ended.returncode, (ended.stderr.splitlines() or [""])[0], log.read_text().splitlines()


@pytest.mark.parametrize(
    ("python", "why"),
    [
        ("./old", "invis-sim needs Python 3.11 or later, and ./old is Python 3.10; "),
        ("./none", "make: there is no ./none; "),
    ],
)
def test_a_python_that_cannot_be_used_is_one_sentence_before_anything_is_made(
    folder: Path, python: str, why: str
) -> None:
    status, line, done = make(folder, "run", f"PYTHON={python}")
    assert status == 2
    assert line.startswith(why)
    assert line.endswith(", as in: make run PYTHON=python3.12")
    assert done == []
    assert not (folder / ".venv").exists()


def test_to_run_installs_what_running_needs_once_and_takes_ports(folder: Path) -> None:
    status, line, done = make(folder, "run", "PYTHON=./a")
    assert (status, line) == (0, "")
    assert [one.split()[0] for one in done] == ["venv", "pip", "run"]
    assert done[1].endswith(" --editable .[control]")
    assert done[2] == "run run --control"
    ports = ("TCP_PORT=0", "WS_PORT=81", "CONTROL_PORT=82", "SCENARIO=pro")
    assert make(folder, "run", "PYTHON=./a", *ports)[2] == [
        "run run pro --tcp-port 0 --ws-port 81 --control 82"
    ]


def test_another_python_makes_another_environment_and_the_default_one_keeps_it(
    folder: Path,
) -> None:
    assert make(folder, "environment", "PYTHON=./a")[2][0] == "venv a"
    assert make(folder, "environment", "PYTHON=./a")[2] == []
    assert make(folder, "environment")[2] == []  # of whatever `python3` is
    rebuilt = make(folder, "environment", "PYTHON=./b")[2]
    assert rebuilt[0] == "venv b"
    assert rebuilt[1].endswith(" --editable .[test,lint]")


def test_a_folder_that_is_no_environment_is_left_alone(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "file").touch()
    status, line, done = make(folder, "environment", "PYTHON=./a", "VENV=mine")
    assert (status, done) == (2, [])
    assert line.startswith("make: mine is there and no virtual environment; ")
    assert [path.name for path in (folder / "mine").iterdir()] == ["file"]


def test_an_environment_that_an_old_python_has_made_is_made_again(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "pyvenv.cfg").touch()
    shutil.copy(folder / "old", folder / ".venv" / "bin" / "python")
    assert make(folder, "environment", "PYTHON=./a")[2][0] == "venv a"


def test_the_minimum_versions_are_those_that_the_project_allows() -> None:
    """`make test-minimum` runs the suite with them."""
    import tomli

    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for extra in ("hypothesis", "mdns", "control", "test"):
        wanted += (one for one in extras[extra] if not one.startswith("invis-sim"))
    lines = (ROOT / "tests" / "minimum.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    lowest = [one.partition(",")[0].replace(">=", "==") for one in wanted]
    assert sorted(pinned) == sorted(lowest)
