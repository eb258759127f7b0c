"""One request, and its reply."""

import math
from typing import Any

import msgspec
import trio

from invis_sim.client.connection import OutletClient
from invis_sim.client.errors import ConnectionLost, NoReply
from invis_sim.protocol.packets import MalformedPacket, Reply, encode_json, parse_packet
from invis_sim.schema.build import check

__all__ = ["MAX_OTHER_BYTES", "AskResult", "ask"]

MAX_OTHER_BYTES = 2**20
"""How much of what comes before a reply is kept, in bytes. Usually that is a few pushes, but a
server that sends without end must not fill the memory.
"""


class AskResult(msgspec.Struct, frozen=True):
    """What came of a request.

    reply: the reply to it. raw: its bytes.
    others: what the outlet sent before that, packet by packet: pushes, replies to other requests,
    and input that is not JSON.
    omitted: how many packets more; they were too much to keep.
    """

    reply: Reply
    raw: bytes = b""
    others: tuple[bytes, ...] = ()
    omitted: int = 0


async def ask(
    client: OutletClient,
    callback: int,
    args: Any = msgspec.UNSET,
    *,
    packet_id: int,
    timeout: float = math.inf,
) -> AskResult:
    """Send a request, and wait for the reply with its packetID.

    args: a JSON value; UNSET: without `callbackArgs`. timeout: seconds to wait for the reply.

    Raises NoReply, with what came instead, if the outlet closes or breaks the connection, or if no
    reply comes in time; ConnectionLost if the request cannot be sent; ValueError for arguments that
    are not JSON.
    """
    payload: dict[str, Any] = {"callbackName": callback}
    if args is not msgspec.UNSET:
        payload["callbackArgs"] = check(Any, args, "args")
    request = encode_json({"packetID": packet_id, "payload": payload})
    others: list[bytes] = []
    kept_bytes = omitted = 0
    reason = f"sent no reply within {timeout:g} s"
    with trio.move_on_after(timeout):
        await client.send(request)
        while True:
            try:
                packet = await client.receive()
            except ConnectionLost as error:
                reason = error.reason
                break
            if packet is None:
                reason = f"closed {client.noun} without a reply{client.close_detail}"
                break
            reply = _reply_to(packet_id, packet)
            if reply is not None:
                return AskResult(reply, packet, tuple(others), omitted)
            if kept_bytes + len(packet) <= MAX_OTHER_BYTES:
                kept_bytes += len(packet)
                others.append(packet)
            else:
                omitted += 1
    raise NoReply(client.address, reason, tuple(others), omitted)


def _reply_to(packet_id: int, packet: bytes) -> Reply | None:
    """Return the packet if it is the reply to a request with this packetID."""
    try:
        parsed = parse_packet(packet)
    except MalformedPacket:
        return None
    return parsed if isinstance(parsed, Reply) and parsed.packet_id == packet_id else None
