"""When to poll without waiting: only as long as it is seen to pay off."""

__all__ = ["SpinCredit"]

MAX_CREDIT = 8
"""How many spins in a row may be in vain, at half of it, before there is a pause: a client that
hesitates now and then does not cause one."""

COST = 2
"""How much credit a spin in vain costs; one that pays off earns 1. A spin in vain takes its whole
time, and one that pays off saves about half as much: so two of three must pay off."""

MIN_PAUSE, MAX_PAUSE = 16, 1024
"""For how many chances there is a pause: the longest makes a spin in vain cost a request some
0.05 µs on average."""


class SpinCredit:
    """Decides whether to spin: to poll for the next request without waiting.

    To be woken costs more than to answer a request, so a spin pays off where the client asks again
    at once, from another core. It is in vain where the client takes longer, and where client and
    outlet share a core: there the client cannot ask while the outlet spins. Neither can be known
    beforehand, so this counts.
    """

    def __init__(self) -> None:
        self._credit = MAX_CREDIT
        self._pause = MIN_PAUSE  # the length of the next one
        self._skip = 0  # chances to be passed up until the present one is over

    def take_chance(self) -> bool:
        """Return whether to spin now; if so, `record` how that went."""
        if self._skip:
            self._skip -= 1
            return False
        return True

    def record(self, paid_off: bool) -> None:
        """Count a spin, which paid off if a request came."""
        if paid_off:
            self._credit = min(MAX_CREDIT, self._credit + 1)
            self._pause = MIN_PAUSE
            return
        self._credit -= COST
        if self._credit <= 0:
            self._credit = 1  # after the pause, one spin tries whether things have changed
            self._skip = self._pause
            self._pause = min(MAX_PAUSE, 2 * self._pause)
