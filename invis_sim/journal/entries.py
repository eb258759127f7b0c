"""What a journal has entries for: exchanges with clients, and events."""

from typing import Literal, TypeAlias

import msgspec

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.protocol.packets import Note, Request
from invis_sim.protocol.transport import Transport

__all__ = ["Entry", "Event", "Exchange", "Outcome"]

Outcome: TypeAlias = Literal["success", "failure", "no reply", "malformed", "push"]
"""What came of a piece of input: `PUBACK` 1, `PUBACK` 0, silence, nothing to answer, or a push."""


class Exchange(msgspec.Struct, eq=False, gc=False):
    """One request with its reply, one piece of malformed input, or one push.

    number: its place in the journal, from 1, over both kinds of entries.
    seconds: since the start, when it arrived (a push: when it was caused).
    transport, connection: where; the connection's ordinal is from 1, over both transports.
    received: the bytes of the request, or of the malformed piece; None for a push.
    request: what they mean; None where they mean nothing, and for a push.
    outcome: what the outlet made of it, before faults.
    sent: the bytes that left, one item a write (on WebSocket: frames); grows until `done`.
    faults: those that touched the packet, in the order in which they did.
    notes: what the author of the client should know, with the byte of `received` where it stands.
    done: whether nothing more will be sent.
    pushed: the `callbackName` of a push; None for everything else.
    """

    number: int
    seconds: float
    transport: Transport
    connection: int
    received: bytes | None
    request: Request | None
    outcome: Outcome
    sent: tuple[bytes, ...] = ()
    faults: tuple[AppliedFault, ...] = ()
    notes: tuple[Note, ...] = ()
    done: bool = False
    pushed: int | None = None

    @property
    def callback(self) -> int | None:
        """The `callbackName` that was asked for, or that was pushed."""
        return self.pushed if self.request is None else self.request.callback

    @property
    def packet_id(self) -> int | None:
        """The request's `packetID`."""
        return None if self.request is None else self.request.packet_id


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """Something that befell a connection, or the outlet where there is no connection.

    what: "connected", "closed", "listening", "error", …
    detail: in words.
    """

    number: int
    seconds: float
    transport: Transport | None
    connection: int | None
    what: str
    detail: str = ""


Entry: TypeAlias = Exchange | Event
