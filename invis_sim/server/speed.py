"""How long what a scenario calls a second lasts outside."""

import math

__all__ = ["scaled"]


def scaled(seconds: float, speed: float) -> float:
    """How long an injected wait lasts, in seconds as they pass outside.

    seconds: ≥ 0, as a scenario has them.
    speed: what divides them, above 0; infinite: no wait lasts, also one without end.
    """
    return 0.0 if speed == math.inf else seconds / speed
