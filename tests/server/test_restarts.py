"""Restarts that clients ask for (5, 6, 7), and which transports a hardware revision has."""

import json
import math
import socket
from contextlib import suppress
from typing import Any

import pytest

from invis_sim import faults
from invis_sim.device.state import Device, Outlets, Quirks, Timing
from invis_sim.journal import OutageEnded, OutageStarted
from invis_sim.journal.text import summary
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.scenario import ScenarioError
from invis_sim.scenario.model import Listen, Scenario
from invis_sim.scenario.steps import AfterRequest, Step
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.server.peers import Peers, WebSocketPeer, address, connected
from tests.server.support import (
    TRANSPORTS,
    event_texts,
    on_both,
    outlet,
    push,
    success_reply,
    wait_for_end,
    wait_until,
)
from tests.support import SN, TIMEOUT

NAMES = {5: "restart", 6: "network reset", 7: "factory reset"}
WAYS = {
    "close": "",
    "close_frame": ", with a close frame",
    "reset": ", with a reset",
    "blackhole": ", silently",
}


def restarting(
    seconds: float = 0.3, ends: Any = "close", announces: float = 60, **more: Any
) -> Scenario:
    timing = Timing(
        restart_seconds=seconds,
        factory_reset_seconds=2 * seconds,
        sensor_seconds=0,
        reconnect_seconds=announces,
    )
    return outlet(timing=timing, quirks=Quirks(restart_disconnect=ends), **more)


def is_refused(sim: SimulatorHandle, transport: Transport) -> bool:
    try:
        socket.create_connection(address(sim, transport), TIMEOUT).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_for_return(sim: SimulatorHandle) -> None:
    wait_until(sim, lambda journal: bool(journal.events(kind="outage_ended")))


@on_both
@pytest.mark.parametrize("callback", [5, 6, 7])
@pytest.mark.parametrize(
    ("ends", "end"),
    [("close", "FIN"), ("close_frame", "FIN"), ("reset", "RST"), ("blackhole", "RST")],
)
def test_a_restart_is_not_answered_ends_every_connection_and_is_over_in_time(
    transport: Transport, callback: int, ends: str, end: str
) -> None:
    with start_simulator(restarting(ends=ends)) as sim, Peers(sim) as peers:
        where = [address(sim, kind) for kind in TRANSPORTS]
        others = [peers.listen(kind) for kind in TRANSPORTS]
        asking = peers.listen(transport)
        sim.clock.pause()
        asking.send_request(callback)
        wait_until(sim, lambda journal: bool(event_texts(sim, "outlet")))
        assert all(is_refused(sim, kind) for kind in TRANSPORTS)
        lasts = 0.3 if callback == 5 else 0.6
        if ends == "blackhole":
            assert asking.receives_nothing(0.05)
            if callback == 6:
                sim.join_network()
            else:
                sim.clock.advance(lasts - 0.01)
                assert all(is_refused(sim, kind) for kind in TRANSPORTS)
                sim.clock.advance(0.01)
        for peer in (asking, *others):
            if ends == "close_frame" and isinstance(peer, WebSocketPeer):
                assert peer.close_code() == 1001
            assert peer.end() == (b"", end)
            peer.socket.close()
        assert wait_for_end(sim, 3) == [f"by {NAMES[callback]}{WAYS[ends]}"] * 3
        (asked,) = sim.journal.exchanges(callback=callback)
        assert (asked.outcome, asked.sent, asked.done) == ("no reply", (), True)
        if callback == 6 and ends != "blackhole":
            assert is_refused(sim, "tcp")
            assert event_texts(sim, "outlet") == [
                "network reset: offline until it joins the network"
            ]
            sim.join_network()
        if callback != 6 and ends != "blackhole":
            sim.clock.advance(lasts - 0.01)
            assert all(is_refused(sim, kind) for kind in TRANSPORTS)
            sim.clock.advance(0.01)
        wait_for_return(sim)
        began, ended = (
            event
            for event in sim.journal.events()
            if isinstance(event, OutageStarted | OutageEnded)
        )
        name = NAMES[callback].removeprefix("a ")
        assert summary(ended) == f"{name}: back online"
        if callback != 6:
            assert summary(began) == f"{name}: offline for {lasts:g} s"
        assert [address(sim, kind) for kind in TRANSPORTS] == where
        for kind in TRANSPORTS:
            back = peers.connect(kind)
            news = back.packet()
            assert news == push(12, news["payload"]["callbackArgs"])
            assert news["payload"]["callbackArgs"]["IM"]["sn"] == SN
            assert back.is_served()


