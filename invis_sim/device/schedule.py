"""What the outlet has to do later, and when: a list of appointments that somebody with a clock
keeps.

Nothing here waits. Whoever owns the agenda sets `now`, asks what is due next (`due`), and lets it
happen (`run_next`).
"""

import heapq
from collections.abc import Callable
from itertools import count

__all__ = ["Schedule", "Timer"]

MIN_CANCELLED_BEFORE_COMPACTION = 64
"""So many cancelled appointments may lie about in any case."""


class Timer:
    """Something to be done at a time. An agenda makes them.

    due: when, in seconds since the start; of a rhythm, when it is next.
    """

    __slots__ = ("_cancelled", "_forget", "action", "background", "due", "every")

    def __init__(
        self,
        due: float,
        action: Callable[[], None],
        background: bool,
        every: float | None,
        forget: Callable[["Timer"], None],
    ) -> None:
        self.due = due
        self.action = action
        self.background = background
        self.every = every
        self._cancelled = False
        self._forget = forget

    @property
    def cancelled(self) -> bool:
        """Whether it is not to be done after all."""
        return self._cancelled

    def cancel(self) -> None:
        """It will not be done. Once more, or after it was done, is no error."""
        if not self._cancelled:
            self._cancelled = True
            self._forget(self)


class Schedule:
    """Appointments, in the order of their time; those of one time in the order in which they were
    made.

    Those in the background are part of something that goes on for ever, or that nobody waits for.
    Who lets time jump from appointment to appointment does not jump for these.

    now: the present, in seconds since the start. It never goes back.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._numbers = count()
        # Whether in the background → those appointments, as a heap.
        self._heaps: dict[bool, list[tuple[float, int, Timer]]] = {False: [], True: []}
        self._cancelled = 0  # how many of them

    @property
    def now(self) -> float:
        """The present, in seconds since the start. To set it to an earlier time changes nothing."""
        return self._now

    @now.setter
    def now(self, seconds: float) -> None:
        self._now = max(self._now, seconds)

    def __len__(self) -> int:
        """How many appointments lie here, cancelled ones that are not yet cleared away included."""
        return sum(map(len, self._heaps.values()))

    def after(
        self, seconds: float, action: Callable[[], None], *, background: bool = False
    ) -> Timer:
        """Makes an appointment.

        seconds: from now, ≥ 0.
        """
        return self._add(Timer(self.now + seconds, action, background, None, self._cancel_one))

    def every(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Makes an appointment in the background that comes again and again, the first time after
        as long. Where it was missed, it is not made up for: it goes on in its rhythm.

        seconds: above 0.
        """
        return self._add(Timer(self.now + seconds, action, True, seconds, self._cancel_one))

    def due(self, *, background: bool = True) -> float | None:
        """When the next appointment is; None where there is none.

        background: whether those count that are in the background.
        """
        heap = self._next_heap(background)
        return heap[0][0] if heap else None

    def run_next(self, seconds: float) -> bool:
        """Lets the next appointment happen if its time has come, and says whether it did.

        seconds: since the start, as late as it is. `now` becomes the time of the appointment, or
        this where nothing is due.
        """
        heap = self._next_heap(background=True)
        if not heap or heap[0][0] > seconds:
            self.now = seconds
            return False
        due, _, timer = heapq.heappop(heap)
        self.now = due
        if timer.every is not None:
            missed = max(0.0, (seconds - due) // timer.every)
            timer.due = due + timer.every * (missed + 1)
            self._add(timer)
        timer.action()
        return True

    def _add(self, timer: Timer) -> Timer:
        entry = (timer.due, next(self._numbers), timer)
        heapq.heappush(self._heaps[timer.background], entry)
        return timer

    def _next_heap(self, background: bool) -> list[tuple[float, int, Timer]]:
        """The heap with the next appointment on top; an empty one where there is none."""
        heaps = [self._heaps[False], *([self._heaps[True]] if background else [])]
        for heap in heaps:
            while heap and heap[0][2].cancelled:
                heapq.heappop(heap)
                self._cancelled -= 1
        return min(heaps, key=lambda heap: heap[0][:2] if heap else (float("inf"), 0))

    def _cancel_one(self, timer: Timer) -> None:
        self._cancelled += 1
        if self._cancelled > max(MIN_CANCELLED_BEFORE_COMPACTION, len(self) // 2):
            for heap in self._heaps.values():
                heap[:] = [entry for entry in heap if not entry[2].cancelled]
                heapq.heapify(heap)
            self._cancelled = 0
