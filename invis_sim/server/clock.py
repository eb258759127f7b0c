"""Simulated time: one clock for all outlets that share it.

    real seconds (trio's clock, monotonic) ── times speed ──▶ simulated seconds

Everything that the simulator waits for on purpose is a timer in the schedule of its outlet: the
outlet's own timers, waits of faults, outages, steps, idle limits. The clock runs those timers. So
simulated time can run faster, stand still, be advanced, and at infinite speed jump from timer to
timer, and everything that depends on it stays right. Waits that protect the simulator from bad
clients (write and handshake time-outs) are real time and do not come here.

Daemon timers (rhythms, such as samples of the sensors) do not keep time going: at infinite speed
they run only when another timer's time lies beyond theirs, and `settle` does not wait for them.
"""

import heapq
import math
from collections.abc import Callable, Iterable
from itertools import count

import trio

from invis_sim.commands.command import ClockChanged, CommandEffect
from invis_sim.device.schedule import Schedule
from invis_sim.schema.numbers import check_seconds, check_speed
from invis_sim.server.tasks import wait_for_other_tasks
from invis_sim.server.timeline import RealTime, SimTime, Timeline

__all__ = ["Clock"]

TIMERS_PER_TURN = 32
"""How many timers run before other tasks have their turn: a thousand replies that are due at once
must not hold up a client, and a turn of the event loop costs as much as several timers."""

MIN_RHYTHM_SECONDS = 0.01
"""How far apart (real time) the runs of a rhythm are at least, at any finite speed: a hundred
pushes a second are more than a client needs, and at a speed of a billion the next one would always
be due already. Where they take longer than this, they rest as long as they took.
"""

MAX_TIMERS_TO_SETTLE = 100_000
"""After how many timers `settle` gives up. Steps that start something longer than their own rhythm
would keep it going for ever."""

MAX_ADVANCE_SECONDS = 1e9
"""How far `advance` goes at once: as far as any time in a scenario. Far beyond it, numbers are so
coarse that a timer of a few seconds would be due at once, again and again."""

STALE_ENTRIES = 64
"""How many entries that are out of date the clock keeps besides its timelines: most leave by
themselves, and with fewer the heap would be built again too often."""


