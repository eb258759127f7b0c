"""The machine's monotonic clock, which tools that freeze or move a test's time leave alone.

freezegun and its like replace `time.monotonic` and `time.perf_counter` in every loaded module,
trio's included. An outlet in a thread serves clients that the test has started, so its own time
must go on. They do not replace `time.clock_gettime`.
"""

import time
from functools import partial

from trio.abc import Clock

__all__ = ["MachineClock", "monotonic"]

if hasattr(time, "clock_gettime"):
    monotonic = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
else:  # Windows; kept in a partial, since it would be replaced as a global of this module
    monotonic = partial(time.perf_counter)


class MachineClock(Clock):
    """The clock of a trio event loop, in seconds of the machine's monotonic clock."""

    def start_clock(self) -> None:
        """Do nothing: the clock runs already."""

    def current_time(self) -> float:
        """Return the present time."""
        return monotonic()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long it is until a time."""
        return deadline - monotonic()
