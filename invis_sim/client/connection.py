"""A connection to an outlet, simulated or real, over TCP or WebSocket."""

import math
import os
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from invis_sim.client.errors import (
    AddressError,
    ConnectError,
    ConnectionLost,
    HandshakeError,
)
from invis_sim.client.ports import TCP_PORT, WS_PORT
from invis_sim.protocol.json_stream import JsonFramer, PacketTooLarge
from invis_sim.protocol.printable import printable, printable_packet

__all__ = ["MAX_PACKET_BYTES", "OutletClient", "check_address", "connect", "only_error"]

LOCALHOST = "127.0.0.1"
"""The host of an address that is a port alone."""

MAX_PACKET_BYTES = 2**20
"""The longest packet that is read, in bytes. An outlet's are a few thousand; a server that sends
something else without end must not fill the memory. The WebSocket library has the same limit.
"""

TCP_CLOSE_TIMEOUT = 0.2
"""Seconds in which the outlet has to close its side of a TCP connection after the client's. Short,
because a person waits for the command to end, and nothing is lost if the outlet does not.
"""

WEBSOCKET_CLOSE_TIMEOUT = 0.5
"""The same for a WebSocket. Longer, because the outlet has to answer the close frame."""

MAX_SHOWN_BYTES = 60
"""How much of an invalid answer to the handshake an error message shows."""


_INVALID_HANDSHAKE = "sent an invalid WebSocket handshake"
_DURING_HANDSHAKE = "during the WebSocket handshake"


class OutletClient(ABC):
    """One connection to an outlet; `connect` makes it.

    address: the outlet's, as the caller wrote it.
    noun: what it is, for messages: "the connection" or "the WebSocket".
    close_detail: after the outlet has closed a WebSocket, its code and reason, to be appended to a
    message: ": code 1011, so there"; else "".
    """

    noun: str

    def __init__(self, address: str) -> None:
        self.address = address
        self.close_detail = ""

    @abstractmethod
    async def send(self, request: bytes) -> None:
        """Send one request: UTF-8 JSON without a terminator.

        Raises ConnectionLost if the connection breaks.
        """

    @abstractmethod
    async def receive(self) -> bytes | None:
        """Return the next packet, or the next piece of input that is not JSON; None after the
        outlet has closed the connection. Nothing is lost if the call is cancelled.

        Raises ConnectionLost if the connection breaks, or if a packet is too long.
        """

    async def packets(self) -> AsyncIterator[bytes]:
        """Iterate over what `receive` returns, until the outlet closes the connection."""
        while (packet := await self.receive()) is not None:
            yield packet


@asynccontextmanager
async def connect(address: str, timeout: float = math.inf) -> AsyncIterator[OutletClient]:
    """Connect for the time of the block, and then close in an orderly way, so that the end does not
    look like a fault to the outlet.

    address: HOST[:PORT] for TCP, or ws://HOST[:PORT]/path; PORT alone: TCP on this machine.
    timeout: seconds in which the connection must be established, the handshake included.

    Raises AddressError, ConnectError, HandshakeError.
    """
    host, port = check_address(address)
    deadline = trio.current_time() + timeout
    try:
        with trio.fail_at(deadline):
            stream = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise _too_slow(address, timeout) from None
    except (OSError, UnicodeError) as error:
        raise ConnectError(address, _system_reason(error)) from None
    async with stream:
        opened = (
            _over_websocket(stream, address, timeout, deadline)
            if "://" in address
            else _over_tcp(stream, address)
        )
        async with opened as client:
            yield client


