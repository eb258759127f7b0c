"""The outlet on TCP: bare JSON objects, found in the stream by their braces."""

import trio

from invis_sim.protocol.json_stream import JsonFramer, PacketTooLarge
from invis_sim.protocol.packets import parse_common_request
from invis_sim.server.session.connection import Connection

__all__ = ["converse"]


async def converse(connection: Connection) -> None:
    """Reads requests until the client ends its side, or sends a packet that is too large."""
    terminator = connection.core.protocol.tcp_terminator.encode()
    if terminator:
        connection.frame = lambda text: text + terminator
    listener = _Listener(connection)
    connection.opened()
    try:
        while not listener.over:
            await connection.outbox.room()
            await connection.hear(listener.take)
    except trio.BrokenResourceError as error:
        connection.close_reason = f"the connection broke: {error}"
    except trio.ClosedResourceError:
        pass  # whoever closed it has said why


class _Listener:
    """Finds the requests in what a client sends.

    over: whether nothing more is to be heard.
    """

    def __init__(self, connection: Connection) -> None:
        self.over = False
        self._connection = connection
        self._longest = connection.core.protocol.max_packet_bytes
        self._framer = JsonFramer(self._longest)

    def take(self, chunk: bytes) -> bool:
        """Answers the requests that this chunk completes; b"" is the end of the stream.

        Says whether more can be taken now.
        """
        connection, framer = self._connection, self._framer
        if framer.between_documents and len(chunk) <= self._longest:
            request = parse_common_request(
                chunk
            )  # most chunks are one such request, and nothing else
            if request is not None:
                connection.answer(chunk.strip(), request)
                return not connection.outbox.backlogged
        if not chunk:
            unfinished = framer.finish()
            if unfinished is not None:
                connection.malformed(unfinished.raw, unfinished.reason, unfinished.offset)
            self.over = True
        for found in framer.feed(chunk):
            if isinstance(found, bytes):
                connection.take(found)
                continue
            connection.malformed(found.raw, found.reason, found.offset)
            if isinstance(found, PacketTooLarge):
                connection.close_reason = f"the client sent a packet {found.reason}"
                self.over = True
        return not (self.over or connection.outbox.backlogged)
