"""What somebody asks a journal for."""

import msgspec

from invis_sim.journal.entries import Exchange
from invis_sim.journal.text import format_callback, format_int, location
from invis_sim.protocol.transport import Transport

__all__ = ["ExchangeFilter"]


class ExchangeFilter(msgspec.Struct, frozen=True):
    """What an exchange must be like; None: anything."""

    callback: int | None = None
    connection: int | None = None
    transport: Transport | None = None
    packet_id: int | None = None
    fault: str | None = None

    def matches(self, exchange: Exchange) -> bool:
        return (
            (self.callback is None or exchange.callback == self.callback)
            and (self.connection is None or exchange.connection == self.connection)
            and (self.transport is None or exchange.transport == self.transport)
            and (self.packet_id is None or exchange.packet_id == self.packet_id)
            and (self.fault is None or any(one.fault == self.fault for one in exchange.faults))
        )

    @property
    def words(self) -> str:
        """A request that is like this, without the article."""
        words = "request"
        if self.callback is not None:
            number, _, name = format_callback(self.callback).partition(" ")
            words += f" for callback {number}" + (f" ({name})" if name else "")
        if self.packet_id is not None:
            words += f" with packetID {format_int(self.packet_id)}"
        if self.transport is not None or self.connection is not None:
            words += f" on {location(self.transport, self.connection)}"
        if self.fault is not None:
            words += f" touched by {self.fault!r}"
        return words

    def __str__(self) -> str:
        return f"a {self.words}"
