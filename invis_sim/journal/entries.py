"""What a journal has entries for: exchanges with clients, and events, one struct for each kind.

A program recognises an entry by its type, or by `entry.kind`, and reads its fields. Sentences about
entries are made in `text.py` and are for humans alone.
"""

from typing import Any, ClassVar, Literal, TypeAlias, cast

import msgspec

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.protocol.frames import unframe_text
from invis_sim.protocol.packets import Note, Request
from invis_sim.protocol.transport import Transport

__all__ = [
    "ENTRY_KINDS",
    "EVENT_TYPES",
    "AddressChanged",
    "Closed",
    "CommandGiven",
    "Connected",
    "DeviceLog",
    "Entry",
    "EntryKind",
    "Event",
    "EventKind",
    "Exchange",
    "FaultApplied",
    "FaultNote",
    "OutageEnded",
    "OutageSource",
    "OutageStarted",
    "Outcome",
    "ServerError",
    "text_of_write",
]

Outcome: TypeAlias = Literal["success", "failure", "no reply", "malformed", "push"]
"""What came of a piece of input: `PUBACK` 1, `PUBACK` 0, silence, nothing to answer, or a push."""

EventKind: TypeAlias = Literal[
    "connected",
    "closed",
    "fault",
    "fault_note",
    "outage_started",
    "outage_ended",
    "address_changed",
    "command",
    "log",
    "error",
]
"""The `kind` of an event."""

EntryKind: TypeAlias = EventKind | Literal["exchange"]
"""The `kind` of an entry."""

OutageSource: TypeAlias = Literal["fault", "outlet"]
"""What an outage comes from: a fault, or the outlet itself (a restart, a reset)."""


class Exchange(msgspec.Struct, eq=False, gc=False):
    """One request with its reply, one piece of malformed input, or one push.

    number: its place in the journal, from 1, over all kinds of entries.
    seconds: real seconds since the start, when it arrived (a push: when it was caused).
    transport, connection: where; connections are numbered from 1, over both transports.
    received: the bytes of the request, or of the malformed piece; None for a push.
    request: the parsed request; None for malformed input and for a push.
    outcome: the outlet's answer, before faults.
    sent: the bytes that were sent, one item per write (on WebSocket: frames); grows until `done`.
    faults: those that were applied to the packet, in the order in which they were.
    notes: what the author of the client should know, with an offset in `received`.
    done: whether nothing more will be sent.
    push_callback: the `callbackName` of a push; None for everything else.
    sn: the serial number of the outlet.
    recipients: to how many connections the push was sent at once, each of which has an exchange of
    its own; 1 for everything else.
    latency: real seconds from `seconds` until the first byte was sent; 0 where that was at once.
    """

    kind: ClassVar[Literal["exchange"]] = "exchange"

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
    push_callback: int | None = None
    sn: str = ""
    recipients: int = 1
    latency: float = 0.0

    @property
    def callback(self) -> int | None:
        """The `callbackName` of the request, or of the push."""
        return self.push_callback if self.request is None else self.request.callback

    @property
    def packet_id(self) -> int | None:
        """The request's `packetID`."""
        return None if self.request is None else self.request.packet_id

    @property
    def sent_text(self) -> bytes:
        """All that was sent, without WebSocket frames; the bytes as they are where something else
        than whole text frames was sent.
        """
        whole = b"".join(self.sent)
        text = text_of_write(whole, self.transport)
        if text is not None:
            return text
        # Not one message in several writes, but perhaps several messages.
        texts = [text_of_write(data, self.transport) for data in self.sent]
        return whole if None in texts else b"".join(text for text in texts if text is not None)


def text_of_write(data: bytes, transport: Transport) -> bytes | None:
    """The payload of one write; None where it is not a whole text frame on WebSocket."""
    return unframe_text(data) if transport == "ws" else data


class Event(msgspec.Struct, kw_only=True, frozen=True, tag_field="kind"):
    """Something that happened to a connection, or to the outlet. Each kind is a subclass.

    sn: the serial number of the outlet.
    number: its place in the journal, from 1, over all kinds of entries.
    seconds: real seconds since the start.
    transport, connection: of the connection; None for an event of the outlet as a whole.
    """

    sn: str = ""
    number: int
    seconds: float
    transport: Transport | None = None
    connection: int | None = None

    @property
    def kind(self) -> EventKind:
        """The kind as a short string: the struct's tag, which JSON Lines have too."""
        return cast(EventKind, self.__struct_config__.tag)


class Connected(Event, kw_only=True, frozen=True, tag="connected"):
    """A client has connected (on WebSocket: before the handshake).

    peer: its address, `host:port`.
    """

    peer: str


class Closed(Event, kw_only=True, frozen=True, tag="closed"):
    """A connection is closed.

    reason: why, for a human: "by the client".
    """

    reason: str


class FaultApplied(Event, kw_only=True, frozen=True, tag="fault"):
    """A fault was applied to a connection (what is applied to a packet is in its exchange).

    fault: its name. detail: what it did, where its name says too little; else "".
    """

    fault: str
    detail: str = ""


class FaultNote(Event, kw_only=True, frozen=True, tag="fault_note"):
    """What the author of a fault should know: it waits for something, or never applies.

    fault: its name. text: what it is, for a human.
    """

    fault: str
    text: str


class OutageStarted(Event, kw_only=True, frozen=True, tag="outage_started"):
    """Something of the outlet is away from now on.

    name: of the fault, or of what the outlet does ("reboot").
    source: whether it comes from a fault or from the outlet itself.
    identity: of the armed fault; None for the outlet's own.
    duration: for how long, in simulated seconds; None: until the fault is switched off, or until
    the outlet joins the network.
    """

    name: str
    source: OutageSource
    identity: str | None = None
    duration: float | None = None


class OutageEnded(Event, kw_only=True, frozen=True, tag="outage_ended"):
    """An outage is over. The fields are those of OutageStarted."""

    name: str
    source: OutageSource
    identity: str | None = None


class AddressChanged(Event, kw_only=True, frozen=True, tag="address_changed"):
    """The outlet listens at another address from now on, or, where it is offline, when it is back.

    tcp: `host:port`. ws: the URL. None: it has no such transport.
    """

    tcp: str | None = None
    ws: str | None = None


class CommandGiven(Event, kw_only=True, frozen=True, tag="command"):
    """Someone gave the simulator a command.

    by: who did: "step 2". command: what it was. error: why it failed; None where it did not.
    """

    by: str
    command: str
    error: str | None = None


class DeviceLog(Event, kw_only=True, frozen=True, tag="log"):
    """The outlet logs something that it sends to no client.

    text: for a human.
    """

    text: str


class ServerError(Event, kw_only=True, frozen=True, tag="error"):
    """The simulator could not do something.

    text: for a human.
    """

    text: str


EVENT_TYPES: tuple[type[Event], ...] = (
    Connected,
    Closed,
    FaultApplied,
    FaultNote,
    OutageStarted,
    OutageEnded,
    AddressChanged,
    CommandGiven,
    DeviceLog,
    ServerError,
)
"""All kinds of events; a new one needs a line here and in `EventKind`, and its text in text.py."""


def _tag(event_type: type[Event]) -> Any:
    return event_type.__struct_config__.tag


ENTRY_KINDS: frozenset[EntryKind] = frozenset({Exchange.kind, *map(_tag, EVENT_TYPES)})
"""Every `kind` that an entry can have."""

Entry: TypeAlias = Exchange | Event
