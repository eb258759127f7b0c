"""Arguments that are no good: each is refused with its place, and changes nothing."""

from typing import Any

import msgspec

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import Product
from invis_sim.protocol.json_positions import Key
from tests.cases import for_each
from tests.device.support import BROKER, FIRMWARE, an_outlet, expect_failure, handle_request

NO_INTEGERS: tuple[Any, ...] = (
    True,
    False,
    1.0,
    0.5,
    "1",
    None,
    [1],
    {"x": 1},
    10**400,
    -(10**400),
)

GOOD: dict[int, tuple[Product, list[Any], dict[int, tuple[int, int]]]] = {
    10: ("bare", [1, 1], {0: (1, 2), 1: (0, 1)}),
    14: ("pro", [1, 50], {0: (0, 1), 1: (0, 100)}),
    18: ("aura", [5], {0: (5, 5)}),
    21: ("pro", [1, 0], {0: (1, 2), 1: (0, 1)}),
    26: ("pro", [30], {0: (1, 65_535)}),
    27: ("bare", [0], {0: (0, 2)}),
    28: ("pro", [25_000, 50_000], {0: (-40_000, 85_000), 1: (0, 100_000)}),
}
"""Callback → a product that has it, good arguments, and the range of each."""

SHORTEST = {21: 1}
"""How few arguments there may be, where it is not the number of the good ones."""


def an_outlet_for(callback: int) -> Outlet:
    return an_outlet(GOOD[callback][0], firmware=firmware(callback), **BROKER)


def firmware(callback: int) -> dict[str, Any]:
    return FIRMWARE if GOOD[callback][0] != "bare" else {"IM": FIRMWARE["IM"]}


def succeeds(callback: int, args: Any) -> bool:
    reply = handle_request(an_outlet_for(callback), callback, args).reply
    return reply is not None and reply.fields["PUBACK"] == 1


@for_each("callback", GOOD)
def test_each_argument_takes_both_ends_of_its_range_and_nothing_beyond(callback: int) -> None:
    _, good, ranges = GOOD[callback]
    for index, (low, high) in ranges.items():
        for value in (low, high):
            assert succeeds(callback, [*good[:index], value, *good[index + 1 :]])
        for wrong in (low - 1, high + 1, -(10**9), 10**9, *NO_INTEGERS):
            args = [*good[:index], wrong, *good[index + 1 :]]
            expect_failure(an_outlet_for(callback), callback, args, at=("callbackArgs", index))


@for_each("callback", [*GOOD, 17])
def test_too_few_too_many_and_not_an_array_are_rejected(callback: int) -> None:
    good = GOOD[callback][1] if callback in GOOD else [5, 1, [[1, 50, [10, 10]]]]
    outlet = an_outlet_for(callback) if callback in GOOD else an_outlet("aura")
    expect_failure(outlet, callback, msgspec.UNSET, at=())
    longest = 6 if callback == 17 else len(good)
    too_long = [*good, *[1] * 6][: longest + 1]
    too_short = good[: SHORTEST.get(callback, len(good)) - 1]
    for args in (None, True, 1, 1.5, "x", {}, {"0": 1}, [], too_short, too_long, good * 50):
        reason = expect_failure(outlet, callback, args, at=("callbackArgs",))
        assert "expected [" in reason


LED: list[Any] = [1, 50, [10, 20]]
WHITE: list[Any] = [1, 50, 3000]


def beside(entry: list[Any], *path: Key, value: Any) -> list[Any]:
    """An entry with another value at a place."""
    (first, *rest) = path
    assert isinstance(first, int)
    inner = beside(entry[first], *rest, value=value) if rest else value
    return [*entry[:first], inner, *entry[first + 1 :]]


def colour_cases() -> list[tuple[list[Any], tuple[Key, ...]]]:
    """Arguments of callback 17, and where they are wrong."""
    cases: list[tuple[list[Any], tuple[Key, ...]]] = []
    wrong: Any
    no_mode: tuple[Any, ...] = (0, 8, -1, *NO_INTEGERS)
    cases += [([wrong, 1, [LED]], (0,)) for wrong in (4, 6, 7, 9, 0, -5, *NO_INTEGERS)]
    cases += [([5, wrong, [LED]], (1,)) for wrong in no_mode]
    for wrong in (None, 1, "x", {}, [], [LED] * 10):
        cases.append(([5, 1, wrong], (2,)))
        cases.append(([5, 2, wrong], (2,)))
    for leds in ([LED], [LED, LED]):
        last = len(leds) - 1

        def at(entry: Any, leds: list[Any] = leds) -> list[Any]:
            return [*leds[:-1], entry]

        for wrong in (None, 1, "x", {}, [], [1], [1, 50], [*LED, 3000, 1]):
            cases.append(([5, 1, at(wrong)], (2, last)))
            cases.append(([5, 2, at(wrong) if leds == [LED] else [WHITE, wrong]], (2, last)))
        for path, low, high in (((0,), 0, 1), ((1,), 0, 100), ((2, 0), 0, 360), ((2, 1), 0, 100)):
            for wrong in (low - 1, high + 1, *NO_INTEGERS):
                entry = beside(LED, *path, value=wrong)
                cases.extend(([5, mode, at(entry)], (2, last, *path)) for mode in (1, 3))
                if last == 1:
                    cases.append(([5, 7, at(entry)], (2, last, *path)))
        no_colors: tuple[Any, ...] = (None, 10, "x", {}, [], [10], [10, 20, 30])
        cases += [([5, 1, at([1, 50, wrong])], (2, last, 2)) for wrong in no_colors]
        for wrong in (999, 40_001, 0, -1, *NO_INTEGERS):
            cases.append(([5, 1, at([*LED, wrong])], (2, last, 3)))
            entries = [WHITE] * last
            cases.append(([5, 2, [*entries, [1, 50, wrong]]], (2, last, 2)))
            cases.append(([5, 2, [*entries, [*LED, wrong]]], (2, last, 3)))
    for index, low, high in ((3, 0, 7), (4, 0, 1), (5, 0, 100)):
        more = [1, 1, 50]
        cases += [
            ([5, 3, [LED], *more[: index - 3], wrong], (index,))
            for wrong in (low - 1, high + 1, *NO_INTEGERS)
        ]
    return cases


def test_bad_arguments_of_callback_17_are_rejected_with_their_place() -> None:
    outlet = an_outlet("aura")
    cases = colour_cases()
    assert len(cases) > 300
    for args, at in cases:
        expect_failure(outlet, 17, args, at=("callbackArgs", *at))
