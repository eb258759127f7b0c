"""Firmware updates to their end, as clients see them: progress, result, restart, new revisions."""

import asyncio
import math
import socket
from typing import Any

import aiohttp
import pytest

from invis_sim import faults
from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.device.state import Device, Quirks, Timing
from invis_sim.device.update_plan import FaceplateUpdate, OutletUpdate, Updates
from invis_sim.faults import Fault, When
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.testing.block import start_simulator
from tests.server.frames import CLOSE, HANDSHAKE, PING, client_frame, close_payload
from tests.server.peers import Peer, Peers, WebSocketPeer, address
from tests.server.support import (
    TRANSPORTS,
    event_texts,
    failure_reply,
    on_both,
    outlet,
    push,
    success_reply,
    wait_until,
)
from tests.support import TIMEOUT

at_any_speed = pytest.mark.parametrize("speed", [1000, math.inf], ids=["fast", "infinite"])

OLD = FirmwareInventory(
    IM=OutletFirmware(
        fw_rev="1.0.0",
        available_fw_rev="1.1.0",
        www_fw_rev="2.0.0",
        available_www_fw_rev="2.1.0",
    ),
    PM=FaceplateFirmware(fw_rev="3.0.0", available_fw_rev="3.1.0"),
)
DOWNLOAD = [*(push(22, [3, n]) for n in (0, 50, 100)), push(23, [3, 1])]
APPLICATION = [*(push(22, [1, n]) for n in (0, 50, 100)), push(23, [1, 1])]
STRAY = push(23, [1, 0])
FACEPLATE = [push(23, [2, 0]), *(push(22, [2, n]) for n in (0, 50, 100)), push(23, [2, 1])]
NO_PROGRESS = {"IM": {"www": "2.0.0", "fw": "1.0.0"}, "PM": "3.0.0"}


def updatable(
    *armed: Fault, hw_rev: str = "revA", updates: Updates | None = None, **timing: float
) -> Scenario:
    plans = updates or Updates(
        IM=OutletUpdate(silence_seconds=0, seconds=20, www_seconds=10, steps=2),
        PM=FaceplateUpdate(seconds=20, steps=2),
    )
    # As long as tests wait, at a thousand times the speed: on a busy machine a client may be late.
    times = {"sensor_seconds": 0, "reconnect_seconds": 1000 * TIMEOUT, **timing}
    base = outlet(*armed, device=Device(hw_rev=hw_rev), timing=Timing(**times))
    fields = {name: getattr(base, name) for name in base.__struct_fields__}
    return Scenario(**{**fields, "firmware": OLD, "updates": plans})


def revisions(peer: Peer) -> dict[str, Any]:
    """What runs, by callback 20; and 12 says the same."""
    peer.send_request(20, packet_id=20)
    by_20 = peer.packet()["payload"]["callbackArgs"]
    peer.send_request(12, packet_id=12)
    by_12 = peer.packet()["payload"]["callbackArgs"]
    assert by_12["IM"]["fw_rev"] == by_20["IM"]["fw_rev"]
    assert ("PM" in by_12) == ("PM" in by_20)
    im = {"www": by_20["IM"]["www_fw_rev"], "fw": by_20["IM"]["fw_rev"]}
    if "PM" not in by_20:
        return {"IM": im}
    assert by_12["PM"]["fw_rev"] == by_20["PM"]["fw_rev"]
    return {"IM": im, "PM": by_20["PM"]["fw_rev"]}


NEW_OUTLET = {"IM": {"www": "2.1.0", "fw": "1.1.0"}, "PM": "3.0.0"}
NEW_FACEPLATE = {"IM": {"www": "2.0.0", "fw": "1.0.0"}, "PM": "3.1.0"}


