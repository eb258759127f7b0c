"""WebSocket frames as clients write them, and as they come from an outlet."""

import json
import struct
from typing import Any, NamedTuple

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


def client_frame(
    first: int,
    payload: bytes = b"",
    mask: bytes | None = b"\x1f\x2e\x3d\x4c",
    form: int | None = None,
    size: int | None = None,
) -> bytes:
    """A frame as a client sends it.

    first: FIN, reserved bits and opcode.
    mask: None: the frame is not masked.
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


class Frame(NamedTuple):
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


def frame_at(data: bytes, at: int = 0) -> tuple[Frame, int] | None:
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
    return None if len(data) < end else (Frame(data[at], data[start:end]), end)


def frames_in(data: bytes) -> list[Frame]:
    """All frames in the bytes, which end with one."""
    found = []
    at = 0
    while at < len(data):
        split = frame_at(data, at)
        assert split is not None, f"the stream ends inside a frame: {data[at:]!r}"
        frame, at = split
        found.append(frame)
    return found
