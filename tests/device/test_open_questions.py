"""What the reference leaves open: the default, and by a quirk the other way."""

from typing import Any

import pytest

from invis_sim.device.outlet import Outlet
from tests.device.support import (
    an_outlet,
    change,
    expect_offline,
    expect_success,
    handle_request,
    pushed_packets,
    restart,
    returned,
)


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


@pytest.mark.parametrize("callback", SETS)
def test_what_is_set_already_is_pushed_by_a_quirk_alone(callback: int) -> None:
    product, args, pushed = SETS[callback]
    outlet = quirky(product)
    expect_success(outlet, callback, args)
    assert expect_success(outlet, callback, args) == []
    change(outlet, quirks={"unchanged_pushes": True})
    ((number, _),) = expect_success(outlet, callback, args)
    assert number == pushed


@pytest.mark.parametrize("callback", [8, 22, 99])
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
