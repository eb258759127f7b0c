"""What the reference leaves open: the default, and by a quirk the other way."""

from typing import Any

import msgspec
import pytest

from invis_sim.device.outlet import Outlet
from invis_sim.protocol.packets import Reply
from tests.cases import for_each
from tests.device.support import (
    an_outlet,
    change,
    connect,
    expect_failure,
    expect_offline,
    expect_success,
    handle_request,
    pass_time,
    pushed_packets,
    restart,
    returned,
)
from tests.support import SN


def quirky(product: Any = "pro", **quirks: Any) -> Outlet:
    return an_outlet(product, quirks=quirks)


def test_after_a_factory_reset_it_is_away_for_3_s_or_leaves_the_network() -> None:
    assert expect_offline(handle_request(quirky(), 7)).seconds == 3
    away = expect_offline(handle_request(quirky(factory_reset="leaves_network"), 7))
    assert (away.name, away.seconds) == ("factory reset", None)


def test_pushes_come_after_the_reply_or_before_it() -> None:
    for order, before, after in (
        ("after_reply", [], [(9, [1, 0])]),
        ("before_reply", [(9, [1, 0])], []),
    ):
        answer = handle_request(quirky(push_order=order), 10, [1, 1])
        assert pushed_packets(answer.before) == before
        assert pushed_packets(answer.effects) == after


def test_what_else_comes_of_a_request_always_comes_after_its_reply() -> None:
    outlet = quirky(push_order="before_reply")
    answer = handle_request(outlet, 5)
    assert answer.before == ()
    assert len(answer.effects) == 1


@pytest.mark.parametrize("given", [True, False])
def test_the_client_that_asks_gets_the_push_or_does_not(given: bool) -> None:
    assert handle_request(quirky(pushes_to_sender=given), 10, [1, 1]).to_sender == given


SETS = {
    10: ("pro", [1, 0], 9),
    14: ("pro", [0, 100], 15),
    17: ("aura", [5, 1, [[1, 1, [1, 1]]]], 18),
}


@for_each("callback", SETS)
def test_what_is_set_already_is_pushed_by_a_quirk_alone(callback: int) -> None:
    product, args, pushed = SETS[callback]
    outlet = quirky(product)
    expect_success(outlet, callback, args)
    assert expect_success(outlet, callback, args) == []
    change(outlet, quirks={"unchanged_pushes": True})
    ((number, _),) = expect_success(outlet, callback, args)
    assert number == pushed


@for_each("callback", [8, 22, 99])
def test_what_no_outlet_could_understand_is_refused_or_ignored(callback: int) -> None:
    refused = handle_request(quirky(), callback)
    ignored = handle_request(quirky(unusable_requests="ignored"), callback)
    assert refused.reply is not None
    assert ignored.reply is None
    assert ignored.notes == refused.notes
    wrong = handle_request(quirky(unusable_requests="ignored"), 10, [3, 1])
    assert wrong.reply is not None  # it is understood, and cannot be


@pytest.mark.parametrize(("after", "states"), [("kept", [1, 1]), ("off", [0, 0])])
def test_the_switches_are_kept_over_a_restart_or_off(after: str, states: list[int]) -> None:
    outlet = quirky(outlets_after_restart=after)
    change(outlet, outlets={"states": [1, 1]})
    handle_request(outlet, 5)
    restart(outlet)
    assert returned(outlet, 9) == states


@pytest.mark.parametrize("pushed", [True, False])
def test_a_faceplate_that_comes_back_is_announced_or_not(pushed: bool) -> None:
    outlet = quirky(faceplate_pushes=pushed)
    expect_success(outlet, 24)
    assert [moment.callback for moment in pass_time(outlet, 4)] == [12] * pushed
    change(outlet, faceplate={"attached": False})
    effects = change(outlet, faceplate={"attached": True})
    assert [callback for callback, _ in pushed_packets(effects)] == [12] * pushed
    handle_request(outlet, 5)
    restart(outlet)
    assert [callback for callback, _ in connect(outlet)] == [12]  # that the outlet has restarted


MISSING: list[tuple[str, int, Any]] = [
    *[("bare", number, args) for number, args in ((11, None), (15, None), (18, [5]), (24, None))],
    *[("bare", number, args) for number, args in ((14, [1, 1]), (26, [30]), (28, [1, 1]))],
    ("bare", 17, [5, 1, [[1, 1, [1, 1]]]]),
    ("bare", 25, None),
    ("bare", 21, [2, 0]),
    ("pro", 17, [5, 1, [[1, 1, [1, 1]]]]),
    ("pro", 18, [5]),
    ("aura", 14, [1, 1]),
    ("aura", 15, None),
    ("aura", 26, [30]),
    ("aura", 28, [1, 1]),
]


@for_each(("product", "callback", "args"), MISSING)
def test_a_request_about_a_part_that_is_missing_fails_or_is_ignored(
    product: str, callback: int, args: Any
) -> None:
    args = msgspec.UNSET if args is None else args
    fails = handle_request(quirky(product), callback, args)
    assert fails.reply == Reply.failure(SN, 221_040)
    ignored = handle_request(quirky(product, missing_parts="ignored"), callback, args)
    assert ignored.reply is None
    assert ignored.effects == ()
    assert ignored.notes == fails.notes


def test_a_wrong_argument_is_refused_even_where_missing_parts_are_ignored() -> None:
    outlet = quirky(missing_parts="ignored")
    expect_failure(outlet, 14, [1, 101])
    expect_failure(outlet, 4, [{"accessory": 4, "name": "x"}])
    expect_failure(quirky("bare", missing_parts="ignored"), 10, [3, 1])


def test_preferences_without_a_list_are_accepted_or_refused() -> None:
    tree = {"acc_prefs": {"capacitiveCtrl": 0}}
    assert expect_success(quirky(), 2, tree) == []
    strict = quirky(bare_preferences="refuse")
    assert expect_failure(strict, 2, tree) == "expected a list of one object, found an object"
    assert expect_success(strict, 2, [tree]) == []


@for_each("mode", range(1, 8))
def test_a_palette_is_followed_by_the_leds_as_they_were_or_by_itself(mode: int) -> None:
    old, new = [1, 7, [7, 7], 7000], [[1, 60, [index, 30], 5000] for index in range(2)]
    tables: dict[str, Any] = {"color_light": {"leds": [old]}}
    outlet = an_outlet("aura", quirks={"short_palette": "repeated"}, **tables)
    expect_success(outlet, 17, [5, mode, new])
    repeats = mode in (3, 4, 5, 6)
    expected = [*new * 4, new[0]] if repeats else [*new, *[old] * 7]
    assert returned(outlet, 18, [5])[2] == expected
    kept = an_outlet("aura", **tables)
    expect_success(kept, 17, [5, mode, new])
    assert returned(kept, 18, [5])[2] == [*new, *[old] * 7]


@for_each("mode", [3, 4, 5, 6, 7])
def test_the_palette_of_random_colours_is_ignored_or_stored(mode: int) -> None:
    old, new = [1, 7, [7, 7], 7000], [1, 60, [20, 30], 5000]
    for form, first in (("ignored", old), ("stored", new)):
        outlet = an_outlet("aura", color_light={"leds": [old]}, quirks={"random_palette": form})
        expect_success(outlet, 17, [5, mode, [new], 1, 1, 50])
        assert returned(outlet, 18, [5])[2] == [first, *[old] * 8]
