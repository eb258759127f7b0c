"""One client for both transports: it asks, and sees what comes byte by byte, and how it ends."""

import asyncio
import json
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import pytest
import websockets.asyncio.client

from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.device.state import Timing
from invis_sim.faults import Fault
from invis_sim.journal import Exchange, OutageEnded, OutageStarted
from invis_sim.journal.text import summary
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.testing.block import SimulatorContext, start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.server.support import (
    CLOSE,
    HANDSHAKE,
    TEXT,
    TIMEOUT,
    Seen,
    client_frame,
    frame_at,
    request,
    wait_until,
)

TRANSPORTS: tuple[Transport, ...] = ("tcp", "ws")

on_both = pytest.mark.parametrize("transport", TRANSPORTS)

SN = "0003C44076"
FACEPLATE = {"fw_rev": "0.5.0", "available_fw_rev": "0.5.1"}
UPDATES = {
    "IM": {
        "fw_rev": "0.0.1",
        "available_fw_rev": "0.0.1",
        "www_fw_rev": "0.1.2",
        "available_www_fw_rev": "0.3.0",
    },
    "PM": FACEPLATE,
}

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts segments")


SILENT = Timing(sensor_seconds=0, reconnect_seconds=0)
"""With it an outlet says nothing of itself but what somebody changes."""


def outlet(*faults: Fault, seed: int = 1, timing: Timing = SILENT, **more: Any) -> Scenario:
    """An outlet with a faceplate and these faults.

    more: other fields of the scenario.
    """
    firmware = FirmwareInventory(
        IM=OutletFirmware(available_www_fw_rev="0.3.0"),
        PM=FaceplateFirmware(available_fw_rev="0.5.1"),
    )
    return Scenario(seed=seed, firmware=firmware, faults=faults, timing=timing, **more)


def faulty(*armed: Fault, seed: int = 1, speed: float = 1.0) -> SimulatorContext:
    """An outlet with these faults that runs for the time of a block."""
    return start_simulator(outlet(*armed, seed=seed), speed=speed)


def success(packet_id: int = 221040, callback: int = 20) -> dict[str, Any]:
    """The honest answer to `request`."""
    payload = {"callbackName": callback, "callbackArgs": UPDATES}
    return {"sn": SN, "packetID": packet_id, "PUBACK": 1, "payload": payload}


class _OwnPacketId:
    """Equals every packetID that an outlet may give a push."""

    def __eq__(self, other: object) -> bool:
        return type(other) is int and 100_000 <= other <= 999_999

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<six digits>"


def done(packet_id: int = 221040, puback: int = 1) -> dict[str, Any]:
    """The answer to a request that returns nothing, or fails."""
    return {"sn": SN, "packetID": packet_id, "PUBACK": puback}


def push(callback: int, args: Any) -> dict[str, Any]:
    """What is told unasked."""
    payload = {"callbackName": callback, "callbackArgs": args}
    return {"sn": SN, "packetID": _OwnPacketId(), "payload": payload}


def text(packet_id: int = 221040) -> bytes:
    """The honest answer as it is written."""
    return json.dumps(success(packet_id), separators=(",", ":")).encode()


def wire(transport: Transport, *packet_ids: int) -> bytes:
    """Honest answers as they go on the wire."""
    texts = map(text, packet_ids)
    return b"".join(texts if transport == "tcp" else map(text_frame, texts))


def address(simulator: SimulatorHandle, transport: Transport) -> tuple[str, int]:
    if transport == "tcp":
        return simulator.tcp_address
    where = urlsplit(simulator.ws_url)
    assert where.hostname is not None
    assert where.port is not None
    return where.hostname, where.port


class Peer(ABC):
    """A client with a plain socket, which gives up after a while.

    unread: bytes that have arrived and not been looked at.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.unread = b""

    @abstractmethod
    def framed(self, packet: bytes) -> bytes:
        """A request as it goes on the wire."""

    @abstractmethod
    def packet(self) -> Any:
        """The next packet that comes, which must be whole, and JSON."""

    def ask(self, *packet_ids: int, callback: int = 20) -> None:
        """Sends requests in one segment."""
        packets = (request(packet_id, callback) for packet_id in packet_ids)
        self.socket.sendall(b"".join(map(self.framed, packets)))

    def demand(self, callback: int, args: Any = None, packet_id: int = 221040) -> None:
        """Sends one request. args: None: none."""
        payload = {"callbackName": callback} | ({} if args is None else {"callbackArgs": args})
        packet = json.dumps({"packetID": packet_id, "payload": payload}).encode()
        self.socket.sendall(self.framed(packet))

    def packets(self, number: int) -> list[Any]:
        """The next packets that come."""
        return [self.packet() for _ in range(number)]

    def is_served(self, packet_id: int = 221040) -> bool:
        """Whether it gets an honest answer."""
        self.ask(packet_id)
        return bool(self.packet() == success(packet_id))

    def receive(self, size: int) -> bytes:
        """So many bytes, or fewer at the end of the stream."""
        while len(self.unread) < size and self.more():
            pass
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def end(self) -> tuple[bytes, str]:
        """Everything up to the end, which must come; and whether it is a "FIN" or a "RST"."""
        how = "FIN"
        try:
            while self.more():
                pass
        except ConnectionResetError:
            how = "RST"
        rest, self.unread = self.unread, b""
        return rest, how

    def finish(self) -> bytes:
        """Says that no more requests come; everything up to the end of the stream."""
        self.socket.shutdown(socket.SHUT_WR)
        rest, how = self.end()
        assert how == "FIN"
        return rest

    def hears_nothing(self, seconds: float) -> bool:
        """Whether nothing comes, not even an end, for so long."""
        self.socket.settimeout(seconds)
        try:
            self.more()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)
        return False

    def segments(self) -> int:
        """How many segments with data have come so far (Linux only)."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int.from_bytes(info[152:156], sys.byteorder)

    def more(self) -> bool:
        """Reads once; says whether the stream goes on."""
        chunk = self.socket.recv(65536)
        self.unread += chunk
        return bool(chunk)


