"""The lists of CONTRIBUTING.md are complete: what they show is done to a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import invis_sim

ROOT = Path(invis_sim.__file__).parent.parent
GUIDE = ROOT / "CONTRIBUTING.md"

SHOWN = re.compile(r"<!-- (new file:|in) (\S+?)(?:, (.*?))? -->\n```\w+\n(.*?)^```$", re.M | re.S)
"""What to do with a block, the file, where in it, and the text."""

IN_THE_COPY = r"""
import sys
import pytest
from invis_sim import faults, start_simulator
from invis_sim.cli import main
from invis_sim.commands.registry import COMMANDS
from invis_sim.faults import KINDS
from invis_sim.faults.fault import LAYERS
from invis_sim.protocol.callbacks import Callback
from invis_sim.scenario import parse
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.json_schema import scenario_schema
from tests.guides.reference import GUIDES, PARTS, filled
from tests.support import connect, exchange

(fault,) = parse('''
    [[faults]]
    kind = "capitals"
    which = "first"
    when = { callback = 20 }
''').faults
assert fault == faults.Capitals(which="first", when=faults.When(callback=20))
assert parse_fault("capitals:which=first,when={callback=20}") == fault
assert fault.corrupt(b'{"sn":"ab"}', faults.Context("reply", None, "tcp", 1, 0.0)) == b'{"Sn":"Ab"}'
layers = [LAYERS.index(one.layer) for one in KINDS.values()]
assert layers == sorted(layers)
schema = scenario_schema()["definitions"]
assert "Capitals" in schema and "press" in schema["Step"]["properties"]
order = list(COMMANDS)
assert order.index("press") < order.index("push")

with start_simulator() as sim:
    sim.press(2)
    with connect(sim.tcp_address) as client:
        assert exchange(client, callback=40)["payload"]["callbackArgs"] == [1]
    sim.do(press=2)
    with connect(sim.tcp_address) as client:
        assert exchange(client, callback=40)["payload"]["callbackArgs"] == [0]

for words in (["faults", "capitals"], ["keys", "steps"], ["callbacks", "40"]):
    assert main(words) == 0
for path in sorted(GUIDES.glob("*.md")):  # as `make guides` does
    path.write_text(filled(path.read_text("utf-8")), "utf-8")
assert "| `capitals` | Sends the packet in capital letters. | `which` |" in PARTS["faults"]()
# Of what is tested for each fault, command and callback, the new ones are enough.
new = "capitals or press or 40 or EITHER or not ["
imported = "ignore:Module already imported"  # by the lines above
status = pytest.main(["-q", "-p", "no:cacheprovider", "-W", imported, "-k", new, *sys.argv[1:]])
assert status == 0, status
"""

TESTS = (
    "tests/faults/test_catalogue.py",
    "tests/cli/test_callbacks.py",
    "tests/guides/test_reference.py",
    "tests/server/test_commands.py::test_there_is_a_case_for_every_command",
    "tests/server/test_commands.py::test_a_command_does_the_same_whichever_way_it_is_given",
    "tests/server/test_commands.py::test_both_handles_offer_the_same",
    "tests/web/test_page_files.py::test_the_page_has_the_names_of_all_callbacks",
)
"""Those that hold that every fault, command and callback has all that it needs."""


def place_in(text: str, where: str) -> int:
    """Where to insert, as the guide says it: `before: LINE`, `after: LINE`, `at the end`, or
    `at the end of: NAME`, which is a mapping.
    """
    kind, _, line = where.partition(": ")
    if kind == "at the end":
        return len(text)
    begin = re.search(f"^{re.escape(line)}", text, re.M)
    assert begin is not None, f"no line begins with {line!r}"
    if kind == "before":
        return begin.start()
    end = re.compile("\n" if kind == "after" else "(?<=\n)}").search(text, begin.end())
    assert end is not None
    return end.end() if kind == "after" else end.start()


@pytest.fixture(name="copy")
def copy_with_all_that_is_shown(tmp_path: Path) -> Path:
    """A copy of the project to which the guide was applied; with the compiled files, which saves
    seconds.
    """
    if not GUIDE.exists():
        pytest.skip("an installed package has no guide")
    for name in ("invis_sim", "scenarios", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    blocks = SHOWN.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) >= 10
    for action, name, where, block in blocks:
        path = tmp_path / name
        assert path.exists() == (action == "in"), name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        place = place_in(text, where or "at the end")
        path.write_text(text[:place] + block + text[place:], encoding="utf-8")
    return tmp_path


def test_what_the_guide_shows_is_all_that_a_fault_a_command_and_a_callback_need(copy: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-c", IN_THE_COPY, *TESTS],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    assert "display driver" in ended.stdout
    assert "presses the button" in " ".join(ended.stdout.split())
