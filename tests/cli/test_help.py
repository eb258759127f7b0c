"""`--help` of every command, and what the parser says about a wrong command line."""

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from invis_sim.cli.arguments import make_parser
from invis_sim.cli.color import choose_color, paint_for
from invis_sim.cli.completion import Command, commands_of
from invis_sim.cli.parser import Parser
from invis_sim.cli.run import load_scenario
from invis_sim.cli.scenario_options import given_commands, with_options
from invis_sim.faults.catalogue import KINDS
from invis_sim.protocol.callbacks import Callback
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.cli.process import cli_here

COMMANDS: dict[str, Command] = {one.name: one for one in commands_of(make_parser())}
PARSERS: dict[str, Parser] = make_parser().commands


@pytest.fixture(autouse=True)
def no_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR"):
        monkeypatch.delenv(name, raising=False)


def output(*words: str) -> str:
    ended = cli_here(*words)
    assert (ended.returncode, ended.stderr) == (0, ""), words
    return ended.stdout


def prose(text: str) -> list[str]:
    """The words of a text, but for packets and examples, which are lines to copy."""
    return [word for line in text.split("\n") if not COPIED.match(line) for word in line.split()]


COPIED = re.compile(r" {4,}[<>*] |( {4,})?[\w.]+ = ")
"""Lines to copy, which are never broken: packets, keys with a default, examples in TOML."""

SHOWN = [
    ("--help",),
    *((name, "--help") for name in COMMANDS),
    *(("faults", kind) for kind in ("", *KINDS)),
    *(("keys", table) for table in ("", "steps", "sensors", "updates.IM", "quirks")),
    *(("callbacks", number) for number in ("", *(str(int(one)) for one in Callback))),
    ("scenarios",),
]


