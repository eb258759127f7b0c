"""The outlet on TCP: bare JSON objects, found in the stream by their braces."""

from collections import deque

import trio

from invis_sim.protocol.http_requests import HttpRequests
from invis_sim.protocol.json_stream import Framed, JsonFramer, Malformed, PacketTooLarge
from invis_sim.protocol.packets import parse_common_request
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.session.transport import TransportEnd

__all__ = ["UNFINISHED_SECONDS", "serve_tcp"]

UNFINISHED_SECONDS = 5.0
"""For how long (real time) nothing may come inside a document before that is given up: a client
that has crashed in the middle of a request waits no longer than this for its next one. Real time,
because it is the client's pace and not the outlet's that it is about."""

_LOST = "lost: the outlet takes what it reads at once for one request, as the scenario says"


async def serve_tcp(connection: Connection) -> None:
    """Answer requests until the client ends its side, or sends a packet that is too large."""
    terminator = connection.context.protocol.tcp_terminator.encode()
    end = TransportEnd(lambda text: text + terminator) if terminator else TransportEnd()
    reader = _TcpReader(connection)
    connection.mark_open(end)
    try:
        while not reader.finished:
            await connection.outbox.wait_for_room()
            if not reader.handle_found():
                continue
            await connection.reader.loop(reader.on_data)
    except trio.BrokenResourceError as error:
        connection.lifecycle.move(ConnectionState.CLOSED, f"the connection broke: {error}")
    except trio.ClosedResourceError:
        pass  # closed by the simulator, which has given the reason


class _TcpReader:
    """Finds the requests in what a client sends.

    finished: whether nothing more is to be read.
    """

    def __init__(self, connection: Connection) -> None:
        self.finished = False
        self._connection = connection
        self._max_bytes = connection.context.protocol.max_packet_bytes
        self._framer = JsonFramer(self._max_bytes)
        self._http: HttpRequests | None = HttpRequests()  # None: what comes is no HTTP
        # What was found and not answered yet: the answers to one chunk of short requests may be
        # thousands of times as long, so they are stopped when too much waits for the client.
        self._found: deque[Framed] = deque()
        self._last_input = 0.0
        self._watched = False

    def on_data(self, chunk: bytes) -> bool:
        """Answer the requests that this chunk completes, and return whether to read on.

        chunk: what came; b"" is the end of the stream.
        """
        connection, framer = self._connection, self._framer
        if self._http is not None:
            rest = self._after_http(chunk)
            if rest is None:
                return True
            chunk = rest
        if framer.between_documents and len(chunk) <= self._max_bytes:
            request = parse_common_request(chunk)  # most chunks are one request and nothing else
            if request is not None:
                connection.handle_request(chunk.strip(), request)
                return not connection.outbox.backlogged
        if not chunk:
            self._handle(framer.finish())
            self.finished = True
        elif connection.context.outlet.state.quirks.tcp_reads == "one_request":
            self._handle_first(chunk)
        else:
            self._found.extend(framer.feed(chunk))
            self.handle_found()
        self._watch_unfinished()
        return not (self.finished or connection.outbox.backlogged)

    def handle_found(self) -> bool:
        """Deal with what was found, as long as not too much waits for the client. Returns whether
        that was all.
        """
        while self._found and not (self.finished or self._connection.outbox.backlogged):
            self._handle(self._found.popleft())
        return not self._found or self.finished

    def _after_http(self, chunk: bytes) -> bytes | None:
        """Record the HTTP requests at the beginning of a stream, and return what comes after them;
        None: that is still to come.

        chunk: as for `on_data`.
        """
        assert self._http is not None
        requests, rest = self._http.feed(chunk)
        for found in requests:
            self._handle(found)
        if not chunk:
            self._give_up_http()
        elif rest is None:
            self._watch_unfinished()
            return None
        self._http = None
        return rest or b""

    def _give_up_http(self) -> None:
        """Take what may have become an HTTP request for what it is now."""
        if self._http is not None:
            rest, self._http = self._http.rest(), None
            for found in self._framer.feed(rest):
                self._handle(found)

    @property
    def _unfinished(self) -> bool:
        """Whether more of something is to come."""
        in_head = self._http is not None and self._http.in_head
        return not self.finished and (in_head or not self._framer.between_documents)

    def _watch_unfinished(self) -> None:
        """Give up what is unfinished if nothing more comes for a while."""
        if self._unfinished:
            self._last_input = trio.current_time()
            if not self._watched:
                self._watched = True
                self._connection.nursery.start_soon(self._watch)

    def _handle(self, found: Framed | None) -> None:
        """Answer a request, or record a malformed piece."""
        if found is None:
            return
        connection = self._connection
        if isinstance(found, bytes):
            connection.handle_document(found)
            return
        connection.record_malformed(found.raw, found.reason, found.offset)
        if isinstance(found, PacketTooLarge):
            reason = f"the client sent a packet {found.reason}"
            connection.lifecycle.move(ConnectionState.DRAINING, reason)
            self.finished = True

    def _handle_first(self, chunk: bytes) -> None:
        """Answer the request that a chunk begins with, and lose the rest of the chunk."""
        framer = JsonFramer(self._max_bytes)
        found = framer.feed(chunk)
        first = found[0] if found else framer.finish()
        if type(first) is Malformed:
            offset = chunk.index(first.raw) + first.offset
            first = Malformed(chunk.rstrip(b"\r\n"), first.reason, offset)
        self._handle(first)
        if isinstance(first, bytes):
            rest = chunk[chunk.index(first) + len(first) :].strip()
            if rest:
                self._connection.record_malformed(rest, _LOST, 0)

    async def _watch(self) -> None:
        """Give up a document of which nothing more comes. Runs only while there is one."""
        framer = self._framer
        while self._unfinished:
            deadline = self._last_input + UNFINISHED_SECONDS
            if trio.current_time() < deadline:
                await trio.sleep_until(deadline)
                continue
            self._give_up_http()
            found = framer.give_up(f"nothing more of this document for {UNFINISHED_SECONDS:g} s")
            if found is not None:
                self._connection.record_malformed(found.raw, found.reason, found.offset)
        self._watched = False
