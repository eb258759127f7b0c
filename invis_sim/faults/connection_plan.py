"""How a new connection is treated, and what may befall the whole outlet: as data, which the server
carries out.

As a `Delivery` is the plan of how a packet leaves, a `ConnectionPlan` is the plan of how a
connection begins, and an `Outage` is a time during which something of the outlet is away.
"""

from typing import Literal, TypeAlias

import msgspec

__all__ = ["ConnectionPlan", "HandshakeAnswer"]

HandshakeAnswer: TypeAlias = Literal["right", "wrong_accept", "missing_header", "plain_200"]
"""How a WebSocket handshake is answered."""


class ConnectionPlan(msgspec.Struct, frozen=True):
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
    http_rejection: tuple[int, str] | None = None
    handshake: HandshakeAnswer = "right"
    answers_pings: bool = True