@on_both
@at_any_speed
def test_an_update_of_the_outlet_runs_to_its_end_on_a_rev_a(
    transport: Transport, speed: float
) -> None:
    with start_simulator(updatable(), speed=speed) as sim, Peers(sim) as peers:
        watchers = [peers.listen(kind) for kind in TRANSPORTS]
        asking = peers.listen(transport)
        asking.send_request(21, [1])
        assert asking.packet() == success_reply()
        for peer in (asking, *watchers):
            assert peer.packets(9) == [STRAY, *DOWNLOAD, *APPLICATION]
            assert peer.end() == (b"", "FIN")
        sim.wait_until_up()
        for kind in TRANSPORTS:
            back = peers.connect(kind)
            news = back.packet()
            assert news["payload"]["callbackName"] == 12
            assert news["payload"]["callbackArgs"]["IM"]["fw_rev"] == "1.1.0"
            assert revisions(back) == NEW_OUTLET
            back.send_request(21, [1])
            assert back.packet() == failure_reply()
        assert event_texts(sim, "outlet") == [
            "outlet: the update of the outlet begins",
            "restart after an update: offline for 3 s",
            "restart after an update: back online",
            "outlet: after its update, the outlet runs 1.1.0, and web pages 2.1.0",
        ]


@on_both
@at_any_speed
def test_an_update_of_the_outlet_runs_to_its_end_on_a_rev_b(
    transport: Transport, speed: float
) -> None:
    with start_simulator(updatable(hw_rev="revB"), speed=speed) as sim, Peers(sim) as peers:
        asking = peers.listen(transport)
        asking.send_request(21, [1])
        assert asking.end() == (b"", "FIN")
        sim.wait_until_up()
        back = peers.listen(transport)
        first, second, *rest = back.packets(11)
        assert first["payload"]["callbackName"] == 12
        assert second == push(21, [1, 1])
        assert rest == [STRAY, *DOWNLOAD, *APPLICATION]
        assert back.end() == (b"", "FIN")
        sim.wait_until_up()
        again = peers.connect(transport)
        assert again.packet()["payload"]["callbackName"] == 12
        assert revisions(again) == NEW_OUTLET


@on_both
@at_any_speed
@pytest.mark.parametrize("args", [[2], [2, 0], [2, 1]])
def test_an_update_of_the_faceplate_runs_to_its_end_and_drops_nobody(
    transport: Transport, speed: float, args: list[int]
) -> None:
    with start_simulator(updatable(), speed=speed) as sim, Peers(sim) as peers:
        watchers = [peers.listen(kind) for kind in TRANSPORTS]
        asking = peers.listen(transport)
        asking.send_request(21, args)
        assert asking.packet() == success_reply()
        for peer in (asking, *watchers):
            assert peer.packets(5) == FACEPLATE
            assert peer.packet()["payload"]["callbackName"] == 12  # it is back
        for peer in (asking, *watchers):
            assert revisions(peer) == NEW_FACEPLATE
        assert event_texts(sim, "closed") == []
        assert event_texts(sim, "outlet") == [
            "outlet: the update of the faceplate begins",
            "outlet: the faceplate restarts (3 s)",
            "outlet: the faceplate is back",
            "outlet: after its update, the faceplate runs 3.1.0",
        ]


@on_both
def test_while_the_faceplate_restarts_after_its_update_it_is_not_there(
    transport: Transport,
) -> None:
    scenario = updatable(faceplate_restart_seconds=1e8)
    with start_simulator(scenario, speed=1000) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [2])
        assert peer.packets(6) == [success_reply(), *FACEPLATE]
        assert revisions(peer) == {"IM": NO_PROGRESS["IM"]}
        peer.send_request(11)
        assert peer.packet() == failure_reply()
        assert not sim.updating


