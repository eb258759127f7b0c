"""How a new connection is treated, as data, which the server carries out.

As a `Delivery` is the plan of how a packet leaves, a `ConnectionPlan` is the plan of how a
connection begins and how long it may last.
"""

from typing import Literal, TypeAlias

import msgspec

__all__ = ["ConnectionPlan", "HandshakeResponse"]

HandshakeResponse: TypeAlias = Literal["right", "wrong_accept", "missing_header", "plain_200"]
"""How a WebSocket handshake is answered."""


class ConnectionPlan(msgspec.Struct, frozen=True):
    """How a connection begins.

    wait: seconds before anything is read or written, ≥ 0.
    greeting: bytes to send first, unasked.
    end: how the connection ends at once, instead of being served; None: it is served.
    drops_oldest: whether the oldest connection ends, as `end` says, in place of this one.
    idle_seconds: how long the client may be silent before the connection is closed; None: forever.
    handshake_wait: seconds before the WebSocket handshake is answered, ≥ 0.
    http_rejection: HTTP status (300-599) and body with which the handshake is rejected; None: it is
    accepted.
    handshake_response: how an accepted handshake is answered.
    answers_pings: whether pings are answered.
    """

    wait: float = 0.0
    greeting: bytes = b""
    end: Literal["close", "reset"] | None = None
    drops_oldest: bool = False
    idle_seconds: float | None = None
    handshake_wait: float = 0.0
    http_rejection: tuple[int, str] | None = None
    handshake_response: HandshakeResponse = "right"
    answers_pings: bool = True
