"""The plan of how a packet leaves, as data: a `Delivery` is a tuple of steps, which a connection
carries out.

Delivery faults turn one plan into another; no step knows what a socket is.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Literal, Self, TypeAlias

import msgspec

from invis_sim.faults.outage import Outage

__all__ = [
    "MAX_STEPS",
    "Close",
    "Delivery",
    "HalfClose",
    "LetPass",
    "MergeWithNext",
    "Moment",
    "PlanTooLong",
    "Reset",
    "Stall",
    "StartOutage",
    "Step",
    "Wait",
    "Write",
    "even_cuts",
]

MAX_STEPS = 20_000
"""How many steps a plan may have. Faults that multiply each other (`duplicate`, `split`) would
otherwise have no bound. The longest split into pieces, with gaps, just fits."""

Moment: TypeAlias = Literal["before", "middle", "after"]
"""Where in a packet something happens: in place of it, after half of its bytes, or after all."""


class PlanTooLong(ValueError):
    """Raised if a plan would have more than `MAX_STEPS` steps."""


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Wait. Before the first write it counts from when the request arrived, later from the last
    write.

    seconds: ≥ 0, before the simulator's `speed` divides it.
    """

    seconds: float


class Write(msgspec.Struct, frozen=True, tag=True):
    """Hand these bytes to the network, in one piece.

    data: as they go on the wire (on WebSocket: frames, or parts of one).
    rate: bytes per second, above 0, before the simulator's `speed` multiplies it: then they go in
    small pieces. None: all at once.
    """

    data: bytes
    rate: float | None = None


class Close(msgspec.Struct, frozen=True, tag=True):
    """End the connection in an orderly way: FIN on TCP, a close handshake on WebSocket.

    code, reason: of the WebSocket close frame; code None: no close frame, the stream just ends.
    """

    code: int | None = 1000
    reason: str = ""


class HalfClose(msgspec.Struct, frozen=True, tag=True):
    """End the outlet's side of the stream (FIN) and go on reading."""


class Reset(msgspec.Struct, frozen=True, tag=True):
    """Abort the connection: the peer gets a TCP RST."""


class Stall(msgspec.Struct, frozen=True, tag=True):
    """Keep the connection open and never send anything on it again."""


class LetPass(msgspec.Struct, frozen=True, tag=True):
    """Send later packets first. It is about the whole plan, wherever in it the step is.

    count: how many (≥ 1).
    max_wait: seconds after which the packet leaves anyway, ≥ 0.
    """

    count: int
    max_wait: float


class MergeWithNext(msgspec.Struct, frozen=True, tag=True):
    """Merge the packet with the next one into one write. It is about the whole plan, wherever in it
    the step is.

    max_wait: seconds after which the packet leaves alone, ≥ 0.
    """

    max_wait: float


class StartOutage(msgspec.Struct, frozen=True, tag=True):
    """Start an outage, for all connections."""

    outage: Outage


Step: TypeAlias = (
    Wait | Write | Close | HalfClose | Reset | Stall | LetPass | MergeWithNext | StartOutage
)


def even_cuts(length: int, pieces: int) -> list[int]:
    """Where to cut `length` bytes into pieces whose sizes differ by one at most: the start of each
    piece, and the end of the last.
    """
    return [-(-length * n // pieces) for n in range(pieces + 1)]


class Delivery(msgspec.Struct, frozen=True):
    """How one packet leaves.

    steps: carried out in this order; none: the packet never leaves.
    ordered: whether it waits for the connection's earlier packets to leave first.

    Methods that return a changed plan raise PlanTooLong if it would get too long.
    """

    steps: tuple[Step, ...]
    ordered: bool = True

    @classmethod
    def of(cls, *packets: bytes) -> Self:
        """The plain delivery: these bytes, now, one write each."""
        return cls(tuple(Write(data) for data in packets))

    @property
    def size(self) -> int:
        """How many bytes it writes."""
        return sum(len(step.data) for step in self.steps if isinstance(step, Write))

    def preceded_by(self, *steps: Step) -> Self:
        """These steps first, then the plan."""
        return self.with_steps((*steps, *self.steps))

    def followed_by(self, *steps: Step) -> Self:
        """The plan, then these steps."""
        return self.with_steps((*self.steps, *steps))

    def replacing_writes(self, change: Callable[[bytes], Iterable[Step]]) -> Self:
        """The plan with each write replaced by the steps that `change` makes of its bytes."""

        def steps() -> Iterable[Step]:
            for step in self.steps:
                if not isinstance(step, Write):
                    yield step
                    continue
                for new in change(step.data):
                    yield Write(new.data, step.rate) if isinstance(new, Write) else new

        return self.with_steps(steps())

    def interrupted(self, moment: Moment, *steps: Step) -> Self:
        """The plan up to this moment of its packet, and then these steps."""
        if moment == "after":
            return self.followed_by(*steps)
        if moment == "before":
            return self.replacing_writes(lambda data: ()).followed_by(*steps)
        left = self.size // 2
        kept: list[Step] = []
        way = iter(self.steps)
        for step in way:
            if not isinstance(step, Write):
                kept.append(step)
                continue
            if left > 0:
                kept.append(Write(step.data[:left], step.rate))
            left -= len(step.data)
            if left <= 0:
                break
        # These are about more than the packet's bytes, so they count even if it is cut before them.
        about_all = (
            step for step in way if isinstance(step, LetPass | MergeWithNext | StartOutage)
        )
        return self.with_steps((*kept, *about_all, *steps))

    def with_steps(self, steps: Iterable[Step]) -> Self:
        """A plan with these steps instead, at the same place in the order of packets."""
        allowed = tuple(islice(steps, MAX_STEPS + 1))
        if len(allowed) > MAX_STEPS:
            raise PlanTooLong(f"the plan would have more than {MAX_STEPS} steps")
        return type(self)(allowed, self.ordered)
