"""`invis-sim journal`: what a journal file says."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from invis_sim import Journal, __version__, faults
from invis_sim.journal import JournalHeader
from invis_sim.journal.jsonl import encode_header
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.cli.process import cli_here, outlet
from tests.journal.support import an_hour
from tests.support import connect, exchange


@pytest.fixture(scope="module", name="file")
def a_journal_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two exchanges, one with a fault, and what belongs to them."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with start_simulator(seed=7, faults=[faults.Pad(name="wide", when=faults.When(nth=2))]) as sim:
        with connect(sim.tcp_address) as client:
            exchange(client, 100_001)
            exchange(client, 100_002, callback=9)
        sim.journal.dump(path)
    return path


def shown(*arguments: object) -> list[str]:
    ended = cli_here("journal", *map(str, arguments))
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_it_says_what_it_is_about_and_shows_every_entry(file: Path) -> None:
    first, *lines = shown(file)
    assert first.startswith("InvisOutlet 0003C44076, started 20")
    assert first.endswith(f", seed 7, invis-sim {__version__}")
    assert len(lines) == len(list(Journal.load(file)))
    assert "connected from 127.0.0.1:" in lines[0]
    (answer,) = [line for line in lines if "packetID 100002" in line]
    assert re.search(r"9 outlet status -> PUBACK 1  fault wide \(.*\)  .*packetID 100002$", answer)


@for_each(
    ("options", "packet_ids"),
    [
        (["--callback", "9"], {100_002}),
        (["--packet-id", "100001"], {100_001}),
        (["--fault", "wide"], {100_002}),
        (["--kind", "exchange"], {100_001, 100_002}),
        (["--kind", "exchange", "--transport", "ws"], set()),
        (["--kind", "exchange", "--connection", "1", "--callback", "20"], {100_001}),
        (["--kind", "exchange", "--sn", "0003C44076"], {100_001, 100_002}),
        (["--kind", "exchange", "--sn", "0003C44077"], set()),
    ],
)
def test_only_what_matches_every_option_is_shown(
    options: list[str], packet_ids: set[int], file: Path
) -> None:
    _, *lines = shown(file, *options, "--json")
    assert {json.loads(line)["packetID"] for line in lines} == packet_ids
    assert len(shown(file, *options)) == 1 + len(packet_ids)


def test_the_bytes_are_shown_below_what_they_belong_to(file: Path) -> None:
    _, line, received, sent = shown(file, "--packet-id", "100001", "--bytes")
    assert "packetID 100001" in line
    assert received.strip().startswith('> {"packetID": 100001, "payload"')
    assert sent.strip().startswith('< {"sn":"0003C44076","packetID":100001,"PUBACK":1')


def test_what_is_not_text_is_shown_in_hexadecimal_digits(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal()
    journal.record(0.5, "ws", 1, b"\xff\x00", None, "malformed", (b"\x88\x02\x03\xe8",))
    journal.dump(path)
    assert [line.strip() for line in shown(path, "--bytes")[2:]] == ["> ff 00", "< 88 02 03 e8"]


@pytest.mark.parametrize(
    ("last", "seconds"), [("60s", 60), ("60", 60), ("0.5s", 0.5), ("2m", 120), ("1h", 3600)]
)
def test_only_the_end_of_a_file_may_be_shown(last: str, seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal()
    for moment in (0.0, 3000.0, 6590.0, 6599.9, 6600.0):
        journal.record(moment, "tcp", 1, b"?", None, "malformed")
    journal.dump(path)
    expected = [one for one in journal if one.seconds >= 6600 - seconds]
    assert len(shown(path, "--last", last)) == 1 + len(expected)


def test_the_entries_may_be_written_as_a_journal_again(file: Path) -> None:
    again = Journal.load(shown(file, "--json"))
    assert again.header == Journal.load(file).header
    assert [str(entry) for entry in again] == [str(entry) for entry in Journal.load(file)]


def test_a_journal_may_come_from_stdin(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert shown("-") == shown(file)


@for_each(
    ("arguments", "status", "problem"),
    [
        (["no/such/file"], 1, "no/such/file: No such file or directory"),
        (["{file}", "--kind", "exchanges"], 2, "--kind: expected one of "),
        (["{file}", "--transport", "udp"], 2, '--transport: expected one of "tcp", "ws", found'),
        (["{file}", "--connection", "0"], 2, "--connection: expected a whole number from 1"),
        (["{file}", "--last", "soon"], 2, "expected a time such as 60s, 5m or 1h, found 'soon'"),
        (["{file}", "--last", "-5s"], 2, "--last"),
        ([__file__], 1, "1: not a line of a journal"),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    arguments: list[str], status: int, problem: str, file: Path
) -> None:
    ended = cli_here("journal", *(one.format(file=file) for one in arguments))
    assert (ended.returncode, ended.stdout) == (status, "")
    (line,) = ended.stderr.splitlines()
    assert problem in line


# The first line


def test_run_writes_how_to_see_the_same_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with outlet("pro", "--seed", "5", "--journal", str(path)) as it:
        it.exchange()
        assert it.end()[0] == 0
    header = Journal.load(path).header
    assert (header.sn, header.seed, header.scenario) == (it.ready["sn"], 5, "pro")
    assert header.version == __version__
    assert header.options[0] == "run"
    assert header.options[-4:] == ("--seed", "5", "--journal", str(path))
    assert " pro --seed 5 --journal " in shown(path)[0]


@pytest.mark.parametrize(
    "line",
    [
        b'{"entry":"journal","started":5.5}',
        b'{"entry":"journal","sn":"0003C44076","started":5.5,"unknown":[1]}',
    ],
)
def test_a_first_line_of_another_version_is_read(line: bytes) -> None:
    assert Journal.load([line]).header.started == 5.5


def test_what_is_not_known_is_not_in_the_first_line() -> None:
    plain: Any = json.loads(encode_header(JournalHeader(sn="A", started=5.0)))
    assert plain == {"entry": "journal", "sn": "A", "started": 5.0}
    assert Journal.load(an_hour().lines()).header == JournalHeader()
