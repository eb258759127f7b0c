"""Time that is advanced: everything that has a time happens, whole and in order, from trio and from
another thread; and `until_seconds`, at any speed.
"""

import json
import math
import socket

import pytest
import trio

from invis_sim import faults, open_simulator, start_simulator
from invis_sim.faults import When
from invis_sim.journal import CommandGiven, Journal, OutageEnded, OutageStarted
from tests.cases import for_each
from tests.server.peers import connected
from tests.server.support import faulty, wait_for_end
from tests.support import TIMEOUT, make_request

SCENARIO = """
    [device]
    product = "pro"

    [timing]
    sensor_seconds = 0
    reconnect_seconds = 0

    [[faults]]
    kind = "delay"
    seconds = 30
    when = { callback = 20 }

    [[faults]]
    kind = "idle_close"
    seconds = 25
    when = { connection = 2 }

    [[faults]]
    kind = "faceplate_offline"
    seconds = 5
    when = { from_seconds = 8 }

    [[steps]]
    after_seconds = 10
    set = { names = { outlet1 = "Lamp" } }

    [[steps]]
    after_seconds = 28
    push = { callback = 99, args = ["first"] }

    [[steps]]
    after_seconds = 40
    push = { callback = 99, args = ["third step"] }
"""

ORDER = [
    "OutageStarted faceplate_offline",
    "step 1",
    "OutageEnded faceplate_offline",
    "step 2",
    "step 3",
]


def order(journal: Journal) -> list[str]:
    found = []
    for event in journal.events():
        match event:
            case OutageStarted(name=name) | OutageEnded(name=name):
                found.append(f"{type(event).__name__} {name}")
            case CommandGiven(by=by) if by.startswith("step"):
                found.append(by)
    return found


def packets(client: socket.socket, last: bytes) -> list[object]:
    """What has come, up to a packet that contains these bytes."""
    text = b""
    while last not in text or not text.endswith(b"}"):
        text += client.recv(65536)
    found, rest = [], text.decode()
    while rest:
        packet, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:]
        args = packet["payload"].get("callbackArgs")
        found.append(args if packet.get("PUBACK") is None else "reply")
    return found


def what_came(client: socket.socket) -> list[object]:
    expected = ("reply", ["first"], ["third step"])
    return [one for one in packets(client, b"third step") if one in expected]


@pytest.mark.parametrize("act", ["advance", "bit by bit", "settle"])
def test_from_a_thread_all_that_is_due_has_happened(act: str) -> None:
    with start_simulator(SCENARIO) as sim:
        sim.clock.pause()
        with (
            socket.create_connection(sim.tcp_address, TIMEOUT) as client,
            socket.create_connection(sim.tcp_address, TIMEOUT) as idle,
        ):
            client.sendall(make_request(20, packet_id=1))
            sim.wait_for_request(callback=20)
            if act == "settle":
                sim.clock.settle()
            else:
                for _ in range(1 if act == "advance" else 20):
                    sim.clock.advance(41 if act == "advance" else 2.05)
            assert what_came(client) == ["reply", ["first"], ["third step"]]
            assert idle.recv(65536).endswith((b"", b"}"))
            idle.shutdown(socket.SHUT_WR)
            assert any("idle" in reason for reason in wait_for_end(sim))
        assert order(sim.journal) == ORDER


@pytest.mark.parametrize("act", ["advance", "settle"])
def test_in_trio_all_that_is_due_has_happened(act: str) -> None:
    async def run() -> None:
        async with open_simulator(SCENARIO) as sim:
            sim.clock.pause()
            client = socket.create_connection(sim.tcp_address, TIMEOUT)
            idle = socket.create_connection(sim.tcp_address, TIMEOUT)
            with client, idle:
                await sim.wait_for_connection()
                client.sendall(make_request(20, packet_id=1))
                await sim.wait_for_request(callback=20)
                await (sim.clock.settle() if act == "settle" else sim.clock.advance(41))
                assert what_came(client) == ["reply", ["first"], ["third step"]]
            assert order(sim.journal) == ORDER

    trio.run(run)


# until_seconds


def test_an_outage_does_not_start_once_its_time_is_over() -> None:
    window = When(from_seconds=10, until_seconds=20)
    with faulty() as sim:
        sim.clock.pause()
        sim.clock.advance(15)
        with sim.inject(faults.Refuse(seconds=1, when=window)):  # in its time
            assert len(sim.journal.events(kind="outage_started")) == 1
        sim.clock.advance(10)
        with sim.inject(faults.Refuse(seconds=1, when=window)) as late:
            sim.clock.settle()
            assert late.applied == 0
            late.enabled = False
            late.enabled = True
            sim.clock.advance(100)
            assert late.applied == 0
        assert len(sim.journal.events(kind="outage_started")) == 1


