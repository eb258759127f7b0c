"""What README.md, CONTRIBUTING.md and the guides show is true: each block of code in them is run or
checked.

- ```toml: loads as a scenario, or as a fault where it has a `kind` at its top; a part of a
  pyproject.toml is only parsed.
- ```python: runs, in a process and a folder of its own; with pytest where it has tests, behind the
  fixtures that the same section has shown before.
- ```console: each `$ invis-sim …` is understood. `send` asks an outlet that runs for the test,
  `watch` watches one for a moment, and `do`, `tail`, `clock` and `export` steer one; a file that
  does not exist is the TOML shown last before; all but `run` must end with status 0.

An HTML comment just above a block says what else it is: `<!-- tests/examples/… -->`: the same as
that file, which is tested there. `<!-- not run -->`: a sketch. `<!-- status N -->`: its commands
end with this status.
"""

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from invis_sim.cli import CliError, _parser, main
from invis_sim.cli.run import load_scenario, with_options
from invis_sim.device.state import Quirks
from invis_sim.scenario import Scenario, parse
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cli.process import cli
from tests.support import TIMEOUT

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "invis_sim/guides/gauntlet.md",
    "invis_sim/guides/send-us-your-outlet.md",
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    document, line: where its text begins; lines from 1.
    remark: what the HTML comment above it says; "" if there is none.
    section: the number of headings before it.
    """

    document: str
    line: int
    language: str
    text: str
    remark: str
    section: int

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


_FENCE = re.compile(
    r"(?:^ *<!-- *(?P<remark>[^\n]*?) *-->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(document: str, text: str) -> Iterator[Block]:
    """The blocks of code in a text of Markdown."""
    headings = 0
    position = 0
    for match in _FENCE.finditer(text):
        headings += len(re.findall(r"^#+ ", text[position : match.start()], re.MULTILINE))
        position = match.end()
        yield Block(
            document,
            text.count("\n", 0, match.start("text")) + 1,
            match["language"],
            textwrap.dedent(match["text"]),
            match["remark"] or "",
            headings,
        )


ALL = [
    block
    for document in DOCUMENTS
    if (ROOT / document).exists()
    for block in blocks(document, (ROOT / document).read_text(encoding="utf-8"))
]


def shown(language: str) -> list[Block]:
    """The blocks in a language that are to be run or checked."""
    return [block for block in ALL if block.language == language and block.remark != "not run"]


def is_file(block: Block) -> bool:
    return block.remark.startswith("tests/")


# Files


@pytest.mark.parametrize("block", [b for b in ALL if is_file(b)], ids=str)
def test_a_block_that_shows_a_file_is_that_file(block: Block) -> None:
    assert block.text == (ROOT / block.remark).read_text(encoding="utf-8")


def test_every_remark_above_a_block_is_understood() -> None:
    remarks = {block.remark for block in ALL if block.remark and not is_file(block)}
    assert [r for r in remarks if not re.fullmatch(r"not run|status [0-9]+", r)] == []


# TOML


@pytest.mark.parametrize("block", shown("toml"), ids=str)
def test_a_toml_block_is_a_scenario_or_a_fault(block: Block) -> None:
    check_toml(block)


def check_toml(block: Block) -> None:
    document = tomllib.loads(block.text) if "[project" in block.text else {}
    if not document.keys() & {"project", "tool", "build-system", "dependency-groups"}:
        assert isinstance(parse(as_scenario(block.text), str(block)), Scenario)


def as_scenario(text: str) -> str:
    """The text of a scenario file that has what the text shows."""
    return f"[[faults]]\n{text}" if re.search(r"\A\s*(?:#.*\n\s*)*(name|kind) *=", text) else text


# Python


def has_tests(block: Block) -> bool:
    return re.search(r"^\s*(async )?def test_", block.text, re.MULTILINE) is not None


def fixtures_before(block: Block) -> str:
    """The fixtures that the same section of the document has shown before."""
    return "\n".join(
        other.text
        for other in ALL
        if (other.document, other.section, other.language)
        == (block.document, block.section, "python")
        and other.line < block.line
        and "fixture" in other.text
        and not has_tests(other)
    )


@pytest.mark.parametrize("block", [b for b in shown("python") if not is_file(b)], ids=str)
def test_a_python_block_runs(block: Block, tmp_path: Path) -> None:
    run_python(block, tmp_path)


def run_python(block: Block, folder: Path) -> None:
    asynchronous = re.search(r"^async def test_", block.text, re.MULTILINE)
    plugin = "anyio" if "anyio" in block.text else "pytest_asyncio"
    if asynchronous and importlib.util.find_spec(plugin) is None:
        ast.parse(block.text)
        pytest.skip(f"its tests need {plugin}")
    name = "test_example.py" if has_tests(block) else "example.py"
    # Blank lines before it, so that a traceback has the line numbers of the document.
    (folder / name).write_text("\n" * (block.line - 1) + block.text, encoding="utf-8")
    command = [sys.executable, "-W", "error", name]
    if has_tests(block):
        (folder / "conftest.py").write_text(fixtures_before(block), encoding="utf-8")
        options = ["-q", "-p", "no:cacheprovider", "--rootdir", "."]
        command = [sys.executable, "-m", "pytest", *options, name]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * TIMEOUT,  # an example may be a whole run of pytest
    )
    assert done.returncode == 0, f"{block}:\n{done.stdout}{done.stderr}"


# Commands


def commands(block: Block) -> list[list[str]]:
    """The arguments of each `$ invis-sim …`; a command may go on in the next line behind a \\."""
    text = block.text.replace("\\\n", " ")
    found = re.findall(r"^\$ (?:\S*/)?invis-sim +([^\n]*)$", text, re.MULTILINE)
    return [without_the_rest(shlex.split(line, comments=True)) for line in found]


def without_the_rest(words: list[str]) -> list[str]:
    """The words of the command alone: without `&`, `| …` and `> …` behind it."""
    ends = [n for n, word in enumerate(words) if word in ("&", "|", ">", ">>", "&&", ";")]
    return words[: ends[0]] if ends else words


@pytest.mark.parametrize("block", shown("console"), ids=str)
def test_the_commands_of_a_console_block_do_what_they_should(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_commands(block)


def run_commands(block: Block) -> None:
    status = int(block.remark.removeprefix("status ")) if block.remark else 0
    for arguments in commands(block):
        for word in arguments:
            written = arguments[0] == "capture"  # it refuses a file that it did not write
            if word.endswith(".toml") and not (written or Path(word).exists()):
                Path(word).parent.mkdir(parents=True, exist_ok=True)
                Path(word).write_text(scenario_before(block), encoding="utf-8")
        if "--help" in arguments or "--version" in arguments:
            with pytest.raises(SystemExit, match="0"):
                main(arguments)
        elif arguments[0] == "run":
            chosen = _parser().parse_args(arguments)
            assert isinstance(with_options(load_scenario(chosen.scenario), chosen), Scenario)
        elif arguments[0] in ("send", "watch"):
            with start_simulator() as sim:
                command = [
                    address_for(sim, word) if re.search(r"^ws://|:\d+$", word) else word
                    for word in arguments
                ]
                if arguments[0] == "watch":
                    command += ["--seconds", "0.1"]
                done = cli(*command)
                assert done.returncode == status, f"{block}: {command}: {done.stderr}"
        elif arguments[0] in ("proxy", "replay"):  # they run until they are stopped
            _parser().parse_args(arguments)
        elif arguments[0] in ("capture", "compare"):
            with start_simulator() as sim:
                more = ["--yes", "--listen", "0"] if arguments[0] == "capture" else []
                ws_port = urlsplit(sim.ws_url).port
                ports = ["--tcp-port", str(sim.tcp_address[1]), "--ws-port", str(ws_port)]
                there = [arguments[0], sim.tcp_address[0], *arguments[2:], *ports, "--pause", "0"]
                assert main([*there, *more]) == status, f"{block}: {arguments}"
        elif arguments[0] in ("do", "tail", "clock", "export"):
            with start_simulator(control=True) as sim:
                end = ["--seconds", "0.1"] if arguments[0] == "tail" else []
                assert main([*arguments, *end, "--at", sim.control_url]) == status, str(block)
        else:
            assert main(arguments) == status, f"{block}: {arguments}"


def address_for(sim: SimulatorHandle, address: str) -> str:
    """The address of the outlet that runs for the test, in place of the one shown."""
    if address.startswith("ws://"):
        assert urlsplit(address).path == urlsplit(sim.ws_url).path
        return sim.ws_url
    return "{}:{}".format(*sim.tcp_address)


def scenario_before(block: Block) -> str:
    """The TOML that the document has shown last before this block; an empty file if none."""
    before = [b for b in ALL if b.document == block.document and b.line < block.line]
    texts = [as_scenario(b.text) for b in before if b.language == "toml"]
    return texts[-1] if texts else ""


# And that the above notices what is wrong


def block_of(language: str, text: str, remark: str = "") -> Block:
    return Block("README.md", 10, language, text, remark, 1)


def test_blocks_are_found_with_their_lines_remarks_and_sections() -> None:
    text = (
        "# One\n\n```toml\nseed = 1\n```\n\n## Two\n\n- a list\n\n"
        "  <!-- not run -->\n  ```python\n  if x:\n      y()\n  ```\n\n    indented code\n"
    )
    assert list(blocks("f", text)) == [
        Block("f", 4, "toml", "seed = 1\n", "", 1),
        Block("f", 13, "python", "if x:\n    y()\n", "not run", 2),
    ]


@pytest.mark.parametrize("text", ["sede = 1", 'kind = "dealy"', '[[faults]]\nkind = "delay"'])
def test_toml_that_is_wrong_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match=r"README\.md:10"):
        check_toml(block_of("toml", text))


def test_toml_that_is_good_is_accepted() -> None:
    check_toml(block_of("toml", 'seed = 1\n[[faults]]\nkind = "drop"\n'))
    check_toml(block_of("toml", '# late\nkind = "delay"\nseconds = 1\n'))
    check_toml(block_of("toml", '[project.optional-dependencies]\ntest = ["invis-sim"]\n'))


def test_python_that_fails_is_noticed(tmp_path: Path) -> None:
    run_python(block_of("python", "import invis_sim\n"), tmp_path)
    with pytest.raises(AssertionError, match="line 10"):
        run_python(block_of("python", "import invis_simulator\n"), tmp_path)
    with pytest.raises(AssertionError, match="1 failed"):
        run_python(block_of("python", "def test_it():\n    assert 1 == 2\n"), tmp_path)


def test_commands_that_are_wrong_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = (
        "$ invis-sim check good.toml | head\n$ ls\n$ invis-sim run &\n",
        "$ .venv/bin/invis-sim run flaky --fault drop:when.nth=2",
        "$ invis-sim send 127.0.0.1:3333 20  # ask\n{}\n",
        "$ invis-sim do 'push = 9'\n$ invis-sim tail --callback 9\n",
    )
    for text in good:
        run_commands(block_of("console", text))
    run_commands(block_of("console", "$ invis-sim send ws://127.0.0.1:8080/ws 77", "status 1"))
    for command in (
        "run --prot 1",
        "run flakey",
        "send 127.0.0.1 77",
        "faults dealy",
        "chekc",
        "do push=8",
    ):
        with pytest.raises((AssertionError, SystemExit, CliError)):
            run_commands(block_of("console", f"$ invis-sim {command}"))


def test_the_table_of_quirks_in_the_readme_has_each_of_them_once() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (table,) = re.findall(r"\| about \| quirks \|\n\|---\|---\|\n((?:\|.*\n)+)", text)
    shown = re.findall(r"`(\w+)`", re.sub(r"; and .*", "", table))
    assert sorted(shown) == sorted(Quirks.__struct_fields__)
