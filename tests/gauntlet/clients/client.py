"""A client of an outlet that does everything right, or all but one thing, to test the gauntlet.

    python -S -E client.py FLAW TRANSPORT HOST PORT TIMEOUT

It asks which updates are available, or, with the flaw "first-brace", sets the switches, since the
reply to that has one brace alone. Nothing but the standard library, and of that as little as can
be, since it is started once per case. FLAW is "none" or one of `FLAWS`.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # as loading it would take a fifth of the time
    from typing import Any

FLAWS = {
    "first-brace": "takes everything up to the first } for a packet",
    "any-reply": "takes any packet for its reply",
    "no-time-out": "waits for ever",
    "always-success": "says success whatever comes",
    "asks-forever": "asks again without end",
    "dies": "has no handler for broken JSON",
    "one-connection": "asks twice, and never connects again",
    "never-asks": "connects, and asks nothing",
    "exits-77": "says that it is not for it",
}

SN = "0003C44076"
ATTEMPTS = 2


class Failed(Exception):
    """The client has not got what it wanted."""


class Tcp:
    """A stream of packets over TCP."""

    def __init__(self, sock: socket.socket, flaw: str) -> None:
        self.sock, self.flaw, self.buffer = sock, flaw, b""

    def send(self, text: bytes) -> None:
        self.sock.sendall(text)

    def receive(self, deadline: float) -> bytes:
        """The text of the next packet."""
        while True:
            if (text := self.take()) is not None:
                return text
            self.buffer += read(self.sock, deadline)

    def take(self) -> bytes | None:
        self.buffer = self.buffer.lstrip()
        if self.flaw in ("first-brace", "dies"):
            end = self.buffer.find(b"}") if self.flaw == "first-brace" else self.buffer.rfind(b"}")
            if end < 0:
                return None
            text, self.buffer = self.buffer[: end + 1], self.buffer[end + 1 :]
            return text
        try:
            whole = self.buffer.decode()
            _, end = json.JSONDecoder().raw_decode(whole)
        except ValueError:
            return None  # not whole yet, or never
        self.buffer = whole[end:].encode()
        return whole[:end].encode()


class WebSocket:
    """A stream of messages over WebSocket, as RFC 6455 has it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.buffer = sock, b""
        key = base64.b64encode(os.urandom(16))
        sock.sendall(
            b"GET /ws HTTP/1.1\r\nHost: outlet\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += read(sock, deadline)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        if not status.startswith("HTTP/1.1 101"):
            raise Failed(f"no WebSocket: {status!r}")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        import hashlib  # which takes as long as all of the other imports

        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        if headers.get("sec-websocket-accept") != base64.b64encode(digest).decode():
            raise Failed("the handshake has the wrong accept key")

    def send(self, text: bytes, opcode: int = 1) -> None:
        mask = os.urandom(4)
        size = len(text)
        length = bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0xFE, size)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(text))
        self.sock.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def receive(self, deadline: float) -> bytes:
        """The text of the next message."""
        message: list[bytes] = []
        text = False
        while True:
            final, opcode, payload = self.frame(deadline)
            if opcode >= 8:
                if not final or len(payload) > 125:
                    raise Failed("a control frame that is not whole")
                if opcode == 8:
                    raise Failed("the outlet closed the WebSocket")
                if opcode == 9:
                    self.send(payload, 10)
                continue
            if (opcode == 0) != bool(message):
                raise Failed("a continuation out of place")
            text = text or opcode == 1
            message.append(payload)
            if final:
                whole = b"".join(message)
                if not text:
                    raise Failed("a binary message")
                try:
                    whole.decode()
                except ValueError:
                    raise Failed("a message that is not UTF-8") from None
                return whole

    def frame(self, deadline: float) -> tuple[bool, int, bytes]:
        first, second = self.take(2, deadline)
        opcode, size = first & 0xF, second & 0x7F
        if first & 0x70 or second & 0x80 or opcode not in (0, 1, 2, 8, 9, 10):
            raise Failed("a frame that breaks the protocol")
        if size == 126:
            (size,) = struct.unpack(">H", self.take(2, deadline))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.take(8, deadline))
            if size >> 63:
                raise Failed("a length that breaks the protocol")
        return bool(first & 0x80), opcode, self.take(size, deadline)

    def take(self, size: int, deadline: float) -> bytes:
        parts, missing = [self.buffer], size - len(self.buffer)
        while missing > 0:
            parts.append(read(self.sock, deadline))
            missing -= len(parts[-1])
        self.buffer = b"".join(parts)
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken


