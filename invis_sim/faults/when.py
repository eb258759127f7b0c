"""When a fault applies: the conditions of a scenario's `when`, and the counting behind them.

`When` is what a scenario says. It sorts its conditions in three: those that select packets
(`matches_packet`), those that are counted over the selected packets (`counts`), and chance and
limits, which `pipeline.py` draws and keeps.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from invis_sim.protocol.transport import PacketKind, Transport

__all__ = ["CountNumbers", "When"]

Ordinal = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
CountNumbers: TypeAlias = Ordinal | Annotated[tuple[Ordinal, ...], msgspec.Meta(min_length=1)]
CallbackNumbers: TypeAlias = int | Annotated[tuple[int, ...], msgspec.Meta(min_length=1)]


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions under which a fault applies. All that are given must hold; none: it always
    applies.

    callback: only packets about this callback number, or one of these. A reply is about its
    request's.
    packet: "reply", "push" or "any".
    transport: only on "tcp", or only on "ws".
    connection: only on the connection with this ordinal, or one of these; from 1, over both
    transports.

    The next four count the packets that match the conditions above and the time, from 1:
    nth: only the nth, or one of these.
    first: only the first so many.
    after: only those after the first so many.
    every: only every so-many-th.
    per: "device": one count for the whole outlet; "connection": each connection has its own.

    probability: of those that match all of the above, only this share, drawn from the seed; above
    0, up to 1.
    times: at most so often (per device or per connection, as `per` says).
    from_seconds: only from so many seconds after the start of the simulator.
    until_seconds: only before so many seconds after the start.
    """

    callback: CallbackNumbers | None = None
    packet: Literal["reply", "push", "any"] = "reply"
    transport: Transport | None = None
    connection: CountNumbers | None = None
    nth: CountNumbers | None = None
    first: Ordinal | None = None
    after: Ordinal | None = None
    every: Ordinal | None = None
    per: Literal["device", "connection"] = "device"
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    times: Ordinal | None = None
    from_seconds: Seconds = 0.0
    until_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        if self.until_seconds is not None and self.until_seconds <= self.from_seconds:
            raise ValueError(
                f"never applies: until_seconds ({self.until_seconds:g}) is not after "
                f"from_seconds ({self.from_seconds:g})"
            )
        if not self._some_count_fits():
            given = {"nth": self.nth, "first": self.first, "after": self.after, "every": self.every}
            names = " and ".join(name for name, value in given.items() if value is not None)
            raise ValueError(f"never applies: no count satisfies {names}")

    def _some_count_fits(self) -> bool:
        if self.nth is not None:
            return any(self.counts(n) for n in as_tuple(self.nth))
        if self.first is None:
            return True
        earliest = (self.after or 0) + 1
        step = self.every or 1
        return -(-earliest // step) * step <= self.first

    def matches_packet(
        self, packet: PacketKind, callback: int | None, transport: Transport, connection: int
    ) -> bool:
        """Whether a packet like this one is among those that are counted, time left aside."""
        return (
            self.packet in (packet, "any")
            and (self.callback is None or callback in as_tuple(self.callback))
            and self.transport in (None, transport)
            and (self.connection is None or connection in as_tuple(self.connection))
        )

    def selects_connection(self, transport: Transport, connection: int) -> bool:
        """Whether a connection like this one is among those that are counted, time left aside."""
        return self.transport in (None, transport) and (
            self.connection is None or connection in as_tuple(self.connection)
        )

    def matches_time(self, seconds: float) -> bool:
        """Whether the time holds, at so many seconds after the start."""
        return self.from_seconds <= seconds and (
            self.until_seconds is None or seconds < self.until_seconds
        )

    def counts(self, n: int) -> bool:
        """Whether the nth of the selected packets is meant, n from 1."""
        return (
            (self.nth is None or n in as_tuple(self.nth))
            and (self.first is None or n <= self.first)
            and (self.after is None or n > self.after)
            and (self.every is None or n % self.every == 0)
        )

    @property
    def has_only_times(self) -> bool:
        """Whether nothing is asked for but a time."""
        return msgspec.structs.replace(self, from_seconds=0.0, until_seconds=None) == When()

    @property
    def packet_only_keys(self) -> tuple[str, ...]:
        """The conditions given that only packets can meet, not connections."""
        given = {
            "callback": self.callback is not None,
            "packet": self.packet != "reply",
            "per": self.per != "device",
        }
        return tuple(name for name, is_given in given.items() if is_given)


def as_tuple(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """A scenario's "number or list" as a tuple."""
    return (value,) if isinstance(value, int) else value
