"""What tests of every package share."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

__all__ = ["SN", "TIMEOUT", "UPDATES", "connect", "exchange", "make_request", "refusing_port"]

TIMEOUT = 30.0
"""How long any test waits for what must happen, in seconds. A test that passes never waits so long;
long enough for a machine that is busy with other things.
"""

SN = "0003C44076"
"""The serial number of an outlet whose scenario gives none."""

UPDATES = """
    [firmware.IM]
    fw_rev = "1.0.0"
    available_fw_rev = "1.1.0"
    [firmware.PM]
    fw_rev = "0.5.0"
    available_fw_rev = "0.5.1"
    [updates]
    release_notes = "Quieter relays."
"""
"""Of a scenario: an outlet and a faceplate for each of which there is new firmware."""


def make_request(
    callback: int = 20, args: Any = msgspec.UNSET, packet_id: int = 221_040, **members: Any
) -> bytes:
    """The bytes of a request.

    args: the `callbackArgs` as plain data; UNSET: without them.
    members: further members of the packet, beside `packetID` and `payload`.
    """
    payload: dict[str, Any] = {"callbackName": callback}
    if args is not msgspec.UNSET:
        payload["callbackArgs"] = args
    packet = {"packetID": packet_id, "payload": payload, **members}
    return json.dumps(packet, ensure_ascii=False).encode()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which connections are refused: bound, so that no other process gets
    it, and without a listener.
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        yield port


def connect(address: tuple[str, int]) -> socket.socket:
    """A plain client over TCP, which gives up after a while."""
    return socket.create_connection(address, timeout=TIMEOUT)


def exchange(client: socket.socket, packet_id: int = 221_040, callback: int = 20) -> Any:
    """Send a request over TCP; the reply, which must be what comes next."""
    client.sendall(make_request(callback, packet_id=packet_id))
    return json.loads(client.recv(4096))
