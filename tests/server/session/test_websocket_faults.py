"""Faults of the WebSocket protocol, frame by frame, and what clients that are not ours make of
them.
"""

import asyncio
import json
import time
from typing import Any, get_args

import aiohttp
import pytest
import websockets.sync.client
from websockets.exceptions import (
    ConnectionClosedError,
    InvalidHeader,
    InvalidStatus,
)

from invis_sim import faults
from invis_sim.faults import Fault, When
from invis_sim.faults.kinds.websocket import WrongFrame
from tests.cases import for_each
from tests.server.frames import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Frame,
    client_frame,
    close_payload,
)
from tests.server.peers import Peers
from tests.server.support import (
    applied_faults,
    ask_aiohttp,
    event_texts,
    exchanges,
    faulty,
    reply_text,
    shake_websockets,
    updates_reply,
    wait_for_end,
)
from tests.support import TIMEOUT, make_request

SECOND = When(nth=2)


# Frames


def test_binary_puts_one_packet_into_a_binary_message() -> None:
    with faulty(faults.Binary(when=SECOND)) as sim:
        with Peers(sim) as peers:
            peer = peers.ws()
            peer.send_requests(1, 2, 3)
            frames = [peer.frame() for _ in range(3)]
        assert frames == [
            Frame(TEXT, reply_text(1)),
            Frame(BINARY, reply_text(2)),
            Frame(TEXT, reply_text(3)),
        ]
        assert [applied_faults(one) for one in exchanges(sim, 3)] == [[], ["binary"], []]


def test_websockets_and_aiohttp_get_bytes_of_a_binary_message() -> None:
    with faulty(faults.Binary()) as sim:
        with websockets.sync.client.connect(sim.ws_url, proxy=None) as client:
            client.send(make_request(packet_id=1).decode())
            assert client.recv(TIMEOUT) == reply_text(1)
        message = ask_aiohttp(sim.ws_url)
        assert (message.type, message.data) == (aiohttp.WSMsgType.BINARY, reply_text(1))


def test_fragment_cuts_a_message_into_continuations() -> None:
    with faulty(faults.Fragment(pieces=4)) as sim:
        with Peers(sim) as peers:
            peer = peers.ws()
            peer.send_requests(1)
            frames = [peer.frame() for _ in range(4)]
        assert [frame.first for frame in frames] == [0x01, 0x00, 0x00, 0x80]
        assert b"".join(frame.payload for frame in frames) == reply_text(1)
        assert all(len(frame.payload) > 50 for frame in frames)
        (found,) = exchanges(sim, 1)
        assert [(touch.fault, touch.detail) for touch in found.faults] == [("fragment", "4 frames")]


def test_fragment_puts_a_ping_between_its_frames_and_the_answer_to_it_disturbs_nothing() -> None:
    with faulty(faults.Fragment(ping=True)) as sim:
        with Peers(sim) as peers:
            peer = peers.ws()
            for packet_id in range(3):
                peer.send_requests(packet_id)
                frames = [peer.frame() for _ in range(3)]
                assert [frame.first for frame in frames] == [0x01, PING, 0x80]
                assert frames[0].payload + frames[2].payload == reply_text(packet_id)
                peer.socket.sendall(client_frame(PONG, frames[1].payload))
        assert len(exchanges(sim, 3)) == 3


def test_websockets_and_aiohttp_put_fragments_together() -> None:
    with faulty(faults.Fragment(pieces=300, ping=True)) as sim:
        with websockets.sync.client.connect(sim.ws_url, proxy=None) as client:
            for packet_id in range(3):
                client.send(make_request(packet_id=packet_id).decode())
                assert json.loads(client.recv(TIMEOUT)) == updates_reply(packet_id)
        assert ask_aiohttp(sim.ws_url).json() == updates_reply(1)


