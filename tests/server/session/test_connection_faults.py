"""What becomes of connections whose beginning, or whose idleness, a fault has a say in."""

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Any, Literal

import aiohttp
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidMessage

from invis_sim import faults, start_simulator
from invis_sim.faults import Fault, When
from invis_sim.journal import Closed
from invis_sim.protocol.transport import Transport
from tests.server.frames import HANDSHAKE, close_payload
from tests.server.peers import Peers, TcpPeer, address, connected
from tests.server.support import (
    applied_faults,
    ask_aiohttp,
    event_texts,
    exchanges,
    faulty,
    log_messages,
    on_both,
    reply_bytes,
    shake_websockets,
    wait_for_end,
    wait_until,
)
from tests.support import TIMEOUT


def ended_at_once(peers: Peers, transport: Transport) -> tuple[bytes, str]:
    """How a new connection ends; a RST may come while it is made."""
    try:
        peer = peers.tcp() if transport == "tcp" else peers.ws(handshake=False)
    except ConnectionResetError:
        return b"", "RST"
    end = peer.end()
    peer.socket.close()
    return end


# accept_close


@on_both
@pytest.mark.parametrize(("how", "end"), [("close", "FIN"), ("reset", "RST")])
def test_accept_close_ends_a_connection_before_anything_is_said(
    transport: Transport, how: Literal["close", "reset"], end: str
) -> None:
    fault = faults.AcceptClose(how=how, when=When(nth=1, transport=transport))
    with faulty(fault) as sim, Peers(sim) as peers:
        assert ended_at_once(peers, transport) == (b"", end)
        assert wait_for_end(sim) == ["by fault accept_close, when it was accepted"]
        assert event_texts(sim) == [f"fault accept_close ({how})"]
        assert peers.connect(transport).is_served()  # the next one


def test_websockets_and_aiohttp_name_an_accept_close() -> None:
    with faulty(faults.AcceptClose()) as sim:
        with pytest.raises(InvalidMessage):
            shake_websockets(sim.ws_url)
        with pytest.raises(aiohttp.ClientConnectionError):
            ask_aiohttp(sim.ws_url)


def test_a_share_of_the_connections_may_be_closed() -> None:
    with faulty(faults.AcceptClose(when=When(probability=0.5))) as sim, Peers(sim) as peers:
        ends = []
        for _ in range(40):
            peer = peers.tcp()
            peer.socket.shutdown(socket.SHUT_WR)
            assert peer.end() == (b"", "FIN")
        wait_for_end(sim, 40)
        ends = [event.reason for event in sim.journal.events() if isinstance(event, Closed)]
        assert 8 < ends.count("by fault accept_close, when it was accepted") < 32


# slow_accept


@on_both
def test_slow_accept_leaves_a_new_connection_alone_for_a_while(transport: Transport) -> None:
    fault = faults.SlowAccept(seconds=0.5, when=When(nth=1))
    with faulty(fault) as sim, Peers(sim) as peers:
        began = time.monotonic()
        slow = peers.tcp() if transport == "tcp" else peers.ws(handshake=False)
        slow.socket.sendall(b"" if isinstance(slow, TcpPeer) else HANDSHAKE)
        slow.send_requests(1)
        assert peers.connect(transport).is_served(2)  # nobody waits for it
        assert [asked.packet_id for asked in sim.journal.requests()] == [2]
        slow.receive(1)
        assert time.monotonic() - began >= 0.5
        assert event_texts(sim) == ["fault slow_accept (0.5 s)"]


# greeting


def test_greeting_comes_before_the_first_reply() -> None:
    fault = faults.Greeting(text="Über-Konsole\r\n> ")
    with faulty(fault) as sim, connected(sim, "tcp") as peer:
        greeting = "Über-Konsole\r\n> ".encode()
        assert peer.receive(len(greeting)) == greeting  # unasked
        assert peer.is_served()


def test_greeting_on_a_websocket_comes_before_the_answer_to_its_handshake() -> None:
    with faulty(faults.Greeting(text="hi\r\n")) as sim, Peers(sim) as peers:
        peer = peers.ws(handshake=False)
        peer.socket.sendall(HANDSHAKE)
        assert peer.head().startswith(b"hi\r\nHTTP/1.1 101 ")