def test_without_a_hand_at_the_clock_a_restart_takes_its_seconds() -> None:
    with start_simulator(restarting(seconds=0.2)) as sim, Peers(sim) as peers:
        peers.tcp().send_request(5)
        wait_for_return(sim)
        began, ended = (
            event
            for event in sim.journal.events()
            if isinstance(event, OutageStarted | OutageEnded)
        )
        assert ended.seconds - began.seconds >= 0.19


@on_both
def test_speed_divides_how_long_it_is_away(transport: Transport) -> None:
    scenario = restarting(seconds=3600, announces=0)
    with start_simulator(scenario, speed=36_000) as sim, Peers(sim) as peers:
        for callback in (5, 7):
            peer = peers.listen(transport)
            peer.send_request(callback)
            assert peer.end() == (b"", "FIN")
            sim.wait_until_up()
        assert peers.connect(transport).is_served()


@on_both
def test_at_infinite_speed_it_is_back_at_once(transport: Transport) -> None:
    scenario = restarting(seconds=3600, announces=3600)
    with start_simulator(scenario, speed=math.inf) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        for callback in (5, 7, 6):
            peer.send_request(callback)
            assert peer.end() == (b"", "FIN")
            if callback == 6:
                assert is_refused(sim, transport)
                sim.join_network()
            sim.wait_until_up()
            peer = peers.connect(transport)
            assert peer.packet()["payload"]["callbackName"] == 12


def test_join_network_is_for_a_network_reset_alone() -> None:
    with start_simulator(restarting(seconds=3600)) as sim, Peers(sim) as peers:
        sim.join_network()
        assert event_texts(sim, "outlet") == []
        peer = peers.tcp()
        peer.send_request(5)
        assert peer.end() == (b"", "FIN")
        sim.join_network()
        assert is_refused(sim, "tcp")
        assert sim.offline


def test_only_who_connects_soon_after_a_restart_is_told_who_it_is() -> None:
    scenario = restarting(seconds=0, announces=10)
    with start_simulator(scenario, speed=100) as sim, Peers(sim) as peers:
        assert peers.ws().is_served()  # nobody is told at the start
        sim.reboot()
        sim.wait_until_up()
        soon = [peers.listen(kind) for kind in TRANSPORTS]
        for peer in soon:
            assert peer.packet()["payload"]["callbackName"] == 12
        slow = faults.Delay(seconds=20)
        with sim.inject(slow):
            assert soon[0].is_served()
        assert all(peers.connect(kind).is_served() for kind in TRANSPORTS)
        assert len(sim.journal.pushes(callback=12)) == 2


@on_both
def test_what_comes_in_one_segment_behind_a_restart_is_neither_answered_nor_done(
    transport: Transport,
) -> None:
    with start_simulator(restarting(seconds=0.1, ends="reset")) as sim, Peers(sim) as peers:
        watcher, peer = peers.listen("tcp"), peers.listen(transport)

        def packet(packet_id: int, callback: int, args: Any = None) -> bytes:
            payload = {"callbackName": callback}
            if args is not None:
                payload["callbackArgs"] = args
            return peer.framed(json.dumps({"packetID": packet_id, "payload": payload}).encode())

        peer.socket.sendall(
            packet(1, 10, [1, 1]) + packet(2, 5) + packet(3, 10, [2, 1]) + packet(4, 9)
        )
        wait_until(sim, lambda journal: len(journal.requests()) == 4)
        assert (peer.packet(), peer.packet()) == (success_reply(1), push(9, [1, 0]))
        assert peer.end() == (b"", "RST")
        assert watcher.packet() == push(9, [1, 0])
        assert watcher.end() == (b"", "RST")
        first, restart, *behind = (
            one for one in sim.journal.exchanges() if one.request is not None
        )
        assert (first.outcome, restart.outcome) == ("success", "no reply")
        assert [one.outcome for one in behind] == ["no reply"] * 2
        assert all("outlet offline" in one.notes[0].reason for one in behind)
        sim.wait_until_up()
        assert sim.state.outlets.states == (1, 0)


@on_both
def test_nothing_counts_any_more_that_comes_behind_a_restart_which_is_over_at_once(
    transport: Transport,
) -> None:
    step = Step(after_request=AfterRequest(callback=6), join_network=True)
    with start_simulator(restarting(steps=(step,))) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        requests = [{"callbackName": 6}, {"callbackName": 10, "callbackArgs": [1, 1]}]
        packets = [{"packetID": 1, "payload": payload} for payload in requests]
        peer.socket.sendall(b"".join(peer.framed(json.dumps(one).encode()) for one in packets))
        assert peer.end() == (b"", "FIN")
        wait_until(sim, lambda journal: len(journal.requests()) == 2)
        assert not sim.offline
        assert sim.state.outlets.states == (0, 0)


