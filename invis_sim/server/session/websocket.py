"""The outlet on WebSocket: one JSON object per text message.

trio-websocket does what a WebSocket must do: handshake, pings, close, fragments, and every protocol
error. It reads and writes through a `FrameStream` (`ws_stream.py`), which answers the common
requests itself.

Before that, the head of the HTTP request is read here: a client that sends plain HTTP, JSON or TLS
instead of a WebSocket handshake gets an answer at once that names what this port speaks.
"""

from contextlib import suppress

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from invis_sim.protocol.frames import close_frame, text_frame
from invis_sim.protocol.packets import Note
from invis_sim.server.net.client_socket import WriteTimeout
from invis_sim.server.net.http import (
    HEAD_END,
    MAX_HEAD_BYTES,
    REQUEST_LINE,
    error_for,
    http_response,
    phrase,
)
from invis_sim.server.nursery import single_error
from invis_sim.server.session.admission import handshake_rejection
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.session.transport import TransportEnd
from invis_sim.server.session.ws_stream import FrameStream

__all__ = ["serve_websocket"]

HANDSHAKE_SECONDS = 30.0
"""How long (real time) a client may take to send the head of its handshake. It protects the
simulator from clients that connect and say nothing, so it does not follow the speed."""

_BINARY = Note("a binary message; the protocol asks for text, but it is answered all the same")
_BINARY_IGNORED = "a binary message; the protocol asks for text, so it is ignored"


async def serve_websocket(connection: Connection) -> None:
    """Do the handshake, then answer messages until the WebSocket is closed."""
    head, rest = b"", b""
    with trio.move_on_after(HANDSHAKE_SECONDS) as timeout:
        head, rest = await _receive_head(connection)
    if timeout.cancelled_caught:
        words = f"No handshake within {HANDSHAKE_SECONDS:g} seconds.\n"
        await _reject_http(connection, b"", http_response("408 Request Timeout", words))
    if not head:
        return
    path = connection.context.websocket_path
    error = error_for(head, path, takes_origins=connection.context.protocol.origins == "any")
    if error is not None:
        await _reject_http(connection, head, error)
        return
    rejection = await handshake_rejection(connection)
    if rejection is not None:
        status, body = rejection
        await _send_http(connection, http_response(f"{status} {phrase(status)}", body))
        return
    await _serve_handshake(connection, head, rest, path)


async def _serve_handshake(connection: Connection, head: bytes, rest: bytes, path: str) -> None:
    async def close(code: int | None, reason: str) -> None:
        if code is not None:
            await stream.close(close_frame(code, reason))

    end = TransportEnd(text_frame, close, stop_frame=close_frame(1001, "the simulator stops"))
    stream = FrameStream(connection, head, rest, end)
    try:
        async with trio.open_nursery() as nursery:
            websocket = await _handshake(connection, stream, nursery, path)
            if websocket is not None:
                await _answer_messages(connection, stream, websocket)
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The end of the simulator may meet an error of the client: the cancellations go on, the
        # errors stay here.
        cancelled, rest_of_group = group.split(trio.Cancelled)
        if rest_of_group is not None and not isinstance(rest_of_group, ExceptionGroup):
            raise
        if cancelled is not None:
            raise cancelled from None
        await _library_failed(connection, stream, single_error(group))


async def _library_failed(
    connection: Connection, stream: FrameStream, error: BaseException
) -> None:
    """Record that trio-websocket, or a library below it, has met what it does not expect of a
    client.
    """
    why = f"the WebSocket library gave up: {error!r}"
    if stream.is_open:
        connection.record_malformed(b"", why, 0)
        connection.lifecycle.move(ConnectionState.CLOSED, "WebSocket protocol error")
    else:
        answer = http_response("400 Bad Request", "That was not a proper WebSocket handshake.\n")
        await _reject_http(connection, stream.head, answer, why)


