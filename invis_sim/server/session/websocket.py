"""The outlet on WebSocket: one JSON object per text message.

trio-websocket does what a WebSocket must do: handshake, pings, close, fragments, and every protocol
error. It reads and writes through a `FrameStream`, which sits between it and the socket and sees
every byte:

- What nearly every client sends, one short text frame a request, never gets as far as
  trio-websocket: the stream answers it itself (`protocol/frames.py` has the rules of that sorting).
- Replies leave as frames of our own making, in both lanes, so that delivery faults can cut and
  repeat them.
- All writers share the wire's lock, so that frames never interleave.
- Requests are answered in the order in which they came, whichever lane they take, and before a
  close frame that came behind them is.
- After a close frame nothing leaves: what still waits for the client then is dropped.

Before any of this, the head of the HTTP request is read here: who sends no WebSocket handshake, but
plain HTTP, JSON or TLS, gets an answer at once that tells what this port speaks.
"""

import re
from contextlib import suppress
from http import HTTPStatus
from typing import NoReturn

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from invis_sim.faults.kinds.websocket import corrupt_handshake
from invis_sim.protocol.frames import FAST_PAYLOAD_BYTES, FastPathFilter, close_frame, text_frame
from invis_sim.protocol.packets import Note
from invis_sim.server.net.client_socket import WriteTimeout
from invis_sim.server.session.connection import Connection

__all__ = ["FrameStream", "converse"]

HANDSHAKE_SECONDS = 30.0
"""How long a client may take to send the head of its handshake."""

MAX_REASON_CHARACTERS = 123
"""How long a close frame's reason may be, where it is ASCII."""

MAX_HEAD_BYTES = 16 * 1024
"""How long the head of a handshake may be."""

_HEAD_END = re.compile(rb"\n\r?\n")
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r?\n")
_UPGRADE = re.compile(rb"\nupgrade:[ \t]*websocket[ \t]*\r?\n", re.IGNORECASE)
_BINARY = Note("a binary message; the protocol asks for text, but it is answered all the same")


async def converse(connection: Connection) -> None:
    """Does the handshake, and then answers messages until the WebSocket is closed."""
    head, rest = b"", b""
    with trio.move_on_after(HANDSHAKE_SECONDS) as patience:
        head, rest = await _receive_head(connection)
    if patience.cancelled_caught:
        words = f"No handshake within {HANDSHAKE_SECONDS:g} seconds.\n"
        await _refuse(connection, b"", _http("408 Request Timeout", words))
    if not head:
        return
    path = connection.core.websocket_path
    refusal = _refusal(head, path)
    if refusal is not None:
        await _refuse(connection, head, refusal)
        return
    welcome = connection.welcome
    if welcome.handshake_wait:
        await connection.pass_time(welcome.handshake_wait)
    if welcome.http_rejection is not None:
        status, body = welcome.http_rejection
        connection.close_reason = f"by a fault, with HTTP {status}"
        await _send_http(connection, _http(f"{status} {_phrase(status)}", body))
        return
    stream = FrameStream(connection, head, rest)
    try:
        async with trio.open_nursery() as nursery:
            websocket = await _handshake(connection, stream, nursery, path)
            if websocket is not None:
                await _answer_messages(connection, stream, websocket)
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        if stream.defect is None:
            await _give_up(connection, stream, group.exceptions[0])
    if stream.defect is not None:  # also where trio-websocket has lost it on its way out
        raise stream.defect


async def _give_up(connection: Connection, stream: "FrameStream", error: Exception) -> None:
    """trio-websocket, or a library below it, has met what it does not expect of a client."""
    why = f"the WebSocket library gave up: {error!r}"
    if stream.open:
        connection.malformed(b"", why, 0)
        connection.close_reason = "the WebSocket library could not deal with the client"
    else:
        answer = _http("400 Bad Request", "That was no proper WebSocket handshake.\n")
        await _refuse(connection, stream.head, answer, why)


async def _handshake(
    connection: Connection, stream: "FrameStream", nursery: trio.Nursery, path: str
) -> WebSocketConnection | None:
    with stream.opening:
        request = await wrap_server_stream(
            nursery, stream, max_message_size=connection.core.protocol.max_packet_bytes
        )
    if stream.opening.cancelled_caught:  # trio-websocket has refused it
        connection.malformed(stream.head, f"no proper handshake: {stream.refused}", 0)
        connection.close_reason = "the handshake was refused"
        return None
    if request.path.partition("?")[0] != path:
        await request.reject(404, body=f"The WebSocket is at {path}.\n".encode())
        connection.malformed(stream.head, f"no WebSocket at {request.path}, it is at {path}", 0)
        connection.close_reason = "the path was wrong"
        return None

    async def close(code: int | None, reason: str) -> None:
        if code is not None:
            await stream.close(close_frame(code, reason))

    connection.frame = text_frame
    connection.outbox.close = close
    connection.close_frame = close_frame(1001, "the simulator stops")
    return await request.accept()  # from here on the stream answers