WRONG_FRAMES: dict[WrongFrame, bytes] = {
    "reserved_bits": b"\xc1\x7e\x00\xf4" + reply_text(1),
    "unknown_opcode": b"\x83\x7e\x00\xf4" + reply_text(1),
    "masked": client_frame(TEXT, reply_text(1), mask=b"\x01\x02\x03\x04"),
    "fragmented_control": b"\x09\x7d" + reply_text(1)[:125],
    "long_control": b"\x89\x7e\x00\x7e" + reply_text(1)[:126],
    "stray_continuation": b"\x80\x7e\x00\xf4" + reply_text(1),
    "bad_length": b"\x81\x7f\x80\0\0\0\0\0\0\xf4" + reply_text(1),
}


def test_every_wrong_frame_is_here() -> None:
    assert set(WRONG_FRAMES) == set(get_args(WrongFrame))


@pytest.mark.parametrize("how", WRONG_FRAMES)
def test_bad_frame_is_wrong_in_just_this_way(how: WrongFrame) -> None:
    with faulty(faults.BadFrame(how=how, when=When(nth=1))) as sim:
        with Peers(sim) as peers:
            peer = peers.ws()
            peer.send_requests(1, 2)
            wrong = WRONG_FRAMES[how]
            assert peer.receive(len(wrong)) == wrong
            assert peer.packet() == updates_reply(2)
        found = exchanges(sim, 2)
        assert [(touch.fault, touch.detail) for touch in found[0].faults] == [("bad_frame", how)]
        assert found[0].sent == (wrong,)


@pytest.mark.parametrize("how", WRONG_FRAMES)
def test_websockets_fails_the_connection_with_1002_on_a_bad_frame(how: WrongFrame) -> None:
    with faulty(faults.BadFrame(how=how)) as sim:
        with websockets.sync.client.connect(sim.ws_url, proxy=None) as client:
            client.send(make_request(packet_id=1).decode())
            with pytest.raises(ConnectionClosedError) as caught:
                client.recv(TIMEOUT)
        assert caught.value.sent is not None
        # Where it takes the length for a real one, it finds the message too long.
        assert caught.value.sent.code == (1009 if how == "bad_length" else 1002)
        (why,) = wait_for_end(sim)
        assert why == f"by the client, with code {caught.value.sent.code}"


AIOHTTP_ACCEPTS = {"masked"}
"""What aiohttp lets pass, though it should not."""


@pytest.mark.parametrize("how", WRONG_FRAMES)
def test_aiohttp_reports_an_error_on_a_bad_frame(how: WrongFrame) -> None:
    with faulty(faults.BadFrame(how=how)) as sim:
        message = ask_aiohttp(sim.ws_url)
        if how in AIOHTTP_ACCEPTS:
            assert message.json() == updates_reply(1)
            return
        assert message.type == aiohttp.WSMsgType.ERROR
        # Older versions say in an exception of another library what they cannot make of the frame.
        if isinstance(message.data, aiohttp.WebSocketError):
            assert message.data.code == (1009 if how == "bad_length" else 1002)


# The handshake


@pytest.mark.parametrize("status", [302, 404, 429, 503, 599])
def test_reject_handshake_answers_with_its_status_and_body(status: int) -> None:
    fault = faults.RejectHandshake(status=status, body="belegt: ü", when=When(nth=1))
    with faulty(fault) as sim, Peers(sim) as peers:
        peer = peers.ws(handshake=False)
        peer.socket.sendall(HANDSHAKE)
        line, *headers = peer.head().decode().split("\r\n")
        assert line.startswith(f"HTTP/1.1 {status} ")
        assert f"Content-Length: {len('belegt: ü'.encode())}" in headers
        assert peer.end() == ("belegt: ü".encode(), "FIN")
        assert peers.ws().is_served()
        assert event_texts(sim) == [f"fault reject_handshake (HTTP {status})"]


