"""The plan of how a packet leaves, as data: a `Delivery` is a tuple of steps that a connection
carries out.

Delivery faults turn one plan into another; no step knows what a socket is.
"""

from collections.abc import Callable, Iterable
from typing import Self, TypeAlias

import msgspec

__all__ = ["Close", "Delivery", "Hold", "Reset", "Stall", "Step", "Wait", "Write"]


class Wait(msgspec.Struct, frozen=True, tag=True):
    """Let time pass. Before the first write it counts from when the request arrived, later from the
    last write.

    seconds: ≥ 0, before the simulator's `speed` divides it.
    """

    seconds: float


class Write(msgspec.Struct, frozen=True, tag=True):
    """Hand these bytes to the network, in one piece.

    data: as they go on the wire (on WebSocket: frames, or parts of one).
    """

    data: bytes


class Close(msgspec.Struct, frozen=True, tag=True):
    """End the connection in an orderly way: FIN on TCP, a close handshake on WebSocket.

    code, reason: of the WebSocket close frame; code None: no close frame, the stream just ends.
    """

    code: int | None = 1000
    reason: str = ""


class Reset(msgspec.Struct, frozen=True, tag=True):
    """Break the connection off: the peer gets a TCP RST."""


class Stall(msgspec.Struct, frozen=True, tag=True):
    """Keep the connection open and never say anything on it again."""


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Let packets that come later go first.

    behind: how many (≥ 1).
    """

    behind: int


Step: TypeAlias = Wait | Write | Close | Reset | Stall | Hold


class Delivery(msgspec.Struct, frozen=True):
    """How one packet leaves.

    steps: carried out in this order; none: the packet never leaves.
    ordered: whether it waits for the connection's earlier packets to leave first.
    """

    steps: tuple[Step, ...]
    ordered: bool = True

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The plain delivery: these bytes, now."""
        return cls((Write(data),))

    def preceded_by(self, *steps: Step) -> Self:
        """These steps first, then the plan."""
        return self._with((*steps, *self.steps))

    def followed_by(self, *steps: Step) -> Self:
        """The plan, then these steps."""
        return self._with((*self.steps, *steps))

    def replacing_writes(self, change: Callable[[bytes], Iterable[Step]]) -> Self:
        """The plan with each write replaced by the steps that `change` makes of its bytes."""
        steps: list[Step] = []
        for step in self.steps:
            if isinstance(step, Write):
                steps.extend(change(step.data))
            else:
                steps.append(step)
        return self._with(tuple(steps))

    def _with(self, steps: tuple[Step, ...]) -> Self:
        return type(self)(steps, self.ordered)
