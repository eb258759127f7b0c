"""What the tests of the server share: a WebSocket client without manners, and ways to wait."""

import json
import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import pytest

from invis_sim.journal import Closed, Exchange, Journal
from invis_sim.testing.handle import SimulatorHandle

TIMEOUT = 5.0
"""How long any test waits for what must come, in seconds."""

TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
"""First bytes of final frames."""

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\n"
    b"Host: outlet.local\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)


def request(packet_id: int = 221040, callback: int = 20, **more: Any) -> bytes:
    """A request; `more` are members beside `packetID` and `payload`."""
    payload = {"callbackName": callback}
    fields = {"packetID": packet_id, "payload": payload, **more}
    return json.dumps(fields, ensure_ascii=False).encode()


def client_frame(
    first: int,
    payload: bytes = b"",
    mask: bytes | None = b"\x1f\x2e\x3d\x4c",
    form: int | None = None,
    size: int | None = None,
) -> bytes:
    """A frame as a client sends it.

    first: FIN, reserved bits and opcode.
    mask: None: none.
    form: in how many bits the size is written, 7, 16 or 64; None: the fewest.
    size: what the header says; None: the truth.
    """
    size = len(payload) if size is None else size
    if form is None:
        form = 7 if size < 126 else 16 if size < 0x10000 else 64
    bit = 0 if mask is None else 0x80
    if form == 7:
        header = bytes((first, bit | size))
    elif form == 16:
        header = bytes((first, bit | 126)) + struct.pack("!H", size)
    else:
        header = bytes((first, bit | 127)) + struct.pack("!Q", size)
    if mask is None:
        return header + payload
    return header + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """Lets the process have so many descriptors, for the time of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"this machine allows only {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Seen(NamedTuple):
    """A frame that came from the server."""

    first: int
    payload: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.payload)

    @property
    def close_code(self) -> int | None:
        assert self.first == CLOSE
        return int.from_bytes(self.payload[:2], "big") if self.payload else None

    @property
    def reason(self) -> str:
        assert self.first == CLOSE
        return self.payload[2:].decode()


def frame_at(data: bytes, at: int = 0) -> tuple[Seen, int] | None:
    """The frame that starts there, and where it ends; None where it is not whole."""
    if len(data) < at + 2:
        return None
    assert data[at + 1] < 0x80, "a server must not mask"
    size, start = data[at + 1], at + 2
    if size >= 126:
        start += 2 if size == 126 else 8
        if len(data) < start:
            return None
        size = int.from_bytes(data[at + 2 : start], "big")
    end = start + size
    return None if len(data) < end else (Seen(data[at], data[start:end]), end)


def frames_in(data: bytes) -> list[Seen]:
    """All frames in the bytes, which end with one."""
    found = []
    at = 0
    while at < len(data):
        split = frame_at(data, at)
        assert split is not None, f"the stream ends inside a frame: {data[at:]!r}"
        frame, at = split
        found.append(frame)
    return found


class RawClient:
    """A plain socket with just enough WebSocket to be rude with.

    pending: bytes that have arrived and not been looked at.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        self.socket = sock
        self.pending = b""

    @classmethod
    @contextmanager
    def connected(cls, url: str, receive_buffer: int | None = None) -> Iterator[Self]:
        """A client that is connected and has said nothing."""
        where = urlsplit(url)
        sock = socket.socket()
        with sock:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(TIMEOUT)
            sock.connect((where.hostname, where.port))
            yield cls(sock)

    @classmethod
    @contextmanager
    def open(cls, url: str, receive_buffer: int | None = None) -> Iterator[Self]:
        """A client whose handshake is done."""
        with cls.connected(url, receive_buffer) as client:
            client.send(HANDSHAKE)
            head = client.read_head()
            assert head.startswith(b"HTTP/1.1 101 "), head
            yield client

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Each byte in a segment of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            self.socket.sendall(data[at : at + 1])

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def read_head(self) -> bytes:
        """The head of an HTTP answer."""
        while b"\r\n\r\n" not in self.pending:
            assert self._more(), f"the stream ended inside the head: {self.pending!r}"
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        return head

    def read_frame(self) -> Seen:
        while (split := frame_at(self.pending)) is None:
            assert self._more(), f"the stream ended before a whole frame: {self.pending!r}"
        frame, end = split
        self.pending = self.pending[end:]
        return frame

    def read_to_end(self) -> bytes:
        """Everything up to the end of the stream, which must come."""
        while self._more():
            pass
        rest, self.pending = self.pending, b""
        return rest

    def _more(self) -> bool:
        chunk = self.socket.recv(65536)
        self.pending += chunk
        return bool(chunk)


def wait_until(
    simulator: SimulatorHandle, condition: Callable[[Journal], bool], timeout: float = TIMEOUT
) -> None:
    """Returns when the condition holds of the journal; fails if that takes too long."""
    news = threading.Event()
    journal = simulator.journal
    with (
        journal.subscribe(on_ready=news.set) as recorded,
        journal.subscribe(done=True, on_ready=news.set) as finished,
    ):
        while not simulator.call(condition, journal):
            if not news.wait(timeout):
                raise AssertionError(f"it has not come; the journal: {list(journal)}")
            news.clear()
            recorded.read()  # so that the next one is news again
            finished.read()


def wait_for_end(simulator: SimulatorHandle, connections: int = 1) -> list[str]:
    """Waits until so many connections are closed; says why each was, oldest first."""

    def reasons(journal: Journal) -> list[str]:
        return [event.reason for event in journal.events() if isinstance(event, Closed)]

    wait_until(simulator, lambda journal: len(reasons(journal)) >= connections)
    return reasons(simulator.journal)


def exchanges(simulator: SimulatorHandle, number: int) -> list[Exchange]:
    """The exchanges, as soon as there are so many and all are done."""

    def there(journal: Journal) -> bool:
        found = journal.exchanges()
        return len(found) >= number and all(exchange.done for exchange in found)

    wait_until(simulator, there)
    found = simulator.journal.exchanges()
    assert len(found) == number, found
    return found