@for_each("speed", [1.0, 1e6, math.inf])
def test_an_outage_of_a_packet_starts_in_its_time_only(speed: float) -> None:
    """At infinite speed its time is over before the first client."""
    fault = faults.FaceplateOffline(when=When(callback=20, until_seconds=50), seconds=1)
    with faulty(fault, speed=speed) as sim:
        if speed == 1:
            with connected(sim, "tcp") as client:
                assert client.is_served()
            assert sim.faults["faceplate_offline"].applied == 1
        sim.clock.advance(60)
        with connected(sim, "tcp") as client:
            assert client.is_served()
        assert sim.faults["faceplate_offline"].applied == (speed == 1)


@for_each("speed", [1.0, 1e6, math.inf])
def test_a_packet_fault_applies_in_its_time_only(speed: float) -> None:
    window = When(callback=20, from_seconds=50, until_seconds=80)
    with faulty(faults.Fail(when=window), speed=speed) as sim, connected(sim, "tcp") as client:
        if speed == 1:
            sim.clock.pause()
            assert client.is_served()
            sim.clock.advance(50)
            assert not client.is_served()
            sim.clock.advance(29)
            assert not client.is_served()
        sim.clock.advance(31)
        if speed > 1:
            sim.clock.advance(50)
        assert client.is_served()
        sim.clock.speed = math.inf
        assert client.is_served()
        assert sim.clock.sim() >= 80


# What is gone


def test_an_outage_whose_fault_is_gone_before_its_packet_leaves_does_not_start() -> None:
    """It would have become one of the outlet's own, which no command on faults ends."""
    slow = faults.Delay(seconds=10, when=When(callback=20))
    for how in ("remove", "disable"):
        with faulty() as sim, connected(sim, "tcp") as client:
            sim.clock.pause()
            sim.inject(slow)
            refuse = sim.inject(faults.Refuse(when=When(callback=20)))
            client.send_requests(1)
            sim.wait_for_request(callback=20)
            sim.do(**{how: "refuse"})
            sim.clock.advance(20)
            assert not sim.journal.events(kind="outage_started"), refuse.applied
            with connected(sim, "tcp"):
                pass


def test_a_handle_acts_on_its_own_fault_alone() -> None:
    with faulty() as sim:
        first = sim.inject(faults.Drop())
        first.remove()
        second = sim.inject(faults.Drop())
        assert second.identity == first.identity
        first.remove()
        with pytest.raises(ValueError, match="was removed"):
            first.enabled = False
        assert [handle.enabled for handle in sim.faults] == [True]
        second.remove()
        assert not len(sim.faults)


def test_a_step_that_is_added_counts_requests_from_then_on() -> None:
    with faulty() as sim, connected(sim, "tcp") as client:
        for number in range(3):
            step = sim.at(
                after_request={"callback": 98, "nth": 2}, push={"callback": 99, "args": number}
            )
            for _ in range(2):
                client.send_request(98)
                client.packet()
            assert client.packet()["payload"]["callbackArgs"] == number
            if number == 1:
                step.remove()
        sim.reset("counters")
        for _ in range(2):
            client.send_request(98)
        came = client.packets(4)
        args = [one["payload"]["callbackArgs"] for one in came if "PUBACK" not in one]
        assert args == [0, 2]  # both count from zero again


def test_the_handle_of_a_step_removes_no_other_with_its_number() -> None:
    with faulty() as sim, connected(sim, "tcp") as client:
        old = sim.at(after_seconds=10, push={"callback": 99, "args": "old"})
        sim.reset("steps")
        new = sim.at(after_seconds=10, push={"callback": 99, "args": "new"})
        assert new.number == old.number
        old.remove()
        assert client.is_served()
        sim.clock.advance(11)
        assert client.packet()["payload"]["callbackArgs"] == "new"


def test_steps_that_are_over_are_not_kept() -> None:
    async def run() -> None:
        async with open_simulator() as sim:
            sim.clock.pause()
            for _ in range(50):
                sim.at(after_seconds=1, push={"callback": 99, "args": 1})
            await sim.clock.advance(2)
            assert not sim._steps._running

    trio.run(run)