async def _answer_messages(
    connection: Connection, stream: "FrameStream", websocket: WebSocketConnection
) -> None:
    """Answers those messages that the stream does not answer itself."""
    longest = connection.core.protocol.max_packet_bytes
    try:
        while True:
            message = await websocket.get_message()
            if isinstance(message, bytes):
                stream.take(message, (_BINARY,))
            else:
                document = message.encode()
                if len(document) > longest:  # trio-websocket counts characters
                    await stream.refuse(1009, f"longer than {longest} bytes")
                stream.take(document)
            stream.answered()
            if connection.outbox.backlogged:
                await connection.outbox.room()
    except ConnectionClosed:
        closed = websocket.closed
        if closed is not None and closed.code in (1002, 1007):
            # The client broke the protocol; trio-websocket only ends the stream then.
            await stream.refuse(closed.code, closed.reason or "")


class FrameStream(trio.abc.Stream):
    """The stream that trio-websocket reads from and writes to.

    head: the head of the handshake, whole.
    rest: what the client sent right behind it.
    opening: the scope of the handshake; cancelled when trio-websocket closes the stream.
    refused: the status line with which trio-websocket refused the handshake.
    defect: an error of our own, in answering a message.
    """

    def __init__(self, connection: Connection, head: bytes, rest: bytes) -> None:
        self.head = head
        self.opening = trio.CancelScope()
        self.refused = ""
        self.defect: Exception | None = None
        self._connection = connection
        self._wire = connection.wire
        self._slow = b""  # what trio-websocket has to see next
        self._ended = False  # whether the client has ended its stream
        self._head_read = False
        self._opened = trio.Event()
        self._closed = False
        self._close_sent = False
        self._answered = trio.lowlevel.ParkingLot()
        self._longest = connection.core.protocol.max_packet_bytes
        self._sorter = FastPathFilter(min(FAST_PAYLOAD_BYTES, self._longest))
        self._sorter.feed(rest)

    @property
    def open(self) -> bool:
        """Whether the handshake is done."""
        return self._opened.is_set()

    def take(self, document: bytes, notes: tuple[Note, ...] = ()) -> None:
        """Answers a message, whichever lane it took.

        document: its bytes. notes: what there is to remark on it.
        """
        try:
            self._connection.take(document, notes)
        except Exception as error:
            self.defect = error  # no error of the client's or of trio-websocket
            raise

    def answered(self) -> None:
        """A message that went through trio-websocket has been answered."""
        self._sorter.owed -= 1
        self._sorter.message.clear()
        self._answered.unpark_all()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What trio-websocket has to see. Answers on the way what it need not see.

        Raises as `ClientSocket.receive`.
        """
        if not self._head_read:
            self._head_read = True
            return self.head
        if not self.open:
            await self._opened.wait()
        connection, sorter = self._connection, self._sorter
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            while sorter.owed and sorter.between_frames:
                await self._answered.park()
            if self._answer():
                try:
                    await connection.hear(self._take)
                except trio.BrokenResourceError as error:
                    connection.close_reason = f"the connection broke: {error}"
                    raise
            if self._ended:
                return b""
            slow, self._slow = self._slow, b""
            if slow and not connection.outbox.stalled:  # else nobody is there to deal with it
                if sorter.fragments > self._longest:  # nearly all of them are empty
                    await self.refuse(1009, f"in more than {self._longest} fragments")
                return slow
            await connection.outbox.room()

    def _take(self, chunk: bytes) -> bool:
        """The client has sent this, or ended its stream. Says whether more can be taken now."""
        if not chunk:
            self._ended = True
            return False
        self._sorter.feed(chunk)
        return self._answer()

    def _answer(self) -> bool:
        """Answers what is for the fast lane, up to the first piece that is not, which `_slow` then
        has.

        Says whether that was all, and more can be taken now.
        """
        connection, sorter = self._connection, self._sorter
        while (piece := sorter.next()) is not None:
            if not piece.fast:
                self._slow = piece.data
                return False
            self.take(piece.data)
            if connection.outbox.backlogged:
                return False
        return True

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends what trio-websocket has to say.

        Raises trio.BrokenResourceError, trio.ClosedResourceError.
        """
        if self._closed:
            raise trio.ClosedResourceError
        data = bytes(data)
        welcome = self._connection.welcome
        if data[:1] == b"\x8a" and not welcome.answers_pings:
            return
        accepting = not self.open and data.startswith(b"HTTP/1.1 101")
        if accepting:
            data = corrupt_handshake(data, welcome.handshake_response)
        if not self.open:
            if data.startswith(b"HTTP/1.1 ") and not accepting:
                self.refused = data[9:].partition(b"\r\n")[0].decode("latin-1")
        elif data[:1] == b"\x88":
            if not self._sorter.closing:  # it closes by itself for one reason only
                await self.refuse(1009, f"longer than {self._longest} bytes")
            code = int.from_bytes(data[2:4], "big")
            how = f"code {code}" if code else "no code"
            self._connection.close_reason = f"by the client, with {how}"
            await self.close(data)
        try:
            async with self._wire.lock:
                if self._connection.outbox.silent:  # a pong to whom nothing is said any more
                    return
                await self._wire.send(data)
                if accepting:
                    self._opened.set()
            if accepting and welcome.handshake_response != "plain_200":
                self._connection.opened()
            if accepting and welcome.handshake_response == "plain_200":
                self._connection.close_reason = "by a fault: a web page in place of a WebSocket"
                self._connection.reading.cancel()
        except WriteTimeout as stalled:
            self._connection.close_reason = "the client reads nothing"
            raise trio.BrokenResourceError from stalled

    async def refuse(self, code: int, reason: str) -> NoReturn:
        """Closes because of what the client sent, and says so in the journal.

        reason: what is wrong; of UTF-8 that is none, more is found out here.
        """
        connection, document = self._connection, bytes(self._sorter.message)
        shown, offset = reason, 0
        if code == 1009:
            reason = f"the message is {reason}"
        elif code == 1007 and not self._sorter.closing:
            try:
                document.decode()
            except UnicodeDecodeError as error:
                shown, offset = f"not UTF-8: {error.reason}", error.start
                reason = f"{shown} (at byte {offset})"
        else:
            document = b""
        connection.malformed(document, f"closed with code {code}: {shown}", offset)
        connection.close_reason = f"with code {code}: {reason}"
        await self.close(close_frame(code, reason[:MAX_REASON_CHARACTERS]))

    async def close(self, goodbye: bytes) -> NoReturn:
        """Ends the connection with a close frame, and cancels whoever has more to send or to read.

        goodbye: the close frame. The client's is waited for together with the end of its stream.
        """
        connection, wire = self._connection, self._wire
        connection.open = False  # nothing may follow the close frame
        self._sorter.all_slow()
        await wire.lock.acquire()
        while wire.lock.statistics().tasks_waiting:  # what is ready to leave goes first
            wire.lock.release()
            await wire.lock.acquire()
        try:
            with suppress(WriteTimeout, trio.BrokenResourceError, trio.ClosedResourceError):
                if not self._close_sent:
                    self._close_sent = True
                    await wire.send(goodbye)
            connection.close_frame = b""
            connection.nursery.cancel_scope.cancel()
        finally:
            wire.lock.release()  # to nobody: whoever came to wait for it meanwhile is cancelled
        await trio.sleep_forever()

    async def wait_send_all_might_not_block(self) -> None:
        """Returns at once; `send_all` does the waiting."""

    async def aclose(self) -> None:
        """trio-websocket is done. The socket stays open until the connection has said its last."""
        self._closed = True
        self.opening.cancel()
        await trio.lowlevel.checkpoint()