def test_websockets_and_aiohttp_tell_the_status_of_a_rejected_handshake() -> None:
    with faulty(faults.RejectHandshake(status=503, body="busy")) as sim:
        with pytest.raises(InvalidStatus) as caught:
            shake_websockets(sim.ws_url)
        response = caught.value.response
        assert (response.status_code, response.body) == (503, b"busy")
        with pytest.raises(aiohttp.WSServerHandshakeError) as seen:
            ask_aiohttp(sim.ws_url)
        assert seen.value.status == 503


def accept_of(head: bytes) -> list[bytes]:
    lines = head.lower().split(b"\r\n")
    return [line for line in lines if line.startswith(b"sec-websocket-accept:")]


@for_each("how", ["wrong_accept", "missing_header", "plain_200"])
def test_bad_handshake_is_wrong_in_just_this_way(how: Any) -> None:
    with faulty(faults.BadHandshake(how=how, when=When(nth=1))) as sim, Peers(sim) as peers:
        peer = peers.ws(handshake=False)
        peer.socket.sendall(HANDSHAKE)
        head = peer.head()
        right = peers.ws(handshake=False)
        right.socket.sendall(HANDSHAKE)
        good = right.head()
        (accept,) = accept_of(good)
        assert accept == b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="
        if how == "plain_200":
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            page, end = peer.end()
            assert b"It works." in page
            assert end == "FIN"
        elif how == "missing_header":
            assert len(head.split(b"\r\n")) == len(good.split(b"\r\n")) - 1
            assert accept_of(head) == []
        else:
            assert len(accept_of(head)) == 1
            assert accept_of(head) != [accept]
            assert len(head) == len(good)
        assert event_texts(sim) == [f"fault bad_handshake ({how})"]


@pytest.mark.parametrize("how", ["wrong_accept", "missing_header", "plain_200"])
def test_websockets_and_aiohttp_refuse_a_bad_handshake(how: Any) -> None:
    with faulty(faults.BadHandshake(how=how)) as sim:
        with pytest.raises(InvalidStatus if how == "plain_200" else InvalidHeader) as caught:
            shake_websockets(sim.ws_url)
        assert "200" in str(caught.value) or "Sec-WebSocket-Accept" in str(caught.value)
        with pytest.raises(aiohttp.WSServerHandshakeError) as seen:
            ask_aiohttp(sim.ws_url)
        wrong = "Invalid response status" if how == "plain_200" else "Invalid challenge response"
        assert seen.value.message == wrong


def test_slow_handshake_answers_later_and_serves_what_came_meanwhile() -> None:
    with faulty(faults.SlowHandshake(seconds=0.5, when=When(nth=1))) as sim, Peers(sim) as peers:
        began = time.monotonic()
        slow = peers.ws(handshake=False)
        slow.socket.sendall(HANDSHAKE + client_frame(TEXT, make_request(packet_id=1)))
        assert peers.ws().is_served(2)  # nobody waits for it
        assert peers.tcp().is_served(3)
        assert slow.head().startswith(b"HTTP/1.1 101 ")
        assert time.monotonic() - began >= 0.5
        assert slow.packet() == updates_reply(1)
        assert [asked.packet_id for asked in sim.journal.requests()] == [2, 3, 1]
        assert event_texts(sim) == ["fault slow_handshake (0.5 s)"]


def test_a_slow_handshake_runs_into_the_time_outs_of_websockets_and_aiohttp() -> None:
    async def connect(url: str) -> None:
        async with (
            asyncio.timeout(0.2),
            aiohttp.ClientSession() as session,
            session.ws_connect(url),
        ):
            pass

    with faulty(faults.SlowHandshake(seconds=3600)) as sim:
        with pytest.raises(TimeoutError):
            shake_websockets(sim.ws_url, open_timeout=0.2)
        with pytest.raises(TimeoutError):
            asyncio.run(connect(sim.ws_url))


# Pongs


