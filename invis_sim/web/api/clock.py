"""Time: how fast it passes, and jumps."""

import math
from typing import Annotated, Literal

import msgspec

from invis_sim.server.clock import Clock
from invis_sim.web.api.commands import BY
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem, invalid
from invis_sim.web.request import Call

__all__ = ["OPERATIONS", "ClockView"]


class ClockView(msgspec.Struct, frozen=True):
    """The time of all outlets.

    seconds: simulated seconds since the start.
    speed: how many of them pass in a real one, or "inf": time jumps from timer to timer.
    paused: whether time is stopped.
    """

    seconds: float
    speed: float | Literal["inf"]
    paused: bool


class ClockPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """speed: how many simulated seconds are to pass in a real one, above 0, or "inf".
    paused: whether time is to stop.
    """

    speed: Annotated[float, msgspec.Meta(gt=0)] | Literal["inf"] | None = None
    paused: bool | None = None


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """seconds: simulated seconds by which time moves forward."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e9)]


def view(clock: Clock) -> ClockView:
    """Return what time it is."""
    speed = clock.speed
    return ClockView(clock.sim(), "inf" if speed == math.inf else speed, clock.paused)


def get_clock(call: Call) -> ClockView:
    """Return what time it is and how fast it passes."""
    return view(call.runtime.clock)


def patch_clock(call: Call) -> ClockView:
    """Change how fast time passes, or stop it. Requests are answered all the same."""
    patch, clock = call.body(ClockPatch), call.runtime.clock
    speed = math.inf if patch.speed == "inf" else patch.speed
    clock.change(speed=speed, paused=patch.paused, by=BY)
    return view(clock)


async def advance(call: Call) -> ClockView:
    """Move time forward, also while it is paused, and answer when all that falls due by then has
    happened.
    """
    seconds = call.body(Advance).seconds
    try:
        await call.runtime.clock.advance(seconds, by=BY)
    except RuntimeError as error:
        raise HttpProblem(409, str(error)) from None
    except ValueError as error:
        raise invalid(str(error)) from None
    return view(call.runtime.clock)


async def settle(call: Call) -> ClockView:
    """Move time forward until no timer is left but periodic ones."""
    try:
        await call.runtime.clock.settle(by=BY)
    except RuntimeError as error:
        raise HttpProblem(409, str(error)) from None
    return view(call.runtime.clock)


OPERATIONS = (
    Operation(method="GET", path="/api/clock", handler=get_clock, answer=ClockView),
    Operation(
        method="PATCH", path="/api/clock", handler=patch_clock, body=ClockPatch, answer=ClockView
    ),
    Operation(
        method="POST",
        path="/api/clock/advance",
        handler=advance,
        body=Advance,
        answer=ClockView,
    ),
    Operation(method="POST", path="/api/clock/settle", handler=settle, answer=ClockView),
)
