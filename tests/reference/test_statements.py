"""The table of statements, `STATEMENTS.md`: it is about the whole reference, and names tests that
exist.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from invis_sim.protocol.callbacks import Callback
from tests.cases import for_each

TESTS = Path(__file__).parent.parent

OPEN_QUESTIONS = range(1, 28)
"""The numbers of the questions that the reference leaves open."""


class Statement(NamedTuple):
    """section: of the reference. text: what it says, in a few words. tests: `file::function`."""

    section: str
    text: str
    tests: list[str]


def statements() -> list[Statement]:
    """The rows of the tables."""
    found: list[Statement] = []
    section = ""
    for line in (Path(__file__).parent / "STATEMENTS.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and line != "| statement | tests |":
            text, tests = line.removeprefix("| ").removesuffix(" |").split(" | ")
            found.append(Statement(section, text, re.findall(r"`([^`]+)`", tests)))
    return found


STATEMENTS = statements()


@cache
def functions(file: str) -> frozenset[str]:
    """The names of the tests in a file."""
    return frozenset(re.findall(r"^def (\w+)", (TESTS / file).read_text("utf-8"), re.MULTILINE))


@for_each("file", sorted({name.split("::")[0] for one in STATEMENTS for name in one.tests}))
def test_every_test_that_is_named_exists(file: str) -> None:
    named = (name.split("::") for one in STATEMENTS for name in one.tests)
    missing = {function for path, function in named if path == file} - functions(file)
    assert not missing


def test_each_statement_is_there_once_and_has_a_test() -> None:
    keys = [(one.section, one.text) for one in STATEMENTS]
    assert len(keys) == len(set(keys))
    assert all(one.tests for one in STATEMENTS)


def test_the_table_is_about_every_callback_and_every_open_question() -> None:
    sections = {one.section for one in STATEMENTS}
    callbacks = {int(found[0]) for section in sections if (found := re.match(r"\d+", section))}
    assert callbacks >= {int(callback) for callback in Callback}
    questions = [one.text for one in STATEMENTS if one.section == "Open questions"]
    assert [int(text.split()[0]) for text in questions] == [*OPEN_QUESTIONS]