def read(sock: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Failed("timed out")
    sock.settimeout(None if left == float("inf") else left)
    data = sock.recv(65536)
    if not data:
        raise Failed("the outlet ended the connection")
    return data


class Client:
    def __init__(self, flaw: str, transport: str, host: str, port: int, timeout: float) -> None:
        self.flaw, self.transport = flaw, transport
        # As bytes, the host needs no codec for international names, whose tables take long to load.
        self.address: Any = (host.encode(), port)
        self.timeout = timeout
        self.connection: Tcp | WebSocket | None = None
        self.connected = False

    def connect(self) -> Tcp | WebSocket:
        if self.connection is None:
            if self.connected and self.flaw == "one-connection":
                raise Failed("the connection is lost")
            sock = socket.create_connection(self.address, self.timeout)
            self.connected = True
            tcp = self.transport == "tcp"
            self.connection = Tcp(sock, self.flaw) if tcp else WebSocket(sock, self.deadline())
        return self.connection

    def deadline(self) -> float:
        return float("inf") if self.flaw == "no-time-out" else time.monotonic() + self.timeout

    def updates(self) -> dict[str, Any]:
        """Which updates are available; asks again once where the reply does not come."""
        for attempt in range(ATTEMPTS):
            try:
                return self.ask(100_000 + attempt)
            except (Failed, OSError) as error:
                failure = error
                if self.connection is not None:
                    self.connection.sock.close()
                    self.connection = None
        raise Failed(str(failure))

    def ask(self, packet_id: int) -> dict[str, Any]:
        connection = self.connect()
        payload: dict[str, Any] = {"callbackName": 20}
        if self.flaw == "first-brace":
            payload = {"callbackName": 10, "callbackArgs": [1, 1]}
        request = {"packetID": packet_id, "payload": payload}
        connection.send(json.dumps(request).encode())
        deadline = self.deadline()
        while True:
            text = connection.receive(deadline)
            if self.flaw == "dies":
                packet = json.loads(text)
            else:
                try:
                    packet = json.loads(text)
                except ValueError:
                    raise Failed(f"no JSON: {text[:40]!r}") from None
            if self.flaw == "any-reply" or self.is_reply(packet, packet_id):
                return self.content(packet)

    def is_reply(self, packet: object, packet_id: int) -> bool:
        if not isinstance(packet, dict):
            return False
        found = packet.get("packetID")
        return "PUBACK" in packet and isinstance(found, int) and found == packet_id

    def content(self, packet: dict[str, Any]) -> dict[str, Any]:
        if packet.get("sn") != SN:
            raise Failed(f"another outlet: {packet.get('sn')!r}")
        if packet.get("PUBACK") != 1 or packet.get("PUBACK") is True:
            raise Failed("the outlet refused")
        if self.flaw == "first-brace":
            return packet
        payload = packet.get("payload")
        if not isinstance(payload, dict) or payload.get("callbackName") != 20:
            raise Failed("the reply is about something else")
        args = payload.get("callbackArgs")
        if not isinstance(args, dict) or "IM" not in args:
            raise Failed("the reply lacks the outlet")
        return args


def main(flaw: str, transport: str, host: str, port: str, timeout: str) -> int:
    client = Client(flaw, transport, host, int(port), float(timeout))
    if flaw == "exits-77":
        return 77
    if flaw == "never-asks":
        socket.create_connection(client.address, client.timeout).close()
        return 0
    try:
        client.updates()
        if flaw == "one-connection":
            client.updates()
        while flaw == "asks-forever":
            client.ask(7)
    except (Failed, OSError) as error:
        if flaw == "asks-forever":
            while True:
                client.connection = None
                try:
                    client.ask(7)
                except (Failed, OSError):
                    continue
        print(f"no updates: {error}", file=sys.stderr)
        return 0 if flaw == "always-success" else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
