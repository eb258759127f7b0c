"""Keeps the outlet's appointments: sleeps until one is due, and lets it happen."""

import math
from collections.abc import Callable

import trio

from invis_sim.device.outlet import Outlet

__all__ = ["Clock"]


class Clock:
    """The outlet's time.

    outlet: whose agenda is kept.
    started: when it started, by trio's clock.
    speed: by how much every wait is divided, above 0. With an infinite one, time stands still but
    for jumping to each appointment that is not part of a rhythm, as soon as it is made.
    happened: called after each appointment.
    """

    def __init__(
        self, outlet: Outlet, started: float, speed: float, happened: Callable[[], None]
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
        due = self._agenda.due(background=False)
        if due is None:
            return False
        while self._agenda.run_next(due):
            self._happened()
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
                while self._agenda.run_next(until):
                    self._happened()
                    await trio.lowlevel.checkpoint()  # many at once must not hold up others
            due = self._agenda.due(background=self._speed < math.inf)
            moment = math.inf if due is None else self._started + due / self._speed
            with trio.move_on_at(moment) as sleep:
                await self._changed.wait()
            if sleep.cancelled_caught and due is not None:
                slept_until = due  # rounding may have it that this is not yet
