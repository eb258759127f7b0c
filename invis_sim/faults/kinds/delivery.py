"""Faults of delivery: the right bytes, which arrive late, in pieces, in another order, or never."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise, repeat
from typing import Annotated

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.delivery import (
    Delivery,
    LetPass,
    MergeWithNext,
    Step,
    Wait,
    Write,
    even_cuts,
)
from invis_sim.faults.fault import Context, DeliveryFault, Seconds
from invis_sim.schema.build import Checked

__all__ = [
    "Coalesce",
    "Delay",
    "Distribution",
    "Drop",
    "Duplicate",
    "Reorder",
    "Split",
    "Throttle",
]


_MAX_WAIT = 1e9
"""The longest random wait, in seconds: thirty years. A distribution's tail has no end, and infinity
is not a time to wait for."""


class Distribution(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Random seconds, new each time, in one of three distributions.

    min, max: uniform between the two.
    mean, stddev: normal (never below 0).
    median, sigma: log-normal, as network latencies are; sigma is that of the logarithm.
    """

    min: Seconds | None = None
    max: Seconds | None = None
    mean: Seconds | None = None
    stddev: Seconds | None = None
    median: Annotated[float, msgspec.Meta(gt=0)] | None = None
    sigma: Seconds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = tuple(name for name in self.__struct_fields__ if getattr(self, name) is not None)
        if given not in (("min", "max"), ("mean", "stddev"), ("median", "sigma")):
            raise ValueError(
                "expected min and max, or mean and stddev, or median and sigma, found "
                + (" and ".join(given) or "none of them")
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:g}) is above max ({self.max:g})")

    def draw(self, ctx: Context) -> float:
        """Random seconds, ≥ 0."""
        if self.min is not None and self.max is not None:
            return ctx.random.uniform(self.min, self.max)
        if self.mean is not None and self.stddev is not None:
            return min(max(0.0, ctx.random.gauss(self.mean, self.stddev)), _MAX_WAIT)
        assert self.median is not None
        assert self.sigma is not None
        logarithm = ctx.random.gauss(math.log(self.median), self.sigma)
        return math.exp(min(logarithm, math.log(_MAX_WAIT)))


class Delay(DeliveryFault, frozen=True, tag="delay"):
    """Sends the packet later.

    What a client sees: a slow reply, or one that arrives after the client has timed out.
    Stands for: a busy outlet, a weak radio link, an update check that goes out to the internet.

    seconds: a number, or a distribution: { min, max }, { mean, stddev } or { median, sigma };
    counted from the arrival of the request, so that pipelined requests do not add up.
    overtake: whether later packets may pass it; otherwise the order is kept.
    """

    example = """
        kind = "delay"
        seconds = { min = 0.2, max = 1.5 }
        when = { callback = 20 }
    """
    cases = (
        Case("survive", "short", "A third of a second is within any time-out.", {"seconds": 0.3}),
        Case(
            "survive",
            "varying",
            "A third of a second is within any time-out.",
            {"seconds": {"min": 0.0, "max": 0.3}},
        ),
        Case(
            "survive",
            "overtaken",
            "Replies may come in another order than requests.",
            {"seconds": 0.2, "overtake": True},
        ),
        Case("notice", "hour", "A request needs a time-out.", {"seconds": 3600}),
        Case(
            "either",
            "hour-once",
            "Only the first reply takes for ever: ask again, or say so.",
            {"seconds": 3600, "overtake": True},
            when={"first": 1},
        ),
    )

    seconds: Seconds | Distribution
    overtake: bool = False

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        seconds = self.seconds.draw(ctx) if isinstance(self.seconds, Distribution) else self.seconds
        ctx.detail(f"{seconds:.3f} s" if seconds < _MAX_WAIT else f"{seconds:g} s")
        late = delivery.preceded_by(Wait(seconds))
        return msgspec.structs.replace(late, ordered=delivery.ordered and not self.overtake)


class Drop(DeliveryFault, frozen=True, tag="drop"):
    """Never sends the packet.

    What a client sees: no reply, on a connection that stays open; it times out.
    Stands for: an outlet that lost the request in a full queue.
    """

    example = """
        kind = "drop"
        when = { callback = 20, every = 5 }
    """
    cases = (
        Case("notice", "always", "A request needs a time-out."),
        Case(
            "either",
            "once",
            "Only the first reply is lost: ask again, or say so.",
            when={"first": 1},
        ),
    )

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        return delivery.replacing_writes(lambda data: ())


class Duplicate(DeliveryFault, frozen=True, tag="duplicate"):
    """Sends the packet more than once.

    What a client sees: a reply to a request that has its reply already.
    Stands for: firmware that answers a retransmitted request twice.

    copies: how many are sent in all.
    gap: seconds between one and the next.
    """

    example = """
        kind = "duplicate"
        copies = 3
        gap = 0.05
    """
    cases = (
        *(
            Case("survive", label, "What matches no open request is to be ignored.", keys)
            for label, keys in (
                ("2-copies", {"copies": 2}),
                ("3-copies-apart", {"copies": 3, "gap": 0.05}),
                ("50-copies", {"copies": 50}),
            )
        ),
    )

    copies: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 2
    gap: Seconds = 0.0

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        writes = [n for n, step in enumerate(delivery.steps) if isinstance(step, Write)]
        if not writes:
            ctx.skip()
            return delivery
        end = writes[-1] + 1
        packet, rest = delivery.steps[writes[0] : end], delivery.steps[end:]
        gap: tuple[Step, ...] = (Wait(self.gap),) if self.gap else ()
        again = repeat((*gap, *packet), self.copies - 1)
        ctx.detail(f"{self.copies} copies")
        return delivery.with_steps(chain(delivery.steps[:end], chain.from_iterable(again), rest))


