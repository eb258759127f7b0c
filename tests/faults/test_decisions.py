"""A fault that may veto a request is asked before the outlet is, and counts once."""

import json
import socket

from hypothesis import given
from hypothesis import strategies as st

from invis_sim import When, faults, start_simulator
from invis_sim.faults.fault import Fault
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.session import Decision, FaultSession, PlannedDelivery
from invis_sim.protocol.packets import Reply, Request
from tests.support import SN


def plan(
    session: FaultSession, request: Request, decision: Decision | None = None
) -> PlannedDelivery | None:
    assert request.callback is not None
    if decision is not None and decision.vetoes:
        reply = Reply.failure(SN, request.packet_id)
    else:
        reply = Reply.success(SN, request.packet_id, request.callback, [0])
    return session.plan(reply, reply.encode(), request, 0.0, bytes, decision)


CONDITIONS = st.builds(
    When,
    nth=st.none() | st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple),
    probability=st.sampled_from((1.0, 0.5)),
    times=st.none() | st.integers(1, 4),
    per=st.sampled_from(("device", "connection")),
)
"""Of any kind in which counting twice, or not at all, would show."""


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(st.booleans(), max_size=20))
def test_deciding_first_changes_nothing_in_which_replies_a_fault_applies_to(
    conditions: list[When], replied: list[bool]
) -> None:
    every = [faults.Fail(when=when) for when in conditions]
    deciding, plain = (Pipeline(every, seed=3).session("tcp", 1) for _ in range(2))
    for number, gets_reply in enumerate(replied):
        request = Request(packet_id=number, callback=10)
        expected = plan(plain, request)
        decision = deciding.decide(request, 0.0)
        assert decision is not None
        assert decision.vetoes == (expected is not None)
        if decision.vetoes or gets_reply:
            found = plan(deciding, request, decision)
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                assert found.delivery == expected.delivery
                assert found.applied == expected.applied


def test_decisions_may_be_passed_on_in_any_order() -> None:
    """As by a back end that answers later."""
    pipeline = Pipeline([faults.Fail(when=When(nth=2))], seed=3)
    session = pipeline.session("tcp", 1)
    requests = [Request(packet_id=number, callback=10) for number in range(3)]
    decisions = [session.decide(request, 0.0) for request in requests]
    plans = [
        plan(session, request, decision)
        for request, decision in reversed([*zip(requests, decisions, strict=True)])
    ]
    assert [found is not None for found in plans] == [False, True, False]
    assert [armed.matched for armed in pipeline] == [3]


def test_a_decision_is_about_those_faults_that_may_veto_the_request_alone() -> None:
    pipeline = Pipeline([faults.Fail(when=When(nth=2)), faults.Drop(when=When(nth=1))], seed=3)
    session = pipeline.session("tcp", 1)
    request = Request(packet_id=1, callback=10)
    decision = session.decide(request, 0.0)
    assert decision is not None
    assert not decision.vetoes
    assert [armed.matched for armed in pipeline] == [1, 0]
    found = plan(session, request, decision)
    assert found is not None
    assert [one.fault for one in found.applied] == ["drop"]
    assert [armed.matched for armed in pipeline] == [1, 1]


@given(st.sampled_from((faults.WrongPacketId(), faults.Drop(), faults.MalformedJson())))
def test_there_is_no_decision_where_no_fault_may_veto(fault: Fault) -> None:
    pipeline = Pipeline([fault, faults.Fail(when=When(callback=7))], seed=3)
    session = pipeline.session("tcp", 1)
    request = Request(packet_id=1, callback=10)
    assert session.decide(request, 0.0) is None
    assert plan(session, request) is not None
    (fail,) = pipeline.matching("fail")
    assert fail.matched == 0


def test_a_vetoed_request_changes_nothing_and_causes_no_push() -> None:
    with start_simulator("bare") as sim, socket.create_connection(sim.tcp_address) as client:

        def ask(callback: int, *args: int) -> dict[str, int]:
            payload = {"callbackName": callback, "callbackArgs": list(args)}
            client.sendall(json.dumps({"packetID": callback, "payload": payload}).encode())
            reply: dict[str, int] = json.loads(client.recv(4096))
            assert reply["packetID"] == callback
            return reply

        before = sim.state
        with sim.inject(faults.Fail(when=When(first=3))) as fault:
            assert ask(10, 2, 1)["PUBACK"] == 0
            assert ask(5)["PUBACK"] == 0
            assert ask(7)["PUBACK"] == 0
            assert ask(10, 1, 1)["PUBACK"] == 1  # as it is already: there is nothing to push
            assert fault.applied == 3
        assert sim.state == before
        assert not sim.offline
        assert sim.journal.pushes() == []
        (note,) = sim.journal.exchanges(callback=5)[0].notes
        assert "blocked by a fault" in note.reason
