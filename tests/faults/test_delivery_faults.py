"""Faults of delivery leave the bytes alone and change when, how often and whether they arrive."""

from collections.abc import Callable
from itertools import repeat
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults import (
    CloseConnection,
    Coalesce,
    Delay,
    Delivery,
    Distribution,
    Drop,
    Duplicate,
    HalfCloseConnection,
    Reorder,
    ResetConnection,
    Split,
    StallConnection,
    Throttle,
)
from invis_sim.faults.delivery import (
    MAX_STEPS,
    Close,
    HalfClose,
    LetPass,
    MergeWithNext,
    Moment,
    PlanTooLong,
    Reset,
    Stall,
    Step,
    Wait,
    Write,
)
from invis_sim.faults.fault import DeliveryFault
from tests.cases import for_each
from tests.faults.strategies import context, spreads, waited, written

steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Wait, st.floats(0, 10)),
    st.builds(Write, st.binary(max_size=8)),
    st.just(Close()),
    st.just(Reset()),
    st.just(Stall()),
    st.just(HalfClose()),
    st.builds(LetPass, st.integers(1, 3), st.floats(0, 10)),
    st.builds(MergeWithNext, st.floats(0, 10)),
)
deliveries = st.builds(Delivery, st.lists(steps, max_size=6).map(tuple), st.booleans())
pieces = st.builds(Wait, st.floats(0, 10)) | st.builds(Write, st.binary(max_size=8))
"""What a packet's way consists of before anything ends it."""


@given(st.binary(), st.lists(steps, max_size=3), st.lists(steps, max_size=3))
def test_a_plan_grows_at_both_ends(data: bytes, first: list[Step], last: list[Step]) -> None:
    plan = Delivery.of(data).preceded_by(*first).followed_by(*last)
    assert plan.steps == (*first, Write(data), *last)
    assert plan.ordered


def test_a_plan_may_have_just_the_allowed_length_and_no_more() -> None:
    full = Delivery.of(b"x").with_steps([Wait(0.0)] * (MAX_STEPS - 1)).followed_by(Write(b"x"))
    assert len(full.steps) == MAX_STEPS
    longer: tuple[Callable[[], Delivery], ...] = (
        lambda: full.preceded_by(Wait(1)),
        lambda: full.followed_by(Close()),
        lambda: full.replacing_writes(lambda data: (Write(data), Write(data))),
        lambda: full.interrupted("after", Close()),
        lambda: full.with_steps(Wait(0.0) for _ in range(MAX_STEPS + 1)),
    )
    for change in longer:
        with pytest.raises(PlanTooLong, match="the plan would have more than 20000 steps"):
            change()
    assert Drop().reroute(full, context()).steps == full.steps[:-1]


def test_a_plan_that_would_never_end_is_refused_in_an_instant() -> None:
    with pytest.raises(PlanTooLong):
        Delivery.of(b"x").replacing_writes(lambda data: repeat(Write(data)))


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
def test_whatever_is_drawn_is_a_time_that_can_be_waited(spread: Distribution, key: str) -> None:
    assert 0 <= spread.draw(context(key=key)) < 1e10


@given(spreads, st.text(max_size=5))
def test_a_delay_waits_as_long_as_its_spread_says(spread: Distribution, key: str) -> None:
    late = Delay(seconds=spread).reroute(Delivery.of(b"x"), context(key=key))
    assert late.steps == (Wait(spread.draw(context(key=key))), Write(b"x"))


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.text(max_size=5))
def test_an_even_spread_stays_between_its_ends(one: float, two: float, key: str) -> None:
    low, high = min(one, two), max(one, two)
    assert low <= Distribution(min=low, max=high).draw(context(key=key)) <= high


@given(st.floats(0, 1e6), st.text(max_size=5))
def test_a_spread_without_width_is_a_number(seconds: float, key: str) -> None:
    assert Distribution(min=seconds, max=seconds).draw(context(key=key)) == seconds
    assert Distribution(mean=seconds, stddev=0).draw(context(key=key)) == seconds
    median = Distribution(median=seconds + 1, sigma=0).draw(context(key=key))
    assert median == pytest.approx(seconds + 1)


def draws(spread: Distribution) -> list[float]:
    return sorted(spread.draw(context(key=str(n))) for n in range(1001))


def test_an_even_spread_fills_the_room_between_its_ends() -> None:
    drawn = draws(Distribution(min=2, max=4))
    assert [drawn[0], drawn[250], drawn[500], drawn[750], drawn[-1]] == pytest.approx(
        [2, 2.5, 3, 3.5, 4], abs=0.1
    )


