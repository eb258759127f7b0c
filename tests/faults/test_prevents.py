"""A fault that keeps the outlet from what it is asked is asked before the outlet is, and counts
once.
"""

import json
import socket

from hypothesis import given
from hypothesis import strategies as st

from invis_sim import When, faults, start_simulator
from invis_sim.faults.fault import Fault
from invis_sim.faults.pipeline import FaultSession, Pipeline, PlannedDelivery
from invis_sim.protocol.packets import Reply, Request

SN = "0003C44076"


def plan(lane: FaultSession, request: Request, *, refused: bool) -> PlannedDelivery | None:
    assert request.callback is not None
    if refused:
        reply = Reply.failure(SN, request.packet_id)
    else:
        reply = Reply.success(SN, request.packet_id, request.callback, [0])
    return lane.plan(reply, request, 0.0, bytes)


CONDITIONS = st.builds(
    When,
    nth=st.none() | st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple),
    probability=st.sampled_from((1.0, 0.5)),
    times=st.none() | st.integers(1, 4),
    per=st.sampled_from(("device", "connection")),
)
"""Of any kind in which counting twice, or not at all, would show."""


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(st.booleans(), max_size=20))
def test_asking_first_changes_nothing_in_which_replies_are_touched(
    conditions: list[When], replied: list[bool]
) -> None:
    every = [faults.Fail(when=when) for when in conditions]
    asking, plain = (Pipeline(every, seed=3).lane("tcp", 1) for _ in range(2))
    for number, gets_reply in enumerate(replied):
        request = Request(packet_id=number, callback=10)
        expected = plan(plain, request, refused=False)
        prevented = asking.vetoes(request, 0.0)
        assert prevented == (expected is not None)
        if prevented or gets_reply:
            found = plan(asking, request, refused=prevented)
            assert (found is None) == (expected is None)
            if found is not None and expected is not None:
                assert found.delivery == expected.delivery
                assert found.applied == expected.applied


@given(st.sampled_from((faults.WrongPacketId(), faults.Drop(), faults.MalformedJson())))
def test_what_only_touches_the_reply_prevents_nothing(fault: Fault) -> None:
    lane = Pipeline([fault], seed=3).lane("tcp", 1)
    request = Request(packet_id=1, callback=10)
    assert not lane.vetoes(request, 0.0)
    assert plan(lane, request, refused=False) is not None


def test_a_request_that_a_fault_refuses_changes_nothing_and_is_pushed_to_nobody() -> None:
    with start_simulator("bare") as sim, socket.create_connection(sim.tcp_address) as client:

        def ask(callback: int, *args: int) -> dict[str, int]:
            payload = {"callbackName": callback, "callbackArgs": list(args)}
            client.sendall(json.dumps({"packetID": callback, "payload": payload}).encode())
            reply: dict[str, int] = json.loads(client.recv(4096))
            assert reply["packetID"] == callback
            return reply

        before = sim.outlet.state
        with sim.inject(faults.Fail(when=When(first=3))) as fault:
            assert ask(10, 2, 1)["PUBACK"] == 0
            assert ask(5)["PUBACK"] == 0
            assert ask(7)["PUBACK"] == 0
            assert ask(10, 1, 1)["PUBACK"] == 1  # as it is already: there is nothing to push
            assert fault.applied == 3
        assert sim.outlet.state == before
        assert not sim.outlet.down
        assert sim.journal.pushes() == []
        (note,) = sim.journal.exchanges(callback=5)[0].notes
        assert "a fault keeps the outlet from it" in note.reason
