"""`iter_values` says at which byte each value of a JSON document starts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.json_positions import JsonValue, Key, iter_values, offset_of
from tests.cases import for_each
from tests.faults.random_structs import json_trees

DOCUMENT = (
    '{ "packetID" : -1.5e3,\n\t"é\\"}":["[,]", {}, [], [[null]]],"a":{"b":NaN} ,"a":{"b":1}}'
).encode()


def test_every_value_is_visited_in_the_order_of_the_document() -> None:
    odd = 'é"}'
    assert [(place.path, place.token) for place in iter_values(DOCUMENT)] == [
        ((), b"{"),
        (("packetID",), b"-1.5e3"),
        ((odd,), b"["),
        ((odd, 0), b'"[,]"'),
        ((odd, 1), b"{"),
        ((odd, 2), b"["),
        ((odd, 3), b"["),
        ((odd, 3, 0), b"["),
        ((odd, 3, 0, 0), b"null"),
        (("a",), b"{"),
        (("a", "b"), b"NaN"),
        (("a",), b"{"),
        (("a", "b"), b"1"),
    ]


def test_offsets_are_bytes_and_point_at_the_value() -> None:
    for place in iter_values(DOCUMENT):
        assert DOCUMENT.startswith(place.token, place.offset)
    assert offset_of(DOCUMENT) == 0
    assert offset_of(DOCUMENT, "packetID") == DOCUMENT.index(b"-1.5e3")
    assert offset_of(DOCUMENT, 'é"}', 3, 0, 0) == DOCUMENT.index(b"null")


@given(json_trees, st.sampled_from([None, 1]))
def test_the_offset_of_a_value_is_that_of_its_place(tree: object, indent: int | None) -> None:
    document = json.dumps(tree, indent=indent, ensure_ascii=False).encode(errors="replace")
    newest = {place.path: place.offset for place in iter_values(document)}
    for path, offset in newest.items():
        assert offset_of(document, *path) == offset


def test_of_a_repeated_key_the_last_value_counts() -> None:
    assert offset_of(DOCUMENT, "a", "b") == DOCUMENT.rindex(b"1")
    assert offset_of(DOCUMENT, "a") == DOCUMENT.rindex(b"{")


@for_each("path", [("x",), ("packetID", 0), ('é"}', 4), ("a", 0), (0,)])
def test_what_is_not_there_has_no_offset(path: tuple[Key, ...]) -> None:
    with pytest.raises(LookupError):
        offset_of(DOCUMENT, *path)


@for_each("scalar", ["1", '"a"', "null", "  true ", '""', r'"\\"', r'"\""'])
def test_a_lone_scalar_is_one_place(scalar: str) -> None:
    start = len(scalar) - len(scalar.lstrip())
    assert list(iter_values(scalar.encode())) == [JsonValue((), start, scalar.strip().encode())]


TEXT = st.text('aé\U0001f50c{}[],:"\\\n ', max_size=5)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


def values_in(tree: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """Everything in parsed JSON, itself included, with the path that leads there."""
    yield path, tree
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from values_in(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from values_in(value, (*path, index))


@given(TREES, st.sampled_from((None, 1)), st.booleans(), st.sampled_from((":", " \t:\r\n")))
def test_whatever_a_parser_reads_is_found_where_it_stands(
    tree: Any, indent: int | None, ascii_only: bool, colon: str
) -> None:
    separators = (",", colon)
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only, separators=separators)
    document = text.encode()
    places = list(iter_values(document))
    assert [place.path for place in places] == [path for path, _ in values_in(tree)]
    for place, (path, value) in zip(places, values_in(tree), strict=True):
        rest = document[place.offset :].decode()
        assert json.JSONDecoder().raw_decode(rest)[0] == value
        assert offset_of(document, *path) == place.offset
