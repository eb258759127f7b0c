"""`key_lines` says on which line each key of a TOML document stands."""

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.scenario.toml_positions import key_lines
from invis_sim.schema.fields import Path
from tests.cases import for_each

SCENARIO = r"""# An outlet whose third answer is late.
name = "late"  # [not.a.header]

[firmware.IM]
version = "1.2.3"

[[faults]]
kind = "delay"

[[faults]]
kind = "drop"
when.command = "get_state"
when.nth = [1]

[[faults]]  # the last one
kind = 'delay'
[faults.when]
command = '''
[faults]
kind = "decoy"
'''''
nth = [
    3,  # ] not the end

    { first = 5, last = 7, except = [
        6,
    ], },
]
"""


def test_keys_and_table_headers_are_located() -> None:
    lines = key_lines(SCENARIO)
    assert lines["name",] == 2
    assert lines["firmware", "IM"] == lines["firmware",] == 4
    assert lines["firmware", "IM", "version"] == 5


def test_each_element_of_an_array_of_tables_stands_at_its_own_header() -> None:
    lines = key_lines(SCENARIO)
    assert lines["faults",] == 7
    assert [lines["faults", index] for index in range(3)] == [7, 10, 15]
    assert [lines["faults", index, "kind"] for index in range(3)] == [8, 11, 16]


def test_a_sub_table_belongs_to_the_last_element() -> None:
    lines = key_lines(SCENARIO)
    assert lines["faults", 2, "when"] == 17
    assert lines["faults", 2, "when", "command"] == 18
    assert ("faults", 0, "when") not in lines


def test_a_dotted_key_mentions_the_tables_on_its_way_and_the_first_mention_counts() -> None:
    lines = key_lines(SCENARIO)
    assert lines["faults", 1, "when"] == lines["faults", 1, "when", "command"] == 12
    assert lines["faults", 1, "when", "nth"] == lines["faults", 1, "when", "nth", 0] == 13


def test_what_follows_a_multi_line_string_is_counted_right() -> None:
    assert key_lines(SCENARIO)["faults", 2, "when", "nth"] == 22


def test_elements_and_inline_tables_over_several_lines_are_located() -> None:
    lines = key_lines(SCENARIO)
    nth = ("faults", 2, "when", "nth")
    assert lines[*nth, 0] == 23
    assert lines[*nth, 1] == lines[*nth, 1, "first"] == lines[*nth, 1, "except"] == 25
    assert lines[*nth, 1, "except", 0] == 26


def test_nothing_but_what_the_document_says_is_located() -> None:
    assert set(key_lines(SCENARIO)) == {path for path, _ in contents(tomli.loads(SCENARIO))}


@for_each("text", ["", "\n\n", "# only a comment", "  \r\n\t# and no newline"])
def test_a_document_without_keys_has_only_its_root_on_line_one(text: str) -> None:
    assert key_lines(text) == {(): 1}


@for_each(
    ("written", "key"),
    [
        ("bare-key_1", "bare-key_1"),
        ("3", "3"),
        ('""', ""),
        ("''", ""),
        ('"a.b = [c] # d"', "a.b = [c] # d"),
        (r"'C:\new'", r"C:\new"),
        (r'"\"\\\e\x41\u00e9\U0001F50C"', '"\\\x1bAé\U0001f50c'),
    ],
)
@for_each("shape", ["\n{} = 1", "\n\t[ {} ]", "\n[[{}]]", "\n{} . x=1", "\n[{}.x]"])
def test_a_key_is_known_by_what_it_means_however_it_is_quoted(
    written: str, key: str, shape: str
) -> None:
    assert key_lines(shape.format(written))[key,] == 2


@for_each(
    "value",
    [
        '"""\n[x]\ny = 1 \\" \\\n"" ]\n"""""',
        "'''\n[x]\ny = 1 \\\n'' ]\n'''''",
        '"""\n\n\n"\n\\\\"""',
        "[\n[],\n[[]],\n{}]",
        "{ # }\n a.b = 1,\n a.c = '}',\n}",
    ],
)
def test_a_value_over_five_lines_does_not_disturb_the_next_key(value: str) -> None:
    lines = key_lines(f"value = {value}\nnext = 1")
    assert lines["next",] == 2 + value.count("\n")
    assert ("x",) not in lines
    assert ("y",) not in lines


@for_each("value", ["-1.5e+3", "+inf", "1979-05-27 07:32:00.5-07:00", "07:32", "0xAF"])
def test_numbers_and_dates_count_as_one_element(value: str) -> None:
    text = f"a = [{value},\n{value}\n]"
    assert key_lines(text) == {(): 1, ("a",): 1, ("a", 0): 1, ("a", 1): 2}


def test_only_newlines_make_lines() -> None:
    text = "a = '\u2028\x85'\r\nb = '''\r\n\r\n'''\r\nc = 1"
    assert key_lines(text) == {(): 1, ("a",): 1, ("b",): 2, ("c",): 5}


@pytest.mark.parametrize(
    ("opening", "closing"), [("[\n", "]"), ("{\na = ", "}"), ("[{a = [\n", "]}]")]
)
def test_values_nested_as_deep_as_the_parser_follows_are_located(
    opening: str, closing: str
) -> None:
    texts = (f"a = {opening * depth}1{closing * depth}" for depth in range(500, 0, -1))
    deepest = next(text for text in texts if is_followed(text))
    assert set(key_lines(deepest)) == {path for path, _ in contents(tomli.loads(deepest))}


