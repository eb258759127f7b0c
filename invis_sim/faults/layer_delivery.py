"""Faults of delivery: the outlet says the right thing; when and how it arrives is wrong."""

import math
from typing import Annotated, Literal

import msgspec

from invis_sim.faults.delivery import Close, Delivery, Step, Wait, Write
from invis_sim.faults.fault import Context, DeliveryFault, Seconds

__all__ = ["CloseConnection", "Delay", "Drop", "Duplicate", "Spread"]


_LONGEST = 1e9
"""The longest wait that is ever drawn, in seconds: thirty years. A spread's tail has no end."""


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds that are drawn anew each time, in one of three ways.

    min, max: evenly between the two.
    mean, stddev: normally distributed (never below 0).
    median, sigma: log-normally distributed, as network latencies are; sigma is that of the
    logarithm.
    """

    min: Seconds | None = None
    max: Seconds | None = None
    mean: Seconds | None = None
    stddev: Seconds | None = None
    median: Annotated[float, msgspec.Meta(gt=0)] | None = None
    sigma: Seconds | None = None

    def __post_init__(self) -> None:
        given = tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)
        if given not in (("min", "max"), ("mean", "stddev"), ("median", "sigma")):
            raise ValueError(
                "expected min and max, or mean and stddev, or median and sigma, found "
                + (" and ".join(given) or "none of them")
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) is above max ({self.max:g})")

    def draw(self, at: Context) -> float:
        """Seconds, ≥ 0."""
        if self.min is not None and self.max is not None:
            return at.random.uniform(self.min, self.max)
        if self.mean is not None and self.stddev is not None:
            return min(max(0.0, at.random.gauss(self.mean, self.stddev)), _LONGEST)
        assert self.median is not None
        assert self.sigma is not None
        logarithm = at.random.gauss(math.log(self.median), self.sigma)
        return math.exp(min(logarithm, math.log(_LONGEST)))


class Delay(DeliveryFault, frozen=True, tag="delay"):
    """Sends the packet later.

    What a client sees: a slow answer, or its own time-out with the answer arriving after it.
    Stands for: a busy outlet, a weak radio link, an update check that goes out to the internet.

    seconds: a number, or a spread: { min, max }, { mean, stddev } or { median, sigma }; counted
    from the arrival of the request, so that pipelined requests do not add up.
    overtake: whether packets behind it may pass it; otherwise the order is kept.
    """

    example = """
        kind = "delay"
        seconds = { min = 0.2, max = 1.5 }
        when = { callback = 20 }
    """

    seconds: Seconds | Spread
    overtake: bool = False

    def reroute(self, delivery: Delivery, at: Context) -> Delivery:
        seconds = self.seconds.draw(at) if isinstance(self.seconds, Spread) else self.seconds
        at.did(f"{seconds:.3f} s")
        ordered = delivery.ordered and not self.overtake
        return Delivery((Wait(seconds), *delivery.steps), ordered)


class Drop(DeliveryFault, frozen=True, tag="drop"):
    """Never sends the packet; the connection stays open.

    What a client sees: no answer; its time-out.
    Stands for: an outlet that lost the request in a full queue.
    """

    example = """
        kind = "drop"
        when = { callback = 20, every = 5 }
    """

    def reroute(self, delivery: Delivery, at: Context) -> Delivery:
        return delivery.replacing_writes(lambda data: ())


class Duplicate(DeliveryFault, frozen=True, tag="duplicate"):
    """Sends the packet more than once.

    What a client sees: an answer to a request that it no longer waits for.
    Stands for: firmware that answers a retransmitted request twice.

    copies: how many leave in all.
    gap: seconds between one and the next.
    """

    example = """
        kind = "duplicate"
        copies = 3
        gap = 0.05
    """

    copies: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 2
    gap: Seconds = 0.0

    def reroute(self, delivery: Delivery, at: Context) -> Delivery:
        writes = [n for n, step in enumerate(delivery.steps) if isinstance(step, Write)]
        if not writes:
            return delivery
        end = writes[-1] + 1
        packet, rest = delivery.steps[writes[0] : end], delivery.steps[end:]
        gap: tuple[Step, ...] = (Wait(self.gap),) if self.gap else ()
        copies = (*delivery.steps[:end], *(*gap, *packet) * (self.copies - 1), *rest)
        return Delivery(copies, delivery.ordered)


CloseCode = Annotated[
    int,
    msgspec.Meta(ge=1000, le=4999, description="A WebSocket close code that may stand in a frame."),
]


class CloseConnection(DeliveryFault, frozen=True, tag="close"):
    """Closes the connection around the packet.

    What a client sees: the end of the stream (TCP) or a close frame (WebSocket), instead of its
    answer, in the middle of it, or right after it.
    Stands for: an outlet that restarts its server, or runs out of memory for connections.

    moment: "before": the packet is not sent. "middle": half of its bytes are, and the stream ends
    without a close frame. "after": it is sent whole.
    code: the WebSocket close code, 1000-4999, save those that must not be sent (1004-1006, 1015).
    reason: the WebSocket close reason, at most 123 bytes in UTF-8.
    """

    example = """
        kind = "close"
        moment = "middle"
        when = { nth = 2, per = "connection" }
    """

    moment: Literal["before", "middle", "after"] = "before"
    code: CloseCode = 1011
    reason: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        allowed = 1000 <= self.code <= 1014 or 3000 <= self.code <= 4999
        if not allowed or self.code in (1004, 1005, 1006):
            raise ValueError(f"code {self.code} must not be sent in a close frame (RFC 6455, 7.4)")
        if len(self.reason.encode()) > 123:
            raise ValueError("reason is longer than the 123 bytes that a close frame has for it")

    def reroute(self, delivery: Delivery, at: Context) -> Delivery:
        at.did(self.moment)
        end = Close(self.code, self.reason)
        if self.moment == "after":
            return delivery.followed_by(end)
        if self.moment == "before":
            return delivery.replacing_writes(lambda data: ()).followed_by(end)
        return cut_in_the_middle(delivery).followed_by(Close(code=None))


def cut_in_the_middle(delivery: Delivery) -> Delivery:
    """The plan up to the middle of all its bytes."""
    left = sum(len(step.data) for step in delivery.steps if isinstance(step, Write)) // 2
    steps: list[Step] = []
    for step in delivery.steps:
        if isinstance(step, Write):
            if left > 0:
                steps.append(Write(step.data[:left]))
            left -= len(step.data)
            if left <= 0:
                break
        else:
            steps.append(step)
    return Delivery(tuple(steps), delivery.ordered)