async def _receive_head(connection: Connection) -> tuple[bytes, bytes]:
    """The head of the HTTP request, as far as it is one, and what came right behind it.

    The head is empty where the client left without a word, or was too slow or too long and has been
    told so.
    """
    received = b""
    while True:
        try:
            chunk = await connection.receive()
        except trio.BrokenResourceError as error:
            connection.close_reason = f"the connection broke: {error}"
            return b"", b""
        except trio.ClosedResourceError:
            return b"", b""  # whoever closed it has said why
        received += chunk
        end = _HEAD_END.search(received, max(0, len(received) - len(chunk) - 2))
        if end is not None and end.end() <= MAX_HEAD_BYTES:
            return received[: end.end()], received[end.end() :]
        if received and not received[:1].isalpha():
            return received, b""  # no HTTP
        if b"\n" in received and _REQUEST_LINE.match(received) is None:
            return received, b""  # neither
        if not chunk:
            if received:
                connection.malformed(received, "the connection ended inside the handshake", 0)
            return b"", b""
        if len(received) > MAX_HEAD_BYTES:
            words = f"The head is longer than {MAX_HEAD_BYTES} bytes.\n"
            answer = _http("431 Request Header Fields Too Large", words)
            await _refuse(connection, received, answer)
            return b"", b""


def _refusal(head: bytes, path: str) -> bytes | None:
    """The HTTP answer to what is no WebSocket handshake; None where it looks like one."""
    place = f"This is a simulated InvisOutlet. It speaks WebSocket at the path {path} of this port"
    line = _REQUEST_LINE.match(head)
    if line is None or not line[0].isascii():
        return _http("400 Bad Request", f"{place}; that was no HTTP request.\n")
    if _UPGRADE.search(head) is not None:
        return None
    if line[2].partition(b"?")[0].decode() == path:
        answer = _http(
            "426 Upgrade Required", f"{place}, and nothing else.\n", "Upgrade: websocket"
        )
    else:
        answer = _http("404 Not Found", f"{place}, and has nothing else to show.\n")
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if line[1] == b"HEAD" else answer


def _http(status: str, text: str, *headers: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def _refuse(connection: Connection, received: bytes, answer: bytes, why: str = "") -> None:
    status = answer.partition(b"\r\n")[0].decode().partition(" ")[2]
    why = why or "no WebSocket handshake"
    connection.malformed(received, f"{why}; answered with HTTP {status}", 0)
    connection.close_reason = f"answered with HTTP {status}"
    await _send_http(connection, answer)


async def _send_http(connection: Connection, answer: bytes) -> None:
    with suppress(WriteTimeout, trio.BrokenResourceError, trio.ClosedResourceError):
        await connection.wire.send(answer)