async def _handshake(
    connection: Connection, stream: FrameStream, nursery: trio.Nursery, path: str
) -> WebSocketConnection | None:
    with stream.handshake_scope:
        request = await wrap_server_stream(
            nursery, stream, max_message_size=connection.context.protocol.max_packet_bytes
        )
    if stream.handshake_scope.cancelled_caught:  # trio-websocket has refused it
        connection.record_malformed(stream.head, f"not a proper handshake: {stream.refused}", 0)
        connection.lifecycle.move(ConnectionState.CLOSING, "the handshake was refused")
        return None
    if request.path.partition("?")[0] != path:
        await request.reject(404, body=f"The WebSocket is at {path}.\n".encode())
        why = f"no WebSocket at {request.path}, it is at {path}"
        connection.record_malformed(stream.head, why, 0)
        connection.lifecycle.move(ConnectionState.CLOSING, "the path was wrong")
        return None
    return await request.accept()  # from here on the stream answers


async def _answer_messages(
    connection: Connection, stream: FrameStream, websocket: WebSocketConnection
) -> None:
    """Answer those messages that the stream does not answer itself."""
    max_bytes = connection.context.protocol.max_packet_bytes
    try:
        while True:
            message = await websocket.get_message()
            if isinstance(message, bytes):
                if connection.context.outlet.state.quirks.binary_messages == "answered":
                    connection.handle_document(message, (_BINARY,))
                else:
                    connection.record_malformed(message, _BINARY_IGNORED, 0)
            else:
                document = message.encode()
                if len(document) > max_bytes:  # trio-websocket counts characters
                    await stream.fail_connection(1009, f"longer than {max_bytes} bytes")
                connection.handle_document(document)
            stream.slow_message_done()
            if connection.outbox.backlogged:
                await connection.outbox.wait_for_room()
    except ConnectionClosed:
        closed = websocket.closed
        if closed is not None and closed.code in (1002, 1007):
            # The client broke the protocol; trio-websocket only ends the stream then.
            await stream.fail_connection(closed.code, closed.reason or "")


async def _receive_head(connection: Connection) -> tuple[bytes, bytes]:
    """Return the head of the HTTP request, as far as it is one, and what came right after it.

    The head is empty where the client left without sending anything, or was too slow or sent too
    much and has got an answer.
    """
    received = b""
    while True:
        try:
            chunk = await connection.reader.receive()
        except trio.BrokenResourceError as error:
            connection.lifecycle.move(ConnectionState.CLOSED, f"the connection broke: {error}")
            return b"", b""
        except trio.ClosedResourceError:
            return b"", b""  # closed by the simulator, which has given the reason
        received += chunk
        end = HEAD_END.search(received, max(0, len(received) - len(chunk) - 2))
        if end is not None and end.end() <= MAX_HEAD_BYTES:
            return received[: end.end()], received[end.end() :]
        if received and not received[:1].isalpha():
            return received, b""  # not HTTP
        if b"\n" in received and REQUEST_LINE.match(received) is None:
            return received, b""  # neither
        if not chunk:
            if received:
                why = "the connection ended inside the handshake"
                connection.record_malformed(received, why, 0)
            return b"", b""
        if len(received) > MAX_HEAD_BYTES:
            words = f"The head is longer than {MAX_HEAD_BYTES} bytes.\n"
            answer = http_response("431 Request Header Fields Too Large", words)
            await _reject_http(connection, received, answer)
            return b"", b""


async def _reject_http(
    connection: Connection, received: bytes, answer: bytes, why: str = ""
) -> None:
    """Answer what is not a WebSocket handshake, and record it."""
    status = answer.partition(b"\r\n")[0].decode().partition(" ")[2]
    why = why or "not a WebSocket handshake"
    connection.record_malformed(received, f"{why}; answered with HTTP {status}", 0)
    connection.lifecycle.move(ConnectionState.CLOSING, f"answered with HTTP {status}")
    await _send_http(connection, answer)


async def _send_http(connection: Connection, answer: bytes) -> None:
    with suppress(WriteTimeout, trio.BrokenResourceError, trio.ClosedResourceError):
        await connection.socket.send(answer)
