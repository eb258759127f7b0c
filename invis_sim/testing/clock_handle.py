"""The time of outlets in another thread."""

from concurrent.futures import Future

from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.server.clock import Clock
from invis_sim.server.timeline import RealTime, SimTime
from invis_sim.testing.event_loops import completed
from invis_sim.testing.thread import SimulatorThread, result_of

__all__ = ["ClockHandle"]

__tracebackhide__ = hide_frames


class ClockHandle:
    """The time of an outlet in another thread. What it offers is what `Clock` offers."""

    def __init__(self, clock: Clock, thread: SimulatorThread) -> None:
        self._clock = clock
        self._thread = thread

    def real(self) -> RealTime:
        """Return the real time, in seconds of trio's clock."""
        return self._thread.call(self._clock.real)

    def sim(self) -> SimTime:
        """Return the simulated time, in seconds."""
        return self._thread.call(self._clock.sim)

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in a real one; may be set at any time, above 0 or inf."""
        return self._clock.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._thread.call(setattr, self._clock, "speed", speed)

    @property
    def paused(self) -> bool:
        """Whether time is stopped."""
        return self._clock.paused

    def pause(self) -> None:
        """Stop time. Requests are still answered; whatever waits goes on waiting."""
        self._thread.call(self._clock.pause)

    def resume(self) -> None:
        """Let time pass again."""
        self._thread.call(self._clock.resume)

    def advance(self, seconds: float) -> None:
        """Move time forward, also while it is paused, and return when all that falls due by then
        has happened.

        seconds: simulated, 0 or more, finite. Raises ValueError for another number.
        """
        self._thread.run_task(lambda: self._clock.advance(seconds))

    def settle(self) -> None:
        """Move time forward until no timer is left but rhythms, also while it is paused.

        Raises RuntimeError where that does not come to an end.
        """
        self._thread.run_task(self._clock.settle)

    async def async_advance(self, seconds: float) -> None:
        """Do as `advance`, in asyncio or trio: other tasks run meanwhile."""
        await self._finish(self._thread.start_task(lambda: self._clock.advance(seconds)))

    async def async_settle(self) -> None:
        """Do as `settle`, in asyncio or trio: other tasks run meanwhile."""
        await self._finish(self._thread.start_task(self._clock.settle))

    async def _finish(self, answer: Future[None]) -> None:
        await completed(answer)
        if answer.cancelled():
            self._thread.raise_exit_error()
        result_of(answer)
