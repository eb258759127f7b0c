"""The time of one outlet: simulated seconds since it started, and the timers in its schedule.

A `Clock` makes the timelines that share its time, and runs their timers.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NewType

import trio

from invis_sim.commands.command import ClockChanged, CommandEffect
from invis_sim.device.effects import Effect
from invis_sim.device.schedule import Schedule, Timer

if TYPE_CHECKING:
    from invis_sim.server.clock import Clock

__all__ = ["RealTime", "SimTime", "Timeline"]

RealTime = NewType("RealTime", float)
"""Seconds of trio's clock, which is monotonic; its zero means nothing."""

SimTime = NewType("SimTime", float)
"""Simulated seconds since the clock, or an outlet, started."""


class Timeline:
    """The time of one outlet: simulated seconds since it started, and timers in its schedule.

    `Clock.timeline` makes one. apply: called with the effects of a timer, or of a change of time.

    due: when the next timer is, by the clock; for the clock alone.
    """

    def __init__(
        self,
        clock: "Clock",
        schedule: Schedule,
        apply: Callable[[Iterable[CommandEffect]], None],
        started: float,
    ) -> None:
        self.clock = clock
        self.due: float | None = None
        self._schedule = schedule
        self._apply = apply
        self._started = started
        self._runs_timer = False

    def now(self) -> SimTime:
        """Return the simulated seconds since the outlet started.

        While a timer runs, that is the time of the timer, however late it is: what comes of it
        must not depend on how busy the machine is.
        """
        if self._runs_timer:
            return SimTime(self._schedule.now)
        return SimTime(self.clock._sim() - self._started)

    def at_real(self, moment: float) -> SimTime:
        """Return the simulated seconds since the outlet started at a real time just passed."""
        clock = self.clock  # its `_sim_at`, written out: this is asked for each request
        sim = clock._sim_base + (moment - clock._real_base) * clock._rate
        return SimTime(sim - self._started)

    def clock_changed(self, effect: ClockChanged) -> None:
        """Apply the effect of a change of how time passes."""
        self._apply((effect,))

    def changed(self) -> None:
        """Look at the schedule again: a timer was set or cancelled in it."""
        if not self._runs_timer:  # else once, at its end
            self.clock._note(self)

    def after(
        self, seconds: float, action: Callable[[], Iterable[Effect] | None], *, daemon: bool = False
    ) -> Timer:
        """Run an action once, after a number of simulated seconds."""
        self._schedule.move_to(self.now())
        timer = self._schedule.after(seconds, action, daemon=daemon)
        self.changed()
        return timer

    def at(self, moment: float, action: Callable[[], Iterable[Effect] | None]) -> Timer:
        """Run an action once, at a time since the outlet started; at once where that has passed."""
        return self.after(max(0.0, moment - self.now()), action)

    async def sleep_until(self, moment: float) -> None:
        """Return at a simulated time since the outlet started; at once where that has passed."""
        if moment <= self.now():
            return
        woken = trio.Event()
        timer = self.at(moment, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    async def sleep(self, seconds: float) -> None:
        """Return after a number of simulated seconds."""
        await self.sleep_until(self.now() + seconds)

    @contextmanager
    def move_on_after(self, seconds: float) -> Iterator[trio.CancelScope]:
        """Cancel the block after a number of simulated seconds."""
        with trio.CancelScope() as scope:
            timer = self.after(seconds, scope.cancel)
            try:
                yield scope
            finally:
                timer.cancel()

    def next_due(self, *, daemon: bool = True) -> float | None:
        """Return when the next timer is due, by the clock; None: there is no timer."""
        due = self._schedule.next_due(daemon=daemon)
        return None if due is None else self._started + due

    def run_due(self, until: float, gap: float = 0.0) -> None:
        """Run one timer that is due by this time of the clock, and apply what comes of it.

        gap: how long after this time a rhythm rests at least.
        """
        due = self._schedule.next_due()
        if due is None or self._started + due > until:  # the timer was cancelled meanwhile
            self.changed()
            return
        # Subtracting what was added may leave a little less: the timer is due all the same.
        self._runs_timer = True
        try:
            effects = self._schedule.run_due(max(due, until - self._started), gap)
            if effects:
                self._apply(effects)
        finally:
            self._runs_timer = False
            self.changed()

    def close(self) -> None:
        """Run no more timers of this outlet."""
        self.clock._forget(self)