class Reorder(DeliveryFault, frozen=True, tag="reorder"):
    """Sends later packets first.

    What a client sees: replies in another order than its requests; a client that sends one request
    at a time sees a delay of `max_wait`.
    Stands for: firmware with several workers, of which one got the longer job.

    let_pass: how many packets go first, from 1. A packet that comes while another is held is one of
    those: with let_pass = 1 on every packet, each two of them swap places.
    max_wait: seconds after which the packet leaves anyway, from 0.
    """

    example = """
        kind = "reorder"
        let_pass = 2
        when = { every = 3 }
    """
    cases = (
        Case(
            "survive",
            "1-first",
            "Replies may come in another order than requests.",
            {"let_pass": 1, "max_wait": 0.2},
        ),
        Case(
            "survive",
            "3-first",
            "Replies may come in another order than requests.",
            {"let_pass": 3, "max_wait": 0.3},
        ),
    )

    let_pass: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    max_wait: Seconds = 1.0

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(f"let {self.let_pass} pass")
        return delivery.followed_by(LetPass(self.let_pass, self.max_wait))


class Coalesce(DeliveryFault, frozen=True, tag="coalesce"):
    """Merges the packet with the next one into one write.

    What a client sees: two packets in one read; a client that takes each read for one packet loses
    the second, or both.
    Stands for: a network stack that gathers small packets (Nagle), a reply and a push at the same
    moment.

    max_wait: seconds after which the packet leaves alone, from 0. On every packet, they leave in
    pairs.
    """

    example = """
        kind = "coalesce"
        when = { every = 2 }
    """
    cases = (
        Case(
            "survive",
            "alone",
            "A third of a second is within any time-out.",
            {"max_wait": 0.3},
        ),
        Case(
            "survive",
            "with-push",
            "One read may hold the reply and a push behind it.",
            {"max_wait": 1.0},
            then={"push": 9},
        ),
    )

    max_wait: Seconds = 1.0

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        return delivery.followed_by(MergeWithNext(self.max_wait))


class Split(DeliveryFault, frozen=True, tag="split"):
    """Sends the packet in several writes.

    What a client sees: part of a reply in one read and the rest in later ones; a client that takes
    each read for one packet cannot parse it.
    Stands for: small send buffers, segments that are lost and sent again.

    pieces: how many, from 2, but no more than it has bytes; all of about the same size. The default
    is 2.
    size: instead of `pieces`: how many bytes each has, from 1, the last one perhaps fewer.
    gap: seconds between one and the next, from 0.
    """

    example = """
        kind = "split"
        pieces = 3
        gap = 0.05
    """
    cases = (
        *(
            Case("survive", label, "TCP is a stream: a read may end anywhere.", keys)
            for label, keys in (
                ("2-pieces", {"pieces": 2}),
                ("2-pieces-apart", {"pieces": 2, "gap": 0.1}),
                ("3-pieces-apart", {"pieces": 3, "gap": 0.05}),
                ("bytes", {"size": 1}),
                ("10-pieces-apart", {"pieces": 10, "gap": 0.01}),
                ("20-pieces-apart", {"pieces": 20, "gap": 0.005}),
                ("64-bytes-apart", {"size": 64, "gap": 0.01}),
            )
        ),
    )

    pieces: Annotated[int, msgspec.Meta(ge=2, le=10_000)] | None = None
    size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    gap: Seconds = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pieces is not None and self.size is not None:
            raise ValueError("expected pieces or size, found both")

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(f"{self.size} bytes each" if self.size else f"{self.pieces or 2} pieces")
        return delivery.replacing_writes(self._steps)

    def _steps(self, data: bytes) -> Iterator[Step]:
        cuts: Iterable[int]
        if self.size is not None:
            cuts = chain(range(0, len(data), self.size), (len(data),))
        else:
            cuts = even_cuts(len(data), max(1, min(self.pieces or 2, len(data))))
        for start, end in pairwise(cuts):
            if start and self.gap:
                yield Wait(self.gap)
            yield Write(data[start:end])


class Throttle(DeliveryFault, frozen=True, tag="throttle"):
    """Sends the packet at a limited rate.

    What a client sees: a reply that trickles in.
    Stands for: a weak radio link, a serial line in between.

    bytes_per_second: above 0.
    """

    example = """
        kind = "throttle"
        bytes_per_second = 200
    """
    cases = (
        Case("survive", "fast", "A reply may trickle in.", {"bytes_per_second": 2000}),
        Case(
            "either",
            "slow",
            "The reply takes a minute: wait for it, or say so; a time-out counts from the request.",
            {"bytes_per_second": 5},
        ),
    )

    bytes_per_second: Annotated[float, msgspec.Meta(gt=0)]

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(f"{self.bytes_per_second:g} bytes/s")
        return delivery.with_steps(
            Write(step.data, self.bytes_per_second) if isinstance(step, Write) else step
            for step in delivery.steps
        )