def test_a_normal_spread_lies_around_its_mean() -> None:
    drawn = draws(Distribution(mean=10, stddev=2))
    assert [drawn[159], drawn[500], drawn[841]] == pytest.approx([8, 10, 12], abs=0.3)
    assert draws(Distribution(mean=0, stddev=2))[:400] == [0] * 400


def test_a_log_normal_spread_lies_around_its_median() -> None:
    drawn = draws(Distribution(median=1, sigma=1))
    assert [drawn[159], drawn[500], drawn[841]] == pytest.approx([0.37, 1, 2.72], rel=0.15)


@for_each(
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
        Distribution(**given_fields)


def test_the_journal_learns_how_late_a_packet_was() -> None:
    ctx = context()
    Delay(seconds=1.23456).reroute(Delivery.of(b"x"), ctx)
    assert ctx.details == "1.235 s"


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
            with pytest.raises(
                ValueError, match=rf"^code: ({code} must not be sent|expected .* found {code}$)"
            ):
                CloseConnection(code=code)


@for_each("character", ["x", "é", "€", "😀"])
def test_a_reason_is_as_long_as_a_close_frame_has_room_for(character: str) -> None:
    fitting = character * (123 // len(character.encode()))
    assert CloseConnection(reason=fitting).reason == fitting
    with pytest.raises(ValueError, match=r"^reason: longer than the 123 bytes"):
        CloseConnection(reason=fitting + character)


# Reset, half-close and stall

ENDINGS: list[tuple[type[ResetConnection | HalfCloseConnection | StallConnection], Step]] = [
    (ResetConnection, Reset()),
    (HalfCloseConnection, HalfClose()),
    (StallConnection, Stall()),
]
endings = pytest.mark.parametrize(("kind", "end"), ENDINGS, ids=[k.kind() for k, _ in ENDINGS])


@endings
@given(plan=deliveries)
def test_what_ends_before_the_packet_writes_nothing_of_it(
    kind: type[ResetConnection], end: Step, plan: Delivery
) -> None:
    others = tuple(step for step in plan.steps if not isinstance(step, Write))
    ended = kind(moment="before").reroute(plan, context())
    assert ended == Delivery((*others, end), plan.ordered)


@endings
@given(plan=deliveries)
def test_what_ends_after_the_packet_leaves_it_whole(
    kind: type[ResetConnection], end: Step, plan: Delivery
) -> None:
    ended = kind(moment="after").reroute(plan, context())
    assert ended == Delivery((*plan.steps, end), plan.ordered)


@endings
@given(way=st.lists(pieces, max_size=6).map(tuple), ordered=st.booleans())
def test_what_ends_in_the_middle_writes_exactly_the_first_half(
    kind: type[ResetConnection], end: Step, way: tuple[Step, ...], ordered: bool
) -> None:
    ctx = context()
    ended = kind(moment="middle").reroute(Delivery(way, ordered), ctx)
    data = b"".join(written(Delivery(way)))
    assert b"".join(written(ended)) == data[: len(data) // 2]
    assert ended.steps[-1] == end
    assert ended.ordered == ordered
    assert ctx.details == "middle"
    before = ended.steps[:-1]
    assert [type(step) for step in before] == [type(step) for step in way[: len(before)]]


@for_each("kind", [CloseConnection, *(kind for kind, _ in ENDINGS)])
@for_each("moment", ["before", "middle", "after"])
def test_a_packet_that_waits_for_others_still_does_where_the_connection_ends_with_it(
    kind: type[ResetConnection], moment: Moment
) -> None:
    waiting = Delivery((Write(b"ab"), Write(b"cd"), Wait(1), LetPass(2, 3.0), MergeWithNext(4.0)))
    ended = kind(moment=moment).reroute(waiting, context())
    assert [step for step in ended.steps if isinstance(step, LetPass | MergeWithNext)] == [
        LetPass(2, 3.0),
        MergeWithNext(4.0),
    ]


# Reorder and coalesce


@given(deliveries, st.integers(1, 1000), st.floats(0, 100))
def test_a_reordered_packet_is_whole_and_held_back(
    plan: Delivery, behind: int, patience: float
) -> None:
    ctx = context()
    held = Reorder(let_pass=behind, max_wait=patience).reroute(plan, ctx)
    assert held == Delivery((*plan.steps, LetPass(behind, patience)), plan.ordered)
    assert ctx.details == f"let {behind} pass"


@given(deliveries, st.floats(0, 100))
def test_a_coalesced_packet_is_whole_and_joins_the_next(plan: Delivery, patience: float) -> None:
    joined = Coalesce(max_wait=patience).reroute(plan, context())
    assert joined == Delivery((*plan.steps, MergeWithNext(patience)), plan.ordered)


# Split


@given(st.binary(max_size=300), st.integers(2, 400), st.floats(0, 10))
def test_a_packet_is_split_in_so_many_pieces_of_about_the_same_size(
    data: bytes, count: int, gap: float
) -> None:
    plan = Split(pieces=count, gap=gap).reroute(Delivery.of(data), context())
    assert b"".join(written(plan)) == data
    if data:
        sizes = [len(piece) for piece in written(plan)]
        assert len(sizes) == min(count, len(data))
        assert max(sizes) - min(sizes) <= 1
        expected = [step for piece in written(plan) for step in (Wait(gap), Write(piece))][1:]
        assert list(plan.steps) == [s for s in expected if s != Wait(0.0)]


@given(st.binary(max_size=300), st.integers(1, 400), st.floats(0, 10))
def test_a_packet_is_split_in_pieces_of_so_many_bytes(data: bytes, size: int, gap: float) -> None:
    ctx = context()
    plan = Split(size=size, gap=gap).reroute(Delivery.of(data), ctx)
    assert b"".join(written(plan)) == data
    sizes = [len(piece) for piece in written(plan)]
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    assert not sizes or 1 <= sizes[-1] <= size
    assert waited(plan) == pytest.approx(gap * max(0, len(sizes) - 1))
    assert ctx.details == f"{size} bytes each"


def test_a_split_without_a_number_is_in_two() -> None:
    ctx = context()
    assert written(Split().reroute(Delivery.of(b"abcde"), ctx)) == [b"abc", b"de"]
    assert ctx.details == "2 pieces"


def test_pieces_and_size_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected pieces or size, found both$"):
        Split(pieces=2, size=2)


@given(deliveries, st.integers(1, 4), st.integers(2, 3))
def test_a_split_packet_is_repeated_split_and_a_repeated_one_split_each_time(
    plan: Delivery, size: int, copies: int
) -> None:
    split, duplicate = Split(size=size), Duplicate(copies=copies)
    one = duplicate.reroute(split.reroute(plan, context()), context())
    other = split.reroute(duplicate.reroute(plan, context()), context())
    assert written(one) == written(other)
    assert b"".join(written(one)) == b"".join(written(plan)) * copies


# Throttle


@given(deliveries, st.floats(0.001, 1e9))
def test_a_throttled_packet_is_the_same_at_so_many_bytes_a_second(
    plan: Delivery, rate: float
) -> None:
    ctx = context()
    slow = Throttle(bytes_per_second=rate).reroute(plan, ctx)
    assert written(slow) == written(plan)
    assert [step.rate for step in slow.steps if isinstance(step, Write)] == [rate] * len(
        written(plan)
    )
    others = [step for step in plan.steps if not isinstance(step, Write)]
    assert [step for step in slow.steps if not isinstance(step, Write)] == others
    assert slow.ordered == plan.ordered
    assert ctx.details == f"{rate:g} bytes/s"


@for_each("change", [Split(), Duplicate(), CloseConnection(moment="middle"), Delay(seconds=1)])
def test_what_is_throttled_stays_so_whatever_becomes_of_it(change: DeliveryFault) -> None:
    slow = Throttle(bytes_per_second=7).reroute(Delivery.of(b"abcdef"), context())
    changed = change.reroute(slow, context())
    assert {step.rate for step in changed.steps if isinstance(step, Write)} == {7}


# What a scenario may not say


@for_each(
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
        (Split, {"pieces": 1}),
        (Split, {"size": 0}),
        (Split, {"pieces": 2, "size": 3}),
        (Split, {"gap": -1}),
        (Throttle, {}),
        (Throttle, {"bytes_per_second": 0}),
        (Reorder, {"let_pass": 0}),
        (Reorder, {"max_wait": -1}),
        (Coalesce, {"max_wait": -1}),
        (ResetConnection, {"moment": "later"}),
        (HalfCloseConnection, {"moment": "later"}),
        (StallConnection, {"moment": "later"}),
        (Drop, {"name": ""}),
        (Drop, {"seconds": 1}),
    ],
)
def test_a_value_out_of_range_is_refused(kind: type[Any], given_fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": kind.kind(), **given_fields}, kind)