def is_followed(text: str) -> bool:
    try:
        tomli.loads(text)
    except RecursionError:
        return False
    return True


def contents(document: Any) -> Iterator[tuple[Path, Any]]:
    """Everything in a parsed document, itself included, with the path that leads there."""
    pending: list[tuple[Path, Any]] = [((), document)]
    while pending:
        path, value = pending.pop()
        yield path, value
        if isinstance(value, dict):
            pending.extend(((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            pending.extend(((*path, index), inner) for index, inner in enumerate(value))


SPELLINGS = {
    "plain": ("plain", '"plain"', "'plain'", r'"\x70lain"'),
    "7": ("7", '"7"'),
    "": ('""', "''"),
    "[[a.b]]": ('"[[a.b]]"', "'[[a.b]]'"),
    'x = "#': (r'"x = \"#"', "'x = \"#'"),
    "é\\": (r'"é\\"', r'"\u00e9\\"', "'é\\'"),
}
"""The keys of random documents, with the ways in which they are written."""

SCALARS = (
    "@",
    '"@ [x] # no comment"',
    "'@ = }'",
    '"""@\n[plain]\nplain = \'\'\'\n \\""" ]\n\\\\"""""',
    "'''@\n[[plain]]\n7 = [ # \\\n\"\"\" ''''",
)
"""Values of random documents. `@` is where each says on which line it stands."""


class Writer:
    """Writes random TOML documents that are valid."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def any_of(self, *choices: str) -> str:
        return self.draw(st.sampled_from(choices))

    def shuffled(self, items: list[str]) -> list[str]:
        return self.draw(st.permutations(items))

    def names(self) -> list[str]:
        return self.draw(st.lists(st.sampled_from(list(SPELLINGS)), unique=True, max_size=3))

    def key(self, path: tuple[str, ...]) -> str:
        return self.any_of(".", " . ").join(self.any_of(*SPELLINGS[name]) for name in path)

    def pairs(self, path: tuple[str, ...], depth: int) -> list[str]:
        """A key with its value, or several dotted keys that have `path` in common."""
        if depth and self.any_of("plain", "dotted") == "dotted":
            return [pair for name in self.names() for pair in self.pairs((*path, name), depth - 1)]
        return [f"{self.key(path)} = {self.value(depth)}"]

    def value(self, depth: int) -> str:
        kind = self.any_of("scalar", "array", "table") if depth else "scalar"
        if kind == "array":
            size = self.draw(st.integers(0, 3))
            return self.inline("[", [self.value(depth - 1) for _ in range(size)], "]")
        if kind == "table":
            pairs = [pair for name in self.names() for pair in self.pairs((name,), depth - 1)]
            return self.inline("{", self.shuffled(pairs), "}")
        return self.any_of(*SCALARS)

    def inline(self, opening: str, items: list[str], closing: str) -> str:
        tokens = [opening, *(token for item in items for token in (item, ","))]
        if items and self.any_of("trailing comma", "none") == "none":
            tokens.pop()
        return "".join(token + self.gap() for token in tokens) + closing

    def gap(self) -> str:
        return self.any_of("", " ", "\n", "\n\t", " # ], }\n\n  ")

    def line(self, content: str) -> str:
        return self.any_of("", "\t") + content + self.any_of("\n", " # [x]\n", "\n\n# '''\n")

    def table(self, path: tuple[str, ...], depth: int) -> str:
        """A table with its header, before or after the tables below it, or without when it can."""
        own, below = self.body(path, depth)
        header = self.line(f"[{self.key(path)}]")
        shortest = header + own + below if own else below
        return self.any_of(header + own + below, below + header + own, shortest)

    def element(self, path: tuple[str, ...], depth: int) -> str:
        """An element of an array of tables, with the tables below it."""
        own, below = self.body(path, depth)
        return self.line(f"[[{self.key(path)}]]") + own + below

    def body(self, path: tuple[str, ...], depth: int) -> tuple[str, str]:
        """What stands right in the table at `path`, and the tables below it."""
        pairs: list[str] = []
        below = ""
        for name in self.names():
            kind = self.any_of("pair", "table", "array") if depth else "pair"
            if kind == "pair":
                pairs += self.pairs((name,), 2)
            elif kind == "table":
                below += self.table((*path, name), depth - 1)
            else:
                for _ in range(self.draw(st.integers(1, 3))):
                    below += self.element((*path, name), depth - 1)
        return "".join(self.line(pair) for pair in self.shuffled(pairs)), below


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = "".join(Writer(draw).body((), 2))
    numbered = (line.replace("@", str(at)) for at, line in enumerate(text.split("\n"), 1))
    return draw(st.sampled_from(("\n", "\r\n"))).join(numbered)


@given(documents())
def test_whatever_a_document_says_is_found_on_the_line_that_says_it(text: str) -> None:
    written = text.split("\n")
    lines = key_lines(text)
    said = dict(contents(tomli.loads(text)))
    assert set(lines) == set(said)
    for path, value in said.items():
        line = lines[path]
        if isinstance(value, int | str):
            assert line == int(str(value).split()[0]), path
        if path:
            assert line >= lines[path[:-1]], path
            step = path[-1]
            spellings = SPELLINGS[step] if isinstance(step, str) else ("[", "{", str(line))
            assert any(spelling in written[line - 1] for spelling in spellings), path
