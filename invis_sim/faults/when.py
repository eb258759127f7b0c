"""When a fault applies: the conditions of a scenario's `when`.

`When` is the table of a scenario. Its conditions are of three sorts: those that match packets
(`matches_packet`, `matches_connection`) or the time (`matches_time`), those about the count of
matching packets (`matches_count`), and `probability` and `times`, for which `armed.py` keeps the
random generator and the counters.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from invis_sim.protocol.transport import PacketKind, Transport
from invis_sim.schema.build import Checked

__all__ = ["Seconds", "When"]

Seconds = Annotated[float, msgspec.Meta(ge=0, description="Seconds.")]
"""A time in a fault or its conditions: simulated seconds, ≥ 0, finite."""

Number = Annotated[int, msgspec.Meta(ge=1)]
Numbers: TypeAlias = Number | Annotated[tuple[Number, ...], msgspec.Meta(min_length=1)]
CallbackNumbers: TypeAlias = int | Annotated[tuple[int, ...], msgspec.Meta(min_length=1)]


class When(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions under which a fault applies. All that are given must hold; without any it always
    applies.

    callback: only packets about this callback number, or one of these. A reply is about its
    request's.
    packet: "reply", "push" or "any".
    transport: only on "tcp", or only on "ws".
    connection: only on the connection with this number, or one of these; from 1, over both
    transports.

    The next four count the packets that match the conditions above and the time, from 1:
    nth: only the nth, or one of these.
    first: only the first N.
    after: only those after the first N.
    every: only every Nth.
    per: "device": one count for the whole outlet; "connection": each connection has its own.

    probability: of those that match all of the above, a random share (seeded): above 0, up to 1.
    times: at most this many times (per device or per connection, as `per` says).
    from_seconds: only from this many seconds after the start of the simulator.
    until_seconds: only before this many seconds after the start.
    """

    callback: CallbackNumbers | None = None
    packet: Literal["reply", "push", "any"] = "reply"
    transport: Transport | None = None
    connection: Numbers | None = None
    nth: Numbers | None = None
    first: Number | None = None
    after: Number | None = None
    every: Number | None = None
    per: Literal["device", "connection"] = "device"
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    times: Number | None = None
    from_seconds: Seconds = 0.0
    until_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.until_seconds is not None and self.until_seconds <= self.from_seconds:
            raise ValueError(
                f"never applies: until_seconds ({self.until_seconds:g}) is not after "
                f"from_seconds ({self.from_seconds:g})"
            )
        if not self._some_count_matches():
            given = {"nth": self.nth, "first": self.first, "after": self.after, "every": self.every}
            names = " and ".join(name for name, value in given.items() if value is not None)
            raise ValueError(f"never applies: no count satisfies {names}")

    def _some_count_matches(self) -> bool:
        if self.nth is not None:
            return any(self.matches_count(n) for n in as_tuple(self.nth))
        if self.first is None:
            return True
        # `first` is the only upper bound: does the first multiple of `every` after `after` meet it?
        earliest = (self.after or 0) + 1
        step = self.every or 1
        return -(-earliest // step) * step <= self.first

    def matches_packet(
        self, packet: PacketKind, callback: int | None, transport: Transport, connection: int
    ) -> bool:
        """Whether packets like this are counted, whatever the time."""
        return (
            self.packet in (packet, "any")
            and (self.callback is None or callback in as_tuple(self.callback))
            and self.transport in (None, transport)
            and (self.connection is None or connection in as_tuple(self.connection))
        )

    def matches_connection(self, transport: Transport, connection: int) -> bool:
        """Whether connections like this are counted, whatever the time."""
        return self.transport in (None, transport) and (
            self.connection is None or connection in as_tuple(self.connection)
        )

    def matches_time(self, now: float) -> bool:
        """Whether the conditions of time hold.

        now: simulated seconds since the start of the outlet.
        """
        return self.from_seconds <= now and (self.until_seconds is None or now < self.until_seconds)

    def matches_count(self, n: int) -> bool:
        """Whether the conditions of count hold for the nth that is counted, n from 1."""
        return (
            (self.nth is None or n in as_tuple(self.nth))
            and (self.first is None or n <= self.first)
            and (self.after is None or n > self.after)
            and (self.every is None or n % self.every == 0)
        )

    @property
    def has_only_times(self) -> bool:
        """Whether there is no condition but of time."""
        return msgspec.structs.replace(self, from_seconds=0.0, until_seconds=None) == When()

    @property
    def packet_only_keys(self) -> tuple[str, ...]:
        """The given conditions that only packets can meet, not connections."""
        given = {
            "callback": self.callback is not None,
            "packet": self.packet != "reply",
            "per": self.per != "device",
        }
        return tuple(name for name, is_given in given.items() if is_given)


def as_tuple(value: int | tuple[int, ...]) -> tuple[int, ...]:
    """A scenario's "number or list" as a tuple."""
    return (value,) if isinstance(value, int) else value
