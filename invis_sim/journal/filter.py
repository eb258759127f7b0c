"""Which entries a caller asks a journal for."""

from typing import Annotated, Any

import msgspec

from invis_sim.journal.entries import (
    Entry,
    EntryKind,
    Exchange,
    FaultApplied,
    OutageEnded,
    OutageStarted,
)
from invis_sim.journal.text import format_callback, format_int, location
from invis_sim.protocol.packets import encode_json
from invis_sim.protocol.transport import Transport
from invis_sim.schema.build import Checked

__all__ = ["EntryFilter", "ExchangeFilter", "equal_json", "has_fault"]

ConnectionNumber = Annotated[int, msgspec.Meta(ge=1)]


class ExchangeFilter(Checked, frozen=True):
    """Which exchanges; None: any. Raises ValueError for a value that no exchange can have."""

    callback: int | None = None
    connection: ConnectionNumber | None = None
    transport: Transport | None = None
    packet_id: int | None = None
    fault: str | None = None
    args: Any = msgspec.UNSET

    def matches(self, exchange: Exchange) -> bool:
        return (
            (self.callback is None or exchange.callback == self.callback)
            and (self.connection is None or exchange.connection == self.connection)
            and (self.transport is None or exchange.transport == self.transport)
            and (self.packet_id is None or exchange.packet_id == self.packet_id)
            and (self.fault is None or has_fault(exchange, self.fault))
            and (self.args is msgspec.UNSET or _has_args(exchange, self.args))
        )

    @property
    def description(self) -> str:
        """Such a request in words, without the article."""
        words = "request"
        if self.callback is not None:
            number, _, name = format_callback(self.callback).partition(" ")
            words += f" for callback {number}" + (f" ({name})" if name else "")
        if self.args is not msgspec.UNSET:
            words += f" with callbackArgs {encode_json(self.args).decode()}"
        if self.packet_id is not None:
            words += f" with packetID {format_int(self.packet_id)}"
        if self.transport is not None or self.connection is not None:
            words += f" on {location(self.transport, self.connection)}"
        if self.fault is not None:
            words += f" touched by {self.fault!r}"
        return words

    def __str__(self) -> str:
        return f"a {self.description}"


class EntryFilter(Checked, frozen=True):
    """Which entries of all kinds; None: any.

    kinds: "exchange", "connected", "closed", "fault", "outage_started", "outage_ended",
    "address_changed", "command", "log", "error".
    callback, packet_id: of an exchange; an event has neither, so it does not match.
    transport, connection: of the connection.
    fault: the name of one that was applied, or that an outage comes from.
    sn: of the outlet.

    Raises ValueError for a kind that does not exist, and for a value that no entry can have.
    """

    kinds: tuple[EntryKind, ...] | None = None
    callback: int | None = None
    packet_id: int | None = None
    transport: Transport | None = None
    connection: ConnectionNumber | None = None
    fault: str | None = None
    sn: str | None = None

    def matches(self, entry: Entry) -> bool:
        if (
            (self.kinds is not None and entry.kind not in self.kinds)
            or (self.sn is not None and entry.sn != self.sn)
            or (self.transport is not None and entry.transport != self.transport)
            or (self.connection is not None and entry.connection != self.connection)
            or (self.fault is not None and not has_fault(entry, self.fault))
        ):
            return False
        if self.callback is None and self.packet_id is None:
            return True
        return (
            isinstance(entry, Exchange)
            and (self.callback is None or entry.callback == self.callback)
            and (self.packet_id is None or entry.packet_id == self.packet_id)
        )


def _has_args(exchange: Exchange, args: Any) -> bool:
    return exchange.request is not None and equal_json(exchange.request.args, args)


def equal_json(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON, which `==` alone does not say: True is not 1 there."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            equal_json(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal_json, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def has_fault(entry: Entry, name: str) -> bool:
    """Whether a fault of this name was applied, or an outage comes from one."""
    if isinstance(entry, Exchange):
        return any(applied.fault == name for applied in entry.faults)
    if isinstance(entry, FaultApplied):
        return entry.fault == name
    if isinstance(entry, OutageStarted | OutageEnded):
        return entry.source == "fault" and entry.name == name
    return False
