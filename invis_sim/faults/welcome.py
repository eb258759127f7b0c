"""How a new connection is treated, and what may befall the whole outlet: as data, which the server
carries out.

As a `Delivery` is the plan of how a packet leaves, a `Welcome` is the plan of how a connection
begins, and an `Outage` is a time during which something of the outlet is away.
"""

from typing import Literal, TypeAlias

import msgspec

__all__ = ["Ending", "HandshakeAnswer", "Outage", "Welcome"]

Ending: TypeAlias = Literal["close", "reset", "goodbye", "silence"]
"""How connections end: "close": the stream ends (FIN). "reset": it is broken off (RST). "goodbye":
with a close frame on WebSocket, and FIN. "silence": nothing is said any more, and the outlet, once
back, answers with RST."""

HandshakeAnswer: TypeAlias = Literal["right", "wrong_accept", "missing_header", "plain_200"]
"""How a WebSocket handshake is answered."""


class Welcome(msgspec.Struct, frozen=True):
    """How a connection begins.

    wait: seconds before anything is read or written, ≥ 0.
    greeting: bytes that are sent first, unasked.
    end: how it ends at once, instead of being served; None: it is served.
    drops_oldest: whether the oldest connection is ended, as `end` says, in place of this one.
    idle_seconds: how long it may be silent before it is closed; None: for ever.
    handshake_wait: seconds before the WebSocket handshake is answered, ≥ 0.
    rejection: HTTP status (300-599) and body with which the handshake is refused; None: it is
    accepted.
    handshake: how it is answered otherwise.
    pongs: whether pings are answered.
    """

    wait: float = 0.0
    greeting: bytes = b""
    end: Literal["close", "reset"] | None = None
    drops_oldest: bool = False
    idle_seconds: float | None = None
    handshake_wait: float = 0.0
    rejection: tuple[int, str] | None = None
    handshake: HandshakeAnswer = "right"
    pongs: bool = True


class Outage(msgspec.Struct, frozen=True):
    """A time during which something of the outlet is away.

    name: of the fault that it comes from.
    seconds: how long, ≥ 0; None: until the fault is switched off.
    refuses: whether nobody listens, so that new connections are refused.
    connections: how those that are open end at its beginning; None: they stay.
    faceplate: whether the faceplate is away.
    """

    name: str
    seconds: float | None
    refuses: bool = False
    connections: Ending | None = None
    faceplate: bool = False

    @property
    def restarts(self) -> bool:
        """Whether the outlet restarts: all that it was doing is lost."""
        return self.refuses and self.connections is not None