def test_websockets_and_aiohttp_take_a_greeting_for_no_http() -> None:
    with faulty(faults.Greeting()) as sim:
        with pytest.raises(InvalidMessage):
            shake_websockets(sim.ws_url)
        with pytest.raises(aiohttp.ClientResponseError):
            ask_aiohttp(sim.ws_url)


@on_both
def test_a_client_that_does_not_stay_for_the_greeting_is_no_error(
    transport: Transport,
) -> None:
    slowly = (faults.SlowAccept(seconds=0.1), faults.Greeting())
    with log_messages() as messages, faulty(*slowly) as sim:
        with socket.create_connection(address(sim, transport), timeout=TIMEOUT) as client:
            wait_until(sim, lambda journal: len(journal.events()) == 3)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (why,) = wait_for_end(sim)
        assert why.startswith("the connection broke: ")
    assert messages == []


# connection_limit


@on_both
@pytest.mark.parametrize(("how", "end"), [("close", "FIN"), ("reset", "RST")])
def test_over_the_limit_a_new_connection_ends(
    transport: Transport, how: Literal["close", "reset"], end: str
) -> None:
    fault = faults.ConnectionLimit(connections=2, how=how)
    with faulty(fault) as sim, Peers(sim) as peers:
        old = [peers.tcp(), peers.ws()]  # counted over both transports
        assert all(peer.is_served() for peer in old)
        assert ended_at_once(peers, transport) == (b"", end)
        assert event_texts(sim) == [f"fault connection_limit ({how}, 3 were open)"]
        assert all(peer.is_served() for peer in old)


@on_both
def test_a_connection_that_was_turned_away_takes_no_place(transport: Transport) -> None:
    fault = faults.ConnectionLimit(connections=1)
    with faulty(fault) as sim, Peers(sim) as peers:
        old = peers.connect(transport)
        assert old.is_served()
        turned_away = peers.tcp()  # and it does not hang up
        assert turned_away.end() == (b"", "FIN")
        old.finish()
        old.socket.close()
        wait_until(sim, lambda journal: "closed by the client" in event_texts(sim, "closed"))
        assert peers.connect(transport).is_served()


@on_both
@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_a_client_may_close_its_connection_and_open_another_at_once(
    transport: Transport, end: str
) -> None:
    with faulty(faults.ConnectionLimit(connections=1)) as sim, Peers(sim) as peers:
        for _ in range(20):  # one alone could succeed by chance
            peer = peers.connect(transport)
            assert peer.is_served()
            if end == "RST":
                linger = struct.pack("ii", 1, 0)
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.socket.close()
        assert event_texts(sim) == []


def test_a_client_that_still_reads_takes_a_place() -> None:
    limit, slow = faults.ConnectionLimit(connections=1), faults.Delay(seconds=60)
    with faulty(limit, slow) as sim, Peers(sim) as peers:
        sim.clock.pause()
        peer = peers.tcp()
        peer.send_requests(1)
        peer.socket.shutdown(socket.SHUT_WR)
        sim.wait_for_request()
        assert ended_at_once(peers, "tcp") == (b"", "FIN")
        sim.clock.advance(60)
        assert peer.receive(len(reply_bytes("tcp", 1))) == reply_bytes("tcp", 1)


@on_both
def test_a_connection_that_has_ended_takes_no_place(transport: Transport) -> None:
    fault = faults.ConnectionLimit(connections=1)
    with faulty(fault, faults.CloseConnection(when=When(nth=1))) as sim, Peers(sim) as peers:
        ended = peers.connect(transport)
        ended.send_requests(1)
        assert ended.end()[1] == "FIN"  # and it does not hang up
        assert peers.connect(transport).is_served(2)


@on_both
def test_over_the_limit_the_oldest_connection_may_end_instead(transport: Transport) -> None:
    fault = faults.ConnectionLimit(connections=2, how="drop_oldest")
    with faulty(fault) as sim, Peers(sim) as peers:
        opened = []
        for _ in range(4):
            opened.append(peers.connect(transport))
            assert opened[-1].is_served()
        assert [peer.end() for peer in opened[:2]] == [(b"", "RST")] * 2
        assert all(peer.is_served() for peer in opened[2:])
        assert event_texts(sim) == ["fault connection_limit (drop_oldest, 3 were open)"] * 2
        assert (
            wait_for_end(sim, 2)
            == ["by fault connection_limit, in favour of a newer connection"] * 2
        )