class TcpPeer(Peer):
    def framed(self, packet: bytes) -> bytes:
        return packet

    def packet(self) -> Any:
        while True:
            try:
                found, end = json.JSONDecoder().raw_decode(self.unread.decode())
            except ValueError:
                assert self.more(), f"the stream ended inside a packet: {self.unread!r}"
                continue
            self.unread = self.unread.decode()[end:].encode()
            return found


class WebSocketPeer(Peer):
    def framed(self, packet: bytes) -> bytes:
        return client_frame(TEXT, packet)

    def packet(self) -> Any:
        frame = self.frame()
        assert frame.first == TEXT, frame
        return frame.json

    def frame(self) -> Seen:
        """The next frame."""
        while (split := frame_at(self.unread)) is None:
            assert self.more(), f"the stream ended inside a frame: {self.unread!r}"
        frame, end = split
        self.unread = self.unread[end:]
        return frame

    def shake_hands(self) -> None:
        self.socket.sendall(HANDSHAKE)
        assert self.head().startswith(b"HTTP/1.1 101 ")

    def head(self) -> bytes:
        """The head of an HTTP answer."""
        while b"\r\n\r\n" not in self.unread:
            assert self.more(), f"the stream ended inside the head: {self.unread!r}"
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        return head

    def close_code(self) -> int | None:
        """The code of the close frame that comes next."""
        frame = self.frame()
        assert frame.first == CLOSE, frame
        return frame.close_code


class Peers:
    """Any number of clients of one simulator, which are gone at the end of the block."""

    def __init__(self, simulator: SimulatorHandle) -> None:
        self._simulator = simulator
        self._opened: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        for sock in self._opened:
            sock.close()

    def tcp(self) -> TcpPeer:
        """A client that is connected."""
        return TcpPeer(self._connect("tcp"))

    def ws(self, shake: bool = True) -> WebSocketPeer:
        """A client that is connected.

        shake: whether its handshake is done.
        """
        peer = WebSocketPeer(self._connect("ws"))
        if shake:
            peer.shake_hands()
        return peer

    def connect(self, transport: Transport) -> Peer:
        """A client that may ask."""
        return self.tcp() if transport == "tcp" else self.ws()

    def listen(self, transport: Transport) -> Peer:
        """A client that is told what there is to tell, from now on."""
        journal = self._simulator.journal
        before = len(journal.events(kind="connected"))
        peer = self.connect(transport)
        wait_until(self._simulator, lambda journal: len(journal.events(kind="connected")) > before)
        return peer

    def _connect(self, transport: Transport) -> socket.socket:
        sock = socket.socket()
        self._opened.append(sock)
        sock.settimeout(TIMEOUT)
        sock.connect(address(self._simulator, transport))
        return sock


@contextmanager
def connected(simulator: SimulatorHandle, transport: Transport) -> Iterator[Peer]:
    """One client that may ask."""
    with Peers(simulator) as peers:
        yield peers.connect(transport)


@contextmanager
def listening(simulator: SimulatorHandle, transport: Transport) -> Iterator[Peer]:
    """One client that is told what there is to tell."""
    with Peers(simulator) as peers:
        yield peers.listen(transport)


def touched(exchange: Exchange) -> list[str]:
    """The faults that touched an exchange, in order."""
    return [touch.fault for touch in exchange.faults]


def told(simulator: SimulatorHandle, source: str = "fault") -> list[str]:
    """Events in words, oldest first.

    source: "fault" or "outlet": what it did, outages included. Else a kind of events.
    """
    kind = {"outlet": "log"}.get(source, source)
    return [
        summary(event)
        for event in simulator.journal.events()
        if event.kind == kind
        or (isinstance(event, OutageStarted | OutageEnded) and event.source == source)
    ]


def ask_aiohttp(url: str, packet_id: int = 1, **options: Any) -> aiohttp.WSMessage:
    """Connects and asks once.

    options: of `ws_connect`.

    Returns the first message, and raises what aiohttp raises.
    """

    async def converse() -> aiohttp.WSMessage:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, **options) as client,
        ):
            await client.send_str(request(packet_id).decode())
            message: aiohttp.WSMessage = await client.receive()
            return message

    return asyncio.run(converse())


def shake_websockets(url: str, **options: Any) -> None:
    """Connects with the `websockets` library, and raises what it raises.

    options: of its `connect`.
    """

    async def connect() -> None:
        async with websockets.asyncio.client.connect(url, proxy=None, **options):
            pass

    asyncio.run(connect())
