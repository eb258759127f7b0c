"""`invis-sim send`: one request to an outlet, simulated or real, and its reply."""

import argparse
import json
import os
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    DisconnectionTimeout,
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
        except RecursionError:
            raise CommandError("ARGS is nested too deep", status=2) from None
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
    host, port = _place(f"//{address}", address)
    try:
        stream = await trio.open_tcp_stream(host, TCP_PORT if port is None else port)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"cannot connect to {address}: {_reason(error)}") from None

    async def packets() -> Packets:
        framer = JsonFramer(LONGEST_PACKET)
        async for chunk in stream:
            for found in framer.feed(bytes(chunk)):
                yield found if isinstance(found, bytes) else found.raw
        unfinished = framer.finish()
        if unfinished is not None:
            yield unfinished.raw

    async with stream:
        try:
            await stream.send_all(request + b"\n")
            yield packets()
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            why = _reason(cause) if isinstance(cause, OSError) else str(error)
            raise CommandError(f"{address} broke the connection: {why}") from None


@asynccontextmanager
async def _over_websocket(address: str, request: bytes) -> AsyncIterator[Packets]:
    if not address.startswith("ws://"):
        raise _no_address(address)
    _place(address, address)

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
    except DisconnectionTimeout:
        pass  # it does not answer our goodbye; what it has said still counts
    except HandshakeError as error:
        if isinstance(error.__cause__, OSError):
            why = f"cannot connect to {address}: {_reason(error.__cause__)}"
        else:
            why = f"no WebSocket at {address}: {error!r}"
        raise CommandError(why) from None
    except ConnectionClosed as error:
        end = error.reason
        if end is None or end.code == 1006:  # no close frame came
            raise CommandError(f"{address} broke the connection") from None
        words = f"code {end.code}" + (f", {end.reason}" if end.reason else "")
        raise CommandError(f"{address} closed the WebSocket without a reply: {words}") from None
    except (OSError, UnicodeError) as error:
        raise CommandError(f"cannot connect to {address}: {_reason(error)}") from None


def _place(url: str, address: str) -> tuple[str, int | None]:
    """Host and port.

    address: what it was called on the command line.
    """
    try:
        place = urlsplit(url)
        host, port = place.hostname, place.port
    except ValueError:
        raise _no_address(address) from None
    if not host:
        raise _no_address(address)
    return host, port


def _no_address(address: str) -> CommandError:
    return CommandError(f"expected HOST[:PORT] or ws://HOST[:PORT]/ws, found {address!r}", status=2)


def _reason(error: OSError | UnicodeError) -> str:
    """Why no connection came about; of several attempts, the first one's reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnicodeError):
            return "that is no host name"  # what Python makes of "a..b"
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif isinstance(cause, socket.gaierror):
            return cause.strerror or str(cause)
        elif isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        else:
            cause = cause.__cause__
    return str(error)