@on_both
@at_any_speed
def test_an_update_of_the_faceplate_of_a_rev_b_is_confirmed_and_drops_nobody(
    transport: Transport, speed: float
) -> None:
    with start_simulator(updatable(hw_rev="revB"), speed=speed) as sim, Peers(sim) as peers:
        watchers = [peers.listen(kind) for kind in TRANSPORTS]
        asking = peers.listen(transport)
        asking.send_request(21, [2, 0])
        assert asking.packet() == success_reply()
        for peer in (asking, *watchers):
            assert peer.packets(6) == [push(21, [2, 1]), *FACEPLATE]
            assert peer.packet()["payload"]["callbackName"] == 12  # it is back
        assert revisions(asking) == NEW_FACEPLATE
        assert event_texts(sim, "closed") == []


def test_a_rev_b_to_which_nobody_comes_back_goes_on_at_the_end_of_its_time() -> None:
    scenario = updatable(hw_rev="revB", reconnect_seconds=5)
    with start_simulator(scenario, speed=100) as sim, Peers(sim) as peers:
        asking = peers.listen("tcp")
        asking.send_request(21, [1])
        assert asking.end() == (b"", "FIN")
        sim.wait_until_up()
        assert sim.updating

        def finished() -> bool:
            return sim._simulator.state.firmware.IM.fw_rev == "1.1.0"

        wait_until(sim, lambda journal: sim.call(finished))
        sim.wait_until_up()
        back = peers.tcp()
        assert back.packet()["payload"]["callbackName"] == 12
        assert revisions(back) == NEW_OUTLET


@on_both
@pytest.mark.parametrize(("hw_rev", "comes"), [("revA", []), ("revB", [push(21, [1, 0])])])
def test_an_update_that_does_not_start_is_refused_in_the_way_of_the_revision(
    transport: Transport, hw_rev: str, comes: list[Any]
) -> None:
    refused = Updates(IM=OutletUpdate(outcome="refused"))
    scenario = updatable(hw_rev=hw_rev, updates=refused)
    with start_simulator(scenario, speed=math.inf) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [1])
        if hw_rev == "revA":
            assert peer.packet() == failure_reply()
        else:
            assert peer.end() == (b"", "FIN")
            sim.wait_until_up()
            peer = peers.listen(transport)
            assert peer.packet()["payload"]["callbackName"] == 12
        assert peer.packets(len(comes)) == comes
        assert revisions(peer) == NO_PROGRESS
        assert not sim.updating


@on_both
@at_any_speed
@pytest.mark.parametrize(
    ("outcome", "comes"),
    [
        ("fails_at_start", [STRAY, push(23, [1, 0])]),
        ("fails", [STRAY, *DOWNLOAD, push(22, [1, 0]), push(22, [1, 50]), push(23, [1, 0])]),
        ("hangs", [STRAY, *DOWNLOAD, push(22, [1, 0]), push(22, [1, 50])]),
    ],
)
def test_an_update_may_come_to_a_bad_end(
    transport: Transport, speed: float, outcome: Any, comes: list[Any]
) -> None:
    plan = OutletUpdate(outcome=outcome, silence_seconds=0, at_percent=50, steps=2)
    plans = Updates(IM=plan)
    with start_simulator(updatable(updates=plans), speed=speed) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [1])
        assert peer.packets(1 + len(comes)) == [success_reply(), *comes]
        assert revisions(peer) == NO_PROGRESS
        assert sim.updating == (outcome == "hangs")
        peer.send_request(21, [2])
        assert peer.packet() == (failure_reply() if outcome == "hangs" else success_reply())


def test_an_update_may_bring_back_the_old_revision() -> None:
    plans = Updates(IM=OutletUpdate(outcome="keeps_old_revision", steps=2))
    with start_simulator(updatable(updates=plans), speed=1000) as sim, Peers(sim) as peers:
        peer = peers.listen("ws")
        peer.send_request(21, [1])
        assert peer.packets(10) == [success_reply(), STRAY, *DOWNLOAD, *APPLICATION]
        assert peer.end() == (b"", "FIN")
        sim.wait_until_up()
        back = peers.connect("ws")
        assert back.packet()["payload"]["callbackName"] == 12
        assert revisions(back) == NO_PROGRESS


