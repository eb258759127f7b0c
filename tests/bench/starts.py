"""Section: starting and stopping an outlet from Python, as a test suite does for each test."""

import time
from statistics import mean

from invis_sim import start_simulator
from tests.bench.report import Goal, heading, percentile, table

__all__ = ["starts"]

STARTS = 100
GOAL = Goal(at_most=1.5)
"""Milliseconds each, in the middle: the mean depends on what else the machine does."""


def starts(rounds: int) -> None:
    """A hundred default outlets, one after the other, in this process, several times."""
    heading(f"starts: {STARTS} times start_simulator() and stop, one after the other")
    _milliseconds()  # so that everything is imported
    taken = [value for _ in range(rounds) for value in _milliseconds()]
    shown = (mean(taken), percentile(taken, 0.5), percentile(taken, 0.99), max(taken))
    table(
        ("", "mean ms", "p50 ms", "p99 ms", "max ms", "goal"),
        ("start and stop", *(f"{value:.2f}" for value in shown), GOAL.verdict(shown[1])),
    )


def _milliseconds() -> list[float]:
    """How long each start and stop took."""
    taken = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with start_simulator():
            pass
        taken.append((time.perf_counter() - began) * 1000)
    return taken
