"""Keeps the outlet's appointments: sleeps until one is due, and lets it happen."""

import math
from collections.abc import Callable

import trio

from invis_sim.device.effects import Effect
from invis_sim.device.outlet import Outlet

__all__ = ["Clock"]


class Clock:
    """The outlet's time.

    outlet: whose agenda is kept.
    started: when it started, by trio's clock.
    speed: by how much every wait is divided, above 0. With an infinite one, time stands still but
    for jumping to each appointment that is not part of a rhythm, as soon as it is made.
    happened: called after each appointment, with its effects.
    """

    def __init__(
        self,
        outlet: Outlet,
        started: float,
        speed: float,
        happened: Callable[[tuple[Effect, ...]], None],
    ) -> None:
        self._agenda = outlet.schedule
        self._started = started
        self._speed = speed
        self._happened = happened
        self._changed = trio.Event()

    def seconds(self) -> float:
        """Seconds since the start, as the outlet counts them."""
        if self._speed == math.inf:
            return self._agenda.now
        return (trio.current_time() - self._started) * self._speed

    def changed(self) -> None:
        """There may be other appointments than before."""
        self._changed.set()

    def jump(self) -> bool:
        """With an infinite speed: lets the next appointment happen that is not part of a rhythm,
        and all before it. Says whether there was one.
        """
        due = self._agenda.next_due(daemon=False)
        if due is None:
            return False
        while (effects := self._agenda.run_due(due)) is not None:
            self._happened(effects)
        return True

    async def run(self) -> None:
        """Keeps the appointments, until it is cancelled."""
        slept_until = 0.0
        while True:
            self._changed = trio.Event()
            if self._speed == math.inf:
                while self.jump():
                    pass  # nobody sees anything in between
            else:
                until = max(self.seconds(), slept_until)
                while (effects := self._agenda.run_due(until)) is not None:
                    self._happened(effects)
                    await trio.lowlevel.checkpoint()  # many at once must not hold up others
            due = self._agenda.next_due(daemon=self._speed < math.inf)
            moment = math.inf if due is None else self._started + due / self._speed
            with trio.move_on_at(moment) as sleep:
                await self._changed.wait()
            if sleep.cancelled_caught and due is not None:
                slept_until = due  # rounding may have it that this is not yet