def test_without_the_quirk_no_stray_result_comes() -> None:
    base = updatable()
    fields = {name: getattr(base, name) for name in base.__struct_fields__}
    scenario = Scenario(**{**fields, "quirks": Quirks(stray_result=False)})
    with start_simulator(scenario, speed=1000) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        peer.send_request(21, [2])
        assert peer.packets(5) == [success_reply(), *FACEPLATE[1:]]


def test_the_download_takes_its_time() -> None:
    with start_simulator(updatable(), speed=100) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        peer.send_request(21, [1])
        peer.packets(10)
        request, *_ = sim.journal.exchanges(callback=21)
        pushes = sim.journal.exchanges(callback=22)
        after = [one.seconds - request.seconds for one in pushes]
        for seconds, due in zip(after, (0, 0.05, 0.1, 0.1, 0.2, 0.3), strict=True):
            assert seconds >= due - 0.001


# The silence at the beginning


def silent_update(silence: float = 1e6, sensor_seconds: float = 0) -> Scenario:
    plan = OutletUpdate(silence_seconds=silence, seconds=20, www_seconds=10, steps=2)
    return updatable(
        updates=Updates(IM=plan, PM=FaceplateUpdate(steps=2)), sensor_seconds=sensor_seconds
    )


@on_both
def test_in_its_silence_the_outlet_answers_and_pushes_nothing(
    transport: Transport,
) -> None:
    with start_simulator(silent_update(sensor_seconds=1), speed=100) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [1])
        while peer.packet() != STRAY:  # the reply, and perhaps readings
            pass
        wait_until(
            sim,
            lambda journal: any(
                "is silent for 1e+06 s" in text for text in event_texts(sim, "outlet")
            ),
        )
        peer.send_requests(1, 2, callback=9)
        if isinstance(peer, WebSocketPeer):
            peer.socket.sendall(client_frame(PING, b"?"))
            peer.send_requests(3, callback=9)
        assert peer.receives_nothing(0.1)  # ten samples of the sensors
        sim.set(outlets={"states": [1, 1]})
        assert peer.receives_nothing(0.05)
        assert event_texts(sim, "closed") == []
        unanswered = sim.journal.exchanges(callback=9)
        assert {one.outcome for one in unanswered} == {"no reply"}
        assert {note.reason for one in unanswered for note in one.notes} == {
            "outlet silent at the beginning of an update"
        }


@on_both
@at_any_speed
def test_after_its_silence_the_outlet_answers_whoever_is_still_there(
    transport: Transport, speed: float
) -> None:
    with start_simulator(silent_update(20), speed=speed) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [1])
        assert peer.packets(10) == [success_reply(), STRAY, *DOWNLOAD, *APPLICATION]
        assert peer.end() == (b"", "FIN")
        sim.wait_until_up()
        back = peers.connect(transport)
        assert back.packet()["payload"]["callbackName"] == 12
        assert revisions(back) == NEW_OUTLET


def test_who_connects_in_the_silence_is_served_when_it_is_over() -> None:
    with start_simulator(silent_update()) as sim, Peers(sim) as peers:
        first = peers.listen("tcp")
        first.send_request(21, [1])
        assert first.packets(2) == [success_reply(), STRAY]
        wait_until(sim, lambda journal: len(event_texts(sim, "outlet")) == 2)
        tcp, ws = peers.tcp(), peers.ws(handshake=False)
        ws.socket.sendall(HANDSHAKE)
        tcp.send_requests(7)
        for peer in (tcp, ws):
            assert peer.receives_nothing(0.05)
        sim.reset("state")
        assert ws.head().startswith(b"HTTP/1.1 101 ")
        assert tcp.packet()["packetID"] == 7
        ws.send_request(9)
        assert ws.packet()["PUBACK"] == 1