def check_address(address: str) -> tuple[str, int]:
    """Return the host and the port. Raises AddressError if it is not an address.

    address: as for `connect`; a number alone is a port of this machine.
    """
    if "://" in address and not address.startswith("ws://"):
        raise AddressError(address)
    is_port = address.isascii() and address.isdecimal()
    place = f"{LOCALHOST}:{address}" if is_port else address
    try:
        parts = urlsplit(place if "://" in place else f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressError(address) from None
    if not host or port == 0:  # nothing listens there
        raise AddressError(address)
    # In a URL, the % before the interface of an IPv6 address is written %25. [RFC 6874]
    host = host.replace("%25", "%", 1)
    if port is None:
        port = WS_PORT if "://" in address else TCP_PORT
    return host, port


class _TcpClient(OutletClient):
    noun = "the connection"

    def __init__(self, address: str, stream: trio.SocketStream) -> None:
        super().__init__(address)
        self._stream = stream
        self._framer = JsonFramer(MAX_PACKET_BYTES)
        self._found: deque[bytes] = deque()  # packets of the last chunk not yet returned
        self._too_large = False
        self._closed = False

    async def send(self, request: bytes) -> None:
        with self._connection_lost():
            await self._stream.send_all(request + b"\n")  # as the published client does

    async def receive(self) -> bytes | None:
        while not self._found:
            if self._too_large:
                raise ConnectionLost(
                    self.address, f"sends a packet of more than {MAX_PACKET_BYTES} bytes"
                )
            if self._closed:
                return None
            with self._connection_lost():
                chunk = bytes(await self._stream.receive_some())
            for framed in self._framer.feed(chunk):
                if isinstance(framed, PacketTooLarge):
                    self._too_large = True  # after the packets before it
                else:
                    self._found.append(framed if isinstance(framed, bytes) else framed.raw)
            if not chunk:
                self._closed = True
                unfinished = self._framer.finish()
                if unfinished is not None:
                    self._found.append(unfinished.raw)
        return self._found.popleft()

    @contextmanager
    def _connection_lost(self) -> Iterator[None]:
        """Convert trio's error for a broken connection."""
        try:
            yield
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            reason = _system_reason(cause) if isinstance(cause, OSError) else str(error)
            raise ConnectionLost(self.address, f"broke the connection: {reason}") from None


@asynccontextmanager
async def _over_tcp(stream: trio.SocketStream, address: str) -> AsyncIterator[OutletClient]:
    try:
        yield _TcpClient(address, stream)
    finally:
        with _shielded_timeout(TCP_CLOSE_TIMEOUT), suppress(trio.BrokenResourceError):
            await stream.send_eof()
            async for _ in stream:
                pass  # a socket that is closed with unread data sends a RST


class _WebSocketClient(OutletClient):
    noun = "the WebSocket"

    def __init__(self, address: str, websocket: WebSocketConnection) -> None:
        super().__init__(address)
        self._websocket = websocket

    async def send(self, request: bytes) -> None:
        try:
            await self._websocket.send_message(request.decode())
        except ConnectionClosed as error:
            self._set_close_detail(error)
            raise ConnectionLost(self.address, f"closed {self.noun}{self.close_detail}") from None

    async def receive(self) -> bytes | None:
        try:
            message = await self._websocket.get_message()
        except ConnectionClosed as error:
            self._set_close_detail(error)
            return None
        return message.encode() if isinstance(message, str) else bytes(message)

    def _set_close_detail(self, error: ConnectionClosed) -> None:
        """Keep the code and reason of the close frame. Raises ConnectionLost if there was none."""
        reason = error.reason
        if reason is None or reason.code == 1006:  # RFC 6455, 7.1.5: no close frame was received
            raise ConnectionLost(self.address, "broke the connection") from None
        detail = f", {printable(reason.reason)}" if reason.reason else ""
        self.close_detail = f": code {reason.code}{detail}"


@asynccontextmanager
async def _over_websocket(
    stream: trio.SocketStream, address: str, timeout: float, deadline: float
) -> AsyncIterator[OutletClient]:
    is_open = is_closing = False
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_at(deadline):
                websocket = await _handshake(nursery, stream, address)
            is_open = True
            try:
                yield _WebSocketClient(address, websocket)
            finally:
                is_closing = True
                with _shielded_timeout(WEBSOCKET_CLOSE_TIMEOUT):
                    await websocket.aclose()
                # Its reader task would go on until the outlet closes the TCP connection.
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        rest: BaseExceptionGroup[BaseException] | None = group
        if is_closing:
            # A ping has come meanwhile, and trio-websocket's reader tries to answer it.
            _, rest = group.split(LocalProtocolError)
        if rest is None:
            return
        error = only_error(rest)
    else:
        return
    if isinstance(error, ConnectionRejected):
        body = printable((error.body or b"").decode(errors="replace").strip())
        raise HandshakeError(address, f"refused: HTTP {error.status_code} {body}".rstrip())
    if isinstance(error, trio.TooSlowError) and not is_open:
        raise _too_slow(address, timeout)
    if not is_open and isinstance(error, Exception) and not isinstance(error, HandshakeError):
        raise HandshakeError(address, f"{_INVALID_HANDSHAKE}: {_protocol_reason(error)}")
    raise error  # outside of `except`, so that its own cause and context are kept


async def _handshake(
    nursery: trio.Nursery, stream: trio.SocketStream, address: str
) -> WebSocketConnection:
    """Open the WebSocket. Raises HandshakeError if the stream ends before it is open."""
    parts = urlsplit(address)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with trio.CancelScope() as waiting:
        observed = _ObservedStream(stream, waiting)
        return await wrap_client_stream(
            nursery,
            cast(trio.SocketStream, observed),  # which is more than it needs
            parts.netloc,
            resource,
        )
    raise HandshakeError(address, observed.end_reason)


class _ObservedStream(trio.abc.Stream):
    """The stream of a WebSocket, which cancels the wait for the handshake when the stream ends.

    trio-websocket's reader task returns without an error when a stream ends, and the task that
    waits for the handshake would then wait for ever.

    waiting: the scope of that wait; after it, to cancel it has no effect.
    end_reason: how the stream ended, with the start of what the server sent.
    """

    def __init__(self, stream: trio.SocketStream, waiting: trio.CancelScope) -> None:
        self.end_reason = ""
        self._stream = stream
        self._waiting = waiting
        self._received = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        try:
            data = bytes(await self._stream.receive_some(max_bytes))
        except trio.BrokenResourceError:
            self._end(f"broke the connection {_DURING_HANDSHAKE}")
            raise
        if not data:
            self._end(f"closed the connection {_DURING_HANDSHAKE}")
        elif len(self._received) < MAX_SHOWN_BYTES:
            self._received += data[:MAX_SHOWN_BYTES]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        self._end(_INVALID_HANDSHAKE)  # by trio-websocket, which could not parse it
        await self._stream.aclose()

    def _end(self, reason: str) -> None:
        if not self.end_reason:  # the first is the cause of the others
            first_line = self._received.split(b"\r\n")[0][:MAX_SHOWN_BYTES].strip()
            found = f"; received: {printable_packet(first_line)}" if first_line else ""
            self.end_reason = reason + found
        self._waiting.cancel()


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that cancelled everything else in a nursery; the group if it has several."""
    error: BaseException = group.split(trio.Cancelled)[1] or group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextmanager
def _shielded_timeout(seconds: float) -> Iterator[None]:
    """Run the block for at most this long, even if the task around it has been cancelled."""
    with trio.move_on_after(seconds) as scope:
        scope.shield = True
        yield


def _too_slow(address: str, timeout: float) -> ConnectError:
    return ConnectError(address, f"no connection within {timeout:g} s")


def _protocol_reason(error: BaseException) -> str:
    """Return what is wrong with a handshake. wsproto raises that first, and then another error as
    trio-websocket tries to reject the handshake, which a client cannot.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, RemoteProtocolError):
        cause = cause.__context__
    return printable(str(cause or error))


def _system_reason(error: OSError | UnicodeError) -> str:
    """Return why a connection failed; if several addresses were tried, the first one's reason."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnicodeError):
            return "not a valid host name"  # what Python makes of "a..b"
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif isinstance(cause, socket.gaierror):
            return cause.strerror or str(cause)
        elif isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        else:
            cause = cause.__cause__
    return str(error)