@for_each("words", SHOWN, ids=" ".join)
def test_a_manual_fits_terminals_of_80_and_120_columns(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = []
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = output(*filter(None, words))
        lines = [line for line in text.split("\n") if not COPIED.match(line)]
        assert [line for line in lines if len(line) > columns] == []
        texts.append(prose(text))
    assert texts[0] == texts[1]  # so no word is broken


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_does_with_an_example(name: str) -> None:
    assert re.search(rf"^  {name} +\w", output("--help"), re.MULTILINE)
    text = output(name, "--help")
    assert text.startswith(f"usage: invis-sim {name}")
    assert f"\n  {PARSERS[name].examples[0]}\n" in text
    for option in COMMANDS[name].options:
        assert option.help, option.flags


NEED_MORE = ("watch", "capture", "compare", "tail", "clock", "export")
"""Commands that need a real outlet, a control server or a signal: their examples are parsed."""

EXAMPLES = [(name, text) for name, parser in PARSERS.items() for text in parser.examples]


def words_of(example: str) -> list[str]:
    """The words of `invis-sim` in an example, without `> FILE`."""
    return shlex.split(re.findall(r"invis-sim( [^)>]*|$)", example)[0])


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=str)
def test_each_example_works(
    name: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('description = "Mine."\n')
    with start_simulator() as sim:
        sim.journal.dump("seen.jsonl")
        words = words_of(example)
        if "--" in words:  # behind it is the client of the gauntlet
            words = words[: words.index("--")]
        args = make_parser().parse_args(words)
        if words[0] in ("run", "proxy", "replay"):
            scenario = getattr(args, "scenario", "default")
            with_options(load_scenario("pro" if scenario == "bug.toml" else scenario), args)
        elif words[0] == "do":
            args.settings = []
            assert given_commands(args)
        elif words[0] == "send":
            port = str(sim.tcp_address[1])
            address = words[1].replace("3333", port).replace("ws://127.0.0.1:8080/ws", sim.ws_url)
            assert cli_here("send", address, *words[2:]).returncode == 0
        elif words[0] not in NEED_MORE and (words[0] != "gauntlet" or "--list" in words):
            assert cli_here(*words).returncode == 0


# What is wrong with a command line


WRONG = [
    ((), "", "the following arguments are required: COMMAND"),
    (("rn",), "", "unknown command 'rn'; did you mean 'run'?"),
    (("--xyz", "run"), "", "unknown option --xyz"),
    (("run", "--tcp-prt", "3"), " run", "unknown option --tcp-prt; did you mean '--tcp-port'?"),
    (("run", "--tcp-por", "3"), " run", "unknown option --tcp-por; did you mean '--tcp-port'?"),
    (("run", "a", "b"), " run", "unexpected argument 'b'"),
    (("run", "--tcp-port", "x"), " run", "--tcp-port: expected a whole number, found 'x'"),
    (
        ("run", "--log", "texxt"),
        " run",
        "--log: expected one of text, full, json, quiet, found 'texxt'; did you mean 'text'?",
    ),
    (
        ("run", "--control", "pro"),
        " run",
        "--control: expected a port, found 'pro'; write 'pro' before --control",
    ),
    (("send", "3333"), " send", "the following arguments are required: CALLBACK"),
    (("do",), " do", "the following arguments are required: COMMAND=VALUE"),
    (
        ("run", "--color", "red"),
        " run",
        "--color: expected one of auto, always, never, found 'red'",
    ),
]


@for_each(("words", "command", "problem"), WRONG, ids=str)
def test_an_error_names_the_help_of_its_command(
    words: tuple[str, ...], command: str, problem: str
) -> None:
    ended = cli_here(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"invis-sim{command}: {problem} (see invis-sim{command} --help)\n"


def interleaved() -> Iterator[tuple[str, list[str]]]:
    """Commands with several arguments, and words with an option behind each of them."""
    for name, command in COMMANDS.items():
        words = [
            one.words[0] if one.words else "localhost" if one.metavar == "HOST" else "1"
            for one in command.placed
        ]
        if len(words) > 1 or name in ("check", "do"):
            words = words if len(words) > 1 else [*words, *words]
            yield name, [part for word in words for part in (word, "--color", "never")]


@for_each(("name", "words"), [*interleaved()], ids=str)
def test_options_may_stand_between_arguments(name: str, words: list[str]) -> None:
    args = make_parser().parse_args([name, *words])
    given = [value for value in vars(args).values() if value not in ("never", None)]
    every = [str(one) for value in given for one in (value if isinstance(value, list) else [value])]
    assert {word for word in words if not word.startswith("--")} - {"never"} <= set(every)


def test_a_scenario_may_follow_an_option() -> None:
    args = make_parser().parse_args(["compare", "192.168.1.20", "--json", "pro"])
    assert (args.host, args.json, args.scenario) == ("192.168.1.20", True, "pro")


# Colours


def test_help_is_coloured_where_the_user_wants_it() -> None:
    plain = output("run", "--help")
    assert "\x1b" not in plain  # which is a file here
    for words in (["--color", "always", "run"], ["run", "--color=always"]):
        colored = output(*words, "--help")
        assert "\x1b[1musage:\x1b[0m invis-sim run" in colored
        assert "\n  \x1b[36m--sn SN\x1b[0m " in colored
        assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain


def test_errors_are_coloured_where_the_user_wants_it(tmp_path: Path) -> None:
    for words in (
        ("run", "--color", "always", "x", "y"),
        ("check", str(tmp_path), "--color=always"),
    ):
        assert cli_here(*words).stderr.startswith("\x1b[1;31minvis-sim")


@pytest.mark.parametrize(
    ("environment", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
    ],
    ids=str,
)
def test_the_environment_decides_where_no_option_does(
    environment: dict[str, str], terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    choose_color(["run"])
    assert paint_for(stream).on is expected
    for choice in ("always", "never"):
        choose_color(["run", "--color", choice])
        assert paint_for(stream).on is (choice == "always")
    choose_color([])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