class Clock:
    """The time of the outlets that share it. It starts at 0.

    speed: how many simulated seconds pass in a real one, above 0; infinite: time jumps from timer
    to timer as soon as one is set, and does not pass otherwise.

    Raises ValueError for another speed.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = check_speed(speed)
        self._paused = False
        # Simulated time at the moment (real) when it last changed its pace.
        self._sim_base = 0.0
        self._rate = 0.0
        self._real_base = trio.current_time()
        self._timelines: set[Timeline] = set()
        # (due, number, timeline), the earliest first. An entry whose due time is not the present
        # one of its timeline is out of date, and is skipped.
        self._heap: list[tuple[float, int, Timeline]] = []
        self._numbers = count()
        self._woken = trio.Event()
        self._took = 0.0  # how long (real time) the timers took that were due last
        self._sleeps_until = 0.0  # simulated; `run` need not wake for a timer after that
        self._stopped = False
        self._set_rate()

    # What time it is

    def real(self) -> RealTime:
        """Return the real time."""
        return RealTime(trio.current_time())

    def sim(self) -> SimTime:
        """Return the simulated time."""
        return SimTime(self._sim())

    def _sim(self) -> float:
        return self._sim_at(trio.current_time())

    def _sim_at(self, real: float) -> float:
        return self._sim_base + (real - self._real_base) * self._rate

    def _set_rate(self) -> None:
        """Follow the speed and the pause: how much simulated time passes in a real second by
        itself.
        """
        jumps = self._speed == math.inf
        self._rate = 0.0 if self._paused or jumps else self._speed
        self._woken.set()

    def _set_sim(self, seconds: float) -> None:
        """Make it this time now, or leave it where it is already later."""
        self._sim_base = max(self._sim(), seconds)
        self._real_base = trio.current_time()

    # How it passes

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in a real one; may be set at any time."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self.change(speed=check_speed(speed))

    @property
    def paused(self) -> bool:
        """Whether time is stopped."""
        return self._paused

    @property
    def jumps(self) -> bool:
        """Whether time jumps from timer to timer, and so to no rhythm by itself."""
        return self._speed == math.inf and not self._paused

    def pause(self) -> None:
        """Stop time. Requests are still answered; whatever waits goes on waiting."""
        self.change(paused=True)

    def resume(self) -> None:
        """Let time pass again."""
        self.change(paused=False)

    def change(
        self, *, speed: float | None = None, paused: bool | None = None, by: str = "python"
    ) -> None:
        """Change how time passes.

        speed: as the property. paused: whether time stops. None: as it is.
        by: who asks for it, for the journals of the outlets.

        Raises ValueError for another speed.
        """
        texts = []
        if speed is not None:
            speed = check_speed(speed)
            texts.append(f"clock speed {speed:g}")
        if paused is not None:
            texts.append("clock pause" if paused else "clock resume")
        self._set_sim(self._sim())
        self._speed = self._speed if speed is None else speed
        self._paused = self._paused if paused is None else paused
        self._set_rate()
        for text in texts:
            self._record(by, text)

    def _record(self, by: str, text: str) -> None:
        for timeline in tuple(self._timelines):
            timeline.clock_changed(ClockChanged(by, text))

    async def advance(self, seconds: float, *, by: str = "python") -> None:
        """Move time forward, also while it is paused, and return when all that falls due by then
        has happened.

        seconds: simulated, 0 to 1e9. by: who asks for it, for the journals of the outlets.

        Raises ValueError for another number, RuntimeError where time cannot pass, since a timer
        always sets another one that is due at once.
        """
        seconds = check_seconds(seconds, MAX_ADVANCE_SECONDS)
        self._record(by, f"clock advance {seconds:g}")
        await self._run_until(self._sim() + seconds)

    async def settle(self, *, by: str = "python") -> None:
        """Move time forward until no timer is left but rhythms, also while it is paused.

        by: who asks for it, for the journals of the outlets.

        Raises RuntimeError where that does not come to an end.
        """
        self._record(by, "clock settle")
        await wait_for_other_tasks()
        for _ in range(MAX_TIMERS_TO_SETTLE):
            due = self._next_due(daemon=False)
            if due is None:
                return
            self._skip_to(due)
            self._woken.set()
            await wait_for_other_tasks()
        raise _no_end()

    async def settle_at_infinite_speed(self) -> None:
        """At infinite speed, jump from timer to timer until only rhythms are left, or until it is
        clear that this comes to no end.
        """
        await self._jump(MAX_TIMERS_TO_SETTLE)

    def _skip_to(self, target: float) -> None:
        """Run what is due by this time in order, each rhythm only once, however often it was due:
        a wait of years must not take as long as the samples of the sensors in these years.
        """
        for _ in range(MAX_TIMERS_TO_SETTLE):  # one that sets itself again at once has no end
            first = self._next_due()
            if first is None or first > target:
                break
            self._set_sim(first)
            self._run_one(target)
        self._set_sim(target)

    async def _run_until(self, target: float) -> None:
        """Run every timer due by this time, each at its own time, and make it this time."""
        await wait_for_other_tasks()
        number, previous = 0, -math.inf
        while (due := self._next_due()) is not None and due <= target:
            self._set_sim(due)
            if due > previous:
                number, previous = 0, due
            while number < MAX_TIMERS_TO_SETTLE and self._run_one(due):
                number += 1
            if number >= MAX_TIMERS_TO_SETTLE:
                raise _no_end()
            # What a timer has woken may set further timers that are due by then.
            await wait_for_other_tasks()
        self._set_sim(target)
        self._woken.set()

    # Its timers

    def timeline(
        self,
        schedule: Schedule,
        apply: Callable[[Iterable[CommandEffect]], None],
        started: SimTime | None = None,
    ) -> "Timeline":
        """Return the time of one outlet, which starts now. See `Timeline`.

        started: a moment just passed at which it has started.
        """
        timeline = Timeline(self, schedule, apply, self._sim() if started is None else started)
        self._timelines.add(timeline)
        timeline.changed()
        return timeline

    def _forget(self, timeline: "Timeline") -> None:
        self._timelines.discard(timeline)
        timeline.due = None  # which puts its entries out of date

    def _note(self, timeline: "Timeline") -> None:
        """Take note that the timeline's next timer may be another."""
        # One that was closed stays so: its clients and its author may still be about to leave.
        if timeline not in self._timelines:
            return
        due = timeline.next_due()
        if due != timeline.due:
            timeline.due = due
            if due is not None:
                heapq.heappush(self._heap, (due, next(self._numbers), timeline))
            if len(self._heap) > 2 * len(self._timelines) + STALE_ENTRIES:
                self._compact()
        # At infinite speed a timer that is no rhythm is due at once, whatever comes first.
        if self._speed == math.inf or (due is not None and due < self._sleeps_until):
            self._woken.set()

    def _compact(self) -> None:
        """Remove entries that are out of date or double: a far one is added again and again."""
        self._heap = [
            (timeline.due, next(self._numbers), timeline)
            for timeline in self._timelines
            if timeline.due is not None
        ]
        heapq.heapify(self._heap)

    def _first(self) -> "Timeline | None":
        heap = self._heap
        while heap and heap[0][0] != heap[0][2].due:
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def _next_due(self, *, daemon: bool = True) -> float | None:
        if daemon:
            first = self._first()
            return None if first is None else first.due
        dues = [timeline.next_due(daemon=False) for timeline in self._timelines]
        return min((due for due in dues if due is not None), default=None)

    def _run_one(self, until: float, gap: float = 0.0) -> bool:
        """Run the first timer due by this time, and say whether there was one.

        gap: how long after this time a rhythm rests at least.
        """
        first = self._first()
        if first is None or first.due is None or first.due > until:
            return False
        first.run_due(until, gap)
        return True

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopped = True
        self._woken.set()

    async def run(self) -> None:
        """Run the timers when they are due, until `stop`."""
        overslept = 0.0  # a time that has come, even if rounding makes it appear not to have
        while not self._stopped:
            self._woken = trio.Event()
            # While it is awake, no timer need wake it: it looks which is the next before it sleeps.
            self._sleeps_until = -math.inf
            deadline = math.inf
            if not self._paused:
                if self._speed == math.inf:
                    await self._jump()
                else:
                    await self._catch_up(max(self._sim(), overslept))
                    due = self._next_due()
                    self._sleeps_until = math.inf if due is None else due
                    if due is not None:
                        deadline = self._real_base + (due - self._sim_base) / self._speed
            with trio.move_on_at(deadline) as sleep:
                await self._woken.wait()
            overslept = self._sleeps_until if sleep.cancelled_caught else 0.0

    async def _catch_up(self, until: float) -> None:
        began, number = trio.current_time(), 0
        # From the time that is due on, so what they take counts twice: once for them, once to rest.
        gap = self._speed * max(MIN_RHYTHM_SECONDS, 2 * self._took)
        while self._run_one(until, gap):
            number += 1
            if number % TIMERS_PER_TURN == 0:
                await trio.lowlevel.checkpoint()
        # Forgotten by halves: between two runs of a rhythm there may be many other timers.
        self._took = max(trio.current_time() - began, self._took / 2)

    async def _jump(self, most: float = math.inf) -> None:
        """Jump from timer to timer until only rhythms are left, at most so many times."""
        number = 0
        while self._speed == math.inf and not self._paused and number < most:
            number += 1
            due = self._next_due(daemon=False)
            if due is None:
                return
            self._skip_to(due)
            # Those that a timer has woken come before the next jump: they may set earlier timers.
            await trio.lowlevel.checkpoint()


def _no_end() -> RuntimeError:
    return RuntimeError(
        f"after {MAX_TIMERS_TO_SETTLE} timers there are still more; "
        "does a step start something that lasts longer than the time between two of them?"
    )
