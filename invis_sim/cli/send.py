"""`invis-sim send`: one request to an outlet, simulated or real, and its reply."""

import argparse
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    open_websocket_url,
)

from invis_sim.cli import CommandError
from invis_sim.protocol.framing import JsonFramer

__all__ = ["send"]

TCP_PORT = 3333
LONGEST_PACKET = 2**20
"""The longest packet that is waited for, in bytes."""

Packets: TypeAlias = AsyncIterator[bytes]


def send(chosen: argparse.Namespace) -> int:
    """Sends the request, prints the reply on stdout and whatever else comes on stderr."""
    packet_id = chosen.packet_id
    if packet_id is None:
        packet_id = random.randint(100_000, 999_999)
    payload: dict[str, Any] = {"callbackName": chosen.callback}
    if chosen.args is not None:
        try:
            payload["callbackArgs"] = json.loads(chosen.args)
        except ValueError as error:
            raise CommandError(f"ARGS is not JSON: {error}", status=2) from None
    request = json.dumps({"packetID": packet_id, "payload": payload}).encode()
    reply = trio.run(_ask, chosen.address, request, packet_id, chosen.timeout)
    print(json.dumps(reply))
    return 0 if reply.get("PUBACK") == 1 else 1


async def _ask(address: str, request: bytes, packet_id: int, timeout: float) -> dict[str, Any]:
    connect = _over_websocket if "://" in address else _over_tcp
    with trio.move_on_after(timeout):
        async with connect(address, request) as packets:
            async for packet in packets:
                try:
                    answer = json.loads(packet)
                except ValueError:
                    answer = None
                if isinstance(answer, dict) and answer.get("packetID") == packet_id:
                    return answer
                print(f"also received: {packet.decode(errors='replace')}", file=sys.stderr)
        raise CommandError(f"{address} closed the connection without a reply")
    raise CommandError(f"{address} sent no reply within {timeout:g} s")


@asynccontextmanager
async def _over_tcp(address: str, request: bytes) -> AsyncIterator[Packets]:
    try:
        place = urlsplit(f"//{address}")
        host, port = place.hostname, place.port
    except ValueError:
        host = port = None
    if not host:
        raise CommandError(f"expected HOST[:PORT] or ws://…, found {address!r}", status=2)
    try:
        stream = await trio.open_tcp_stream(host, TCP_PORT if port is None else port)
    except OSError as error:
        raise CommandError(f"cannot connect to {address}: {_reason(error)}") from None

    async def packets() -> Packets:
        framer = JsonFramer(LONGEST_PACKET)
        async for chunk in stream:
            for found in framer.feed(bytes(chunk)):
                yield found if isinstance(found, bytes) else found.raw

    async with stream:
        try:
            await stream.send_all(request + b"\n")
            yield packets()
        except trio.BrokenResourceError as error:
            raise CommandError(f"{address} broke the connection: {error.__cause__}") from None


@asynccontextmanager
async def _over_websocket(address: str, request: bytes) -> AsyncIterator[Packets]:
    if not address.startswith("ws://") or not urlsplit(address).hostname:
        raise CommandError(f"expected HOST[:PORT] or ws://…, found {address!r}", status=2)

    async def packets(websocket: WebSocketConnection) -> Packets:
        while True:
            message = await websocket.get_message()
            yield message if isinstance(message, bytes) else message.encode()

    try:
        async with open_websocket_url(address, disconnect_timeout=0.5) as websocket:
            await websocket.send_message(request.decode())
            yield packets(websocket)
    except ConnectionRejected as error:
        body = (error.body or b"").decode(errors="replace").strip()
        raise CommandError(f"{address} refused: HTTP {error.status_code} {body}") from None
    except HandshakeError as error:
        raise CommandError(f"no WebSocket at {address}: {error!r}") from None
    except ConnectionClosed as error:
        raise CommandError(f"{address} closed the WebSocket: {error.reason}") from None
    except OSError as error:
        raise CommandError(f"cannot connect to {address}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    """Why no connection came about; of several attempts, the first one's reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif isinstance(cause, OSError) and cause.strerror and cause.__cause__ is None:
            return cause.strerror
        else:
            cause = cause.__cause__
    return str(error)
