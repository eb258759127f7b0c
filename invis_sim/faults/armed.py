"""A fault that is armed: its switch, its counters, and whether it applies this time.

Chance comes from a generator that is seeded with the seed, the rule's identity, the connection's
ordinal and how many packets of this connection the rule has selected so far. So what is drawn on
one connection does not depend on what others do, nor on which other faults there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from invis_sim.faults.fault import LAYERS, Fault

__all__ = ["ArmedFault", "Counts"]


class ArmedFault:
    """A fault that is armed: with its identity, its switch and its counters.

    name: the fault's name, or its kind.
    enabled: whether it applies; may be switched at any time.
    applied: how often it has applied.
    """

    def __init__(
        self, fault: Fault, identity: str, order: int, changed: Callable[[], None]
    ) -> None:
        self.fault = fault
        self.name = fault.display_name
        self.identity = identity
        self.order = (LAYERS.index(fault.layer), order)
        self.applied = 0
        self._selected = 0
        self._enabled = fault.enabled
        self._changed = changed

    @property
    def enabled(self) -> bool:
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value
        self._changed()

    def matches(self, mine: "Counts", seed: int, connection: int, seconds: float) -> str | None:
        """Counts a packet, or a connection, that the rule selects.

        mine: what the rule has counted on this connection.
        seed, connection: of the run, and the connection's ordinal.
        seconds: since the simulator started.

        Returns what to seed the fault's chance with if the fault applies here, else None.
        """
        when = self.fault.when
        if not when.matches_time(seconds):
            return None
        mine.selected += 1
        self._selected += 1
        per_connection = when.per == "connection"
        if not when.counts(mine.selected if per_connection else self._selected):
            return None
        key = f"{seed}/{self.identity}/{connection}/{mine.selected}"
        if when.probability < 1 and Random(f"{key}/apply").random() >= when.probability:
            return None
        applied = mine.applied if per_connection else self.applied
        if when.times is not None and applied >= when.times:
            return None
        mine.applied += 1
        self.applied += 1
        return key

    def undo_count(self, mine: "Counts") -> None:
        """Takes back that it has applied: there was nothing to do for the fault."""
        mine.applied -= 1
        self.applied -= 1


@dataclass(slots=True)
class Counts:
    """What a rule has counted on one connection."""

    selected: int = 0
    applied: int = 0
