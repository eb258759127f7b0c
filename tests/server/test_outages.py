"""Times at which the outlet, or part of it, is away; and that it comes back, whatever happened."""

import errno
import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
import trio
import websockets.sync.client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from invis_sim import faults, open_simulator
from invis_sim.faults import KINDS, Fault, When
from invis_sim.journal import Connected, OutageEnded, OutageStarted
from invis_sim.journal.text import summary
from invis_sim.protocol.transport import Transport
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import examples
from tests.faults.random_structs import conditions, faults_of
from tests.server.frames import HANDSHAKE, PING, TEXT, client_frame
from tests.server.peers import Peers, WebSocketPeer, address, connected
from tests.server.support import (
    TRANSPORTS,
    UPDATES,
    applied_faults,
    event_texts,
    exchanges,
    faulty,
    linux,
    log_messages,
    on_both,
    outlet,
    reply_bytes,
    updates_reply,
    wait_for_end,
    wait_until,
)
from tests.support import TIMEOUT, make_request


def refuses(sim: SimulatorHandle) -> bool:
    """Whether nobody listens, on either port."""
    refused = []
    for transport in TRANSPORTS:
        try:
            socket.create_connection(address(sim, transport), timeout=TIMEOUT).close()
        except ConnectionRefusedError:
            refused.append(transport)
    assert len(refused) != 1, f"only {refused} refuses"
    return bool(refused)


SYN_SENT = 2
"""The state of a socket whose attempt to connect has no answer yet. [linux/tcp_states.h]"""


