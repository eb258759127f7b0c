"""Types, values and paths in words."""

import datetime
from typing import Annotated, Any, Literal

import msgspec

from invis_sim.schema.describe import (
    choices,
    describe,
    did_you_mean,
    format_path,
    format_value,
    locate_error,
    quote,
    to_toml_text,
    type_errors,
)
from invis_sim.schema.fields import Path
from tests.cases import for_each


class Led(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Written as a list."""

    state: int = 0
    color: tuple[int, int] = (0, 0)


class Table(msgspec.Struct, rename={"word": "pass"}):
    """Written as a table."""

    word: str = ""
    number: int = 0


Percent = Annotated[int, msgspec.Meta(ge=0, le=100, description="Percent.")]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z]+$", description="A name: small letters.")]


@for_each(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (Percent, "a whole number from 0 to 100 (percent)"),
        (Annotated[int, msgspec.Meta(ge=0, le=1)], "0 or 1"),
        (Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)], "a whole number from -2^53 to 2^53"),
        (Annotated[float, msgspec.Meta(gt=0, le=1e9)], "a number above 0 up to 1e9"),
        (Annotated[float, msgspec.Meta(lt=1.5)], "a number below 1.5"),
        (str, "text"),
        (Annotated[str, msgspec.Meta(min_length=1)], "text that is not empty"),
        (Annotated[str, msgspec.Meta(max_length=5)], "text of at most 5 characters"),
        (Annotated[str, msgspec.Meta(min_length=1, max_length=5)], "text of 1 to 5 characters"),
        (Name, "a name: small letters"),
        (Literal["a"], '"a"'),
        (Literal["a", "b"], 'one of "a", "b"'),
        (tuple[int, int], "a list of 2, each a whole number"),
        (tuple[int, str], "a list of 2: a whole number, text"),
        (tuple[int, ...], "a list of which each is a whole number"),
        (int | tuple[int, ...] | None, "a whole number or a list of these"),
        (int | float, "a number"),
        (Led, "a list [state, color]"),
        (Table, "a table (keys: pass, number)"),
        (int | Table, "a whole number or a table (keys: pass, number)"),
        (dict[str, Any], "a table"),
    ],
)
def test_a_type_is_described_in_words(annotation: Any, words: str) -> None:
    assert describe(msgspec.inspect.type_info(annotation)) == words


def test_choices_are_the_words_of_a_type() -> None:
    info = msgspec.inspect.type_info(Literal["a", "b"] | int | None)
    assert choices(info) == ["a", "b"]


@for_each(
    ("word", "known", "hint"),
    [
        ("luxx", ["lux", "gas"], "; did you mean 'lux'?"),
        ("mac", ["MAC"], "; did you mean 'MAC'?"),
        ("xyz", ["lux"], ""),
        (3, ["3"], ""),
    ],
)
def test_a_word_that_resembles_a_known_one_is_hinted(
    word: object, known: list[str], hint: str
) -> None:
    assert did_you_mean(word, known) == hint


@for_each(
    ("value", "text"),
    [
        (True, "true"),
        (1.5, "1.5"),
        ("é\n", '"é\\n"'),
        ({}, "a table"),
        ([1, [2], {}], "[1, a list, a table]"),
        ([1] * 6, "[1, 1, 1, 1, 1, …]"),
        (10**400, "a number of more than sixty digits"),
        (datetime.date(1979, 5, 27), "1979-05-27"),
    ],
)
def test_a_value_is_shown_as_toml_has_it(value: object, text: str) -> None:
    assert format_value(value) == text


def test_long_text_is_shortened() -> None:
    assert quote("x" * 80) == f'"{"x" * 80}"'
    assert quote("x" * 81) == f'"{"x" * 79}…"'


def test_a_value_in_one_line_has_all_that_is_in_it() -> None:
    value = {"a b": [1, {"c": True}], "d": {}, "e": Table(word="x")}
    assert (
        to_toml_text(value)
        == '{ "a b" = [1, { c = true }], d = {}, e = { pass = "x", number = 0 } }'
    )


@for_each(
    ("path", "text"),
    [
        ((), ""),
        (("faults", 2, "when", "nth"), "faults[2].when.nth"),
        (("a b", "é", ""), '"a b"."é".""'),
        ((0, "x"), "[0].x"),
    ],
)
def test_a_path_is_shown_as_toml_has_it(path: Path, text: str) -> None:
    assert format_path(path) == text


@for_each(
    ("message", "path", "rest"),
    [
        ("nth: must be odd", ("nth",), "must be odd"),
        ("nth is odd", ("nth",), "nth is odd"),
        ("so with when.packet = 1", ("when", "packet"), "so with when.packet = 1"),
        ("so with when.other = 1", ("when",), "so with when.other = 1"),
        ("nothing that is there", (), "nothing that is there"),
    ],
)
def test_an_error_of_a_struct_is_at_the_key_it_names(message: str, path: Path, rest: str) -> None:
    table = {"nth": 1, "when": {"packet": 2}}
    assert locate_error(message, table) == (path, rest)


@for_each(
    ("value", "annotation", "errors"),
    [
        (1, int, []),
        (True, int, [((), "expected a whole number, found true")]),
        ([1, "x"], tuple[int, ...], [((1,), 'expected a whole number, found "x"')]),
        (
            ["x", [1, "y"]],
            Led,
            [
                ((0,), 'state: expected a whole number, found "x"'),
                ((1, 1), 'color: expected a whole number, found "y"'),
            ],
        ),
        ([1], tuple[int, int], [((), "expected a list of 2, each a whole number, found [1]")]),
        ([1, [1, 1], 1], Led, [((), "expected a list [state, color], found [1, a list, 1]")]),
    ],
)
def test_errors_are_at_the_elements_that_are_wrong(
    value: object, annotation: Any, errors: list[tuple[Path, str]]
) -> None:
    assert type_errors(value, annotation) == errors


def test_what_was_found_may_be_shown_in_another_way() -> None:
    assert type_errors([None], tuple[int, ...], ("x",), lambda _: "null") == [
        (("x", 0), "expected a whole number, found null")
    ]
