"""Clients of both transports with plain sockets: they see what comes byte by byte, and how it ends.

A peer knows nothing of a simulator, so it may talk to anything that speaks like one.
"""

import json
import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from invis_sim.protocol.transport import Transport
from invis_sim.testing.handle import SimulatorHandle
from tests.server.frames import CLOSE, HANDSHAKE, TEXT, Frame, client_frame, frame_at
from tests.server.support import updates_reply, wait_until
from tests.support import TIMEOUT, make_request

Address = tuple[str, int]


def address_of(url: str) -> Address:
    """Host and port of a URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def address(simulator: SimulatorHandle, transport: Transport) -> Address:
    return simulator.tcp_address if transport == "tcp" else address_of(simulator.ws_url)


class Peer(ABC):
    """A client with a plain socket; every read fails after a while. A block closes it.

    unread: bytes that have arrived and not been looked at.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.unread = b""

    @classmethod
    def connected(cls, where: Address | str, receive_buffer: int | None = None) -> Self:
        """A client that is connected and has sent nothing.

        where: host and port, or a URL.
        receive_buffer: in bytes; None: what the kernel gives.
        """
        sock = socket.socket()
        try:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(TIMEOUT)
            sock.connect(address_of(where) if isinstance(where, str) else where)
            return cls(sock)
        except BaseException:
            sock.close()
            raise

    @classmethod
    def opened(cls, where: Address | str, receive_buffer: int | None = None) -> Self:
        """A client that may send requests."""
        peer = cls.connected(where, receive_buffer)
        try:
            peer.handshake()
        except BaseException:
            peer.close()
            raise
        return peer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    # What it sends

    def handshake(self) -> None:  # noqa: B027 (TCP has none)
        """Complete what precedes the first request, if the transport has such a thing."""

    @abstractmethod
    def framed(self, packet: bytes) -> bytes:
        """A request as it goes on the wire."""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Send each byte in a segment of its own."""
        for at in range(len(data)):
            self.socket.sendall(data[at : at + 1])

    def send_requests(self, *packet_ids: int, callback: int = 20) -> None:
        """Send requests without arguments, in one segment."""
        packets = (make_request(callback, packet_id=packet_id) for packet_id in packet_ids)
        self.send(b"".join(map(self.framed, packets)))

    def send_request(
        self, callback: int, args: Any = msgspec.UNSET, packet_id: int = 221040
    ) -> None:
        """Send one request. args: UNSET: none."""
        self.send(self.framed(make_request(callback, args, packet_id)))

    def half_close(self) -> None:
        """Say that no more requests come."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with a RST, as a process that is killed with unread data does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # What it receives

    @abstractmethod
    def document(self) -> bytes:
        """The bytes of the next packet that comes, which must be whole, and JSON."""

    def packet(self) -> Any:
        """The next packet that comes, which must be whole, and JSON."""
        return json.loads(self.document())

    def packets(self, number: int) -> list[Any]:
        """The next packets that come."""
        return [self.packet() for _ in range(number)]

    def is_served(self, packet_id: int = 221040) -> bool:
        """Whether it gets the outlet's own reply to a request."""
        self.send_requests(packet_id)
        return bool(self.packet() == updates_reply(packet_id))

    def receive(self, size: int) -> bytes:
        """That many bytes, or fewer at the end of the stream."""
        while len(self.unread) < size and self.more():
            pass
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def expect(self, *replies: bytes) -> None:
        """Fail unless these bytes come next."""
        expected = b"".join(replies)
        assert self.receive(len(expected)) == expected

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

    def read_to_end(self) -> bytes:
        """Everything up to the end of the stream, which must come, and be no reset."""
        rest, how = self.end()
        assert how == "FIN"
        return rest

    def finish(self) -> bytes:
        """Say that no more requests come; everything up to the end of the stream."""
        self.half_close()
        return self.read_to_end()

    def receives_nothing(self, seconds: float) -> bool:
        """Whether nothing comes in this time, not even an end."""
        self.socket.settimeout(seconds)
        try:
            self.more()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)
        return False

    def acknowledge_at_once(self) -> None:
        """Acknowledge what comes next without a delay (Linux only). A sender that waits for that
        sends its last segment again, which `segments` counts too.
        """
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def segments(self) -> int:
        """How many segments with data have come so far (Linux only)."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int.from_bytes(info[152:156], sys.byteorder)

    def more(self) -> bool:
        """Read once; whether the stream goes on."""
        chunk = self.socket.recv(65536)
        self.unread += chunk
        return bool(chunk)


class TcpPeer(Peer):
    def framed(self, packet: bytes) -> bytes:
        return packet

    def document(self) -> bytes:
        while True:
            try:
                text = self.unread.decode()
                _, end = json.JSONDecoder().raw_decode(text)
            except ValueError:
                assert self.more(), f"the stream ended inside a packet: {self.unread!r}"
                continue
            self.unread = text[end:].encode()
            return text[:end].encode()


class WebSocketPeer(Peer):
    def handshake(self) -> None:
        self.send(HANDSHAKE)
        head = self.head()
        assert head.startswith(b"HTTP/1.1 101 "), head

    def framed(self, packet: bytes) -> bytes:
        return client_frame(TEXT, packet)

    def document(self) -> bytes:
        frame = self.frame()
        assert frame.first == TEXT, frame
        return frame.payload

    def frame(self) -> Frame:
        """The next frame."""
        while (split := frame_at(self.unread)) is None:
            assert self.more(), f"the stream ended before a whole frame: {self.unread!r}"
        frame, end = split
        self.unread = self.unread[end:]
        return frame

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
        self._opened: list[Peer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        for peer in self._opened:
            peer.close()

    def tcp(self) -> TcpPeer:
        """A client that is connected."""
        peer = TcpPeer.connected(self._simulator.tcp_address)
        self._opened.append(peer)
        return peer

    def ws(self, handshake: bool = True) -> WebSocketPeer:
        """A client that is connected.

        handshake: whether its handshake is done.
        """
        peer = WebSocketPeer.connected(self._simulator.ws_url)
        self._opened.append(peer)
        if handshake:
            peer.handshake()
        return peer

    def connect(self, transport: Transport) -> Peer:
        """A client that may send requests."""
        return self.tcp() if transport == "tcp" else self.ws()

    def listen(self, transport: Transport) -> Peer:
        """A client that gets pushes from now on."""
        journal = self._simulator.journal
        before = len(journal.events(kind="connected"))
        peer = self.connect(transport)
        wait_until(self._simulator, lambda journal: len(journal.events(kind="connected")) > before)
        return peer


@contextmanager
def connected(simulator: SimulatorHandle, transport: Transport) -> Iterator[Peer]:
    """One client that may send requests."""
    with Peers(simulator) as peers:
        yield peers.connect(transport)


@contextmanager
def listening(simulator: SimulatorHandle, transport: Transport) -> Iterator[Peer]:
    """One client that gets pushes."""
    with Peers(simulator) as peers:
        yield peers.listen(transport)