def tcp_state(sock: socket.socket) -> int:
    """The state of a TCP socket, as Linux has it."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def wait_for_news(sim: SimulatorHandle, *news: str) -> None:
    """Waits until these are the last events of faults that the journal has."""
    wait_until(sim, lambda journal: event_texts(sim)[-len(news) :] == list(news))


# Nobody listens


def test_refuse_refuses_on_both_ports_while_open_connections_stay() -> None:
    with faulty() as sim, Peers(sim) as peers:
        before = [address(sim, transport) for transport in TRANSPORTS]
        old = [peers.connect(transport) for transport in TRANSPORTS]
        assert all(peer.is_served(1) for peer in old)
        with sim.inject(faults.Refuse()):
            for _ in range(3):
                assert refuses(sim)
                assert all(peer.is_served(2) for peer in old)
        assert [address(sim, transport) for transport in TRANSPORTS] == before
        assert all(peer.is_served(3) for peer in old)
        assert all(peers.connect(transport).is_served(4) for transport in TRANSPORTS)
        assert event_texts(sim) == [
            "fault refuse: in effect until switched off",
            "fault refuse: ended",
        ]


def test_refuse_may_begin_and_end_a_hundred_times() -> None:
    with faulty() as sim, Peers(sim) as peers:
        for _ in range(100):
            with sim.inject(faults.Refuse()):
                assert refuses(sim)
            assert not refuses(sim)
        assert all(peers.connect(transport).is_served() for transport in TRANSPORTS)


@linux
def test_an_outlet_that_cannot_be_reached_leaves_attempts_to_connect_unanswered() -> None:
    with faulty() as sim, Peers(sim) as peers:
        before = [peers.connect(transport) for transport in TRANSPORTS]
        with sim.inject(faults.Unreachable()), ExitStack() as attempts:
            for transport in TRANSPORTS:
                sock = attempts.enter_context(socket.socket())
                sock.setblocking(False)
                assert sock.connect_ex(address(sim, transport)) == errno.EINPROGRESS
                assert tcp_state(sock) == SYN_SENT
            assert all(peer.is_served() for peer in before)
            # Whoever cannot be reached cannot refuse either.
            with sim.inject(faults.Refuse()):
                assert tcp_state(sock) == SYN_SENT
        with sim.inject(faults.Refuse()):
            with sim.inject(faults.Unreachable()):
                pass
            assert refuses(sim)
        assert all(peers.connect(transport).is_served() for transport in TRANSPORTS)
        assert len(sim.journal.events(kind="connected")) == 4  # and none of our own


def test_nobody_else_can_take_the_port_meanwhile() -> None:
    with faulty() as sim, sim.inject(faults.Refuse()):
        for transport in TRANSPORTS:
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(address(sim, transport))


def test_refuse_begins_with_the_packet_that_matches_and_lasts_its_seconds() -> None:
    fault = faults.Refuse(seconds=1, when=When(callback=20, nth=2))
    with faulty(fault) as sim, Peers(sim) as peers:
        peer = peers.tcp()
        peer.send_requests(1, callback=99)  # is not counted
        assert peer.packet()["PUBACK"] == 0
        assert peer.is_served(2)
        assert not refuses(sim)
        sim.clock.pause()
        assert peer.is_served(3)
        wait_for_news(sim, "fault refuse: in effect for 1 s")
        sim.clock.advance(0.99)
        assert refuses(sim)
        sim.clock.advance(0.01)
        wait_for_news(sim, "fault refuse: in effect for 1 s", "fault refuse: ended")
        assert not refuses(sim)
        asked = [one for one in sim.journal.exchanges() if one.request is not None]
        assert [applied_faults(one) for one in asked] == [[], [], ["refuse"]]


def test_an_outage_begins_at_its_time_scaled_by_speed() -> None:
    fault = faults.Refuse(seconds=30, when=When(from_seconds=30))
    with faulty(fault, speed=100) as sim:
        began = time.monotonic()
        assert not refuses(sim)
        wait_for_news(sim, "fault refuse: in effect for 30 s")
        assert time.monotonic() - began >= 0.25
        assert sim.faults["refuse"].applied == 1
        wait_for_news(sim, "fault refuse: in effect for 30 s", "fault refuse: ended")
        assert time.monotonic() - began >= 0.55
        assert not refuses(sim)


def test_at_infinite_speed_outages_pass_at_once() -> None:
    armed: tuple[Fault, ...] = (
        faults.Refuse(seconds=3600, when=When(from_seconds=3600)),
        faults.Reboot(seconds=3600, when=When(callback=20, nth=2)),
        faults.FaceplateOffline(seconds=3600),
    )
    with faulty(*armed, speed=math.inf) as sim, Peers(sim) as peers:
        wait_until(sim, lambda journal: len(event_texts(sim)) == 4)
        peer = peers.tcp()
        assert peer.is_served(1)
        peer.send_requests(2)
        assert peer.end()[1] == "RST"
        wait_for_news(sim, "fault reboot: in effect for 3600 s", "fault reboot: ended")
        assert all(peers.connect(transport).is_served() for transport in TRANSPORTS)


def test_an_outage_without_end_ends_when_it_is_switched_off() -> None:
    with faulty(faults.Refuse(when=When(from_seconds=0.1))) as sim:
        wait_for_news(sim, "fault refuse: in effect until switched off")
        assert refuses(sim)
        sim.faults["refuse"].enabled = False
        assert not refuses(sim)
        sim.faults["refuse"].enabled = True  # its time has come long ago
        assert refuses(sim)
        sim.faults["refuse"].enabled = False
        assert not refuses(sim)


def test_of_two_outages_of_one_name_each_ends_with_its_own_switch() -> None:
    refuse = faults.Refuse(when=When(from_seconds=0.1))
    with faulty(refuse, refuse) as sim:
        wait_until(sim, lambda journal: len(event_texts(sim)) == 2)
        first, second = sim.faults
        first.enabled = False
        assert refuses(sim)
        second.enabled = False
        assert not refuses(sim)


def test_an_outage_that_was_switched_off_and_on_before_its_time_begins_once() -> None:
    with faulty(faults.Refuse(seconds=0.1, when=When(from_seconds=0.3))) as sim:
        sim.clock.pause()
        for _ in range(3):
            sim.faults["refuse"].enabled = False
            sim.faults["refuse"].enabled = True
        sim.clock.advance(0.4)
        wait_for_news(sim, "fault refuse: in effect for 0.1 s", "fault refuse: ended")
        assert event_texts(sim) == ["fault refuse: in effect for 0.1 s", "fault refuse: ended"]
        assert sim.faults["refuse"].applied == 1


def test_an_outage_that_is_off_at_its_time_does_not_begin() -> None:
    off = faults.Refuse(when=When(from_seconds=0.1))
    with faulty(off, faults.FaceplateOffline(when=When(from_seconds=0.2))) as sim:
        sim.faults["refuse"].enabled = False
        wait_until(sim, lambda journal: bool(event_texts(sim)))
        assert event_texts(sim) == ["fault faceplate_offline: in effect until switched off"]
        assert not refuses(sim)


def test_outages_that_overlap_end_with_the_last() -> None:
    with faulty() as sim:
        with sim.inject(faults.Refuse(name="long")):
            with sim.inject(faults.Refuse(name="short")):
                assert refuses(sim)
            assert refuses(sim)
        assert not refuses(sim)


def test_the_outlet_may_stop_in_the_middle_of_an_outage() -> None:
    with faulty(faults.Refuse(), faults.Reboot(seconds=3600)) as sim:
        addresses = [address(sim, transport) for transport in TRANSPORTS]
        assert refuses(sim)
    for where in addresses:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(where)  # it is free again


# Reboot


@on_both
@pytest.mark.parametrize(
    ("how", "end"), [("reset", "RST"), ("close", "FIN"), ("close_frame", "FIN")]
)
def test_reboot_ends_every_connection_and_the_outlet_comes_back_at_the_same_address(
    transport: Transport, how: Any, end: str
) -> None:
    with faulty() as sim, Peers(sim) as peers:
        where = address(sim, transport)
        old = [peers.connect(transport) for _ in range(5)]
        assert all(peer.is_served(1) for peer in old)
        shaking = peers.ws(handshake=False)
        wait_until(sim, lambda journal: len(event_texts(sim, "connected")) == 6)
        sim.clock.pause()
        with sim.inject(faults.Reboot(seconds=0.3, how=how)):
            assert refuses(sim)
            with_close_frame = how == "close_frame" and transport == "ws"
            for peer in old:
                if with_close_frame:
                    assert isinstance(peer, WebSocketPeer)
                    assert peer.close_code() == 1001
                assert peer.end() == (b"", end)
                peer.socket.close()
            assert shaking.end() == (b"", end)
            shaking.socket.close()
            assert wait_for_end(sim, 6) == ["by fault reboot"] * 6
            sim.clock.advance(0.3)
            wait_for_news(sim, "fault reboot: in effect for 0.3 s", "fault reboot: ended")
        assert address(sim, transport) == where
        assert peers.connect(transport).is_served(2)


@on_both
def test_a_silent_reboot_says_nothing_until_the_outlet_is_back(transport: Transport) -> None:
    with faulty() as sim, Peers(sim) as peers:
        peer = peers.connect(transport)
        assert peer.is_served(1)
        sim.clock.pause()
        with sim.inject(faults.Reboot(seconds=0.4, how="blackhole")):
            if isinstance(peer, WebSocketPeer):
                peer.socket.sendall(client_frame(PING, b"anybody?"))
            peer.send_requests(2)
            assert peer.receives_nothing(0.05)
            assert refuses(sim)
            sim.clock.advance(0.4)
            assert peer.end() == (b"", "RST")
            wait_for_news(sim, "fault reboot: in effect for 0.4 s", "fault reboot: ended")
        assert peers.connect(transport).is_served(3)
        assert exchanges(sim, 3)[1].sent == ()


def test_a_silent_reboot_gives_no_handshake_an_answer() -> None:
    with faulty(faults.SlowHandshake(seconds=0.1)) as sim, Peers(sim) as peers:
        peer = peers.ws(handshake=False)
        peer.socket.sendall(HANDSHAKE)
        wait_until(sim, lambda journal: len(journal.events()) == 2)
        with sim.inject(faults.Reboot(seconds=0.3, how="blackhole")):
            assert peer.end() == (b"", "RST")


@on_both
@pytest.mark.parametrize("moment", ["before", "middle", "after"])
def test_reboot_begins_around_a_packet(transport: Transport, moment: Any) -> None:
    fault = faults.Reboot(seconds=0.2, how="close", moment=moment, when=When(callback=20, nth=3))
    with faulty(fault) as sim, Peers(sim) as peers:
        other = peers.connect(transport)
        assert other.is_served(1)
        peer = peers.connect(transport)
        assert peer.is_served(2)
        peer.send_requests(3, 4)
        whole = reply_bytes(transport, 3)
        said = {"before": b"", "middle": whole[: len(whole) // 2], "after": whole}[moment]
        assert peer.end() == (said, "FIN")
        assert other.end() == (b"", "FIN")
        wait_for_news(sim, "fault reboot: in effect for 0.2 s", "fault reboot: ended")
        assert peers.connect(transport).is_served(5)
        found = {one.packet_id: one for one in sim.journal.exchanges()}
        assert applied_faults(found[3]) == ["reboot"]


def test_websockets_sees_a_reboot_as_it_is_meant() -> None:
    with faulty() as sim:
        for how, error, code in (
            ("reset", ConnectionClosedError, None),
            ("close", ConnectionClosedError, None),
            ("close_frame", ConnectionClosedOK, 1001),
        ):
            with websockets.sync.client.connect(sim.ws_url, proxy=None) as client:
                client.send(make_request(packet_id=1).decode())
                client.recv(TIMEOUT)
                with (
                    sim.inject(faults.Reboot(seconds=0, how=how)),  # type: ignore[arg-type]
                    pytest.raises(error) as caught,
                ):
                    client.recv(TIMEOUT)
                received = caught.value.rcvd
                assert (received and received.code) == code


def test_a_client_that_reconnects_is_served_by_an_outlet_that_has_rebooted() -> None:
    fault = faults.Reboot(seconds=0.05, when=When(callback=20, every=10))
    wanted, lost = 50, 0
    got: list[Any] = []
    with faulty(fault) as sim:
        deadline = time.monotonic() + TIMEOUT
        while len(got) < wanted and time.monotonic() < deadline:
            with suppress(OSError, AssertionError), Peers(sim) as peers:
                peer = peers.connect(TRANSPORTS[lost % 2])
                while len(got) < wanted:
                    peer.send_requests(len(got))
                    got.append(peer.packet())
            lost += 1
        assert got == [updates_reply(packet_id) for packet_id in range(wanted)]
        assert sim.faults["reboot"].applied >= 4


def test_whoever_connects_in_the_moment_of_a_reboot_is_not_served_through_it() -> None:
    """Connections that are accepted, but not yet known, must not survive."""
    stop = threading.Event()

    def knock(where: tuple[str, int]) -> None:
        while not stop.is_set():
            with suppress(OSError), socket.create_connection(where, timeout=TIMEOUT) as client:
                client.settimeout(TIMEOUT)
                client.sendall(make_request(packet_id=1))
                client.recv(4096)

    with faulty() as sim:
        threads = [threading.Thread(target=knock, args=(sim.tcp_address,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(100):
                with sim.inject(faults.Reboot(seconds=3600)):
                    pass
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        away = False
        for entry in sim.journal.events():
            if isinstance(entry, OutageStarted | OutageEnded):
                away = isinstance(entry, OutageStarted)
            elif isinstance(entry, Connected):
                assert not away, entry


# The faceplate


@on_both
def test_faceplate_offline_takes_the_faceplate_from_the_answers(transport: Transport) -> None:
    gone = updates_reply(2)
    gone["payload"]["callbackArgs"] = {"IM": UPDATES["IM"]}
    with faulty() as sim, connected(sim, transport) as peer:
        assert peer.is_served(1)
        with sim.inject(faults.FaceplateOffline()):
            peer.send_requests(2)
            assert peer.packet() == gone
        assert peer.packet()["payload"]["callbackName"] == 12  # it is back
        assert peer.is_served(3)
        assert event_texts(sim) == [
            "fault faceplate_offline: in effect until switched off",
            "fault faceplate_offline: ended",
        ]
        assert all(applied_faults(one) == [] for one in exchanges(sim, 4))


@on_both
def test_faceplate_offline_begins_behind_the_packet_that_matches(transport: Transport) -> None:
    fault = faults.FaceplateOffline(seconds=0.2, when=When(callback=20, nth=1))
    with faulty(fault) as sim, connected(sim, transport) as peer:
        assert peer.is_served(1)
        wait_for_news(sim, "fault faceplate_offline: in effect for 0.2 s")
        peer.send_requests(2)
        assert "PM" not in peer.packet()["payload"]["callbackArgs"]
        wait_for_news(
            sim, "fault faceplate_offline: in effect for 0.2 s", "fault faceplate_offline: ended"
        )
        assert peer.packet()["payload"]["callbackName"] == 12  # it is back
        assert peer.is_served(3)


# Under trio


def test_under_trio_an_outage_is_there_for_the_time_of_its_block() -> None:
    async def live() -> None:
        async with open_simulator(outlet()) as simulator:
            with simulator.inject(faults.Refuse()), pytest.raises(OSError, match=r"all attempts"):
                await trio.open_tcp_stream(*simulator.tcp_address)
            async with await trio.open_tcp_stream(*simulator.tcp_address) as stream:
                await stream.send_all(make_request(packet_id=1))
                assert json.loads(await stream.receive_some()) == updates_reply(1)

    trio.run(live)


# Any faults, in any number


any_faults = st.lists(
    st.sampled_from(sorted(KINDS)).flatmap(
        lambda kind: faults_of(KINDS[kind], conditions(KINDS[kind]) | st.just(When()))
    ),
    max_size=6,
)


@pytest.fixture(scope="module", name="lasting")
def outlet_for_many_examples() -> Iterator[SimulatorHandle]:
    with start_simulator(outlet(), speed=1000) as sim:
        yield sim


@contextmanager
def everything(sim: SimulatorHandle, armed: list[Fault]) -> Iterator[None]:
    with ExitStack() as stack:
        for fault in armed:
            stack.enter_context(sim.inject(fault))
        yield


def use_a_little(sim: SimulatorHandle, transport: Transport) -> None:
    """Asks a few times and takes whatever comes, for a short time."""
    with suppress(OSError), socket.create_connection(address(sim, transport), 0.05) as client:
        client.settimeout(0.02)
        if transport == "ws":
            client.sendall(HANDSHAKE)
            client.recv(65536)
            client.sendall(client_frame(PING, b"?"))
        for packet_id in range(3):
            packet = make_request(packet_id=packet_id)
            client.sendall(client_frame(TEXT, packet) if transport == "ws" else packet)
        while client.recv(65536):
            pass


@settings(
    max_examples=examples(1.5),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(armed=any_faults)
def test_no_combination_of_faults_outlives_its_block_or_breaks_the_outlet(
    lasting: SimulatorHandle, armed: list[Fault]
) -> None:
    lasting.journal.clear()
    with log_messages() as messages:
        with everything(lasting, armed):
            for transport in TRANSPORTS:
                use_a_little(lasting, transport)
        with Peers(lasting) as peers:
            for transport in TRANSPORTS:
                assert peers.connect(transport).is_served()
    assert messages == []
    assert not any("internal error" in summary(event) for event in lasting.journal.events())
