"""The stream between trio-websocket and the socket, which sees every byte.

                     ┌──────────────── FrameStream ────────────────┐
    socket ─▶ _on_data ─▶ FastPathFilter ─┬─ short text frame ─▶ answered here
                                          └─ anything else ────▶ receive_some ─▶ trio-websocket
    socket ◀───────────── lock ◀──────────── replies, pushes, send_all ◀──────── trio-websocket

- What nearly every client sends, one short text frame a request, never gets as far as
  trio-websocket (`protocol/ws_fast_path.py` has the rules of that sorting).
- Requests are answered in the order in which they came, on whichever path, and before a close frame
  that came after them is: while a slow message is unanswered, no fast one is.
- All writers share the socket's lock, so that frames never interleave.
- After a close frame nothing leaves: what still waits for the client then is dropped.
"""

from contextlib import suppress
from typing import NoReturn

import trio

from invis_sim.protocol.frames import close_frame
from invis_sim.protocol.ws_fast_path import FAST_PAYLOAD_BYTES, FastPathFilter, SlowBytes
from invis_sim.server.net.client_socket import WriteTimeout
from invis_sim.server.session.admission import accept_handshake
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.session.transport import TransportEnd

__all__ = ["FrameStream"]

MAX_REASON_CHARACTERS = 123
"""How long a close frame's reason may be, where it is ASCII: 125 bytes less the code.
[RFC 6455, 5.5]"""


