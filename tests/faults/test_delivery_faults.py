"""Faults of delivery leave the bytes alone and change when, how often and whether they arrive."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults import CloseConnection, Delay, Delivery, Drop, Duplicate, Spread
from invis_sim.faults.delivery import Close, Hold, Reset, Stall, Step, Wait, Write
from tests.faults.strategies import context, spreads, waited, written

steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Wait, st.floats(0, 10)),
    st.builds(Write, st.binary(max_size=8)),
    st.just(Close()),
    st.just(Reset()),
    st.just(Stall()),
    st.builds(Hold, st.integers(1, 3)),
)
deliveries = st.builds(Delivery, st.lists(steps, max_size=6).map(tuple), st.booleans())
pieces = st.builds(Wait, st.floats(0, 10)) | st.builds(Write, st.binary(max_size=8))
"""What a packet's way consists of before anything ends it."""


@given(st.binary(), st.lists(steps, max_size=3), st.lists(steps, max_size=3))
def test_a_plan_grows_at_both_ends(data: bytes, first: list[Step], last: list[Step]) -> None:
    plan = Delivery.of(data).preceded_by(*first).followed_by(*last)
    assert plan.steps == (*first, Write(data), *last)
    assert plan.ordered


@given(deliveries)
def test_replacing_writes_leaves_the_other_steps_and_the_order_alone(plan: Delivery) -> None:
    assert plan.replacing_writes(lambda data: (Write(data),)) == plan
    halves = plan.replacing_writes(lambda data: (Write(data[:3]), Write(data[3:])))
    assert b"".join(written(halves)) == b"".join(written(plan))
    assert halves.ordered == plan.ordered
    others = [step for step in plan.steps if not isinstance(step, Write)]
    assert [step for step in halves.steps if not isinstance(step, Write)] == others


# Delay


@given(deliveries, st.floats(0, 1e6), st.booleans())
def test_a_delay_waits_first_and_lets_others_pass_only_where_they_may_overtake(
    plan: Delivery, seconds: float, overtake: bool
) -> None:
    late = Delay(seconds=seconds, overtake=overtake).reroute(plan, context())
    assert late.steps == (Wait(seconds), *plan.steps)
    assert late.ordered == (plan.ordered and not overtake)


@given(spreads, st.text(max_size=5))
def test_whatever_is_drawn_is_a_time_that_can_be_waited(spread: Spread, key: str) -> None:
    assert 0 <= spread.draw(context(key=key)) < 1e10


@given(spreads, st.text(max_size=5))
def test_a_delay_waits_as_long_as_its_spread_says(spread: Spread, key: str) -> None:
    late = Delay(seconds=spread).reroute(Delivery.of(b"x"), context(key=key))
    assert late.steps == (Wait(spread.draw(context(key=key))), Write(b"x"))


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.text(max_size=5))
def test_an_even_spread_stays_between_its_ends(one: float, two: float, key: str) -> None:
    low, high = min(one, two), max(one, two)
    assert low <= Spread(min=low, max=high).draw(context(key=key)) <= high


@given(st.floats(0, 1e6), st.text(max_size=5))
def test_a_spread_without_width_is_a_number(seconds: float, key: str) -> None:
    assert Spread(min=seconds, max=seconds).draw(context(key=key)) == seconds
    assert Spread(mean=seconds, stddev=0).draw(context(key=key)) == seconds
    median = Spread(median=seconds + 1, sigma=0).draw(context(key=key))
    assert median == pytest.approx(seconds + 1)


def draws(spread: Spread) -> list[float]:
    return sorted(spread.draw(context(key=str(n))) for n in range(1001))


def test_an_even_spread_fills_the_room_between_its_ends() -> None:
    drawn = draws(Spread(min=2, max=4))
    assert [drawn[0], drawn[250], drawn[500], drawn[750], drawn[-1]] == pytest.approx(
        [2, 2.5, 3, 3.5, 4], abs=0.1
    )


def test_a_normal_spread_lies_around_its_mean() -> None:
    drawn = draws(Spread(mean=10, stddev=2))
    assert [drawn[159], drawn[500], drawn[841]] == pytest.approx([8, 10, 12], abs=0.3)
    assert draws(Spread(mean=0, stddev=2))[:400] == [0] * 400


def test_a_log_normal_spread_lies_around_its_median() -> None:
    drawn = draws(Spread(median=1, sigma=1))
    assert [drawn[159], drawn[500], drawn[841]] == pytest.approx([0.37, 1, 2.72], rel=0.15)