@pytest.mark.parametrize("how", ["close", "reset", "drop_oldest"])
def test_the_limit_holds_when_many_come_at_once(how: Any) -> None:
    limit, clients = 5, 40
    ready = threading.Barrier(clients)

    def use(peer: TcpPeer) -> None:
        ready.wait(TIMEOUT)
        with suppress(ConnectionError):  # a RST may come while it connects
            peer.socket.connect(sim.tcp_address)
            peer.send_requests(1)
            peer.receive(len(reply_bytes("tcp", 1)))

    with faulty(faults.ConnectionLimit(connections=limit, how=how)) as sim:
        peers = [TcpPeer(socket.socket()) for _ in range(clients)]
        threads = [threading.Thread(target=use, args=(peer,)) for peer in peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(sim, lambda journal: len(event_texts(sim, "connected")) == clients)
        served = 0  # of those that are still there
        for peer in peers:
            with suppress(OSError):
                peer.send_requests(2)
                served += peer.receive(len(reply_bytes("tcp", 2))) == reply_bytes("tcp", 2)
            peer.socket.close()
        assert served == limit
        assert len(event_texts(sim)) == clients - limit


# idle_close


def test_an_idle_connection_is_closed_with_fin_on_tcp() -> None:
    with faulty(faults.IdleClose(seconds=0.2)) as sim, connected(sim, "tcp") as peer:
        assert peer.is_served(1)
        began = time.monotonic()
        assert peer.end() == (b"", "FIN")
        assert time.monotonic() - began >= 0.15
        peer.socket.close()
        assert wait_for_end(sim) == ["by fault idle_close: the client was idle for 0.2 s"]
        assert event_texts(sim) == ["fault idle_close (after 0.2 s)"]
        assert all(one.faults == () for one in exchanges(sim, 1))


def test_an_idle_connection_is_closed_with_1001_on_websocket() -> None:
    with faulty(faults.IdleClose(seconds=0.2)) as sim:
        with websockets.sync.client.connect(sim.ws_url, proxy=None) as client:
            client.send('{"packetID":1,"payload":{"callbackName":20}}')
            client.recv(TIMEOUT)
            with pytest.raises(websockets.exceptions.ConnectionClosedOK) as caught:
                client.recv(TIMEOUT)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "idle")
        assert wait_for_end(sim) == ["by fault idle_close: the client was idle for 0.2 s"]


def test_who_opens_a_websocket_port_and_says_nothing_is_idle_too() -> None:
    with faulty(faults.IdleClose(seconds=0.2)) as sim, Peers(sim) as peers:
        peer = peers.ws(handshake=False)
        assert peer.end() == (b"", "FIN")


@on_both
def test_an_idle_connection_does_not_wait_for_replies_that_are_late(transport: Transport) -> None:
    late = (faults.Delay(seconds=3600), faults.IdleClose(seconds=0.2))
    with faulty(*late) as sim, connected(sim, transport) as peer:
        peer.send_requests(1)
        rest, how = peer.end()
        assert how == "FIN"
        assert rest == (b"" if transport == "tcp" else b"\x88\x06" + close_payload(1001, b"idle"))
        peer.socket.close()
        assert wait_for_end(sim) == ["by fault idle_close: the client was idle for 0.2 s"]
        (found,) = exchanges(sim, 1)
        assert found.sent == ()


@on_both
def test_a_stalled_connection_ends_without_a_word_when_it_is_idle(transport: Transport) -> None:
    mute = (faults.StallConnection(), faults.IdleClose(seconds=0.2))
    with faulty(*mute) as sim, connected(sim, transport) as peer:
        peer.send_requests(1)
        assert peer.end() == (b"", "FIN")


# Together


@on_both
def test_all_that_befalls_a_connection_as_it_comes_is_told(transport: Transport) -> None:
    armed: tuple[Fault, ...] = (
        faults.SlowAccept(seconds=3),
        faults.SlowAccept(seconds=4, name="slower"),
        faults.Greeting(text="one"),
        faults.Greeting(text="two", name="two"),
        faults.AcceptClose(),
        faults.ConnectionLimit(connections=1),
    )
    with faulty(*armed, speed=100) as sim, Peers(sim) as peers:
        peer = peers.tcp() if transport == "tcp" else peers.ws(handshake=False)
        assert peer.end() == (b"onetwo", "FIN")
        assert event_texts(sim) == [
            "fault slow_accept (3 s)",
            "fault slower (4 s)",
            "fault greeting",
            "fault two",
            "fault accept_close (close)",
        ]
        assert {event.connection for event in sim.journal.events()} == {1}


