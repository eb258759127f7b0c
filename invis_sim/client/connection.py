"""A connection to an outlet, simulated or real, for the commands that are its clients."""

import json
import math
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import (
    asynccontextmanager,
    contextmanager,
    suppress,
)
from typing import Any, NoReturn
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from invis_sim.client.errors import AddressError, ClientError
from invis_sim.protocol.json_stream import JsonFramer, PacketTooLarge
from invis_sim.protocol.printable import printable

__all__ = ["Connection", "check_address", "connect", "parsed", "shown"]

TCP_PORT, WS_PORT = 3333, 80
MAX_PACKET_BYTES = 2**20
"""The longest packet that is waited for, in bytes."""

CLOSE_TIMEOUT = 0.2
"""How long the outlet has to end its side of a TCP connection when ours has ended."""

WEBSOCKET_CLOSE_TIMEOUT = 0.5
"""The same for a WebSocket, where it has to answer."""


class Connection(ABC):
    """One connection to an outlet. `connect` makes one.

    kind: what it is, in words.
    goodbye: what the outlet said as it closed the connection, to be put behind that it did; "" for
    nothing.
    """

    kind: str
    goodbye = ""

    @abstractmethod
    async def say(self, request: bytes) -> None:
        """Sends the request. Raises ClientError if the connection breaks."""

    @abstractmethod
    def packets(self) -> AsyncGenerator[bytes, None]:
        """What the outlet says, packet by packet, until it closes the connection; also what is
        none.

        Raises ClientError if the connection breaks.
        """


@asynccontextmanager
async def connect(address: str, patience: float = math.inf) -> AsyncIterator[Connection]:
    """A connection for the time of the block. Then it ends in an orderly way, so that it does not
    look like a fault.

    address: HOST[:PORT] for TCP, or ws://HOST[:PORT]/…
    patience: seconds in which it must come about.

    Raises ClientError.
    """
    host, port = check_address(address)
    try:
        with trio.fail_after(patience):
            stream = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise _not_in_time(address, patience) from None
    except (OSError, UnicodeError) as error:
        raise ClientError(f"cannot connect to {address}: {_reason(error)}") from None
    async with stream:
        opened = (
            _over_websocket(stream, address, patience)
            if "://" in address
            else _over_tcp(stream, address)
        )
        async with opened as connection:
            yield connection


def check_address(address: str) -> tuple[str, int]:
    """Host and port. Raises ClientError for what is no address."""
    problem = AddressError(f"expected HOST[:PORT] or ws://HOST[:PORT]/ws, found {address!r}")
    if "://" in address and not address.startswith("ws://"):
        raise problem
    try:
        place = urlsplit(address if "://" in address else f"//{address}")
        host, port = place.hostname, place.port
    except ValueError:
        raise problem from None
    if not host:
        raise problem
    if port is None:
        port = WS_PORT if "://" in address else TCP_PORT
    return host, port


def parsed(packet: bytes) -> Any:
    """The JSON of a packet. Raises ValueError where it is none."""
    try:
        return json.loads(packet.decode(), parse_constant=_reject)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _reject(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def shown(packet: bytes) -> str:
    """The packet for a human, in one line, whatever is in it."""
    return printable(packet.decode(errors="replace"))


class _Tcp(Connection):
    kind = "the connection"

    def __init__(self, address: str, stream: trio.SocketStream) -> None:
        self._address = address
        self._stream = stream

    async def say(self, request: bytes) -> None:
        with self._telling():
            await self._stream.send_all(request + b"\n")

    async def packets(self) -> AsyncGenerator[bytes, None]:
        framer = JsonFramer(MAX_PACKET_BYTES)
        while chunk := await self._receive():
            for found in framer.feed(chunk):
                if isinstance(found, PacketTooLarge):
                    raise ClientError(
                        f"{self._address} sends a packet of more than {MAX_PACKET_BYTES} bytes"
                    )
                yield found if isinstance(found, bytes) else found.raw
        unfinished = framer.finish()
        if unfinished is not None:
            yield unfinished.raw

    async def _receive(self) -> bytes:
        with self._telling():
            return bytes(await self._stream.receive_some())

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            why = _reason(cause) if isinstance(cause, OSError) else str(error)
            raise ClientError(f"{self._address} broke the connection: {why}") from None


@asynccontextmanager
async def _over_tcp(stream: trio.SocketStream, address: str) -> AsyncIterator[Connection]:
    try:
        yield _Tcp(address, stream)
    finally:
        with _at_any_rate(CLOSE_TIMEOUT), suppress(trio.BrokenResourceError):
            await stream.send_eof()
            async for _ in stream:
                pass  # what nobody has read when a socket is closed makes a reset of its end


class _WebSocket(Connection):
    kind = "the WebSocket"

    def __init__(self, address: str, websocket: WebSocketConnection) -> None:
        self._address = address
        self._websocket = websocket

    async def say(self, request: bytes) -> None:
        try:
            await self._websocket.send_message(request.decode())
        except ConnectionClosed as error:
            self._closed(error)
            raise ClientError(f"{self._address} closed {self.kind}{self.goodbye}") from None

    async def packets(self) -> AsyncGenerator[bytes, None]:
        while True:
            try:
                message = await self._websocket.get_message()
            except ConnectionClosed as error:
                self._closed(error)
                return
            yield message.encode() if isinstance(message, str) else bytes(message)

    def _closed(self, error: ConnectionClosed) -> None:
        """Keeps what the outlet said. Raises ClientError where it said nothing."""
        end = error.reason
        if end is None or end.code == 1006:  # no close frame came
            raise ClientError(f"{self._address} broke the connection") from None
        self.goodbye = f": code {end.code}" + (f", {printable(end.reason)}" if end.reason else "")


@asynccontextmanager
async def _over_websocket(
    stream: trio.SocketStream, address: str, patience: float
) -> AsyncIterator[Connection]:
    place = urlsplit(address)
    resource = (place.path or "/") + (f"?{place.query}" if place.query else "")
    is_open = False
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(patience):
                websocket = await wrap_client_stream(nursery, stream, place.netloc, resource)
            is_open = True
            try:
                yield _WebSocket(address, websocket)
            finally:
                with _at_any_rate(WEBSOCKET_CLOSE_TIMEOUT):
                    await websocket.aclose()
                nursery.cancel_scope.cancel()  # what reads would wait until the outlet hangs up
    except BaseExceptionGroup as group:
        error = _only(group)
    else:
        return
    if isinstance(error, ConnectionRejected):
        body = printable((error.body or b"").decode(errors="replace").strip())
        raise ClientError(f"{address} refused: HTTP {error.status_code} {body}")
    if isinstance(error, trio.TooSlowError):
        raise _not_in_time(address, patience)
    if not is_open and isinstance(error, Exception):
        raise ClientError(f"{address} answers the handshake wrongly: {printable(str(error))}")
    raise error  # out here, so that its own cause and context stay what they are


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What has gone wrong, which has cancelled everything else; the group if only that is in it."""
    error: BaseException = group.split(trio.Cancelled)[1] or group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextmanager
def _at_any_rate(seconds: float) -> Iterator[None]:
    """The block goes on for so long at the most, also where the command has been told to end."""
    with trio.move_on_after(seconds) as scope:
        scope.shield = True
        yield


def _not_in_time(address: str, seconds: float) -> ClientError:
    return ClientError(f"cannot connect to {address} within {seconds:g} s")


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
