"""Plain data becomes a value, or all that is wrong with it; with a base, it is a patch."""

import datetime
import subprocess
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.state import OutletState
from invis_sim.schema.build import MAX_HINTS, Builder, Problem, Rules, build, build_list
from invis_sim.schema.fields import Path, fields
from tests.cases import for_each
from tests.faults.random_structs import structs
from tests.scenario.random_scenarios import spoil, without_none


class Inner(msgspec.Struct, frozen=True, kw_only=True, rename={"word": "pass"}):
    """A table in a table."""

    low: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    high: int = 9
    word: str = ""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high})")


class Needy(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a key that must be given."""

    start: int
    step: int = 1


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """A table with tables."""

    count: int = 0
    inner: Inner = Inner()
    maybe: Inner | None = None
    drift: int | Needy = 0
    items: tuple[Needy, ...] = ()
    color: Literal["red", "green"] = "red"
    pair: tuple[int, int] = (0, 0)


def messages(problems: list[Problem]) -> list[str]:
    return [str(problem) for problem in problems]


# A value or all problems


def test_plain_data_becomes_a_value() -> None:
    plain = {
        "count": 3,
        "inner": {"low": 2, "pass": "x"},
        "drift": {"start": 5},
        "items": [{"start": 1}, {"start": 2, "step": 3}],
        "pair": [1, 2],
    }
    assert build(Outer, plain) == (
        Outer(
            count=3,
            inner=Inner(low=2, word="x"),
            drift=Needy(start=5),
            items=(Needy(start=1), Needy(start=2, step=3)),
            pair=(1, 2),
        ),
        [],
    )


def test_every_problem_is_found_with_its_path() -> None:
    plain = {
        "cuont": 1,
        "inner": {"low": 10, "password": "x"},
        "drift": {},
        "items": [{"start": "x"}, 3],
        "color": "gren",
        "pair": [1, "x"],
    }
    value, problems = build(Outer, plain, path=("top",))
    assert value is None
    assert messages(problems) == [
        "top.cuont: unknown key; did you mean 'count'?",
        "top.inner.password: unknown key; did you mean 'pass'?",
        "top.inner.low: expected a whole number from 0 to 9, found 10",
        "top.drift: start is missing; expected a whole number",
        'top.items[0].start: expected a whole number, found "x"',
        "top.items[1]: expected a table, found 3",
        'top.color: expected one of "green", "red", found "gren"; did you mean \'green\'?',
        'top.pair[1]: expected a whole number, found "x"',
    ]


def test_a_misspelt_key_is_not_missing_as_well() -> None:
    assert messages(build(Needy, {"strat": 1})[1]) == ["strat: unknown key; did you mean 'start'?"]
    assert messages(build(Needy, {"xyz": 1})[1]) == [
        "xyz: unknown key; known here: start, step",
        "start is missing; expected a whole number",
    ]


def test_of_very_many_unknown_keys_the_first_get_a_hint() -> None:
    found = messages(build(Needy, {f"k{n}": 1 for n in range(100)} | {"start": 1})[1])
    assert found[MAX_HINTS - 1 : MAX_HINTS + 1] == [
        f"k{MAX_HINTS - 1}: unknown key; known here: start, step",
        f"k{MAX_HINTS}: unknown key",
    ]
    assert len(found) == 100


def test_what_the_struct_itself_finds_is_at_the_key_it_names() -> None:
    (problem,) = build(Outer, {"inner": {"low": 5, "high": 4}})[1]
    assert problem == Problem(("inner", "low"), "low (5) is above high (4)")


@for_each(
    ("annotation", "plain", "message"),
    [
        (Outer, [{}], "x: expected a table, found [a table]; write [x], not [[x]]"),
        (Outer, None, "x: expected a table, found None"),
        (tuple[Needy, ...], {}, "x: expected a list of tables, found a table; write [[x]]"),
        (tuple[Needy, ...], 3, "x: expected a list of tables, found 3"),
        (Outer, object(), "x: expected plain data, found object"),
        (int, object(), "x: expected plain data, found object"),
        (float, float("nan"), "x: expected a finite number, found nan"),
        (str, datetime.date(1979, 5, 27), "x: expected text, found 1979-05-27"),
    ],
)
def test_data_of_another_form_is_a_problem(annotation: Any, plain: Any, message: str) -> None:
    assert messages(build(annotation, plain, path=("x",))[1]) == [message]


def test_a_struct_is_taken_as_its_plain_data_and_checked() -> None:
    assert build(Outer, Outer(count=2)) == (Outer(count=2), [])
    assert messages(build(Outer, {"inner": Inner(low=-1)})[1]) == [
        "inner.low: expected a whole number from 0 to 9, found -1"
    ]
    assert build(Outer, MappingProxyType({"inner": MappingProxyType({"low": 1})}))[0] == Outer(
        inner=Inner(low=1)
    )


def test_a_list_may_be_omitted_where_it_is_optional() -> None:
    assert build(tuple[Needy, ...] | None, None) == (None, [])
    assert build(tuple[Needy, ...] | None, [{"start": 1}]) == ((Needy(start=1),), [])


def test_elements_that_are_not_valid_leave_their_places() -> None:
    value, problems = build_list(Needy, [{"start": 1}, {}, Needy(start=3)])
    assert value == (Needy(start=1), None, Needy(start=3))
    assert messages(problems) == ["[1]: start is missing; expected a whole number"]


def test_a_struct_type_may_be_made_of_parts() -> None:
    step = msgspec.defstruct(
        "step",
        [("at", int | None, None), ("set", Inner | None, None), ("go", bool | Needy, False)],
        kw_only=True,
        frozen=True,
    )
    assert build(step, {"at": 1, "go": {"start": 2}}) == (step(at=1, go=Needy(start=2)), [])
    assert messages(build(step, {"at": "x", "set": {"low": 10}, "to": 1})[1]) == [
        "to: unknown key; known here: at, set, go",
        'at: expected a whole number, found "x"',
        "set.low: expected a whole number from 0 to 9, found 10",
    ]


# Patches


def test_a_patch_changes_what_it_mentions_and_nothing_else() -> None:
    base = Outer(count=1, inner=Inner(low=1, word="x"), maybe=Inner(high=3))
    patch = {"inner": {"low": 2}, "maybe": {"low": 3}, "drift": {"start": 1}}
    assert build(Outer, patch, base=base) == (
        Outer(
            count=1,
            inner=Inner(low=2, word="x"),
            maybe=Inner(low=3, high=3),
            drift=Needy(start=1),
        ),
        [],
    )
    assert base == Outer(count=1, inner=Inner(low=1, word="x"), maybe=Inner(high=3))


def test_a_struct_in_a_patch_replaces_the_whole_table() -> None:
    base = Outer(inner=Inner(low=1, word="x"))
    assert build(Outer, {"inner": Inner(low=2)}, base=base)[0] == Outer(inner=Inner(low=2))


def test_a_table_that_is_optional_can_be_made_changed_and_removed() -> None:
    made = build(Outer, {"maybe": {"low": 1}}, base=Outer())[0]
    changed = build(Outer, {"maybe": {"high": 2}}, base=made)[0]
    assert changed.maybe == Inner(low=1, high=2)
    assert build(Outer, {"maybe": None}, base=changed)[0] == Outer()


def test_a_patch_need_not_repeat_keys_that_must_be_given() -> None:
    assert build(Needy, {"step": 3}, base=Needy(start=7))[0] == Needy(start=7, step=3)
    assert build(Outer, {"drift": {"step": 3}}, base=Outer(drift=Needy(start=7)))[0] == Outer(
        drift=Needy(start=7, step=3)
    )


def test_a_patch_may_not_go_together_with_the_base() -> None:
    assert messages(build(Outer, {"inner": {"low": 5}}, base=Outer(inner=Inner(high=4)))[1]) == [
        "inner.low: low (5) is above high (4)"
    ]


def test_every_problem_of_a_patch_is_found() -> None:
    assert messages(build(Outer, {"inner": {"low": -1}, "pair": [1], "x": 1}, base=Outer())[1]) == [
        "x: unknown key; known here: count, inner, maybe, drift, items, color, pair",
        "inner.low: expected a whole number from 0 to 9, found -1",
        "pair: expected a list of 2, each a whole number, found [1]",
    ]


def merged(base: msgspec.Struct, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The plain data of the base with that of the patch in it."""
    plain: dict[str, Any] = {}
    for key, field in fields(type(base)).items():
        old = getattr(base, field.name)
        new = patch.get(key)
        if isinstance(old, msgspec.Struct) and isinstance(new, Mapping):
            plain[key] = merged(old, new)
        else:
            plain[key] = new if key in patch else msgspec.to_builtins(old)
    return plain | {key: value for key, value in patch.items() if key not in plain}


states = structs(OutletState)


@st.composite
def patches(draw: st.DrawFn) -> dict[str, Any]:
    """Parts of a state as plain data, with junk here and there, or without."""
    plain = without_none(msgspec.to_builtins(draw(states)))
    keys = draw(st.lists(st.sampled_from(sorted(plain)), max_size=3, unique=True))
    patch = {key: plain[key] for key in keys}
    for _ in range(draw(st.integers(0, 2))):
        spoil(draw, patch)
    cleaned: dict[str, Any] = without_none(patch)
    return cleaned


@given(states)
def test_a_struct_is_built_again_from_its_plain_data(state: OutletState) -> None:
    assert build(OutletState, msgspec.to_builtins(state)) == (state, [])


@given(states, patches())
def test_a_patch_of_a_base_makes_what_their_merged_data_makes(
    base: OutletState, patch: dict[str, Any]
) -> None:
    value, problems = build(OutletState, patch, base=base)
    expected, expected_problems = build(OutletState, merged(base, patch))
    assert bool(problems) == bool(expected_problems)
    if not problems:
        assert value == expected


@given(states, patches())
def test_each_problem_is_in_the_data_or_a_key_that_its_table_lacks(
    base: OutletState, patch: dict[str, Any]
) -> None:
    for old in (None, base):
        for problem in build(OutletState, patch, base=old)[1]:
            assert exists(patch, problem.path[:-1]), problem


def exists(plain: Any, path: Path) -> bool:
    for step in path:
        try:
            plain = plain[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


# What annotations do not say


class Odd(Rules):
    """Rules that say something about everything."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def builder(self, annotation: Any) -> Builder | None:
        return self._needy if annotation == int | Needy else None

    def placement_hint(self, key: str, struct: type[msgspec.Struct], value: Any) -> str:
        return f"; it belongs in {value}" if struct is Inner and key == "lost" else ""

    def conflicts(
        self, struct: type[msgspec.Struct], values: Mapping[str, Any]
    ) -> Iterable[tuple[Path, str]]:
        if struct is Outer:
            self.seen.append(dict(values))
            if values.get("count") == 13:
                yield ("count",), "brings bad luck"

    def _needy(self, plain: Any, path: Path) -> tuple[Any, list[Problem]]:
        return (Needy(start=plain), []) if plain else (None, [Problem(path, "must not be 0")])


def test_rules_may_build_a_type_in_another_way() -> None:
    assert build(Outer, {"drift": 4}, rules=Odd()) == (Outer(drift=Needy(start=4)), [])
    assert messages(build(Outer, {"drift": 0}, rules=Odd())[1]) == ["drift: must not be 0"]
    assert build(int | Needy, 4, rules=Odd())[0] == Needy(start=4)


def test_rules_may_know_where_a_key_belongs() -> None:
    plain = {"inner": {"lost": 3, "hihg": 1}, "lost": 1}
    assert messages(build(Outer, plain, rules=Odd())[1]) == [
        "lost: unknown key; known here: count, inner, maybe, drift, items, color, pair",
        "inner.lost: unknown key; it belongs in 3",
        "inner.hihg: unknown key; did you mean 'high'?",
    ]


def test_rules_find_conflicts_even_beside_other_problems() -> None:
    rules = Odd()
    plain = {"count": 13, "inner": {"low": -1}, "items": [{"start": 1}, {}]}
    assert messages(build(Outer, plain, rules=rules, path=("x",))[1]) == [
        "x.inner.low: expected a whole number from 0 to 9, found -1",
        "x.items[1]: start is missing; expected a whole number",
        "x.count: brings bad luck",
    ]
    assert rules.seen == [{"count": 13, "inner": None, "items": (Needy(start=1), None)}]


def test_rules_see_the_values_of_the_base_of_a_patch() -> None:
    rules = Odd()
    assert messages(build(Outer, {"color": "green"}, base=Outer(count=13), rules=rules)[1]) == [
        "count: brings bad luck"
    ]
    assert rules.seen[0]["color"] == "green"


def test_building_loads_nothing_that_only_messages_need() -> None:
    code = (
        "import sys, msgspec; before = set(sys.modules); import invis_sim.schema.build;"
        "print({'difflib', 'inspect', 'dataclasses'} & (set(sys.modules) - before))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