class FrameStream(trio.abc.Stream):
    """The stream that trio-websocket reads from and writes to.

    head: the head of the handshake, whole.
    rest: what the client sent right after it.
    end: what the connection uses once the handshake is done.
    handshake_scope: the scope of the handshake; cancelled when trio-websocket closes the stream.
    refused: the status line with which trio-websocket refused the handshake.
    """

    def __init__(self, connection: Connection, head: bytes, rest: bytes, end: TransportEnd) -> None:
        self.head = head
        self.handshake_scope = trio.CancelScope()
        self.refused = ""
        self._connection = connection
        self._end = end
        self._socket = connection.socket
        self._for_library = b""  # what trio-websocket has to see next
        self._client_ended = False  # whether the client has ended its side of the stream
        self._head_read = False
        self._opened = trio.Event()
        self._library_done = False
        self._close_sent = False
        self._slow_answered = trio.lowlevel.ParkingLot()
        self._max_bytes = connection.context.protocol.max_packet_bytes
        self._filter = FastPathFilter(min(FAST_PAYLOAD_BYTES, self._max_bytes))
        self._filter.feed(rest)

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done."""
        return self._opened.is_set()

    def slow_message_done(self) -> None:
        """Go on with the fast path: a message that went through trio-websocket is answered."""
        self._filter.unanswered -= 1
        self._filter.message.clear()
        self._slow_answered.unpark_all()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what trio-websocket has to see, and answer on the way what it need not see.

        Raises as `ClientSocket.receive`.
        """
        if not self._head_read:
            self._head_read = True
            return self.head
        if not self.is_open:
            await self._opened.wait()
        connection, frames = self._connection, self._filter
        while True:
            if self._library_done:
                raise trio.ClosedResourceError
            while frames.unanswered and frames.between_frames:
                await self._slow_answered.park()
            if self._handle_fast_messages():
                try:
                    await connection.reader.loop(self._on_data)
                except trio.BrokenResourceError as error:
                    connection.lifecycle.move(
                        ConnectionState.CLOSED, f"the connection broke: {error}"
                    )
                    raise
            if self._client_ended:
                return b""
            data, self._for_library = self._for_library, b""
            blackholed = connection.lifecycle.state is ConnectionState.BLACKHOLED
            if data and not blackholed:  # a dead outlet answers neither pings nor close frames
                if frames.fragments > self._max_bytes:  # nearly all of them are empty
                    await self.fail_connection(1009, f"in more than {self._max_bytes} fragments")
                return data
            await connection.outbox.wait_for_room()

    def _on_data(self, chunk: bytes) -> bool:
        """Deal with what the client has sent, and return whether to read on.

        chunk: b"" is the end of its stream.
        """
        if not chunk:
            self._client_ended = True
            return False
        self._filter.feed(chunk)
        return self._handle_fast_messages()

    def _handle_fast_messages(self) -> bool:
        """Answer what is for the fast path, up to the first chunk that is for trio-websocket.

        Returns whether that was all, and more may be read now.
        """
        connection, frames = self._connection, self._filter
        while frames.buffered and (chunk := frames.next()) is not None:
            if isinstance(chunk, SlowBytes):
                self._for_library = chunk.data
                return False
            connection.handle_document(chunk)
            if connection.outbox.backlogged:
                return False
        return True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send what trio-websocket has to say.

        Raises trio.BrokenResourceError, trio.ClosedResourceError.
        """
        if self._library_done:
            raise trio.ClosedResourceError
        data = bytes(data)
        if not self.is_open:
            await self._send_handshake_response(data)
            return
        if data[:1] == b"\x8a" and not self._answers_pings:
            return
        if data[:1] == b"\x88":
            # Nor is a close frame answered: a client that gives up a silent outlet waits in vain.
            await self._connection.context.silence.over()
            await self._send_close_of_library(data)
        await self._send_locked(data)

    @property
    def _answers_pings(self) -> bool:
        connection = self._connection
        return connection.plan.answers_pings and not connection.context.outlet.silent

    async def _send_handshake_response(self, data: bytes) -> None:
        await self._connection.context.silence.over()  # it may have begun since the client came
        accepting = data.startswith(b"HTTP/1.1 101")
        if not accepting:
            if data.startswith(b"HTTP/1.1 "):
                self.refused = data[9:].partition(b"\r\n")[0].decode("latin-1")
            await self._send_locked(data)
            return
        data, is_websocket = accept_handshake(self._connection, data)
        await self._send_locked(data)
        self._opened.set()
        if is_websocket:
            self._connection.mark_open(self._end)
        else:
            self._connection.stop_reading()

    async def _send_close_of_library(self, frame: bytes) -> NoReturn:
        """Close the connection with trio-websocket's close frame: it answers the client's, or has
        found an error of its own.
        """
        if not self._filter.closing:  # it closes by itself for one reason only
            await self.fail_connection(1009, f"longer than {self._max_bytes} bytes")
        code = int.from_bytes(frame[2:4], "big")
        how = f"code {code}" if code else "no code"
        await self.close(frame, f"by the client, with {how}")

    async def _send_locked(self, data: bytes) -> None:
        connection = self._connection
        try:
            async with self._socket.lock:
                # Not even a pong leaves once nothing is sent any more.
                if not connection.lifecycle.sends or self._socket.torn:
                    return
                await self._socket.send(data)
        except WriteTimeout as error:
            connection.lifecycle.move(ConnectionState.CLOSED, "the client reads nothing")
            raise trio.BrokenResourceError from error

    async def fail_connection(self, code: int, reason: str) -> NoReturn:
        """Close because of what the client sent, and record it. [RFC 6455, 7.1.7]

        reason: what is wrong; for text that is not UTF-8 the place is looked up here.
        """
        connection, document = self._connection, bytes(self._filter.message)
        shown, offset = reason, 0
        if code == 1009:
            reason = f"the message is {reason}"
        elif code == 1007 and not self._filter.closing:
            try:
                document.decode()
            except UnicodeDecodeError as error:
                shown, offset = f"not UTF-8: {error.reason}", error.start
                reason = f"{shown} (at byte {offset})"
        else:
            document = b""
        connection.record_malformed(document, f"closed with code {code}: {shown}", offset)
        frame = close_frame(code, reason[:MAX_REASON_CHARACTERS])
        await self.close(frame, f"with code {code}: {reason}")

    async def close(self, frame: bytes, why: str | None = None) -> NoReturn:
        """End the connection with a close frame, and cancel its tasks.

        frame: the close frame. The client's is awaited together with the end of its stream.
        why: for the journal; None: the reason is known.
        """
        connection, socket = self._connection, self._socket
        # No push may come now, but what is ready to leave still does.
        connection.lifecycle.move(ConnectionState.DRAINING, why)
        self._filter.disable_fast_path()
        await socket.lock.acquire()
        while socket.lock.statistics().tasks_waiting:  # what is ready to leave goes first
            socket.lock.release()
            await socket.lock.acquire()
        connection.lifecycle.move(ConnectionState.CLOSING, why)
        try:
            with suppress(WriteTimeout, trio.BrokenResourceError, trio.ClosedResourceError):
                if not (self._close_sent or socket.torn):
                    self._close_sent = True
                    await socket.send(frame)
            connection.nursery.cancel_scope.cancel()
        finally:
            # To no other task: those that wait for it are cancelled.
            socket.lock.release()
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once; `send_all` does the waiting."""

    async def aclose(self) -> None:
        """Let trio-websocket go. The socket stays open until the connection has sent its last."""
        self._library_done = True
        self.handshake_scope.cancel()
        await trio.lowlevel.checkpoint()
