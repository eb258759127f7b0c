"""Faults of connections say how a new one begins; on which they act, `when` says, counted over
connections.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invis_sim.faults import (
    AcceptClose,
    BadHandshake,
    ConnectionLimit,
    Drop,
    Fault,
    Greeting,
    IdleClose,
    NoPong,
    RejectHandshake,
    SlowAccept,
    SlowHandshake,
    When,
)
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.session import PlannedConnection
from invis_sim.protocol.transport import Transport
from tests.cases import for_each
from tests.faults.strategies import (
    CONNECTION_KINDS,
    MAY_DO_NOTHING,
    faults,
    push,
    seeds,
    send,
    the,
    transports,
)


def received(
    *several: Fault, connections: int = 1, transport: Transport = "tcp"
) -> PlannedConnection:
    """How a connection begins on which all of these faults act."""
    return the(Pipeline(several, seed=1).session(transport, 1).admit(0.0, connections))


def plan(*several: Fault, connections: int = 1, transport: Transport = "tcp") -> ConnectionPlan:
    return received(*several, connections=connections, transport=transport).plan


# Each kind


@for_each(
    ("fault", "expected", "detail"),
    [
        (AcceptClose(), ConnectionPlan(end="close"), "close"),
        (AcceptClose(how="reset"), ConnectionPlan(end="reset"), "reset"),
        (SlowAccept(seconds=1.5), ConnectionPlan(wait=1.5), "1.5 s"),
        (Greeting(text="Grüße\r\n"), ConnectionPlan(greeting=b"Gr\xc3\xbc\xc3\x9fe\r\n"), ""),
        (IdleClose(seconds=30), ConnectionPlan(idle_seconds=30), "after 30 s"),
        (IdleClose(seconds=0), ConnectionPlan(idle_seconds=0), "after 0 s"),
    ],
)
def test_each_kind_changes_what_it_is_about(
    fault: Fault, expected: ConnectionPlan, detail: str
) -> None:
    planned = received(fault)
    assert planned.plan == expected
    assert [(one.fault, one.detail) for one in planned.applied] == [(fault.kind(), detail)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("close", ConnectionPlan(end="close")),
        ("reset", ConnectionPlan(end="reset")),
        ("drop_oldest", ConnectionPlan(end="reset", drops_oldest=True)),
    ],
)
@given(limit=st.integers(1, 20), connections=st.integers(1, 30))
def test_a_limit_acts_exactly_on_the_connections_above_it(
    how: Any, expected: ConnectionPlan, limit: int, connections: int
) -> None:
    pipeline = Pipeline([ConnectionLimit(connections=limit, how=how)], seed=1)
    planned = pipeline.session("ws", 1).admit(0.0, connections)
    if connections <= limit:
        assert planned is None
        assert pipeline["connection_limit"].applied == 0
    else:
        assert the(planned).plan == expected
        assert the(planned).applied[0].detail == f"{how}, {connections} were open"


def test_a_limit_that_was_not_reached_does_not_use_up_its_times() -> None:
    pipeline = Pipeline([ConnectionLimit(connections=2, when=When(times=1))], seed=1)
    opened = [1, 2, 2, 3, 3]
    every = [pipeline.session("tcp", n).admit(0.0, opened[n]) for n in range(5)]
    assert [planned is not None for planned in every] == [0, 0, 0, 1, 0]


# Several


def test_waits_add_up_and_greetings_follow_each_other() -> None:
    several = (SlowAccept(seconds=1), Greeting(text="a"), SlowAccept(seconds=2), Greeting(text="b"))
    assert plan(*several) == ConnectionPlan(wait=3, greeting=b"ab")
    slow = SlowHandshake(seconds=0.5)
    assert plan(slow, slow, transport="ws") == ConnectionPlan(handshake_wait=1)


@example([0.0, 5.0])
@example([5.0, 0.0])
@given(st.lists(st.floats(0, 100), min_size=1, max_size=4))
def test_the_shortest_idle_time_counts(seconds: list[float]) -> None:
    assert plan(*(IdleClose(seconds=n) for n in seconds)) == ConnectionPlan(
        idle_seconds=min(seconds)
    )


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_ends_at_once_does_not_drop_another_one_as_well(how: Any) -> None:
    ends = AcceptClose(how=how)
    limit = ConnectionLimit(connections=1, how="drop_oldest")
    for several in ((ends, limit), (limit, ends)):
        assert plan(*several, connections=5) == ConnectionPlan(end=how)


def test_a_limit_has_nothing_to_do_where_the_connection_ends_anyway() -> None:
    planned = received(AcceptClose(), ConnectionLimit(connections=1), connections=2)
    assert [one.fault for one in planned.applied] == ["accept_close"]


def test_of_two_limits_the_later_one_may_end_the_new_connection_instead() -> None:
    drops, closes = (
        ConnectionLimit(connections=2, how="drop_oldest"),
        ConnectionLimit(connections=4),
    )
    assert plan(drops, closes, connections=4) == ConnectionPlan(end="reset", drops_oldest=True)
    assert plan(drops, closes, connections=5) == ConnectionPlan(end="close")


def test_faults_of_the_handshake_and_of_the_connection_make_one_plan() -> None:
    several = (
        IdleClose(seconds=9),
        NoPong(),
        BadHandshake(how="plain_200"),
        RejectHandshake(status=404, body="no"),
        Greeting(text="hi"),
    )
    planned = received(*several, transport="ws")
    assert planned.plan == ConnectionPlan(
        greeting=b"hi",
        idle_seconds=9,
        http_rejection=(404, "no"),
        handshake_response="plain_200",
        answers_pings=False,
    )
    handshake_first = ["no_pong", "bad_handshake", "reject_handshake", "idle_close", "greeting"]
    assert [one.fault for one in planned.applied] == handshake_first


@given(st.lists(faults(st.just(When()), CONNECTION_KINDS), max_size=8), transports, seeds)
def test_any_faults_together_make_a_plan_that_a_server_can_carry_out(
    several: list[Fault], transport: Transport, seed: int
) -> None:
    pipeline = Pipeline(several, seed)
    planned = pipeline.session(transport, 1).admit(0.0, 3)
    acting = [fault for fault in several if transport in fault.transports]
    certain = [fault for fault in acting if not isinstance(fault, MAY_DO_NOTHING)]
    assert sum(rule.applied for rule in pipeline) == (len(planned.applied) if planned else 0)
    if planned is None:
        assert not certain
        return
    assert len(certain) <= len(planned.applied) <= len(acting)
    assert all(len(one.detail) < 100 for one in planned.applied)
    made = planned.plan
    assert made.wait >= 0
    assert made.handshake_wait >= 0
    assert made.idle_seconds is None or made.idle_seconds >= 0
    assert made.http_rejection is None or 300 <= made.http_rejection[0] <= 599
    assert made.end == "reset" or not made.drops_oldest
    if transport == "tcp":
        http = (
            made.handshake_wait,
            made.http_rejection,
            made.handshake_response,
            made.answers_pings,
        )
        assert http == (0, None, "right", True)


# Which connections


@dataclass(frozen=True)
class Arrival:
    """A connection as it comes."""

    transport: Transport
    seconds: float


arrivals = st.lists(
    st.builds(Arrival, st.sampled_from(("tcp", "ws")), st.integers(0, 8)), max_size=20
)


def applied_to(fault: Fault, coming: list[Arrival], seed: int = 1) -> list[int]:
    """The numbers of the connections that the fault is applied to."""
    pipeline = Pipeline([fault], seed)
    return [
        n
        for n, arrival in enumerate(coming, 1)
        if pipeline.session(arrival.transport, n).admit(arrival.seconds, 1) is not None
    ]


def predicted(when: When, coming: list[Arrival]) -> list[int]:
    """The same, as the manual has it, chance left aside."""

    def among(allowed: int | tuple[int, ...] | None, value: int) -> bool:
        return allowed is None or value in (allowed if isinstance(allowed, tuple) else (allowed,))

    counted = [
        n
        for n, arrival in enumerate(coming, 1)
        if when.transport in (None, arrival.transport)
        and among(when.connection, n)
        and when.from_seconds <= arrival.seconds
        and (when.until_seconds is None or arrival.seconds < when.until_seconds)
    ]
    meant = [
        n
        for place, n in enumerate(counted, 1)
        if among(when.nth, place)
        and (when.first is None or place <= when.first)
        and (when.after is None or place > when.after)
        and (when.every is None or place % when.every == 0)
    ]
    return meant[: when.times]


ordinals = st.integers(1, 8) | st.lists(st.integers(1, 8), min_size=1, max_size=3).map(tuple)
CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "transport": st.sampled_from(("tcp", "ws")),
    "connection": ordinals,
    "nth": ordinals,
    "first": st.integers(1, 8),
    "after": st.integers(1, 8),
    "every": st.integers(1, 5),
    "times": st.integers(1, 4),
    "from_seconds": st.integers(0, 6),
    "until_seconds": st.integers(1, 8),
}


@st.composite
def some_conditions(draw: st.DrawFn) -> When | None:
    names = draw(st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=3, unique=True))
    try:
        return When(**{name: draw(CONDITIONS[name]) for name in names})
    except ValueError:
        return None


@given(some_conditions().filter(lambda when: when is not None), arrivals)
def test_conditions_select_and_count_connections(when: When, coming: list[Arrival]) -> None:
    assert applied_to(SlowAccept(seconds=1, when=when), coming) == predicted(when, coming)


@given(arrivals, seeds)
def test_each_connection_has_its_chance_and_again_the_same(
    coming: list[Arrival], seed: int
) -> None:
    fault = AcceptClose(when=When(probability=0.5))
    assert applied_to(fault, coming, seed) == applied_to(fault, coming, seed)


def test_a_share_of_connections_is_hit_as_large_as_the_probability() -> None:
    coming = [Arrival("tcp", 0)] * 1000
    hits = applied_to(AcceptClose(when=When(probability=0.2)), coming)
    assert len(hits) == pytest.approx(200, abs=40)
    assert len(applied_to(AcceptClose(when=When(probability=0.2, times=3)), coming)) == 3


def test_a_connection_begins_as_usual_where_no_fault_applies() -> None:
    never = [
        AcceptClose(enabled=False),
        SlowAccept(seconds=1, when=When(connection=2)),
        NoPong(),
        Drop(),
    ]
    assert Pipeline([], seed=1).session("tcp", 1).admit(0.0, 1) is None
    assert Pipeline(never, seed=1).session("tcp", 1).admit(0.0, 1) is None


def test_a_fault_of_connections_leaves_packets_alone() -> None:
    session = Pipeline([AcceptClose(), Greeting(), NoPong()], seed=1).session("ws", 1)
    assert session.admit(0.0, 1) is not None
    assert send(session) is None
    assert push(session) is None


def test_a_fault_can_be_switched_between_two_connections() -> None:
    pipeline = Pipeline([AcceptClose()], seed=1)
    pipeline.enable(pipeline["accept_close"], False)
    assert pipeline.session("tcp", 1).admit(0.0, 1) is None
    pipeline.enable(pipeline["accept_close"], True)
    assert pipeline.session("tcp", 2).admit(0.0, 1) is not None
    assert pipeline["accept_close"].applied == 1


@for_each("kind", CONNECTION_KINDS, ids=[kind.kind() for kind in CONNECTION_KINDS])
@for_each(
    ("key", "value"),
    [("callback", 20), ("packet", "any"), ("packet", "push"), ("per", "connection")],
)
def test_a_condition_about_packets_is_refused(kind: type[Fault], key: str, value: object) -> None:
    message = f"^when\\.{key}: {kind.kind()} acts on new connections, which have none"
    arguments = {"seconds": 1.0} if kind in (SlowAccept, SlowHandshake, IdleClose) else {}
    with pytest.raises(ValueError, match=message):
        kind(**arguments, when=When(**{key: value}))  # type: ignore[arg-type]


@for_each(
    ("kind", "given_fields"),
    [
        (AcceptClose, {"how": "drop"}),
        (SlowAccept, {}),
        (SlowAccept, {"seconds": -1}),
        (Greeting, {"text": ""}),
        (Greeting, {"text": 3}),
        (ConnectionLimit, {"connections": 0}),
        (ConnectionLimit, {"how": "oldest"}),
        (IdleClose, {"seconds": -0.1}),
    ],
)
def test_a_value_out_of_range_is_refused(kind: type[Fault], given_fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": kind.kind(), **given_fields}, kind)


# On connections that are open already


def test_faults_that_last_act_on_open_connections_as_long_as_they_are_in_force() -> None:
    pipeline = Pipeline([SlowAccept(seconds=1)], seed=1)
    session = pipeline.session("ws", 1)
    assert the(session.admit(0.0, 1)).plan == ConnectionPlan(wait=1)
    assert session.follow(1.0) is None
    idle, mute = pipeline.arm(IdleClose(seconds=4)), pipeline.arm(NoPong())
    pipeline.arm(Greeting())
    followed = the(session.follow(2.0))
    assert followed.plan == ConnectionPlan(wait=1, idle_seconds=4, answers_pings=False)
    assert [one.fault for one in followed.applied] == ["no_pong", "idle_close"]
    assert followed.faults == ("no_pong", "slow_accept", "idle_close")
    pipeline.remove(idle)
    assert the(session.follow(3.0)).plan == ConnectionPlan(wait=1, answers_pings=False)
    pipeline.enable(mute, False)
    assert the(session.follow(4.0)).plan == ConnectionPlan(wait=1)
    assert session.follow(5.0) is None
    assert (idle.applied, mute.applied, pipeline["greeting"].applied) == (1, 1, 0)


def test_a_fault_that_lasts_counts_a_connection_once_and_keeps_its_conditions() -> None:
    pipeline = Pipeline([], seed=1)
    first, second, tcp = (
        pipeline.session(transport, number)  # type: ignore[arg-type]
        for number, transport in enumerate(("ws", "ws", "tcp"), 1)
    )
    for session in (first, second, tcp):
        assert session.admit(0.0, 1) is None
    when = When(nth=2, from_seconds=2, until_seconds=4)
    armed = pipeline.arm(NoPong(when=when))
    assert [session.follow(1.0) for session in (first, second, tcp)] == [None] * 3
    in_force = [session.follow(2.0) for session in (first, second, tcp, first, second, tcp)]
    muted = [planned is not None and not planned.plan.answers_pings for planned in in_force]
    assert muted == [False, True, False, False, False, False]
    assert armed.matched == 2
    assert the(second.follow(4.0)).plan.answers_pings
    late = pipeline.session("ws", 4)
    assert late.admit(4.0, 1) is None
