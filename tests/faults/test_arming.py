"""Faults are armed, removed, switched, found and reset while connections are open."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults import (
    AcceptClose,
    BitFlip,
    Delay,
    Distribution,
    Drop,
    Fail,
    Fault,
    Garbage,
    MalformedJson,
    When,
    WrongPacketId,
)
from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.session import FaultSession, PlannedDelivery
from invis_sim.protocol.transport import Transport
from tests.faults.strategies import applied_faults, faults, seeds, send, transports

RANDOM: tuple[Callable[[When], Fault], ...] = (
    lambda when: Drop(name="one", when=when),
    lambda when: Delay(name="one", seconds=Distribution(min=0, max=1), when=when),
    lambda when: WrongPacketId(name="one", when=when),
    lambda when: BitFlip(name="one", bits=3, when=when),
    lambda when: Garbage(name="one", when=when),
)
"""Faults that draw something, or would if `when` has a probability."""

conditions = st.builds(
    When,
    per=st.sampled_from(("device", "connection")),
    nth=st.none() | st.integers(1, 4),
    times=st.none() | st.integers(1, 3),
    probability=st.sampled_from((1.0, 0.5)),
)
random_faults = st.builds(lambda make, when: make(when), st.sampled_from(RANDOM), conditions)
"""Faults whose draws and counts would show if they did not start again."""


def plans(session: FaultSession, packets: int) -> list[PlannedDelivery | None]:
    return [send(session, 100_000 + n) for n in range(packets)]


def identities(pipeline: Pipeline) -> list[str]:
    return [armed.identity for armed in pipeline]


# Identity


@given(
    random_faults,
    st.lists(faults(st.just(When(callback=99))), max_size=3),
    seeds,
    transports,
    st.integers(1, 6),
)
def test_a_fault_armed_again_draws_on_a_new_connection_as_it_did_first(
    fault: Fault, others: list[Fault], seed: int, transport: Transport, packets: int
) -> None:
    pipeline = Pipeline(others, seed)
    armed = pipeline.arm(fault)
    first = plans(pipeline.session(transport, 1), packets)
    pipeline.remove(armed)
    assert plans(pipeline.session("tcp", 2), packets) == [None] * packets
    again = pipeline.arm(fault)
    assert again.identity == armed.identity
    assert (again.matched, again.applied) == (0, 0)
    assert plans(pipeline.session(transport, 1), packets) == first


@given(random_faults, seeds, st.integers(1, 6))
def test_a_fault_armed_again_counts_from_zero_on_open_connections(
    fault: Fault, seed: int, packets: int
) -> None:
    pipeline = Pipeline([], seed)
    session = pipeline.session("ws", 3)
    armed = pipeline.arm(fault)
    first = plans(session, packets)
    pipeline.remove(armed)
    pipeline.arm(fault)  # without a packet in between
    assert plans(session, packets) == first


def test_the_place_in_an_identity_is_the_lowest_that_is_free() -> None:
    pipeline = Pipeline([Drop(), Drop(), Delay(seconds=1), Drop()], seed=1)
    assert identities(pipeline) == ["drop#1", "drop#2", "delay#1", "drop#3"]
    _, second, *_ = pipeline
    pipeline.remove(second)
    assert identities(pipeline) == ["drop#1", "delay#1", "drop#3"]
    assert [pipeline.arm(Drop()).identity for _ in range(2)] == ["drop#2", "drop#4"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["drop", "a", "a#1", "drop#1"]))))
def test_identities_differ_whatever_comes_and_goes(changes: list[tuple[bool, str]]) -> None:
    pipeline = Pipeline([], seed=1)
    for comes, name in changes:
        present = [armed for armed in pipeline if armed.name == name]
        if comes or not present:
            pipeline.arm(Drop(name=name))
        else:
            pipeline.remove(present[0])
        assert len(set(identities(pipeline))) == len(pipeline)


# Finding


def test_matching_finds_all_of_a_name_or_the_one_of_an_identity() -> None:
    pipeline = Pipeline([Drop(), Fail(), Drop()], seed=1)
    assert [one.identity for one in pipeline.matching("drop")] == ["drop#1", "drop#2"]
    assert [one.identity for one in pipeline.matching("drop#2")] == ["drop#2"]
    assert pipeline["drop"] is pipeline.matching("drop")[0]


def test_a_name_goes_before_an_identity() -> None:
    pipeline = Pipeline([Drop(), Fail(name="drop#1")], seed=1)
    assert [one.identity for one in pipeline.matching("drop#1")] == ["drop#1#1"]


def test_matching_nothing_lists_the_names() -> None:
    pipeline = Pipeline([Drop(), Drop(), Delay(seconds=1, name="slow")], seed=1)
    with pytest.raises(
        LookupError, match=r"^no fault is called 'fast'; there are: 'drop', 'slow'$"
    ):
        pipeline.matching("fast")
    with pytest.raises(LookupError, match="there are: none"):
        Pipeline([], seed=1).matching("fast")


# Counting


def test_matched_and_applied_are_counted_over_all_connections() -> None:
    pipeline = Pipeline([Drop(when=When(every=2, per="connection"))], seed=1)
    for number in (1, 2):
        plans(pipeline.session("tcp", number), 3)
    (armed,) = pipeline
    assert (armed.matched, armed.applied) == (6, 2)


@given(random_faults, seeds, st.integers(1, 6))
def test_resetting_counters_starts_again_on_open_connections(
    fault: Fault, seed: int, packets: int
) -> None:
    pipeline = Pipeline([fault], seed)
    (armed,) = pipeline
    session = pipeline.session("tcp", 1)
    first = plans(session, packets)
    pipeline.reset_counters()
    assert (armed.matched, armed.applied) == (0, 0)
    assert plans(session, packets) == first
    assert list(pipeline) == [armed]


def test_a_session_forgets_the_counters_of_removed_faults() -> None:
    pipeline = Pipeline([], seed=1)
    session = pipeline.session("tcp", 1)
    for _ in range(50):
        armed = pipeline.arm(Drop())
        assert send(session) is not None
        pipeline.remove(armed)
    assert send(session) is None
    assert session._counts == {}


# Starting again


@given(random_faults, seeds, st.integers(0, 9), st.integers(1, 6))
def test_reseeding_makes_the_next_connection_draw_as_the_first(
    fault: Fault, seed: int, base: int, packets: int
) -> None:
    pipeline = Pipeline([fault], seed)
    first, second = (plans(pipeline.session("tcp", n), packets) for n in (1, 2))
    for number in range(3, base + 1):
        plans(pipeline.session("tcp", number), packets)
    base = max(base, 2)
    pipeline.reset_counters()
    pipeline.reseed(base)
    again = [plans(pipeline.session("tcp", base + n), packets) for n in (1, 2)]
    assert again == [first, second]


def test_reseeding_changes_nothing_in_which_connections_match() -> None:
    pipeline = Pipeline([Drop(when=When(connection=3))], seed=1)
    pipeline.reseed(2)
    found = [send(pipeline.session("tcp", number)) is not None for number in (1, 2, 3, 4)]
    assert found == [False, False, True, False]


def test_faults_of_connections_are_reseeded_too() -> None:
    pipeline = Pipeline([AcceptClose(when=When(probability=0.5))], seed=7)

    def ended(after: int) -> list[bool]:
        numbers = range(after + 1, after + 33)
        return [pipeline.session("tcp", n).admit(0.0, 1) is not None for n in numbers]

    first = ended(0)
    pipeline.reset_counters()
    pipeline.reseed(32)
    assert ended(32) == first
    assert ended(64) != first


initial = st.lists(
    st.builds(
        lambda make, name, enabled: msgspec.structs.replace(make, name=name, enabled=enabled),
        st.sampled_from((Drop(), Fail(), MalformedJson(), Delay(seconds=1))),
        st.sampled_from((None, "a", "b")),
        st.booleans(),
    ),
    max_size=5,
)


@given(
    initial, st.lists(st.tuples(st.sampled_from(["arm", "remove", "on", "off"]), st.integers(0)))
)
def test_reset_goes_back_to_the_faults_of_the_beginning(
    several: list[Fault], changes: list[tuple[str, int]]
) -> None:
    def state() -> list[tuple[Fault, str, bool]]:
        return [(armed.fault, armed.identity, armed.enabled) for armed in pipeline]

    pipeline = Pipeline(several, seed=1)
    session = pipeline.session("tcp", 1)
    beginning, fresh = state(), applied_faults(send(session))
    for _ in range(2):  # also a second time
        for change, number in changes:
            present = list(pipeline)
            if change == "arm":
                pipeline.arm((Drop(name="a"), Fail(), Delay(seconds=2))[number % 3])
            elif present and change == "remove":
                pipeline.remove(present[number % len(present)])
            elif present:
                pipeline.enable(present[number % len(present)], change == "on")
        pipeline.reset()
        assert state() == beginning
        assert applied_faults(send(session)) == fresh


def test_after_a_reset_the_order_of_the_file_holds_for_what_is_armed_later() -> None:
    pipeline = Pipeline([Drop(name="one"), Drop(name="two")], seed=1)
    pipeline.remove(pipeline["one"])
    pipeline.reset()
    pipeline.arm(Drop(name="three"))
    assert [armed.name for armed in pipeline] == ["one", "two", "three"]


def test_reset_keeps_the_counters_of_those_that_stayed() -> None:
    pipeline = Pipeline([Drop(name="stays"), Drop(name="goes")], seed=1)
    stays, goes = pipeline
    session = pipeline.session("tcp", 1)
    send(session)
    pipeline.remove(goes)
    pipeline.enable(stays, False)
    pipeline.reset()
    assert [(armed.name, armed.applied) for armed in pipeline] == [("stays", 1), ("goes", 0)]
    assert pipeline["stays"] is stays
    assert stays.enabled


def test_only_the_pipeline_switches_a_fault() -> None:
    (armed,) = Pipeline([Drop()], seed=1)
    with pytest.raises(AttributeError):
        setattr(armed, "enabled", False)  # noqa: B010


def test_armed_faults_that_are_alike_are_told_apart() -> None:
    one, other = (ArmedFault(Drop(), "drop#1", 1) for _ in range(2))
    assert one != other
    assert len({one, other}) == 2
