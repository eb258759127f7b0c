"""Each `$ invis-sim …` and `$ python …` in the documents does what it should.

`send` and `watch` ask an outlet that runs for the test, and `do`, `tail`, `clock` and `export`
steer one. A file that does not exist is the TOML shown last before. `run`, `proxy` and `replay`,
which do not end, run on free ports until they are ready, and are stopped by a signal; a gauntlet
lists its cases. `python FILE` runs a file that the document shows, with an outlet as the last `run`
before has it. All must end with status 0, or with that of the remark above the block, and print
what is shown, where … may be anything, and a packetID any number.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from invis_sim.cli import CliError
from invis_sim.cli.arguments import make_parser
from invis_sim.cli.run import load_scenario
from invis_sim.cli.scenario_options import with_options
from invis_sim.scenario import Scenario
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cli.process import appears, cli_here, process
from tests.guides.blocks import ALL, ROOT, Block, block_of, scenario_before, shown
from tests.guides.outlets import steered
from tests.support import TIMEOUT, connect, exchange


@pytest.mark.parametrize("block", shown("console"), ids=str)
def test_the_commands_of_a_console_block_do_what_they_should(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_commands(block)


def test_there_is_no_other_command_but_those_of_make_and_of_the_shell() -> None:
    lines = [line for b in shown("console") for line in b.text.splitlines() if line[:2] == "$ "]
    programs = {PurePath(line.split()[1].partition("=")[0]).name for line in lines}
    assert programs - {"invis-sim", "python", "curl"} <= {"api", "make", "source"}


class Command(NamedTuple):
    """A command of a block. words: without a `$`; output: what is shown below it."""

    words: list[str]
    output: str


def commands(block: Block) -> list[Command]:
    """The commands that are tried; a command may go on in the next line behind a \\."""
    text = block.text.replace("\\\n", " ")
    found = re.findall(r"^\$ ([^\n]*)\n?((?:(?!\$ ).*\n?)*)", text, re.MULTILINE)
    tried = (
        Command(without_the_rest(shlex.split(line, comments=True)), output)
        for line, output in found
    )
    return [one for one in tried if PurePath(one.words[0]).name in ("invis-sim", "python")]


def without_the_rest(words: list[str]) -> list[str]:
    """The words of the command alone: without `&`, `| …` and `> …` behind it."""
    ends = [n for n, word in enumerate(words) if word in ("&", "|", ">", ">>", "&&", "||", ";")]
    return words[: ends[0]] if ends else words


def run_commands(block: Block) -> None:
    """Run each command of the block, ours in this process, and insist on status and output."""
    status = int(block.remark.removeprefix("status ")) if block.remark else 0
    for (program, *arguments), output in commands(block):
        if program == "python":
            done = run_script(block, arguments)
        elif arguments[0] in ("run", "proxy", "replay"):
            write_missing_scenarios(arguments, block)
            run_until_ready(arguments)
            continue
        else:
            write_missing_scenarios(arguments, block)
            with as_here(arguments) as words:
                done = cli_here(*words)
        printed = done.stdout + done.stderr
        assert done.returncode == status, f"{block}: {arguments}: {printed}"
        if output.strip():
            assert re.fullmatch(pattern(output), printed.strip()), f"{block}: {printed}"


def pattern(output: str) -> str:
    """A regular expression for output as it is shown."""
    packet_ids = re.sub(r'("packetID": )\d+', r"\1…", output.strip())
    return "(?s)" + ".*".join(map(re.escape, packet_ids.split("…")))


def scenario_of(arguments: list[str], block: Block) -> Scenario:
    """The scenario of a `run`."""
    write_missing_scenarios(arguments, block)
    args = make_parser().parse_args(arguments)
    return with_options(load_scenario(args.scenario), args)


def run_until_ready(arguments: list[str]) -> None:
    """Run a command that does not end by itself, on free ports, and stop it when it is ready."""
    command, *rest = arguments
    if command == "replay":
        write_journal(rest[0])
    listen = "--listen" if command == "proxy" else "-"
    more = [word for port in ("tcp-port", "ws-port") for word in (f"{listen}-{port}", "0")]
    if "--control" in rest:
        more += ["--control", "0"]
    with process(*arguments, *more, "--ready-file", "ready.json", stdin=subprocess.PIPE) as running:
        assert json.loads(appears(Path("ready.json"), running))
        assert running.end()[0] == 0


def run_script(block: Block, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a file of the document, with the outlet that the document has started before."""
    before = [b for b in shown("console") if b.document == block.document and b.line < block.line]
    runs = [one.words[1:] for b in before for one in commands(b) if one.words[1] == "run"]
    scenario = scenario_of(runs[-1], block)
    file = next(b for b in ALL if b.is_file and PurePath(b.remark).name == arguments[0])
    with start_simulator(scenario, tcp_port=0, ws_port=0) as sim:
        command = [sys.executable, str(ROOT / file.remark), *map(str, sim.tcp_address)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def write_missing_scenarios(arguments: Sequence[str], block: Block) -> None:
    """Write the scenario files that the command is to read."""
    if arguments[0] == "capture":  # it refuses a file that it did not write
        return
    for path in map(Path, arguments):
        if path.suffix == ".toml" and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(scenario_before(block), encoding="utf-8")


@contextmanager
def as_here(arguments: list[str]) -> Iterator[list[str]]:
    """The arguments as they are meant, with an outlet of this test, for a moment."""
    command, *rest = arguments
    if command in ("send", "watch"):
        with start_simulator() as sim:
            end = ["--seconds", "0.1"] if command == "watch" else []
            yield [command, *(address_of(sim, word) for word in rest), *end]
    elif rest and rest[0].endswith(".jsonl"):
        write_journal(rest[0])
        yield arguments
    elif command in ("capture", "compare"):
        with start_simulator() as sim:
            (host, port), ws_port = sim.tcp_address, urlsplit(sim.ws_url).port
            ports = ["--tcp-port", str(port), "--ws-port", str(ws_port), "--pause", "0"]
            end = ["--yes", "--listen", "0"] if command == "capture" else []
            yield [command, host, *rest[1:], *ports, *end]
    elif command in ("do", "tail", "clock", "export"):
        with steered(" ".join(arguments)) as url:
            # From the beginning; one that does not end by itself, not for long. The last --seconds
            # counts.
            limit = str(TIMEOUT) if "--count" in rest else "0.1"
            more = ["--after", "0", "--seconds", limit] if command == "tail" else []
            yield [*arguments, *more, "--at", url]
    elif command == "gauntlet":
        own = rest[: rest.index("--")] if "--" in rest else rest
        yield [command, *own, *(() if "--list" in own else ("--list",))]
    else:
        yield arguments


def address_of(sim: SimulatorHandle, word: str) -> str:
    """The address of the outlet that runs for the test, in place of one that is shown."""
    if word.startswith("ws://"):
        assert urlsplit(word).path == urlsplit(sim.ws_url).path
        return sim.ws_url
    return "{}:{}".format(*sim.tcp_address) if re.search(r"^(\S+:)?\d{4,5}$", word) else word


def write_journal(path: str) -> None:
    """Write the journal of an outlet that has been asked a question."""
    with start_simulator() as sim:
        with connect(sim.tcp_address) as client:
            exchange(client)
        sim.journal.dump(path)


def test_commands_that_are_right_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (
        "$ invis-sim check good.toml | head\n$ ls\n$ invis-sim run &\n",
        "$ .venv/bin/invis-sim run flaky --fault drop:when.nth=2",
        "$ invis-sim send 127.0.0.1:3333 20  # ask\n{…}\n",
        "$ invis-sim do 'push = 9'\n$ invis-sim tail --callback 9\n",
        "$ invis-sim gauntlet --only drop -- my-client {address}\n",
    ):
        run_commands(block_of("console", text))
    run_commands(block_of("console", "$ invis-sim send ws://127.0.0.1:8080/ws 77", "status 1"))


def test_output_that_is_another_is_noticed() -> None:
    command = "$ invis-sim send 127.0.0.1:3333 9\n"
    reply = '{"sn": "0003C44076", "packetID": 1, "PUBACK": 1, "payload": {…}}\n'
    run_commands(block_of("console", command + reply))
    with pytest.raises(AssertionError, match="PUBACK"):
        run_commands(block_of("console", command + reply.replace('"PUBACK": 1', '"PUBACK": 0')))


@pytest.mark.parametrize(
    "command",
    [
        "run --prot 1",
        "run flakey",
        "send 127.0.0.1:3333 77",
        "send 127.0.0.1:web 20",
        "faults dealy",
        "chekc",
        "do push=8",
        "gauntlet --only dorp -- my-client",
    ],
)
def test_commands_that_are_wrong_are_noticed(command: str) -> None:
    with pytest.raises((AssertionError, SystemExit, CliError)):
        run_commands(block_of("console", f"$ invis-sim {command}"))
