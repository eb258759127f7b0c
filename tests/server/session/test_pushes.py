"""What the outlet tells unasked: to whom, in which order, and what a client costs that does not
read it.
"""

import math
import select
import socket
import sys
from typing import Any

import pytest

from invis_sim import faults
from invis_sim.device.state import Device, Quirks, Timing
from invis_sim.faults import Fault, When
from invis_sim.journal import Closed
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.model import Protocol, Scenario
from invis_sim.server.beginning import Opening
from invis_sim.server.session import outbox
from invis_sim.server.session.awaited import MAX_AWAITED_IDS, AwaitedIds
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.server.frames import CLOSE, HANDSHAKE, client_frame, close_payload, frame_at
from tests.server.peers import Peers, WebSocketPeer, address, connected, listening
from tests.server.support import (
    TRANSPORTS,
    applied_faults,
    event_texts,
    exchanges,
    failure_reply,
    many_files,
    on_both,
    outlet,
    push,
    success_reply,
    updates_reply,
    wait_for_end,
    wait_until,
)
from tests.support import TIMEOUT

AURA = Device(product="aura")
ONE_LED = [1, 50, [120, 80]]
ALL_LEDS = [5, 1, [[1, 50, [120, 80], 1000]] * 9, 0, 0, 0]


def pushing(*armed: Fault, **more: Any) -> Any:
    return start_simulator(outlet(*armed, **more))


# Who is told what, and when


CHANGES = {
    "outlets": (None, 10, [2, 1], 9, [0, 1]),
    "nightlight": (None, 14, [1, 40], 15, [1, 40]),
    "colour light": (AURA, 17, [5, 1, [ONE_LED]], 18, None),
}


@on_both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_pushed_to_every_connection_to_the_asking_one_behind_its_reply(
    transport: Transport, change: tuple[Device | None, int, Any, int, Any]
) -> None:
    device, callback, args, callback_of_push, told_args = change
    more = {} if device is None else {"device": device}
    with pushing(**more) as sim, Peers(sim) as peers:
        others = [peers.listen(kind) for kind in (*TRANSPORTS, *TRANSPORTS)]
        asking = peers.listen(transport)
        asking.send_request(callback, args, 7)
        reply, first = asking.packets(2)
        assert reply == success_reply(7)
        assert list(first) == ["sn", "packetID", "payload"]
        shown = first["payload"]["callbackArgs"] if told_args is None else told_args
        assert first == push(callback_of_push, shown)
        assert [peer.packet() for peer in others] == [first] * 4
        asking.send_request(callback_of_push, [5] if callback_of_push == 18 else None, 8)
        assert asking.packet()["payload"] == first["payload"]
        # The same once more, which changes nothing: the next packet is the answer to a question.
        asking.send_request(callback, args, 9)
        assert asking.packet() == success_reply(9)
        for peer in (asking, *others):
            peer.send_requests(10, callback=99)
            assert peer.packet() == failure_reply(10)


def test_the_colour_light_tells_all_that_there_is_to_tell() -> None:
    with pushing(device=AURA) as sim, listening(sim, "tcp") as peer:
        peer.send_request(17, [5, 1, [ONE_LED]])
        _, told_of_it = peer.packets(2)
        number, mode, leds, *rest = told_of_it["payload"]["callbackArgs"]
        assert (number, mode, len(leds), len(rest)) == (5, 1, 9, 3)
        assert all(led[:3] == ONE_LED for led in leds)


def test_every_change_has_a_packet_id_of_its_own() -> None:
    with pushing() as sim, listening(sim, "ws") as peer:
        ids = set()
        for number in range(50):
            peer.send_request(10, [1, 1 - number % 2])
            reply, first = peer.packets(2)
            assert reply == success_reply()
            assert first == push(9, [1 - number % 2, 0])
            ids.add(first["packetID"])
        assert len(ids) > 45  # of 900 000


def test_what_python_changes_and_pushes_is_told_to_all() -> None:
    with pushing() as sim, Peers(sim) as peers:
        all_of_them = [peers.listen(kind) for kind in TRANSPORTS]
        sim.set(outlets={"states": [1, 1]}, nightlight={"mode": 1})
        sim.push(99, {"a": None})
        sim.push(9)
        for peer in all_of_them:
            first, second, third, fourth = peer.packets(4)
            assert first == push(9, [1, 1])
            assert second["payload"]["callbackName"] == 15
            assert second["payload"]["callbackArgs"][0] == 1
            assert third == push(99, {"a": None})
            assert fourth == push(9, [1, 1])
        kept = sim.journal.exchanges(callback=99)
        assert [(one.push_callback, one.outcome, one.received, one.done) for one in kept] == [
            (99, "push", None, True)
        ] * 2


