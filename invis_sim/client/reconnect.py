"""The packets of an outlet over one connection after the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import msgspec
import trio

from invis_sim.client.connection import check_address, connect, only_error
from invis_sim.client.errors import ClientError, ConnectionLost

__all__ = ["Connected", "Disconnected", "StreamItem", "reconnecting"]

MIN_PAUSE, MAX_PAUSE = 0.1, 2.0
"""Seconds between the end of a connection and the next attempt. The pause doubles until a packet
arrives: an outlet that restarts is found soon, one that is away for long is not pestered.
"""


class Connected(msgspec.Struct, frozen=True):
    """A connection was established.

    number: how many have been, this one included.
    """

    number: int


class Disconnected(msgspec.Struct, frozen=True):
    """A connection ended, or could not be established; there will be another attempt.

    error: why.
    """

    error: ClientError


StreamItem: TypeAlias = Connected | Disconnected | bytes
"""What `reconnecting` delivers: the bytes are a packet, or input that is not JSON."""


@asynccontextmanager
async def reconnecting(
    address: str, timeout: float
) -> AsyncIterator[trio.MemoryReceiveChannel[StreamItem]]:
    """Connect again and again for the time of the block, and deliver in order what happens.

    timeout: seconds in which each connection must be established.

    The channel has no end; the caller leaves the block, for example at a `Disconnected`. It has no
    buffer either, so an outlet is not read faster than the caller takes packets.

    Raises AddressError.
    """
    check_address(address)
    try:
        async with trio.open_nursery() as nursery:
            send, receive = trio.open_memory_channel[StreamItem](0)
            nursery.start_soon(_connect_repeatedly, address, timeout, send)
            try:
                yield receive
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = only_error(group)
    else:
        return
    raise error  # outside of `except`, so that its own cause and context are kept


async def _connect_repeatedly(
    address: str, timeout: float, items: trio.MemorySendChannel[StreamItem]
) -> None:
    number = 0
    pause = MIN_PAUSE
    while True:
        try:
            async with connect(address, timeout) as client:
                number += 1
                await items.send(Connected(number))
                while (packet := await client.receive()) is not None:
                    pause = MIN_PAUSE
                    await items.send(packet)
            raise ConnectionLost(address, f"closed {client.noun}{client.close_detail}")
        except ClientError as error:
            await items.send(Disconnected(error))
        await trio.sleep(pause)
        pause = min(pause * 2, MAX_PAUSE)
