"""Numbers that a caller gives and no file has: a speed, a time to wait. They may be infinite."""

import math
from operator import methodcaller
from typing import Any

from invis_sim.schema.build import require

__all__ = ["check_seconds", "check_speed", "check_timeout"]

# Hidden by pytest where a value that a test gives is wrong; see `protocol/hidden_frames.py`.
__tracebackhide__ = methodcaller("errisinstance", ValueError)


def check_speed(speed: Any) -> float:
    """Return how many simulated seconds pass in a real one. Raises ValueError."""
    return _check("speed", speed, _number(speed) > 0, "a number above 0, or inf")


def check_timeout(seconds: Any) -> float:
    """Return how many real seconds a caller waits at most. Raises ValueError."""
    return _check("timeout", seconds, _number(seconds) >= 0, "a number from 0, or inf")


def check_seconds(seconds: Any, most: float) -> float:
    """Return a number of simulated seconds, 0 to `most`. Raises ValueError."""
    expected = f"a number from 0 to {most:g}".replace("e+0", "e")
    return _check("seconds", seconds, 0 <= _number(seconds) <= most, expected)


def _number(value: Any) -> float:
    """The number; not a number (NaN), with which every comparison fails, for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _check(key: str, value: Any, valid: bool, expected: str) -> float:
    require(valid, key, expected, value)
    number: float = value
    return number
