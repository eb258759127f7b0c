"""The outlet on TCP: bare JSON objects, found in the stream by their braces."""

import trio

from invis_sim.protocol.framing import JsonFramer, PacketTooLarge
from invis_sim.server.connection import Connection

__all__ = ["converse"]


async def converse(connection: Connection) -> None:
    """Reads requests until the client ends its side, or sends a packet that is too large."""
    protocol = connection.core.protocol
    terminator = protocol.tcp_terminator.encode()
    if terminator:
        connection.frame = lambda text: text + terminator
    framer = JsonFramer(protocol.max_packet_bytes)
    while True:
        if connection.outbox.backlogged:
            await connection.outbox.room()
        try:
            chunk = await connection.receive()
        except trio.BrokenResourceError as error:
            connection.closed_because = f"the connection broke: {error}"
            return
        except trio.ClosedResourceError:
            return  # whoever closed it has said why
        if not chunk:
            unfinished = framer.finish()
            if unfinished is not None:
                connection.malformed(unfinished.raw, unfinished.reason, unfinished.offset)
            return
        for found in framer.feed(chunk):
            if isinstance(found, bytes):
                connection.take(found)
                continue
            connection.malformed(found.raw, found.reason, found.offset)
            if isinstance(found, PacketTooLarge):
                connection.closed_because = f"the client sent a packet {found.reason}"
                return