@on_both
def test_what_is_the_same_for_all_who_get_a_push_is_made_once(transport: Transport) -> None:
    with pushing() as sim, Peers(sim) as peers:
        both = [peers.listen(transport) for _ in range(2)]
        sim.push(99, ["x" * 2000])
        for peer in both:
            peer.packet()
        first, second = sim.journal.exchanges(callback=99)
        assert first.connection != second.connection
        assert first.seconds == second.seconds
        assert first.sent is second.sent
        assert first.notes is second.notes


def test_who_has_connected_before_is_told_though_nobody_has_served_it_yet() -> None:
    with pushing() as sim:
        for number in range(60):
            clients = [
                socket.create_connection(sim.tcp_address, TIMEOUT) for _ in range(1 + number % 3)
            ]
            sim.push(99, number)
            for client in clients:
                assert b'"callbackArgs":%d}' % number in client.recv(4096)
                client.close()


def test_a_defect_in_telling_one_costs_the_others_nothing() -> None:
    defects: list[Exception] = []
    with pushing() as sim, Peers(sim) as peers:
        first, second, third = (peers.listen("tcp") for _ in range(3))

        def spoil() -> None:
            # In place of what would end the simulator.
            sim._simulator._opening = Opening(on_internal_error=defects.append)
            connection = next(iter(sim._simulator._context.connections.values()))
            connection._encode_frame = lambda text: bytes(1 // 0)

        sim.call(spoil)
        sim.push(99, 1)
        assert first.end() == (b"", "RST")
        for peer in (second, third):
            assert peer.packet()["payload"]["callbackArgs"] == 1
        assert "internal error" in wait_for_end(sim, 1)[0]
    assert [type(one) for one in defects] == [ZeroDivisionError]


def test_on_tcp_a_push_ends_with_the_terminator_and_on_websocket_it_is_one_text_frame() -> None:
    with (
        pushing(protocol=Protocol(tcp_terminator="\r\n")) as sim,
        Peers(sim) as peers,
    ):
        by_tcp, by_ws = peers.listen("tcp"), peers.ws()
        sim.push(9)
        packet = by_ws.frame().payload
        assert by_tcp.receive(len(packet) + 2) == packet + b"\r\n"
        sent = [one.sent for one in sim.journal.exchanges(callback=9)]
        assert sent == [(packet + b"\r\n",), (text_frame(packet),)]


def test_who_is_still_in_the_handshake_is_told_nothing() -> None:
    with pushing() as sim, Peers(sim) as peers:
        early, late = peers.ws(handshake=False), peers.ws(handshake=False)
        early.socket.sendall(HANDSHAKE[:40])
        wait_until(sim, lambda journal: len(journal.events(kind="connected")) == 2)
        sim.push(99, ["too early"])
        early.socket.sendall(HANDSHAKE[40:])
        late.handshake()
        assert early.head().startswith(b"HTTP/1.1 101 ")
        sim.push(99, ["in time"])
        assert early.packet() == late.packet() == push(99, ["in time"])


def test_who_is_being_greeted_by_a_slow_outlet_is_told_nothing_yet() -> None:
    with pushing(faults.SlowAccept(seconds=0.2)) as sim, Peers(sim) as peers:
        peer = peers.listen("tcp")
        wait_until(sim, lambda journal: bool(journal.events(kind="connected")))
        sim.push(99, ["too early"])
        assert peer.is_served(1)
        sim.push(99, ["in time"])
        assert peer.packet() == push(99, ["in time"])


def test_who_has_said_all_it_has_to_say_is_told_nothing_new() -> None:
    """Else the end of its stream might never come."""
    fault = faults.Delay(seconds=0.3)
    with pushing(fault) as sim, listening(sim, "tcp") as peer:
        peer.send_requests(1)
        peer.socket.shutdown(socket.SHUT_WR)
        wait_until(sim, lambda journal: bool(journal.requests()))
        while sim.call(lambda: _only_connection(sim).lifecycle.accepts_pushes):
            pass
        sim.push(99, ["new"])
        rest, how = peer.end()
        assert (rest.count(b"packetID"), how) == (1, "FIN")
        assert sim.journal.pushes() == []


def _only_connection(sim: SimulatorHandle) -> Any:
    (connection,) = sim._simulator._context.connections.values()
    return connection


@pytest.mark.parametrize("closes", ["client", "fault"])
def test_nothing_follows_a_close_frame(closes: str) -> None:
    armed = (faults.CloseConnection(moment="after"),) if closes == "fault" else ()
    with pushing(*armed) as sim, Peers(sim) as peers:
        for _ in range(20):
            peer = peers.ws()
            if closes == "client":
                peer.socket.sendall(client_frame(CLOSE, close_payload(1000)))
            else:
                peer.send_requests(1)
            for number in range(20):
                sim.push(99, number)
            rest, _ = peer.end()
            at, firsts = 0, []
            while (split := frame_at(rest, at)) is not None:
                frame, at = split
                firsts.append(frame.first)
            assert firsts.count(CLOSE) == 1
            assert firsts[-1] == CLOSE
            assert at == len(rest)


# Faults


PUSH = When(packet="push")


@on_both
def test_faults_for_pushes_touch_pushes_and_those_for_replies_do_not(transport: Transport) -> None:
    armed: tuple[Fault, ...] = (
        faults.SetField(path="PUBACK", value=7, name="reply"),
        faults.SetField(path="sn", value="PUSHED", name="push", when=PUSH),
    )
    with pushing(*armed) as sim, listening(sim, transport) as peer:
        peer.send_request(10, [1, 1], 5)
        assert peer.packets(2) == [
            {**success_reply(5), "PUBACK": 7},
            {**push(9, [1, 0]), "sn": "PUSHED"},
        ]
        reply, told_of_it = exchanges(sim, 2)
        assert (applied_faults(reply), applied_faults(told_of_it)) == (["reply"], ["push"])
        assert sim.journal.exchanges(fault="push") == [told_of_it]


@on_both
def test_pushes_are_dropped_delayed_doubled_and_spoilt(transport: Transport) -> None:
    armed: tuple[Fault, ...] = (
        faults.Drop(when=When(packet="push", callback=91)),
        faults.Duplicate(when=When(packet="push", callback=92)),
        faults.MalformedJson(how="truncate", when=When(packet="push", callback=93)),
        faults.Delay(seconds=0.1, when=When(packet="push", callback=94)),
    )
    with pushing(*armed) as sim, listening(sim, transport) as peer:
        for callback in (91, 92, 94, 95):
            sim.push(callback, [1])
        peer.send_requests(1, callback=99)
        expected = [push(92, [1]), push(92, [1]), push(94, [1]), push(95, [1]), failure_reply(1)]
        assert peer.packets(5) == expected
        sim.push(93, ["cut in half"])
        rest = peer.frame().payload if isinstance(peer, WebSocketPeer) else peer.receive(1)
        assert rest.startswith(b"{")
        assert not rest.endswith(b"}")
        kept = {one.push_callback: one for one in sim.journal.exchanges() if one.push_callback}
        assert [applied_faults(kept[number]) for number in (91, 92, 93, 94, 95)] == [
            ["drop"],
            ["duplicate"],
            ["malformed_json"],
            ["delay"],
            [],
        ]
        assert kept[91].sent == ()


@on_both
def test_a_push_waits_behind_a_delayed_reply(transport: Transport) -> None:
    with pushing(faults.Delay(seconds=0.2)) as sim, Peers(sim) as peers:
        peer, other = peers.listen(transport), peers.listen(transport)
        peer.send_request(10, [2, 1], 1)
        assert other.packet() == push(9, [0, 1])
        assert peer.packets(2) == [success_reply(1), push(9, [0, 1])]


def test_nth_counts_pushes_as_it_counts_replies() -> None:
    fault = faults.Drop(when=When(packet="push", callback=99, nth=2))
    with pushing(fault) as sim, listening(sim, "tcp") as peer:
        for number in (1, 2, 3):
            sim.push(98, number)
            sim.push(99, number)
        came = [packet["payload"]["callbackArgs"] for packet in peer.packets(5)]
        assert came == [1, 1, 2, 3, 3]


@on_both
def test_a_push_may_close_the_connection(transport: Transport) -> None:
    fault = faults.CloseConnection(moment="after", when=PUSH)
    with pushing(fault) as sim, listening(sim, transport) as peer:
        sim.push(99, 1)
        sim.push(99, 2)
        assert peer.packet() == push(99, 1)
        rest, how = peer.end()
        assert how == "FIN"
        assert b"payload" not in rest
        peer.socket.close()
        assert wait_for_end(sim) == ["by a fault"]


# The rhythm of the sensors


def callbacks_of(packets: list[Any]) -> list[int]:
    return [packet["payload"]["callbackName"] for packet in packets]


def test_readings_come_in_their_rhythm_to_all() -> None:
    timing = Timing(sensor_seconds=5)
    with start_simulator(outlet(timing=timing), speed=100) as sim, Peers(sim) as peers:
        for transport in TRANSPORTS:
            assert callbacks_of(peers.listen(transport).packets(3)) == [11] * 3
        times = [one.seconds for one in sim.journal.exchanges(callback=11, connection=1)]
        assert all(time >= 0.05 * nth for nth, time in enumerate(times, 1))


def quiet_but_served(sim: SimulatorHandle, peers: Peers) -> bool:
    """Whether time goes on for the outlet, and it says nothing of itself."""
    before = len(sim.journal.pushes(callback=11))
    with connected(sim, "tcp") as peer:
        for number in range(30):  # each waits for 10 ms, in which there would be two beats
            peer.send_requests(number, callback=99)
            peer.packet()
    return len(sim.journal.pushes(callback=11)) == before


def test_no_readings_come_while_the_faceplate_is_off_offline_or_disturbed() -> None:
    slow = faults.Delay(seconds=10, when=When(callback=99))  # so that time passes
    timing = Timing(sensor_seconds=5, reconnect_seconds=0)
    with (
        start_simulator(outlet(slow, timing=timing), speed=1000) as sim,
        Peers(sim) as peers,
    ):

        def beats() -> bool:
            before = len(sim.journal.pushes(callback=11))
            wait_until(sim, lambda journal: len(journal.pushes(callback=11)) > before)
            return True

        def silent() -> bool:
            return quiet_but_served(sim, peers)

        watcher = peers.ws()
        assert beats()
        sim.faceplate("off")
        assert silent()
        sim.faceplate("on")
        assert beats()
        sim.set(faceplate={"online": False})
        assert silent()
        sim.set(faceplate={"online": True})
        assert beats()
        with sim.inject(faults.FaceplateOffline()):
            assert silent()
        assert beats()
        sim.set(timing={"sensor_seconds": 0})
        assert silent()
        assert watcher.packet()["payload"]["callbackName"] == 11


def test_no_readings_come_while_the_faceplate_restarts() -> None:
    timing = Timing(sensor_seconds=0, faceplate_restart_seconds=3600)
    with pushing(timing=timing) as sim, listening(sim, "tcp") as peer:
        sim.sample()
        assert peer.packet()["payload"]["callbackName"] == 11
        peer.send_request(24, packet_id=3)
        assert peer.packet() == success_reply(3)
        assert not sim.faceplate_online
        sim.sample()
        peer.send_request(11, packet_id=4)
        assert peer.packet() == failure_reply(4)


def test_at_infinite_speed_there_is_no_rhythm() -> None:
    with (
        start_simulator(outlet(timing=Timing()), speed=math.inf) as sim,
        listening(sim, "tcp") as peer,
    ):
        first = peer.packet()
        assert first["payload"]["callbackName"] == 11  # on connecting, and never again
        assert all(peer.is_served(number) for number in range(20))
        assert len(sim.journal.pushes()) == 1


# Those who do not read


BIG = "x" * 30_000


@on_both
def test_a_client_that_never_reads_is_dropped_at_last_and_others_get_everything(
    transport: Transport,
) -> None:
    with pushing() as sim, Peers(sim) as peers:
        deaf = peers.listen(transport)
        others = [peers.listen(kind) for kind in TRANSPORTS]
        wait_until(sim, lambda journal: len(journal.events(kind="connected")) == 3)
        most = number = 0
        while not sim.journal.events(kind="closed"):
            sim.push(99, [number, BIG])
            for peer in others:
                assert peer.packet() == push(99, [number, BIG])
            most = max(most, sim.call(waiting_bytes, sim))
            number += 1
            assert number < 2000, "it may still be there"
        (closed,) = sim.journal.events(kind="closed")
        assert closed.connection == 1
        assert isinstance(closed, Closed)
        assert closed.reason == "the client reads too slowly: too much waits for it"
        assert 2**19 < most <= outbox.MAX_PENDING_PUSHED_BYTES + 31_000
        assert deaf.end()[1] == "RST"
        assert all(peer.is_served() for peer in others)
        assert all(one.done for one in sim.journal.exchanges(connection=1))


def waiting_bytes(sim: SimulatorHandle) -> int:
    """How many bytes wait for all clients."""
    connections = sim._simulator._context.connections.values()
    return sum(connection.outbox._pending_bytes for connection in connections)


def test_a_client_that_never_reads_many_small_pushes_is_dropped_at_last() -> None:
    stall = faults.Delay(seconds=3600, when=When(packet="push", nth=1))
    with pushing(stall) as sim, listening(sim, "tcp") as peer:

        def tell(times: int) -> None:
            for number in range(times):
                sim._simulator.push(99, number)

        sim.call(tell, outbox.MAX_PENDING_PUSHES)
        assert sim.journal.events(kind="closed") == []
        sim.call(tell, 1)
        assert wait_for_end(sim) == ["the client reads too slowly: too much waits for it"]
        assert peer.end() == (b"", "RST")


@on_both
def test_a_client_that_reads_nothing_for_long_is_dropped_though_little_waits(
    transport: Transport,
) -> None:
    patience = Protocol(write_timeout_seconds=0.3)
    with pushing(protocol=patience) as sim, Peers(sim) as peers:
        peers.listen(transport)
        wait_until(sim, lambda journal: bool(journal.events(kind="connected")))
        while not sim.call(waiting_bytes, sim):
            sim.push(99, BIG)
        assert wait_for_end(sim) == ["the client has read nothing for 0.3 s"]


@on_both
def test_a_client_for_which_much_waits_that_it_has_asked_for_is_told_more(
    transport: Transport,
) -> None:
    long = faults.Pad(bytes=4 * outbox.MAX_PENDING_BYTES, when=When(callback=10))
    with pushing(long) as sim, listening(sim, transport) as peer:
        peer.send_request(10, [1, 1])
        assert peer.packets(2) == [success_reply(), push(9, [1, 0])]


def test_a_client_that_asks_much_at_once_is_told_more() -> None:
    late = faults.Delay(seconds=0.5, when=When(nth=1))
    number = outbox.MAX_PENDING_PACKETS + 100
    with pushing(late) as sim, listening(sim, "tcp") as peer:
        peer.send_requests(*range(number))
        wait_until(sim, lambda journal: len(journal.requests()) >= outbox.MAX_PENDING_PACKETS)
        sim.push(99, "more")
        came = peer.packets(number + 1)
        assert push(99, "more") in came
        came.remove(push(99, "more"))
        assert came == [updates_reply(packet_id) for packet_id in range(number)]


# Many


@pytest.mark.skipif(sys.platform != "linux", reason="needs epoll")
@on_both
def test_a_push_reaches_a_thousand_connections_also_with_a_slow_one_among_them(
    transport: Transport,
) -> None:
    number, told_times = 1000, 3
    with many_files(2 * number + 200), pushing() as sim, Peers(sim) as peers:
        slow = peers.listen(transport)
        while not sim.call(waiting_bytes, sim):  # from now on nothing more leaves to it
            sim.push(99, BIG)
        fast = [peers.connect(transport) for _ in range(number)]
        wait_until(sim, lambda journal: sim._simulator._context.connections.keys() >= {number + 1})
        for count in range(told_times):
            sim.push(99, [count])
        left = {peer.socket.fileno(): peer for peer in fast}
        with select.epoll() as poll:
            for descriptor in left:
                poll.register(descriptor, select.EPOLLIN)
            while left:
                ready = poll.poll(TIMEOUT)
                assert ready, f"{len(left)} connections wait in vain"
                for descriptor, _ in ready:
                    came = left[descriptor].packets(told_times)
                    assert came == [push(99, [count]) for count in range(told_times)]
                    poll.unregister(descriptor)
                    del left[descriptor]
        assert sim.call(waiting_bytes, sim)
        assert event_texts(sim, "closed") == []
        assert address(sim, transport)
        slow.socket.close()


# packetIDs


def ids_of_pushes(transport: Transport, *waits_for: int) -> list[int]:
    """The packetIDs of some pushes to a client that waits for replies with these packetIDs."""
    with start_simulator(outlet(faults.Drop(when=When(callback=20)))) as sim, Peers(sim) as peers:
        peer, other = peers.listen(transport), peers.listen("tcp")
        peer.send_requests(*waits_for)
        peer.send_request(12)
        peer.packet()
        ids = []
        for state in (1, 0, 1):
            sim.set(outlets={"states": [state, 0]})
            ids.append(peer.packet()["packetID"])
            assert other.packet()["packetID"] == ids[-1]
        return ids


@on_both
def test_no_push_bears_the_packet_id_of_a_request_that_waits(transport: Transport) -> None:
    first, second, third = ids_of_pushes(transport)
    assert len({first, second, third}) == 3
    assert ids_of_pushes(transport, 1) == [first, second, third]
    assert ids_of_pushes(transport, first)[:2] == [second, third]
    assert ids_of_pushes(transport, first, second)[0] == third


def test_of_the_requests_that_wait_the_newest_are_remembered() -> None:
    awaited = AwaitedIds()
    for packet_id in range(MAX_AWAITED_IDS + 1):
        awaited.add(packet_id)
        awaited.add(1)  # which is the newest, again and again
    assert 0 not in awaited
    assert 1 in awaited
    assert MAX_AWAITED_IDS in awaited


# Order


@on_both
def test_by_a_quirk_a_push_comes_before_its_reply(transport: Transport) -> None:
    quirks = Quirks(push_order="before_reply")
    with start_simulator(outlet(quirks=quirks)) as sim, Peers(sim) as peers:
        peer, other = peers.listen(transport), peers.listen("tcp")
        peer.send_request(10, [1, 1])
        assert peer.packets(2) == [push(9, [1, 0]), success_reply()]
        assert other.packet() == push(9, [1, 0])


@on_both
def test_a_push_before_a_reply_does_not_bear_its_packet_id(transport: Transport) -> None:
    quirks = Quirks(push_order="before_reply")

    def pushed(packet_id: int) -> int:
        """The packetID of the push before the reply to a request with this one."""
        scenario = outlet(quirks=quirks, seed=1)
        with start_simulator(scenario) as sim, Peers(sim) as peers:
            peer = peers.listen(transport)
            peer.send_request(10, [1, 1], packet_id)
            before, reply = peer.packets(2)
            assert reply == {**success_reply(), "packetID": packet_id}
            return int(before["packetID"])

    usual = pushed(1)
    assert pushed(usual) != usual


@on_both
@pytest.mark.parametrize("order", ["after_reply", "before_reply"])
def test_by_a_quirk_the_client_that_asks_gets_no_push(transport: Transport, order: Any) -> None:
    quirks = Quirks(pushes_to_sender=False, push_order=order)
    with start_simulator(outlet(quirks=quirks)) as sim, Peers(sim) as peers:
        peer, other = peers.listen(transport), peers.listen("tcp")
        peer.send_request(10, [1, 1])
        assert peer.packet() == success_reply()
        assert other.packet() == push(9, [1, 0])
        sim.set(outlets={"states": [0, 0]})
        assert peer.packet() == other.packet() == push(9, [0, 0])


# Length


@on_both
@pytest.mark.parametrize("size", [1024, 1025])
def test_a_packet_that_early_clients_cannot_read_at_once_is_remarked(
    transport: Transport, size: int
) -> None:
    with start_simulator(outlet()) as sim, Peers(sim) as peers:
        peer = peers.listen(transport)
        sim.push(99, ["x" * size])
        peer.packet()
        (long,) = sim.journal.exchanges(callback=99)
        (note,) = long.notes
        assert "early clients read at most 1024" in note.reason
        overhead = len(long.sent[0]) - size
        sim.push(98, ["x" * (size - overhead + 4 * (transport == "ws"))])
        peer.packet()
        (exact,) = sim.journal.exchanges(callback=98)
        assert bool(exact.notes) == (size == 1025)
        with sim.inject(faults.Pad(bytes=2000)):
            peer.send_requests(1, callback=12)
            peer.packet()
        (padded,) = sim.journal.exchanges(callback=12)
        assert "a packet of" in padded.notes[0].reason


def test_no_packet_of_the_outlet_itself_is_too_long_for_early_clients() -> None:
    for product in ("bare", "pro", "aura"):
        scenario = Scenario(device=Device(product=product))
        with start_simulator(scenario) as sim, Peers(sim) as peers:
            peer = peers.tcp()
            for callback in (1, 3, 9, 11, 12, 15, 20):
                peer.send_requests(callback, callback=callback)
                peer.packet()
            peer.send_request(18, [5])
            peer.packet()
            assert all(
                one.notes == () for one in sim.journal.exchanges() if one.outcome == "success"
            )
