"""What is to happen later, and when: a list of timers, kept by a caller that has a clock.

Nothing here waits. The caller asks when the next timer is due (`next_due`), and runs it once that
time has come (`run_due`), which returns the effects of its action.
"""

import heapq
from collections.abc import Callable, Iterable
from itertools import count
from typing import TypeAlias

from invis_sim.device.effects import Effect

__all__ = ["Action", "Schedule", "Timer"]

MIN_CANCELLED_BEFORE_COMPACTION = 64
"""The heaps are compacted only above this many cancelled timers: below, popping them one by one is
cheaper than building the heaps again."""

Action: TypeAlias = Callable[[], Iterable[Effect] | None]
"""What a timer does when it is due. It returns its effects in order; None: there are none."""


class Timer:
    """Something to be done at a time. Made by `Schedule.after` and `Schedule.every`.

    due: when, in seconds since the start; of a repeating timer, when it is next.
    action: what is done then.
    daemon: whether it is part of something that goes on for ever, or that no client waits for. A
    clock that jumps from timer to timer does not jump to a daemon.
    interval: the seconds between two runs of a repeating timer; None: it runs once.
    """

    __slots__ = ("_cancelled", "_queued", "_schedule", "action", "daemon", "due", "interval")

    def __init__(
        self, schedule: "Schedule", due: float, action: Action, daemon: bool, interval: float | None
    ) -> None:
        self.due = due
        self.action = action
        self.daemon = daemon
        self.interval = interval
        self._cancelled = False
        self._queued = False
        self._schedule = schedule

    @property
    def pending(self) -> bool:
        """Whether it is still to run."""
        return self._queued and not self._cancelled

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def cancel(self) -> None:
        """Cancel the timer. Idempotent, and no error after it has run."""
        if not self._cancelled:
            self._cancelled = True
            # One that has run is not in a heap any more, so there is nothing to compact.
            if self._queued:
                self._schedule._count_cancelled()


class Schedule:
    """Timers in the order of their time; those of the same time in the order in which they were
    made.

    phase: when a repeating timer first runs, as a part of its interval, above 0 and at most 1. With
    one of its own, each of many outlets does the same at another time.
    """

    def __init__(self, phase: float = 1.0) -> None:
        self._now = 0.0
        self._phase = phase
        self._numbers = count()
        # Two heaps, so that `next_due(daemon=False)` need not search. By `Timer.daemon`.
        self._heaps: dict[bool, list[tuple[float, int, Timer]]] = {False: [], True: []}
        self._cancelled = 0  # cancelled timers that are still in a heap

    @property
    def now(self) -> float:
        """The present, in seconds since the start."""
        return self._now

    def move_to(self, seconds: float) -> None:
        """Set the present, without running any timer. An earlier time than `now` changes nothing.

        seconds: since the start.
        """
        if seconds > self._now:
            self._now = seconds

    def __len__(self) -> int:
        """How many timers are kept, cancelled ones that are not yet removed included."""
        return sum(map(len, self._heaps.values()))

    def after(self, seconds: float, action: Action, *, daemon: bool = False) -> Timer:
        """Add a timer that runs once.

        seconds: from now, ≥ 0.
        """
        return self._add(Timer(self, self._now + seconds, action, daemon, None))

    def every(self, seconds: float, action: Action, *, in_phase: bool = True) -> Timer:
        """Add a repeating daemon timer, which first runs after the part of an interval that `phase`
        is. Runs that were missed are not made up for: it continues at the next multiple of its
        interval.

        seconds: between two runs, above 0.
        in_phase: False: it first runs after a whole interval.
        """
        first = self._now + seconds * (self._phase if in_phase else 1.0)
        return self._add(Timer(self, first, action, True, seconds))

    def next_due(self, *, daemon: bool = True) -> float | None:
        """When the next timer is due, in seconds since the start; None: there are no timers.

        daemon: whether daemon timers count.
        """
        heap = self._next_heap(daemon)
        return heap[0][0] if heap else None

    def run_due(self, until: float, gap: float = 0.0) -> tuple[Effect, ...] | None:
        """Run the next timer if it is due by `until`, and return its effects.

        `now` becomes the time of the timer, unless it is later already. Where no timer is due,
        `now` becomes `until`, and None is returned.

        until: in seconds since the start.
        gap: a repeating timer with a shorter interval than this rests so long after `until`.
        """
        heap = self._next_heap(daemon=True)
        if not heap or heap[0][0] > until:
            self.move_to(until)
            return None
        due, _, timer = heapq.heappop(heap)
        timer._queued = False
        self.move_to(due)
        if timer.interval is not None:
            missed = max(0.0, (until - due) // timer.interval)
            timer.due = due + timer.interval * (missed + 1)
            if timer.interval < gap:
                timer.due = max(timer.due, until + gap)
            # Before the action, which may cancel it.
            self._add(timer)
        effects = timer.action()
        return () if effects is None else tuple(effects)

    def _add(self, timer: Timer) -> Timer:
        timer._queued = True
        heapq.heappush(self._heaps[timer.daemon], (timer.due, next(self._numbers), timer))
        return timer

    def _next_heap(self, daemon: bool) -> list[tuple[float, int, Timer]]:
        """The heap with the next timer on top; an empty one where there is no timer."""
        # Asked for several times for each timer that runs, so this is written out.
        once, rhythms = self._heaps[False], self._heaps[True]
        while once and once[0][2]._cancelled:
            heapq.heappop(once)
            self._cancelled -= 1
        if not daemon:
            return once
        while rhythms and rhythms[0][2]._cancelled:
            heapq.heappop(rhythms)
            self._cancelled -= 1
        if once and (not rhythms or once[0][:2] < rhythms[0][:2]):
            return once
        return rhythms

    def _count_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > max(MIN_CANCELLED_BEFORE_COMPACTION, len(self) // 2):
            for heap in self._heaps.values():
                heap[:] = [entry for entry in heap if not entry[2].cancelled]
                heapq.heapify(heap)
            self._cancelled = 0
