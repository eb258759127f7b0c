"""Section: the TCP framer on a megabyte, whole and byte by byte."""

import time
from collections.abc import Callable

from invis_sim.protocol.json_stream import Framed, JsonFramer
from tests.bench.cores import client_core
from tests.bench.packets import REQUEST
from tests.bench.report import heading, table

__all__ = ["framer"]

MEGABYTE = 2**20
ROUNDS = 2


def framer() -> None:
    """Time per byte, and how it grows when there are four times as many bytes (linear: 4)."""
    heading("framer: a megabyte, whole and byte by byte")
    rows = [("", "whole ms", "1-byte ms", "ratio", "growth from 1/4 MB")]
    with client_core():
        for name, make in INPUTS.items():
            data = make(MEGABYTE)
            whole = _seconds(data, len(data))
            small = _seconds(data, 1)
            growth = small / _seconds(make(MEGABYTE // 4), 1)
            rows.append(
                (
                    name,
                    f"{whole * 1000:.1f}",
                    f"{small * 1000:.0f}",
                    f"{small / whole:.0f}",
                    f"{growth:.1f}",
                )
            )
    table(*rows)


def _many_requests(size: int) -> bytes:
    line = REQUEST + b"\n"
    return line * (size // len(line))


def _one_request(size: int) -> bytes:
    item = b'{"name": "value", "list": [1, 2, 3]}'
    items = b",".join([item] * (size // (len(item) + 1)))
    return b'{"packetID": 1, "payload": {"callbackName": 20, "callbackArgs": [%b]}}' % items


def _one_string(size: int) -> bytes:
    return b'{"packetID": 1, "payload": {"callbackName": 20, "callbackArgs": "%b"}}' % (b"x" * size)


INPUTS: dict[str, Callable[[int], bytes]] = {
    "many requests": _many_requests,
    "one request, many values": _one_request,
    "one request, one string": _one_string,
}


def _seconds(data: bytes, size: int) -> float:
    """How long it takes in chunks of this size: the best of a few times."""
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    best = float("inf")
    for _ in range(ROUNDS):
        found: list[Framed] = []
        scanner = JsonFramer(max_packet_bytes=2 * MEGABYTE)
        started = time.perf_counter()
        for chunk in chunks:
            found += scanner.feed(chunk)
        best = min(best, time.perf_counter() - started)
        if b"".join(piece for piece in found if isinstance(piece, bytes)) != data.replace(
            b"\n", b""
        ):
            raise AssertionError("the framer has lost something")
    return best