def test_in_its_silence_the_outlet_answers_neither_a_handshake_nor_a_close_frame() -> None:
    with start_simulator(silent_update()) as sim, Peers(sim) as peers:
        late = peers.ws(handshake=False)
        wait_until(sim, lambda journal: len(journal.events(kind="connected")) == 1)
        first = peers.ws()
        first.send_request(21, [1])
        assert first.packets(2) == [success_reply(), STRAY]
        wait_until(sim, lambda journal: len(event_texts(sim, "outlet")) == 2)
        late.send(HANDSHAKE)
        first.send(client_frame(CLOSE, close_payload(1000)))
        for peer in (late, first):
            assert peer.receives_nothing(0.05)
        sim.reset("state")
        assert late.head().startswith(b"HTTP/1.1 101 ")
        assert first.close_code() == 1000
        assert first.end() == (b"", "FIN")


def test_a_client_with_a_heartbeat_loses_the_connection_in_the_silence() -> None:
    plans = Updates(IM=OutletUpdate())  # as by default
    with start_simulator(updatable(updates=plans), speed=50) as sim:
        assert asyncio.run(loses_connection(sim.ws_url, heartbeat=10 / 50))


async def loses_connection(url: str, heartbeat: float) -> bool:
    """Whether an update costs a client the connection before it is told of any progress."""
    async with (
        asyncio.timeout(TIMEOUT),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, heartbeat=heartbeat) as client,
    ):
        await client.send_json(
            {"packetID": 1, "payload": {"callbackName": 21, "callbackArgs": [1]}}
        )
        async for message in client:
            if message.type is aiohttp.WSMsgType.TEXT and '"callbackName":22' in message.data:
                return False
    return True


# Reboots in the middle


def is_under_way(peer: Peer) -> bool:
    """Reads up to the first progress."""
    while peer.packet()["payload"]["callbackName"] != 22:
        pass
    return True


@on_both
@pytest.mark.parametrize("by", ["python", "a fault"])
def test_a_reboot_in_the_middle_ends_an_update_and_another_can_begin(
    transport: Transport, by: str
) -> None:
    fault = faults.Reboot(
        seconds=0, how="close", when=When(packet="push", callback=22, nth=2, transport=transport)
    )
    armed = (fault,) if by == "a fault" else ()
    www_seconds, steps = (10, 2) if armed else (1e6, 100)
    plan = OutletUpdate(silence_seconds=0, www_seconds=www_seconds, steps=steps)
    slow = Updates(IM=plan, PM=FaceplateUpdate(steps=2))
    scenario = updatable(*armed, updates=slow)
    with start_simulator(scenario, speed=100) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [1])
        assert peer.packet() == success_reply()
        assert is_under_way(peer)
        if by == "python":
            sim.reboot(seconds=0)
        assert peer.end()[1] == "FIN"
        sim.wait_until_up()
        assert not sim.updating
        back = peers.listen(transport)
        assert back.packet()["payload"]["callbackName"] == 12
        assert revisions(back) == NO_PROGRESS
        back.send_request(21, [2])
        assert back.packets(6) == [success_reply(), *FACEPLATE]  # and nothing of the one before


def test_two_updates_at_once_and_one_while_one_runs_are_refused() -> None:
    slow = Updates(IM=OutletUpdate(silence_seconds=0, www_seconds=1e6))
    with start_simulator(updatable(updates=slow)) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        peer.send_request(21, [1], 1)
        assert peer.packets(3) == [success_reply(1), STRAY, push(22, [3, 0])]
        for args in ([1], [2], [2, 1]):
            peer.send_request(21, args, 2)
            assert peer.packet() == failure_reply(2)
        with pytest.raises(ValueError, match="already in progress"):
            sim.update("PM")


@on_both
def test_the_outlet_may_stop_in_the_middle_of_an_update(transport: Transport) -> None:
    with start_simulator(updatable()) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        peer.send_request(21, [1])
        assert peer.packet() == success_reply()
        assert is_under_way(peer)
        where = address(sim, transport)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(where, TIMEOUT)