@on_both
def test_a_factory_reset_brings_back_the_beginning_and_a_restart_does_not(
    transport: Transport,
) -> None:
    scenario = restarting(seconds=0, announces=0, outlets=Outlets(states=(0, 1)))
    with start_simulator(scenario) as sim, Peers(sim) as peers:
        for callback, left in ((5, [1, 1]), (7, [0, 1])):
            peer = peers.listen(transport)
            peer.send_request(10, [1, 1])
            assert peer.packet() == success_reply()
            peer.send_request(callback)
            assert peer.end()[1] == "FIN"
            sim.wait_until_up()
            with connected(sim, transport) as back:
                back.send_request(9)
                assert back.packet()["payload"]["callbackArgs"] == left


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_reboot_from_python_ends_connections_as_it_says_or_as_the_quirks_say(how: Any) -> None:
    ends = {"close": "FIN", "reset": "RST"}
    with start_simulator(restarting(seconds=0, ends=how)) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        sim.reboot()
        assert peer.end()[1] == ends[how]
        sim.wait_until_up()
        peer = peers.listen("tcp")
        other: DisconnectMode = "reset" if how == "close" else "close"
        sim.reboot(seconds=0.05, how=other)
        assert peer.end()[1] == ends[other]
        sim.wait_until_up()
        assert event_texts(sim, "outlet") == [
            "reboot: offline for 0 s",
            "reboot: back online",
            "reboot: offline for 0.05 s",
            "reboot: back online",
        ]
        wrongs: list[dict[str, Any]] = [{"seconds": -1}, {"seconds": math.inf}, {"how": "gently"}]
        for wrong in wrongs:
            with pytest.raises(ValueError, match="expected"):
                sim.reboot(**wrong)


def test_restarts_that_overlap_end_with_the_last() -> None:
    with start_simulator(restarting(announces=0)) as sim, Peers(sim) as peers:
        sim.reboot(seconds=0)
        sim.reboot(seconds=3600)
        wait_for_return(sim)
        assert sim.offline
        assert is_refused(sim, "tcp")
        with suppress(OSError):
            peers.tcp()
    with start_simulator(restarting(announces=0)) as sim, Peers(sim) as peers:
        with sim.inject(faults.Refuse()):
            sim.reboot(seconds=0)
            wait_for_return(sim)
            assert not sim.offline
            assert is_refused(sim, "ws")
        assert peers.ws().is_served()


# Which transports there are


BY_REVISION = Quirks(transports="by_revision")


@pytest.mark.parametrize(
    ("hw_rev", "offered"), [("revA", "ws"), ("revB", "tcp"), ("something else", "ws")]
)
def test_by_revision_there_is_one_transport(hw_rev: str, offered: Transport) -> None:
    other: Transport = "tcp" if offered == "ws" else "ws"
    scenario = outlet(device=Device(hw_rev=hw_rev), quirks=BY_REVISION)
    with start_simulator(scenario) as sim:
        assert sim.has(offered)
        assert not sim.has(other)
        with pytest.raises(LookupError):
            address(sim, other)
        with connected(sim, offered) as peer:
            assert peer.is_served()
        sim.reboot(seconds=0)
        sim.wait_until_up()
        with connected(sim, offered) as peer:
            assert peer.is_served()


@pytest.mark.parametrize("hw_rev", ["revA", "revB"])
def test_else_there_are_both_whatever_the_revision(hw_rev: str) -> None:
    with start_simulator(outlet(device=Device(hw_rev=hw_rev))) as sim:
        assert all(sim.has(transport) for transport in TRANSPORTS)


def test_a_transport_that_the_revision_needs_cannot_be_switched_off_in_the_same_place() -> None:
    with pytest.raises(ValueError, match="by_revision"):
        outlet(device=Device(hw_rev="revB"), quirks=BY_REVISION, listen=Listen(tcp=False))
    text = '[device]\nhw_rev = "revB"\n[quirks]\ntransports = "by_revision"\n'
    with pytest.raises(ScenarioError, match="by_revision"):
        start_simulator(f"{text}[listen]\ntcp = false\n")
    with start_simulator(text, tcp=False) as sim:
        assert [*sim.addresses] == ["ws"]
    assert outlet(listen=Listen(tcp=False)).transports == ("ws",)