@on_both
def test_a_fault_of_connections_leaves_open_ones_and_packets_alone(transport: Transport) -> None:
    with faulty() as sim, Peers(sim) as peers:
        peer = peers.connect(transport)
        assert peer.is_served(0)
        with sim.inject(faults.AcceptClose()) as fault:
            assert peer.is_served(1)
            assert peers.tcp().end() == (b"", "FIN")
            fault.enabled = False
            assert peers.connect(transport).is_served(2)
            fault.enabled = True
            assert peers.tcp().end() == (b"", "FIN")
        assert peers.connect(transport).is_served(3)
        assert all(applied_faults(one) == [] for one in exchanges(sim, 4))


# Faults that come when the connection is there already


@on_both
def test_an_idle_limit_that_is_injected_counts_from_then_on(transport: Transport) -> None:
    with faulty() as sim, Peers(sim) as peers:
        sim.clock.pause()
        peer = peers.connect(transport)
        assert peer.is_served()
        sim.clock.advance(100)
        with sim.inject(faults.IdleClose(seconds=10)):
            assert peer.is_served(2)
            sim.clock.advance(9)
            assert peer.is_served(3)
            sim.clock.advance(9)
            assert peer.is_served(4)
        # It is gone, so nothing counts any more.
        sim.clock.advance(100)
        assert peer.is_served(5)
        sim.inject(faults.IdleClose(seconds=10, name="bored"))
        assert peer.is_served(6)
        sim.clock.advance(10)
        peer.end()
        assert wait_for_end(sim) == ["by fault bored: the client was idle for 10 s"]
        assert event_texts(sim) == [
            "fault idle_close (after 10 s)",
            "fault bored (after 10 s)",
        ]


def test_an_idle_limit_begins_and_ends_on_an_open_connection_at_its_times() -> None:
    fault = faults.IdleClose(seconds=5, when=When(from_seconds=10.1, until_seconds=20.3))
    with faulty(fault) as sim, Peers(sim) as peers:
        sim.clock.pause()
        ends_early, stays = peers.tcp(), peers.tcp()
        assert ends_early.is_served()
        assert stays.is_served()
        sim.clock.advance(13)
        assert stays.is_served(2)
        sim.clock.advance(4)
        assert ends_early.end() == (b"", "FIN")
        assert stays.is_served(3)
        sim.clock.advance(1)
        assert stays.is_served(4)
        sim.clock.advance(50)
        assert stays.is_served(5)


@on_both
def test_what_can_act_on_new_connections_only_says_that_it_waits(transport: Transport) -> None:
    with faulty() as sim, Peers(sim) as peers:
        peer = peers.connect(transport)
        assert peer.is_served()
        sim.inject(faults.ConnectionLimit(connections=1, name="full"))
        notes = event_texts(sim, "fault_note")
        assert notes == [
            "fault full: waits for new connections; those that are open stay as they are"
        ]
        assert ended_at_once(peers, transport) == (b"", "FIN")
        assert peer.is_served(2)


def test_a_fault_for_a_transport_that_is_off_says_that_it_never_applies() -> None:
    with start_simulator(ws=False) as sim:
        sim.inject(faults.NoPong())
        sim.inject(faults.Drop(name="lost", when=When(transport="ws")))
        sim.inject(faults.Drop(when=When(transport="tcp")))
        assert event_texts(sim, "fault_note") == [
            "fault no_pong: never applies: its transport is switched off",
            "fault lost: never applies: its transport is switched off",
        ]


@on_both
def test_a_packet_that_is_held_when_its_connection_ends_is_forgotten(transport: Transport) -> None:
    """Its connection lingers then, until the client has read everything and hangs up."""
    fault = faults.Coalesce(max_wait=5)
    with faulty(fault, faults.IdleClose(seconds=2)) as sim, Peers(sim) as peers:
        sim.clock.pause()
        peer = peers.connect(transport)
        peer.send_requests(1)
        wait_until(sim, lambda journal: bool(journal.exchanges()))
        sim.clock.advance(2)
        sim.clock.advance(5)
        peer.close()
        wait_for_end(sim)
        assert peers.connect(transport) is not None