@pytest.mark.parametrize(
    ("given_fields", "complaint"),
    [
        ({}, "expected min and max, or mean and stddev, or median and sigma, found none of them"),
        ({"min": 1}, "found min$"),
        ({"max": 1}, "found max$"),
        ({"min": 1, "stddev": 1}, "found min and stddev$"),
        ({"min": 1, "max": 2, "mean": 1}, "found min and max and mean$"),
        ({"min": 2, "max": 1}, r"^min \(2\) is above max \(1\)$"),
    ],
)
def test_a_spread_that_says_too_little_or_too_much_is_refused(
    given_fields: dict[str, float], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Spread(**given_fields)


def test_the_journal_learns_how_late_a_packet_was() -> None:
    at = context()
    Delay(seconds=1.23456).reroute(Delivery.of(b"x"), at)
    assert at.details == "1.235 s"


# Drop and duplicate


@given(deliveries)
def test_of_a_dropped_packet_nothing_is_written_and_the_rest_stays(plan: Delivery) -> None:
    dropped = Drop().reroute(plan, context())
    assert written(dropped) == []
    assert dropped.steps == tuple(step for step in plan.steps if not isinstance(step, Write))
    assert dropped.ordered == plan.ordered


@given(st.binary(), st.integers(2, 20), st.floats(0, 10))
def test_a_duplicate_leaves_as_often_as_it_says_with_gaps_between(
    data: bytes, copies: int, gap: float
) -> None:
    plan = Duplicate(copies=copies, gap=gap).reroute(Delivery.of(data), context())
    assert written(plan) == [data] * copies
    assert waited(plan) == pytest.approx(gap * (copies - 1))
    if gap > 0:
        assert plan.steps[::2] == (Write(data),) * copies
        assert plan.steps[1::2] == (Wait(gap),) * (copies - 1)
    else:
        assert plan.steps == (Write(data),) * copies


@given(deliveries, st.integers(2, 4), st.floats(0, 10))
def test_a_packet_that_leaves_in_pieces_is_repeated_whole(
    plan: Delivery, copies: int, gap: float
) -> None:
    more = Duplicate(copies=copies, gap=gap).reroute(plan, context())
    assert written(more) == written(plan) * copies
    assert more.ordered == plan.ordered


@given(st.lists(pieces, max_size=4), st.binary(min_size=1), st.integers(2, 4))
def test_what_stands_before_and_behind_the_packet_is_not_repeated(
    before: list[Step], data: bytes, copies: int
) -> None:
    waits = [step for step in before if isinstance(step, Wait)]
    plan = Delivery((*waits, Write(data), Close()))
    more = Duplicate(copies=copies).reroute(plan, context())
    assert more.steps == (*waits, *(Write(data),) * copies, Close())


# Close


codes = st.sampled_from((1000, 1011, 3000, 4999))


@given(deliveries, codes)
def test_closing_before_the_packet_writes_nothing_of_it(plan: Delivery, code: int) -> None:
    closed = CloseConnection(moment="before", code=code, reason="gone").reroute(plan, context())
    others = tuple(step for step in plan.steps if not isinstance(step, Write))
    assert closed == Delivery((*others, Close(code, "gone")), plan.ordered)


@given(deliveries, codes)
def test_closing_after_the_packet_leaves_it_whole(plan: Delivery, code: int) -> None:
    closed = CloseConnection(moment="after", code=code, reason="gone").reroute(plan, context())
    assert closed == Delivery((*plan.steps, Close(code, "gone")), plan.ordered)


@given(st.lists(pieces, max_size=6).map(tuple), st.booleans())
def test_closing_in_the_middle_writes_exactly_the_first_half_and_no_close_frame(
    way: tuple[Step, ...], ordered: bool
) -> None:
    plan = Delivery(way, ordered)
    closed = CloseConnection(moment="middle").reroute(plan, context())
    data = b"".join(written(plan))
    assert b"".join(written(closed)) == data[: len(data) // 2]
    assert closed.steps[-1] == Close(code=None)
    assert closed.ordered == ordered


def test_closing_in_the_middle_keeps_the_waits_up_to_there_and_none_behind() -> None:
    way = (Wait(1), Write(b"abc"), Wait(2), Write(b"defgh"), Wait(3), Write(b"ij"))
    closed = CloseConnection(moment="middle").reroute(Delivery(way), context())
    assert closed.steps == (Wait(1), Write(b"abc"), Wait(2), Write(b"de"), Close(code=None))
    even = Delivery((Write(b"ab"), Wait(1), Write(b"cd")))
    closed = CloseConnection(moment="middle").reroute(even, context())
    assert closed.steps == (Write(b"ab"), Close(code=None))
    single = CloseConnection(moment="middle").reroute(Delivery.of(b"a"), context())
    assert single.steps == (Close(code=None),)


def may_be_sent(code: int) -> bool:
    """Whether RFC 6455 and the registry that it set up allow a code in a close frame."""
    registered = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    return code in registered or 3000 <= code <= 4999


def test_a_close_code_is_refused_exactly_where_it_must_not_be_sent() -> None:
    for code in (-1, 0, 999, *range(1000, 3001), 4999, 5000, 65536):
        if may_be_sent(code):
            assert CloseConnection(code=code).code == code
        else:
            with pytest.raises(ValueError, match=f"code {code} must not be sent in a close frame"):
                CloseConnection(code=code)


@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
def test_a_reason_is_as_long_as_a_close_frame_has_room_for(character: str) -> None:
    fitting = character * (123 // len(character.encode()))
    assert CloseConnection(reason=fitting).reason == fitting
    with pytest.raises(ValueError, match="reason is longer than the 123 bytes"):
        CloseConnection(reason=fitting + character)


# What a scenario may not say


@pytest.mark.parametrize(
    ("kind", "given_fields"),
    [
        (Delay, {}),
        (Delay, {"seconds": -0.1}),
        (Delay, {"seconds": {"min": -1, "max": 1}}),
        (Delay, {"seconds": {"median": 0, "sigma": 1}}),
        (Delay, {"seconds": {"mean": 1, "stddev": -1}}),
        (Duplicate, {"copies": 1}),
        (Duplicate, {"copies": 1001}),
        (Duplicate, {"gap": -1}),
        (CloseConnection, {"moment": "later"}),
        (CloseConnection, {"code": 999}),
        (Drop, {"name": ""}),
        (Drop, {"seconds": 1}),
    ],
)
def test_a_value_out_of_range_is_refused(kind: type[Any], given_fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": kind.kind(), **given_fields}, kind)
