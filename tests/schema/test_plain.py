"""What is plain data, and what is JSON."""

import copy
import json
import math
import pickle
from collections import OrderedDict
from datetime import date, time
from enum import IntEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol import json_structure
from invis_sim.schema.plain import MAX_DEPTH, NotPlain, to_json, to_plain
from tests.cases import for_each

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class Number(IntEnum):
    ONE = 1


class Inner(msgspec.Struct, frozen=True):
    pair: tuple[int, int] = (0, 0)


class Outer(msgspec.Struct, frozen=True, rename={"inner": "in"}):
    needed: int
    inner: Inner = Inner()
    text: str = "as usual"


@given(json_values)
def test_json_is_what_an_encoder_and_a_parser_leave_as_it_is(value: Any) -> None:
    assert to_json(value) == json.loads(json.dumps(value))
    assert to_plain(value) == to_json(value)


@for_each(
    ("value", "place"),
    [
        (math.nan, ()),
        ([math.inf], (0,)),
        ({"a": [1, date(2024, 1, 1)]}, ("a", 1)),
        ((1, time(12)), (1,)),
        (Outer(1), ()),
        ({"a": {1, 2}}, ("a",)),
        (b"bytes", ()),
        ({"a": {1: 2}}, ("a",)),
        (object(), ()),
        (Outer, ()),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(value: Any, place: tuple[Any, ...]) -> None:
    with pytest.raises(NotPlain, match=r"^expected .*, found ") as raised:
        to_json(value, ("top",))
    assert raised.value.path == ("top", *place)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.path, again.message) == (raised.value.path, raised.value.message)
    assert copy.copy(raised.value).path == raised.value.path


@for_each("value", [b"bytes", {1, 2}, frozenset(), 1j, object(), {1: 2}, Outer])
def test_what_only_an_encoder_takes_for_data_is_no_plain_data(value: Any) -> None:
    with pytest.raises(NotPlain, match=r"^expected (plain data|text as a key), found "):
        to_plain([value])


def test_dates_infinity_and_structs_are_plain_data() -> None:
    value = {"day": date(2024, 1, 1), "at": time(12), "much": math.inf}
    assert to_plain(value) == value
    assert to_plain((Outer(1, Inner((1, 2))),)) == [{"needed": 1, "in": {"pair": [1, 2]}}]


def test_of_a_struct_what_is_as_by_default_is_omitted() -> None:
    assert to_plain(Outer(1)) == {"needed": 1}


def test_mappings_and_numbers_of_other_types_are_data_too() -> None:
    assert to_json(OrderedDict(a=Number.ONE)) == {"a": 1}


def test_what_is_nested_too_deep_is_refused_even_without_an_end() -> None:
    def nested(depth: int) -> list[Any]:
        tree: list[Any] = []
        for _ in range(depth - 1):
            tree = [tree]
        return tree

    endless: list[Any] = []
    endless.append(endless)
    assert to_json(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    for value in (nested(MAX_DEPTH + 1), nested(5000), endless):
        for convert in (to_json, to_plain):
            with pytest.raises(NotPlain, match=f"^nested deeper than the {MAX_DEPTH} levels"):
                convert(value)


def test_a_value_may_be_nested_as_deep_as_a_packet() -> None:
    assert MAX_DEPTH == json_structure.MAX_DEPTH
