"""`When` says which packets a fault applies to."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invis_sim.faults import Drop, Fail, Fault, When, WrongPacketId
from invis_sim.faults.pipeline import Pipeline
from invis_sim.protocol.packets import Packet, Push, Reply
from invis_sim.protocol.transport import PacketKind, Transport
from tests.cases import examples, for_each
from tests.faults.strategies import push, request, send, unframed
from tests.support import SN


@dataclass(frozen=True)
class Event:
    """A packet that is about to leave."""

    kind: PacketKind
    callback: int
    connection: int
    seconds: float


def applied_to(when: When, events: list[Event], transports: list[Transport]) -> list[int]:
    """Which of these packets, by index, a fault under these conditions applies to."""
    pipeline = Pipeline([Drop(when=when)], seed=1)
    sessions = [pipeline.session(transport, n) for n, transport in enumerate(transports, 1)]
    found = []
    for index, event in enumerate(events):
        packet: Packet = Reply.success(SN, 123_456, event.callback)
        asked = request(callback=event.callback)
        if event.kind == "push":
            packet = Push.of(SN, 7, event.callback, None)
        about = asked if event.kind == "reply" else None
        plan = sessions[event.connection - 1].plan(
            packet, packet.encode(), about, event.seconds, unframed
        )
        if plan is not None:
            found.append(index)
    return found


def predicted(
    conditions: dict[str, Any], events: list[Event], transports: list[Transport]
) -> list[int]:
    """The same, as the manual has it."""

    def allows(name: str, value: object) -> bool:
        allowed = conditions.get(name)
        return allowed is None or value in (allowed if isinstance(allowed, tuple) else (allowed,))

    def together(index: int) -> object:
        return events[index].connection if conditions.get("per") == "connection" else "the device"

    def standing(index: int, among: list[int]) -> int:
        return sum(1 for i in among if i <= index and together(i) == together(index))

    counted = [
        index
        for index, event in enumerate(events)
        if conditions.get("packet", "reply") in (event.kind, "any")
        and allows("callback", event.callback)
        and allows("transport", transports[event.connection - 1])
        and allows("connection", event.connection)
        and event.seconds >= conditions.get("from_seconds", 0)
        and event.seconds < conditions.get("until_seconds", float("inf"))
    ]
    meant = [index for index in counted if fits(conditions, standing(index, counted))]
    times = conditions.get("times", len(events))
    return [index for index in meant if standing(index, meant) <= times]


def fits(conditions: dict[str, Any], n: int) -> bool:
    """Whether the nth packet is meant."""
    nth = conditions.get("nth", n)
    return bool(
        n in (nth if isinstance(nth, tuple) else (nth,))
        and n <= conditions.get("first", n)
        and n > conditions.get("after", 0)
        and n % conditions.get("every", 1) == 0
    )


def one_or_more(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[int | tuple[int, ...]]:
    return numbers | st.lists(numbers, min_size=1, max_size=3).map(tuple)


CONDITIONS: dict[str, st.SearchStrategy[Any]] = {
    "callback": one_or_more(st.integers(1, 3)),
    "packet": st.sampled_from(("reply", "push", "any")),
    "transport": st.sampled_from(("tcp", "ws")),
    "connection": one_or_more(st.integers(1, 4)),
    "nth": one_or_more(st.integers(1, 8)),
    "first": st.integers(1, 8),
    "after": st.integers(1, 8),
    "every": st.integers(1, 5),
    "per": st.sampled_from(("device", "connection")),
    "times": st.integers(1, 4),
    "from_seconds": st.integers(0, 6),
    "until_seconds": st.integers(1, 8),
}

any_transports: st.SearchStrategy[list[Transport]] = st.lists(
    st.sampled_from(("tcp", "ws")), min_size=3, max_size=3
)
any_events = st.lists(
    st.builds(
        Event,
        st.sampled_from(("reply", "reply", "push")),
        st.integers(1, 3),
        st.integers(1, 3),
        st.integers(0, 8),
    ),
    max_size=30,
)


@pytest.mark.parametrize("name", CONDITIONS)
@given(st.data())
def test_each_condition_alone_means_what_the_manual_says(name: str, data: st.DataObject) -> None:
    conditions = {name: data.draw(CONDITIONS[name])}
    events, transports = data.draw(any_events), data.draw(any_transports)
    expected = predicted(conditions, events, transports)
    assert applied_to(When(**conditions), events, transports) == expected


@st.composite
def several_conditions(draw: st.DrawFn) -> dict[str, Any]:
    """A few only: with many, hardly a packet is left that they could be wrong about."""
    names = draw(st.lists(st.sampled_from(list(CONDITIONS)), min_size=2, max_size=4, unique=True))
    return {name: draw(CONDITIONS[name]) for name in names}


@settings(max_examples=examples(6))
@given(several_conditions(), any_events, any_transports)
def test_of_several_conditions_all_must_hold(
    conditions: dict[str, Any], events: list[Event], transports: list[Transport]
) -> None:
    when = accepted(conditions)
    found = [] if when is None else applied_to(when, events, transports)
    assert found == predicted(conditions, events, transports)


def accepted(conditions: dict[str, Any]) -> When | None:
    """The conditions; None where they are refused because they never hold."""
    try:
        return When(**conditions)
    except ValueError as error:
        if not str(error).startswith("never applies: "):
            raise
        return None


@given(
    st.fixed_dictionaries(
        {}, optional={name: CONDITIONS[name] for name in ("nth", "first", "after", "every")}
    )
)
def test_counts_are_refused_exactly_where_no_packet_could_have_them(
    conditions: dict[str, Any],
) -> None:
    if any(fits(conditions, n) for n in range(1, 100)):
        When(**conditions)
    else:
        with pytest.raises(ValueError, match=r"^never applies: no count satisfies ") as refusal:
            When(**conditions)
        assert all(name in str(refusal.value) for name in conditions)


@for_each(("start", "end"), [(2, 2), (3, 2), (0.5, 0.25)])
def test_a_time_that_ends_before_it_begins_is_refused(start: float, end: float) -> None:
    with pytest.raises(ValueError, match=f"until_seconds \\({end:g}\\) is not after from_seconds"):
        When(from_seconds=start, until_seconds=end)


@pytest.mark.parametrize("kind", [Fail, WrongPacketId])
def test_a_fault_of_replies_refuses_to_be_about_pushes(kind: type[Fault]) -> None:
    with pytest.raises(
        ValueError, match=r'^when\.packet: .* acts on reply packets only, so with "push"'
    ):
        kind(when=When(packet="push"))
    kind(when=When(packet="any"))


def test_a_fault_that_exists_on_one_transport_refuses_the_other() -> None:
    class OnlyWebSocket(Drop, frozen=True, tag="only_ws"):
        transports = ("ws",)

    OnlyWebSocket(when=When(transport="ws"))
    with pytest.raises(ValueError, match=r'^when\.transport: only_ws exists on ws only, .* "tcp"'):
        OnlyWebSocket(when=When(transport="tcp"))
    pipeline = Pipeline([OnlyWebSocket()], seed=1)
    assert send(pipeline.session("tcp", 1)) is None
    assert send(pipeline.session("ws", 2)) is not None


@for_each(
    "conditions",
    [
        {"callback": []},
        {"connection": 0},
        {"connection": []},
        {"nth": 0},
        {"nth": [1, 0]},
        {"first": 0},
        {"after": 0},
        {"every": 0},
        {"times": 0},
        {"probability": 0},
        {"probability": 1.01},
        {"from_seconds": -1},
        {"until_seconds": 0},
        {"packet": "request"},
        {"per": "callback"},
        {"nht": 3},
    ],
)
def test_a_condition_out_of_range_is_refused(conditions: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(conditions, When)


def test_without_conditions_every_reply_is_meant_and_no_push() -> None:
    session = Pipeline([Drop()], seed=1).session("tcp", 1)
    assert send(session) is not None
    assert push(session) is None


def test_a_reply_is_about_the_callback_of_its_request_even_where_it_has_no_payload() -> None:
    session = Pipeline([Drop(when=When(callback=20))], seed=1).session("tcp", 1)
    failure = Reply.failure(SN, 123_456)
    assert session.plan(failure, failure.encode(), request(callback=20), 0, unframed) is not None
    assert session.plan(failure, failure.encode(), request(callback=21), 0, unframed) is None
    assert session.plan(failure, failure.encode(), request(callback=None), 0, unframed) is None


def test_a_fault_of_replies_under_any_packet_counts_no_pushes() -> None:
    session = Pipeline([Fail(when=When(packet="any", nth=2))], seed=1).session("tcp", 1)
    assert [plan is not None for plan in (send(session), push(session), send(session))] == [0, 0, 1]


def test_what_leaves_outside_the_time_is_not_counted() -> None:
    session = Pipeline([Drop(when=When(nth=2, from_seconds=5))], seed=1).session("tcp", 1)
    assert [send(session, seconds=n) is not None for n in (3, 4, 5, 6, 7)] == [0, 0, 0, 1, 0]


def test_each_connection_may_have_its_own_count_and_limit() -> None:
    when = When(after=1, times=2, per="connection")
    pipeline = Pipeline([Drop(when=when)], seed=1)
    for n in (1, 2):
        session = pipeline.session("tcp", n)
        assert [send(session) is not None for _ in range(5)] == [0, 1, 1, 0, 0]


def test_a_share_is_hit_as_large_as_the_probability() -> None:
    for probability in (0.1, 0.5, 0.9):
        session = Pipeline([Drop(when=When(probability=probability))], seed=5).session("tcp", 1)
        hits = sum(send(session) is not None for _ in range(2000))
        assert hits / 2000 == pytest.approx(probability, abs=0.05)


def test_times_limits_those_that_chance_picks_not_those_that_it_is_asked_about() -> None:
    session = Pipeline([Drop(when=When(probability=0.2, times=3))], seed=5).session("tcp", 1)
    assert sum(send(session) is not None for _ in range(200)) == 3
