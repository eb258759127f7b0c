"""Texts of a scenario and of clients are shown escaped, wherever they are shown: none can colour a
terminal, turn its text around, or forge a line.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import tomli

from invis_sim import CommandError, Journal, ScenarioError, start_simulator
from invis_sim.cli.arguments import make_parser
from invis_sim.cli.lines import LineFormat
from invis_sim.cli.log import JsonLog
from invis_sim.cli.tail import _Tail
from invis_sim.journal import ServerError, format_entry
from invis_sim.journal.entries import EVENT_TYPES
from tests.cases import for_each
from tests.cli.process import cli_here, process

HOSTILE = "a\x1b[31m\x9b1m\x7f\u202e\u2028b\n12:00:00.000  tcp #1    closed by the client"


def is_harmless(text: str) -> bool:
    """Whether each of its lines can be shown."""
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture
def hostile_file(tmp_path: Path) -> Path:
    """A scenario that can be used, and whose texts are hostile."""
    text = json.dumps(HOSTILE)
    assert not is_harmless(HOSTILE)
    path = tmp_path / "hostile.toml"
    path.write_text(
        f"description = {text}\ndevice = {{ hw_rev = {text} }}\n"
        f"faults = [{{ kind = 'drop', name = {text} }}]\n"
        f"steps = [{{ after_seconds = 0, disable = {text} }}]\n"
    )
    return path


def test_the_banner_and_the_log_escape_what_a_scenario_says(hostile_file: Path) -> None:
    ports = ("--tcp-port", "0", "--ws-port", "0")
    with process("run", str(hostile_file), *ports, "--speed", "inf") as it:
        lines = [it.line() for _ in range(7)]
        _, rest, err = it.end()
    shown = "".join(lines) + rest
    assert is_harmless(shown)
    assert err == ""
    assert shown.count("\\u001b[31m") >= 3  # the revision, the description, the fault
    assert "\n12:00:00.000" not in shown


def test_what_machines_read_is_harmless_too(hostile_file: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with start_simulator(hostile_file, control=True) as sim:
        sim.set(names={"outlet1": "Küche"})
        sim.journal.dump(journal)
        server = ("--at", str(sim.control_url))
        exported = cli_here("export", *server).stdout
        followed = cli_here("tail", *server, "--after", "0", "--count", "1", "--log", "json").stdout
    shown = cli_here("journal", str(journal), "--json").stdout
    logged = JsonLog().text((ServerError(number=1, seconds=0.0, text=HOSTILE),))
    for output in (exported, followed, shown, logged):
        assert is_harmless(output)
        assert "\\u001b[31m" in output.lower()
    assert tomli.loads(exported)["device"]["hw_rev"] == HOSTILE
    assert json.loads(logged)["text"] == HOSTILE
    assert Journal.load(shown.splitlines()).lines() == Journal.load(journal).lines()


def test_check_escapes_a_description_and_what_is_wrong(hostile_file: Path) -> None:
    good = cli_here("check", str(hostile_file))
    assert (good.returncode, is_harmless(good.stdout)) == (0, True)
    hostile_file.write_text(f"{json.dumps(HOSTILE)} = 1\n[device]\nsn = {json.dumps(HOSTILE)}\n")
    bad = cli_here("check", str(hostile_file))
    assert (bad.returncode, is_harmless(bad.stderr)) == (2, True)
    assert bad.stderr.count("\n") == 2
    assert r"\u001b" in bad.stderr


def test_errors_and_journals_in_python_are_harmless_too() -> None:
    with pytest.raises(ScenarioError) as scenario:
        start_simulator(f"[[faults]]\nkind = {json.dumps(HOSTILE)}").__enter__()
    with start_simulator() as sim, pytest.raises(CommandError) as command:
        sim.do(enable=HOSTILE)
    for error in (scenario.value, command.value):
        assert is_harmless(str(error))
        assert len(error.problems) == str(error).count("\n") + 1 == 1


@for_each("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_is_one_harmless_line(kind: Any) -> None:
    fields: dict[str, Any] = {
        name: HOSTILE for name, of in kind.__annotations__.items() if of in (str, "str")
    }
    journal = Journal()
    journal.add(kind, 0.0, **{**EXAMPLES.get(kind.__name__, {}), **fields})
    (entry,) = journal
    assert format_entry(entry).isprintable()


def test_what_tail_gets_from_a_server_is_harmless() -> None:
    entry = ServerError(number=1, seconds=0.0, text=HOSTILE, sn=HOSTILE)
    for full in (False, True):
        lines = LineFormat(full=full, label=lambda one: one.sn).lines(entry, 0.0)
        assert all(line.isprintable() for line in lines)
    tail = _Tail(make_parser().parse_words(["tail"]))
    unknown = json.dumps({"entry": "event", "kind": "new", "text": HOSTILE}, ensure_ascii=False)
    assert tail._text("0003C44076", unknown).isprintable()


@pytest.mark.parametrize("words", [("run", HOSTILE, HOSTILE), (HOSTILE,), ("run", f"--{HOSTILE}")])
def test_a_wrong_command_line_is_quoted_harmlessly(words: tuple[str, ...]) -> None:
    ended = cli_here(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert is_harmless(ended.stderr)


EXAMPLES = {"OutageStarted": {"source": "fault"}, "OutageEnded": {"source": "outlet"}}
