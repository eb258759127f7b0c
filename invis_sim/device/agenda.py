"""What the outlet has to do later, and when: a list of appointments that somebody with a clock
keeps.

Nothing here waits. Whoever owns the agenda sets `now`, asks what is due next (`due`), and lets it
happen (`run_next`).
"""

import heapq
from collections.abc import Callable
from itertools import count

import msgspec

__all__ = ["Agenda", "Appointment"]


class Appointment(msgspec.Struct, eq=False):
    """Something to be done at a time.

    due: when, in seconds since the start.
    action: what.
    background: whether it is part of a rhythm that goes on for ever. Who lets time jump from
    appointment to appointment does not jump for these.
    cancelled: whether it is not to be done after all.
    """

    due: float
    action: Callable[[], None]
    background: bool = False
    cancelled: bool = False

    def cancel(self) -> None:
        """It will not be done. Once more, or after it was done, is no error."""
        self.cancelled = True


class Agenda:
    """Appointments, in the order of their time; those of one time in the order in which they were
    made.

    now: the present, in seconds since the start. It never goes back.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._entries: list[tuple[float, int, Appointment]] = []
        self._numbers = count()

    @property
    def now(self) -> float:
        """The present, in seconds since the start. To set it to an earlier time changes nothing."""
        return self._now

    @now.setter
    def now(self, seconds: float) -> None:
        self._now = max(self._now, seconds)

    def after(
        self, seconds: float, action: Callable[[], None], *, background: bool = False
    ) -> Appointment:
        """Makes an appointment.

        seconds: from now, ≥ 0.
        """
        appointment = Appointment(self.now + seconds, action, background)
        heapq.heappush(self._entries, (appointment.due, next(self._numbers), appointment))
        return appointment

    def due(self, *, background: bool = True) -> float | None:
        """When the next appointment is; None where there is none.

        background: whether those count that are in the background.
        """
        entries = self._entries
        while entries and entries[0][2].cancelled:
            heapq.heappop(entries)
        if background:
            return entries[0][0] if entries else None
        times = (due for due, _, one in entries if not (one.cancelled or one.background))
        return min(times, default=None)

    def run_next(self, seconds: float) -> bool:
        """Lets the next appointment happen if its time has come, and says whether it did.

        seconds: since the start, as late as it is. `now` becomes the time of the appointment, or
        this where nothing is due.
        """
        due = self.due()
        if due is None or due > seconds:
            self.now = seconds
            return False
        _, _, appointment = heapq.heappop(self._entries)
        self.now = due
        appointment.action()
        return True
