"""Callbacks 14, 15, 17 and 18: the nightlight of a Pro, and the coloured ones of an Aura."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.outlet import Outlet
from tests.cases import for_each
from tests.device.support import (
    an_outlet,
    change,
    expect_failure,
    expect_success,
    handle_request,
    pushed_packets,
    pushes,
    returned,
)

# --- the plain one ---


def test_the_nightlight_is_what_it_was_set_to_and_only_a_change_is_pushed() -> None:
    outlet = an_outlet()
    assert returned(outlet, 15) == [0, 100]
    for args in ([1, 75], [0, 75], [0, 0], [1, 0], [1, 100]):
        assert expect_success(outlet, 14, args) == [(15, args)]
        assert expect_success(outlet, 14, args) == []
        assert returned(outlet, 15) == args


def test_an_aura_has_a_plain_nightlight_by_a_quirk_alone() -> None:
    aura = an_outlet("aura")
    expect_failure(aura, 14, [1, 50])
    expect_failure(aura, 15)
    assert change(aura, nightlight={"mode": 1}) == ()
    odd = an_outlet("aura", quirks={"plain_nightlight_on_aura": True})
    assert expect_success(odd, 14, [1, 50]) == [(15, [1, 50])]
    assert returned(odd, 15) == [1, 50]
    assert returned(odd, 18, [5])[0] == 5


# --- the coloured ones ---

OFF = [0, 100, [0, 0], 4000]


def row(*leds: Any, count: int = 9) -> list[Any]:
    """These LEDs, and behind them as many as there are, as they were."""
    return [*leds, *[OFF] * (count - len(leds))]


def colored(outlet: Outlet, args: list[Any], light: int = 5) -> list[Any]:
    """The status after callback 17, which was pushed."""
    pushes = expect_success(outlet, 17, args)
    status: list[Any] = returned(outlet, 18, [light])
    assert pushes == [(18, status)]
    return status


def test_one_colour_fills_the_row_in_mode_1() -> None:
    status = colored(an_outlet("aura"), [5, 1, [[1, 60, [200, 30]]]])
    assert status == [5, 1, [[1, 60, [200, 30], 4000]] * 9, 1, 0, 40]


@for_each("mode", [3, 4, 5, 6])
@for_each("count", [1, 2, 8, 9])
def test_the_entries_of_an_effect_are_a_palette_and_the_leds_after_it_stay(
    mode: int, count: int
) -> None:
    palette = [[1, 60, [20 * index, 30]] for index in range(count)]
    status = colored(an_outlet("aura"), [5, mode, palette])
    assert status == [5, mode, row(*([*entry, 4000] for entry in palette)), 1, 0, 40]


def test_a_starry_night_has_two_colours_or_the_whole_row_that_was_read() -> None:
    outlet = an_outlet("aura")
    sky, stars = [1, 100, [0, 0]], [1, 100, [320, 100]]
    status = colored(outlet, [5, 7, [sky, stars], 0, 0])
    assert status == [5, 7, row([*sky, 4000], [*stars, 4000]), 0, 0, 40]
    for count in (1, 3, 8):
        expect_failure(outlet, 17, [5, 7, [sky] * count], at=("callbackArgs", 2))
    assert expect_success(outlet, 17, status) == []


@for_each("mode", [3, 4, 5, 6, 7])
def test_random_colours_change_no_led(mode: int) -> None:
    outlet = an_outlet("aura", color_light={"leds": [[1, 7, [7, 7], 7000]]})
    leds = [[1, 7, [7, 7], 7000]] * 9
    assert colored(outlet, [5, mode, [[0, 60, [200, 30]]], 3, 1, 60]) == [5, mode, leds, 3, 1, 60]
    # It stays random where that is omitted.
    assert colored(outlet, [5, mode, [[0, 60, [200, 30]]], 4]) == [5, mode, leds, 4, 1, 60]
    expect_failure(
        outlet, 17, [5, mode, [[0, 60, [361, 30]]], 3, 1], at=("callbackArgs", 2, 0, 2, 0)
    )
    status = colored(outlet, [5, 1, [[0, 60, [200, 30]]], 3, 1, 60])
    assert status[2] == [[0, 60, [200, 30], 7000]] * 9


@pytest.mark.parametrize("limit", [6500, 40_000])
def test_the_highest_temperature_is_a_quirk(limit: int) -> None:
    outlet = an_outlet("aura", quirks={"max_kelvin": limit})
    assert colored(outlet, [5, 2, [[1, 60, limit]]])[2][0] == [1, 60, [0, 0], limit]
    expect_failure(outlet, 17, [5, 2, [[1, 60, limit + 1]]], at=("callbackArgs", 2, 0, 2))
    full = [1, 60, [0, 0], limit + 1]
    expect_failure(outlet, 17, [5, 1, [full]], at=("callbackArgs", 2, 0, 3))


def test_three_arguments_of_18_are_a_quirk() -> None:
    outlet = an_outlet("aura", quirks={"color_light_args": "three"})
    full = [1, 60, [200, 30], 4000]
    assert colored(outlet, [5, 3, [full] * 9, 7, 0, 99]) == [5, 3, [full] * 9]


def test_one_temperature_is_for_the_first_alone() -> None:
    status = colored(an_outlet("aura"), [5, 2, [[1, 60, 3000]]])
    assert status == [5, 2, row([1, 60, [0, 0], 3000]), 1, 0, 40]
    status = colored(an_outlet("aura"), [5, 2, [[1, 60, [9, 8], 3000]]])
    assert status == [5, 2, row([1, 60, [9, 8], 3000]), 1, 0, 40]


@for_each("count", range(2, 10))
def test_several_entries_are_for_the_first_of_the_row_and_the_others_stay(count: int) -> None:
    outlet = an_outlet("aura", color_light={"leds": [[1, 7, [7, 7], 7000]]})
    others = [[1, 7, [7, 7], 7000]] * (9 - count)
    colors = [[index % 2, index, [10 * index, index]] for index in range(count)]
    changed = [[*entry, 7000] for entry in colors]
    assert colored(outlet, [5, 1, colors])[2] == changed + others
    whites = [[1, 50, 2000 + index] for index in range(count)]
    changed = [[1, 50, color, 2000 + i] for i, (_, _, color) in enumerate(colors)]
    assert colored(outlet, [5, 2, whites])[2] == changed + others


def test_two_that_are_the_same_are_two_and_not_one() -> None:
    led = [1, 60, [200, 30]]
    assert colored(an_outlet("aura"), [5, 1, [led, led]])[2] == row([*led, 4000], [*led, 4000])


def test_a_full_entry_sets_colour_and_temperature() -> None:
    outlet = an_outlet("aura")
    full = [[1, index, [index, index], 1000 + index] for index in range(9)]
    assert colored(outlet, [5, 4, full, 7, 0, 99]) == [5, 4, full, 7, 0, 99]
    assert colored(outlet, [5, 2, full]) == [5, 2, full, 7, 0, 99]
    assert colored(outlet, [5, 1, [[0, 1, [2, 3], 1500]]])[2] == [[0, 1, [2, 3], 1500]] * 9


@for_each("more", [[], [7], [7, 1], [7, 1, 0], [0, 0, 100]])
def test_what_follows_the_leds_is_kept_where_it_is_left_out(more: list[int]) -> None:
    status = colored(an_outlet("aura"), [5, 6, [[1, 60, [200, 30]]], *more])
    assert status[3:] == [*more, *[1, 0, 40][len(more) :]]


def test_both_ends_of_every_range_are_taken() -> None:
    outlet = an_outlet("aura")
    for led in ([0, 0, [0, 0], 1000], [1, 100, [360, 100], 40_000]):
        for mode in range(1, 8):
            assert colored(outlet, [5, mode, [led] * 9])[1:3] == [mode, [led] * 9]


LEDS = st.tuples(
    st.integers(0, 1),
    st.integers(0, 100),
    st.tuples(st.integers(0, 360), st.integers(0, 100)).map(list),
    st.integers(1000, 40_000),
).map(list)


@for_each("mode", range(1, 8))
def test_an_led_that_is_too_short_is_rejected_with_the_form_of_its_mode(mode: int) -> None:
    outlet = an_outlet("aura")
    form = "[state, brightness, kelvin]" if mode == 2 else "[state, brightness, [hue, saturation]]"
    for entry, found in (
        ([1, 50], "2 elements"),
        ([], "0 elements"),
        ([1] * 5, "5 elements"),
        (1, "1"),
        (None, "null"),
    ):
        for leds in ([[1, 50, [1, 1], 2000], entry], [entry]):
            if mode == 7 and len(leds) == 1:
                continue  # it has two
            place = ("callbackArgs", 2, len(leds) - 1)
            reason = expect_failure(outlet, 17, [5, mode, leds], at=place)
            assert reason == f"expected an LED as {form}, found {found}"


@given(
    st.integers(1, 7),
    st.lists(LEDS, min_size=9, max_size=9),
    st.tuples(st.integers(0, 7), st.integers(0, 1), st.integers(0, 100)),
)
def test_a_status_sent_back_changes_nothing_and_restores_another_light(
    mode: int, leds: list[Any], more: tuple[int, int, int]
) -> None:
    outlet = an_outlet("aura", color_light={"mode": mode, "leds": leds})
    args = [5, mode, leds, *more]
    handle_request(outlet, 17, args)
    assert returned(outlet, 18, [5]) == args
    assert expect_success(outlet, 17, args) == []
    other = an_outlet("aura")
    handle_request(other, 17, args)
    if mode > 2 and more[1]:
        leds = [OFF] * 9  # the device chooses the colours itself
    assert returned(other, 18, [5]) == [5, mode, leds, *more]


def test_a_scenario_gives_one_led_for_all_or_the_first_ones() -> None:
    led = [1, 20, [300, 40], 2700]
    one = an_outlet("aura", color_light={"leds": [led]})
    assert returned(one, 18, [5])[2] == [led] * 9
    two = an_outlet("aura", color_light={"leds": [led, led]})
    assert returned(two, 18, [5])[2] == row(led, led)


def test_a_change_that_the_wire_does_not_show_is_not_pushed() -> None:
    led = [1, 20, [300, 40], 2700]
    outlet = an_outlet("aura", color_light={"leds": [led]})
    assert change(outlet, color_light={"leds": [led] * 9}) == ()
    assert change(outlet, indicator_light={"mode": 1}) == ()
    changed = change(outlet, color_light={"speed": 2})
    assert pushed_packets(changed) == [(18, [5, 2, [led] * 9, 2, 0, 40])]


def test_the_indicator_is_there_by_a_quirk_and_has_seven_leds() -> None:
    expect_failure(an_outlet("aura"), 18, [7], at=("callbackArgs", 0))
    outlet = an_outlet("aura", quirks={"indicator_light": True})
    status = colored(outlet, [7, 1, [[1, 60, [200, 30]]]], light=7)
    assert status == [7, 1, [[1, 60, [200, 30], 4000]] * 7, 1, 0, 40]
    assert returned(outlet, 18, [5]) == [5, 2, row(), 1, 0, 40]
    expect_failure(outlet, 17, [7, 1, [[1, 60, [200, 30]]] * 8], at=("callbackArgs", 2))
    for wrong in (6, 9, True, 7.0):
        reason = expect_failure(outlet, 18, [wrong], at=("callbackArgs", 0))
        assert "5 or 7" in reason


def test_the_indicator_may_be_light_1() -> None:
    outlet = an_outlet("aura", quirks={"indicator_light": True, "indicator_number": 1})
    status = colored(outlet, [1, 1, [[1, 60, [200, 30]]]], light=1)
    assert status == [1, 1, [[1, 60, [200, 30], 4000]] * 7, 1, 0, 40]
    assert "5 or 1" in expect_failure(outlet, 18, [7], at=("callbackArgs", 0))


def test_the_push_of_a_colour_light_has_a_puback_by_a_quirk_alone() -> None:
    args = [5, 1, [[1, 60, [200, 30]]]]
    outlet = an_outlet("aura", quirks={"color_push_puback": True})
    (push,) = pushes(handle_request(outlet, 17, args))
    assert list(push.fields) == ["sn", "packetID", "PUBACK", "payload"]
    assert push.fields["PUBACK"] == 1
    (push,) = pushes(handle_request(outlet, 10, [1, 1]))
    assert "PUBACK" not in push.fields


@pytest.mark.parametrize("product", ["bare", "pro"])
def test_callback_18_without_an_aura_fails_or_is_short_by_a_quirk(product: Any) -> None:
    expect_failure(an_outlet(product), 18, [5])
    expect_failure(an_outlet(product), 17, [5, 1, [[1, 60, [200, 30]]]])
    short = an_outlet(product, quirks={"color_light_without_aura": "short"})
    assert len(returned(short, 18, [5])) < 3
    expect_failure(short, 17, [5, 1, [[1, 60, [200, 30]]]])
    empty = an_outlet(product, quirks={"color_light_without_aura": "empty"})
    assert returned(empty, 18, [5]) == []
    expect_failure(short, 18, [])
    for wrong in ("5", None, [5], True, 5.0):
        expect_failure(short, 18, [wrong], at=("callbackArgs", 0))