def test_no_pong_answers_requests_and_close_frames_but_no_ping() -> None:
    with faulty(faults.NoPong(when=When(nth=1))) as sim, Peers(sim) as peers:
        peer = peers.ws()
        peer.socket.sendall(client_frame(PING, b"one"))
        assert peer.is_served(1)
        sim.set(quirks={"binary_messages": "answered"})
        peer.socket.sendall(
            client_frame(PING, b"two") + client_frame(BINARY, make_request(packet_id=2))
        )
        assert peer.packet() == updates_reply(2)  # of the slow lane, behind the ping
        peer.socket.sendall(client_frame(CLOSE, close_payload(1000)))
        assert peer.close_code() == 1000
        other = peers.ws()
        other.socket.sendall(client_frame(PING, b"three"))
        assert other.frame() == Frame(PONG, b"three")
        assert event_texts(sim) == ["fault no_pong"]


def test_no_pong_makes_the_heartbeat_of_aiohttp_give_up() -> None:
    async def wait(url: str) -> tuple[aiohttp.WSMessage, int | None]:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, heartbeat=0.1) as client,
        ):
            return await client.receive(), client.close_code

    with faulty(faults.NoPong()) as sim:
        message, code = asyncio.run(wait(sim.ws_url))
        assert message.type == aiohttp.WSMsgType.ERROR
        assert isinstance(message.data, aiohttp.ServerTimeoutError)
        assert code == 1006


def test_no_pong_makes_the_keepalive_of_websockets_give_up() -> None:
    with (
        faulty(faults.NoPong()) as sim,
        websockets.sync.client.connect(
            sim.ws_url, proxy=None, ping_interval=0.1, ping_timeout=0.1, close_timeout=1
        ) as client,
    ):
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(TIMEOUT)
        assert caught.value.sent is not None
        assert (caught.value.sent.code, caught.value.sent.reason) == (
            1011,
            "keepalive ping timeout",
        )


# Frames and what else may befall them


def test_a_frame_fault_and_faults_of_text_and_delivery_act_together() -> None:
    armed: tuple[Fault, ...] = (
        faults.Split(size=10),
        faults.Duplicate(),
        faults.Binary(),
        faults.Fragment(pieces=3),
        faults.Pad(bytes=300),
    )
    with faulty(*armed) as sim:
        with Peers(sim) as peers:
            peer = peers.ws()
            peer.send_requests(1)
            frames = [peer.frame() for _ in range(6)]
        assert [frame.first for frame in frames] == [0x02, 0x00, 0x80] * 2
        assert b"".join(frame.payload for frame in frames[:3]).replace(b" ", b"") == reply_text(1)
        assert frames[3:] == frames[:3]
        (found,) = exchanges(sim, 1)
        assert applied_faults(found) == ["pad", "binary", "fragment", "split", "duplicate"]
        assert {len(piece) for piece in found.sent[:-1]} == {10, 6}


def test_frame_faults_leave_tcp_alone() -> None:
    armed: tuple[Fault, ...] = (
        faults.Binary(),
        faults.Fragment(),
        faults.BadFrame(),
        faults.RejectHandshake(),
        faults.BadHandshake(),
        faults.SlowHandshake(seconds=3600),
        faults.NoPong(),
    )
    with faulty(*armed) as sim, Peers(sim) as peers:
        assert peers.tcp().is_served()
        assert event_texts(sim) == []
        assert applied_faults(exchanges(sim, 1)[0]) == []


def test_no_pong_acts_on_an_open_connection_until_it_is_removed() -> None:
    with faulty() as sim, Peers(sim) as peers:
        peer = peers.ws()
        for number in range(2):
            peer.send(client_frame(PING, b"before"))
            assert peer.frame().payload == b"before"
            with sim.inject(faults.NoPong()):
                peer.send(client_frame(PING, b"meanwhile"))
                assert peer.is_served(number)
        peer.send(client_frame(PING, b"after"))
        assert peer.frame().payload == b"after"
        assert event_texts(sim) == ["fault no_pong", "fault no_pong"]
