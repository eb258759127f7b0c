"""What the load asks and what it must get, as bytes on either transport."""

import base64
import hashlib
import json

from tests.bench.peers import FIRMWARE, SN

__all__ = [
    "CLOSE_FRAME",
    "REPLY",
    "REQUEST",
    "accepts",
    "frame",
    "handshake",
    "parse_reply",
]

REQUEST = b'{"packetID": 221040, "payload": {"callbackName": 20}}'

REPLY = {
    "sn": SN,
    "packetID": 221040,
    "PUBACK": 1,
    "payload": {"callbackName": 20, "callbackArgs": FIRMWARE},
}

_KEY = base64.b64encode(b"sixteen bytes it").decode()
_MASK = b"\x37\xfa\x21\x3d"


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A client's frame, masked. The payload is shorter than 126 bytes."""
    masked = bytes(byte ^ _MASK[i % 4] for i, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + _MASK + masked


CLOSE_FRAME = frame((1000).to_bytes(2, "big"), opcode=8)


def handshake(host: str, port: int, path: str) -> bytes:
    """The head that asks for a WebSocket."""
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join((*lines, "", "")).encode()


def accepts(head: bytes) -> bool:
    """Whether this head is the right answer to `handshake`."""
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    proof = base64.b64encode(hashlib.sha1(f"{_KEY}{guid}".encode()).digest())
    status, *headers = head.split(b"\r\n")
    accepted = {line.partition(b":")[2].strip() for line in headers}
    return status.startswith(b"HTTP/1.1 101") and proof in accepted


def parse_reply(text: bytes) -> object:
    """The JSON of a reply; None where it is none, or not whole yet."""
    try:
        return json.loads(text)
    except ValueError:
        return None
