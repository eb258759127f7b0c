"""What a transport adds to a connection: how text becomes bytes, and how the connection ends."""

from collections.abc import Awaitable, Callable

import msgspec

__all__ = ["TransportEnd", "no_close_handshake"]


async def no_close_handshake(code: int | None, reason: str) -> None:
    """Do nothing: TCP has no close handshake, the end of the stream comes by itself."""


class TransportEnd(msgspec.Struct, frozen=True):
    """The outlet's end of a transport.

    encode_frame: text of a packet → bytes on the wire.
    close: end the connection in an orderly way: (WebSocket close code, or None for none; reason).
    stop_frame: what to send first when the simulator stops; b"": nothing.
    """

    encode_frame: Callable[[bytes], bytes] = bytes
    close: Callable[[int | None, str], Awaitable[None]] = no_close_handshake
    stop_frame: bytes = b""
