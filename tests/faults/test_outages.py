"""An outage says what is away and for how long; it begins at a time, or with a packet."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults import (
    CloseConnection,
    Coalesce,
    Delivery,
    Drop,
    FaceplateOffline,
    Fault,
    HalfCloseConnection,
    Readdress,
    Reboot,
    Refuse,
    ResetConnection,
    StallConnection,
    Unreachable,
    When,
)
from invis_sim.faults.armed import ArmedFault, outage_of
from invis_sim.faults.delivery import (
    Close,
    HalfClose,
    MergeWithNext,
    Moment,
    Reset,
    Stall,
    StartOutage,
    Write,
)
from invis_sim.faults.fault import OutageFault
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline
from invis_sim.protocol.transport import DisconnectMode
from tests.cases import for_each
from tests.faults.random_structs import conditions
from tests.faults.strategies import (
    PACKET_KINDS,
    applied_faults,
    context,
    faults,
    push,
    send,
    the,
    unframed,
    written,
)
from tests.support import SN

OUTAGES = (Refuse, Unreachable, Reboot, Readdress, FaceplateOffline)
every_outage = for_each("kind", OUTAGES, ids=[kind.kind() for kind in OUTAGES])


def started_by(fault: OutageFault) -> Outage:
    """The outage of the first armed fault of this kind, which has no name."""
    return msgspec.structs.replace(fault.outage(), identity=f"{fault.kind()}#1")


# What is away


@for_each(
    ("outage", "restarts"),
    [
        (Reboot(seconds=1).outage(), True),
        (Reboot(seconds=1, how="blackhole").outage(), True),
        (Refuse(seconds=1).outage(), False),
        (Unreachable(seconds=1).outage(), False),
        (FaceplateOffline(seconds=1).outage(), False),
        (Outage("a restart", None, refuses=True, connections="close"), True),
        (Outage("disconnected", None, connections="close"), False),
    ],
)
def test_an_outlet_restarts_that_ends_its_connections_and_takes_no_new_ones(
    outage: Outage, restarts: bool
) -> None:
    assert outage.restarts is restarts


@for_each(
    ("fault", "expected"),
    [
        (Refuse(), Outage("refuse", None, refuses=True)),
        (Refuse(name="gone", seconds=2), Outage("gone", 2, refuses=True)),
        (Unreachable(seconds=2), Outage("unreachable", 2, swallows=True)),
        (Reboot(), Outage("reboot", 3, refuses=True, connections="reset")),
        (Readdress(), Outage("readdress", 3, refuses=True, connections="reset", moves=True)),
        (FaceplateOffline(), Outage("faceplate_offline", None, faceplate=True)),
        (FaceplateOffline(seconds=0), Outage("faceplate_offline", 0, faceplate=True)),
    ],
)
def test_each_kind_says_what_is_away_and_for_how_long(fault: OutageFault, expected: Outage) -> None:
    assert fault.outage() == expected


@for_each("how", ["close", "reset", "close_frame", "blackhole"])
def test_a_reboot_ends_connections_in_the_way_it_says(how: DisconnectMode) -> None:
    expected = Outage("reboot", 1, refuses=True, connections=how)
    assert Reboot(seconds=1, how=how).outage() == expected


# When it begins


def timed_outages(pipeline: Pipeline) -> list[ArmedFault]:
    """The enabled faults that start an outage at a time, and not with a packet."""
    return [armed for armed in pipeline if armed.enabled and armed.fault.starts_at_a_time]


@every_outage
@given(when=conditions(Reboot))
def test_it_begins_at_a_time_exactly_where_nothing_but_a_time_is_asked_for(
    kind: type[OutageFault], when: When
) -> None:
    given_conditions = {
        name for name in When.__struct_fields__ if getattr(when, name) != getattr(When(), name)
    }
    only_time = given_conditions <= {"from_seconds", "until_seconds"}
    assert kind(when=when).starts_at_a_time == only_time
    assert bool(timed_outages(Pipeline([kind(when=when)], seed=1))) == only_time


@every_outage
def test_one_that_begins_at_a_time_does_not_begin_with_a_packet(kind: type[OutageFault]) -> None:
    for when in (When(), When(from_seconds=1), When(from_seconds=1, until_seconds=9)):
        session = Pipeline([kind(when=when)], seed=1).session("tcp", 1)
        assert send(session, seconds=5) is None
        assert push(session, seconds=5) is None
        assert session.admit(5, 1) is None


@every_outage
def test_one_that_asks_for_a_packet_begins_once_that_is_sent(kind: type[OutageFault]) -> None:
    fault = kind(when=When(callback=20, nth=2))
    pipeline = Pipeline([fault], seed=1)
    session = pipeline.session("ws", 1)
    assert timed_outages(pipeline) == []
    assert send(session, callback=20) is None
    assert send(session, callback=12) is None
    plan = the(send(session, callback=20, frame=lambda text: b"<" + text + b">"))
    assert applied_faults(plan) == [kind.kind()]
    write, begin = plan.delivery.steps
    assert isinstance(write, Write)
    assert write.data[:2] == b"<{"
    assert begin == StartOutage(started_by(fault))


def test_it_may_begin_with_a_push() -> None:
    session = Pipeline([Refuse(when=When(packet="push"))], seed=1).session("tcp", 1)
    assert send(session) is None
    assert the(push(session)).delivery.steps[-1] == StartOutage(started_by(Refuse()))


@for_each(
    ("fault", "end"),
    [
        (CloseConnection(moment="after"), Close(1011)),
        (CloseConnection(moment="middle"), Close(None)),
        (ResetConnection(moment="before"), Reset()),
        (HalfCloseConnection(), HalfClose()),
        (StallConnection(), Stall()),
    ],
)
def test_it_begins_before_the_connection_ends_with_the_packet(fault: Fault, end: object) -> None:
    outage = Reboot(when=When(every=1))
    for several in ([fault, outage], [outage, fault]):
        plan = the(send(Pipeline(several, seed=1).session("ws", 1)))
        assert plan.delivery.steps[-2:] == (StartOutage(started_by(outage)), end)


def test_it_begins_though_the_packet_is_dropped_or_waits_for_the_next() -> None:
    outage = Refuse(when=When(every=1))
    plan = the(send(Pipeline([outage, Drop()], seed=1).session("tcp", 1)))
    assert plan.delivery == Delivery((StartOutage(started_by(outage)),))
    plan = the(send(Pipeline([outage, Coalesce()], seed=1).session("tcp", 1)))
    assert plan.delivery.steps[1:] == (MergeWithNext(1.0), StartOutage(started_by(outage)))


@given(st.lists(faults(st.just(When(every=1)), set(PACKET_KINDS) - set(OUTAGES)), max_size=6))
def test_each_outage_starts_once_and_changes_no_byte_whatever_else_applies(
    several: list[Fault],
) -> None:
    outages = [
        Reboot(name="first", seconds=1, when=When(every=1)),
        Refuse(name="second", when=When(every=1)),
    ]
    bare = send(Pipeline(several, seed=1).session("ws", 1))
    plan = the(send(Pipeline([*outages, *several], seed=1).session("ws", 1)))
    begun = [step.outage.name for step in plan.delivery.steps if isinstance(step, StartOutage)]
    if any(one.detail.startswith("skipped") for one in plan.applied):
        return
    assert sorted(begun) == ["first", "second"]
    first = next(n for n, step in enumerate(plan.delivery.steps) if isinstance(step, StartOutage))
    ends = (Close, Reset, HalfClose, Stall)
    assert not any(isinstance(step, ends) for step in plan.delivery.steps[:first])
    if bare is not None:
        rest = tuple(step for step in plan.delivery.steps if not isinstance(step, StartOutage))
        assert rest == bare.delivery.steps


@for_each(
    ("moment", "sent"), [("before", []), ("middle", [b"ab", b"c"]), ("after", [b"ab", b"cdef"])]
)
def test_a_reboot_begins_at_the_moment_of_the_packet_that_it_says(
    moment: Moment, sent: list[bytes]
) -> None:
    fault = Reboot(moment=moment, when=When(every=1))
    ctx = context()
    plan = fault.reroute(Delivery((Write(b"ab"), Write(b"cdef"), Reset())), ctx)
    assert written(plan) == sent
    assert ctx.details == moment
    begin = plan.steps.index(StartOutage(fault.outage()))
    assert all(isinstance(step, Write) for step in plan.steps[:begin])
    assert plan.steps[begin + 1 :] == (() if moment == "middle" else (Reset(),))


def test_a_reboot_in_the_middle_does_not_undo_what_else_begins_or_waits() -> None:
    refuse = Refuse(when=When(every=1))
    reboot = Reboot(moment="middle", when=When(every=1))
    plan = the(send(Pipeline([refuse, Coalesce(), reboot], seed=1).session("tcp", 1)))
    assert {
        StartOutage(started_by(refuse)),
        StartOutage(started_by(reboot)),
        MergeWithNext(1.0),
    } < set(plan.delivery.steps)


# Of the pipeline


def test_the_outages_that_begin_at_a_time_are_listed_while_they_are_enabled() -> None:
    later = When(from_seconds=9)
    pipeline = Pipeline(
        [Reboot(when=later), Drop(), Refuse(), FaceplateOffline(when=When(nth=1))], seed=1
    )
    refuse, reboot = pipeline["refuse"], pipeline["reboot"]
    assert timed_outages(pipeline) == [refuse, reboot]
    pipeline.enable(refuse, False)
    assert timed_outages(pipeline) == [reboot]
    assert not pipeline.find_enabled(refuse.identity)
    assert pipeline.find_enabled(reboot.identity)
    pipeline.remove(reboot)
    assert timed_outages(pipeline) == []
    assert not pipeline.find_enabled(reboot.identity)


def test_of_two_of_one_name_each_has_its_own_switch() -> None:
    pipeline = Pipeline([Refuse(enabled=False), Refuse()], seed=1)
    first, second = pipeline
    assert not pipeline.find_enabled(first.identity)
    assert pipeline.find_enabled(second.identity)


def test_every_change_raises_the_version() -> None:
    pipeline = Pipeline([Reboot()], seed=1)
    seen = [pipeline.version]

    def changed() -> bool:
        seen.append(pipeline.version)
        return seen[-1] > seen[-2]

    armed = pipeline.arm(Refuse())
    assert changed()
    pipeline.enable(armed, False)
    assert changed()
    pipeline.remove(armed)
    assert changed()
    pipeline.remove(armed)  # is gone already
    assert not changed()
    with pytest.raises(ValueError, match="seconds"):
        pipeline.arm(Reboot(seconds=-1))
    assert not changed()
    pipeline.reset()
    assert changed()
    pipeline.reset_counters()
    assert changed()


# Whose it is


@every_outage
def test_an_outage_has_the_identity_of_the_armed_fault(kind: type[OutageFault]) -> None:
    """Also of the second of a name."""
    with_packet = [kind(name="away", when=When(every=1)) for _ in range(2)]
    plan = the(send(Pipeline(with_packet, seed=1).session("tcp", 1)))
    begun = [step.outage for step in plan.delivery.steps if isinstance(step, StartOutage)]
    assert {(one.name, one.identity) for one in begun} == {("away", "away#1"), ("away", "away#2")}
    timed = timed_outages(Pipeline([kind(), kind(name="away")], seed=1))
    assert [outage_of(armed).identity for armed in timed] == [f"{kind.kind()}#1", "away#1"]
    assert outage_of(timed[1]).seconds == kind().outage().seconds


def test_a_fault_that_starts_no_outage_has_none() -> None:
    (armed,) = Pipeline([Drop()], seed=1)
    with pytest.raises(TypeError, match="drop starts no outage"):
        outage_of(armed)


def test_the_start_of_a_timed_outage_is_counted() -> None:
    (armed,) = Pipeline([Refuse()], seed=1)
    armed.count_timed_start()
    assert (armed.matched, armed.applied) == (1, 1)


def test_a_packet_that_begins_an_outage_is_counted_and_limited_like_any_other() -> None:
    pipeline = Pipeline([Reboot(when=When(times=2, callback=20))], seed=1)
    sessions = [pipeline.session("tcp", 1), pipeline.session("ws", 2)]
    begun = [send(sessions[n % 2], callback=20) is not None for n in range(5)]
    assert begun == [1, 1, 0, 0, 0]
    assert pipeline["reboot"].applied == 2


def test_the_bytes_of_the_packet_are_the_original_ones() -> None:
    session = Pipeline([Reboot(when=When(nth=1))], seed=1).session("tcp", 1)
    plan = the(send(session, frame=unframed))
    assert written(plan.delivery) == [b'{"sn":"%b","packetID":123456,"PUBACK":1}' % SN.encode()]


@for_each(
    ("kind", "given_fields"),
    [
        (Refuse, {"seconds": -1}),
        (Reboot, {"seconds": -1}),
        (Reboot, {"how": "bang"}),
        (FaceplateOffline, {"seconds": -1}),
        (FaceplateOffline, {"how": "reset"}),
    ],
)
def test_a_value_out_of_range_is_refused(kind: type[Fault], given_fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": kind.kind(), **given_fields}, kind)
