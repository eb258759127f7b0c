"""A fault that is armed: its switch, its counters, and whether it applies this time.

Randomness comes from a generator that is seeded with the run's seed, the identity of the armed
fault, the connection's number, and how many packets of this connection the fault has matched so
far. So what a fault draws on one connection depends neither on what other connections do, nor on
which other faults there are.
"""

from random import Random

import msgspec

from invis_sim.faults.fault import LAYERS, Fault, OutageFault
from invis_sim.faults.outage import Outage

__all__ = ["ArmedFault", "Counts", "outage_of"]


class Counts(msgspec.Struct):
    """What an armed fault has counted, on one connection or in all.

    matched: packets or connections that meet its conditions of kind, place and time: those that
    `nth`, `first`, `after` and `every` count.
    applied: of those, to how many it was applied.
    """

    matched: int = 0
    applied: int = 0


class ArmedFault:
    """A fault with its identity, its switch and its counters.

    A `Pipeline` makes these, and only `Pipeline.enable` switches one: connections remember which
    faults are enabled, and the pipeline makes them look again.

    fault: what it is.
    name: the fault's name, or its kind.
    identity: "name#place", the place from 1 among those of that name that are present.
    order: sorts armed faults by the order in which they are applied.
    """

    # Hashed and compared by identity: a session keeps its counters by the object, so that the same
    # fault armed again starts from zero.
    __slots__ = ("_enabled", "_totals", "fault", "identity", "name", "order")

    def __init__(self, fault: Fault, identity: str, order: int) -> None:
        self.fault = fault
        self.name = fault.display_name
        self.identity = identity
        self.order = (LAYERS.index(fault.layer), order)
        self._enabled = fault.enabled
        self._totals = Counts()

    @property
    def enabled(self) -> bool:
        """Whether it applies."""
        return self._enabled

    @property
    def matched(self) -> int:
        """How many packets or connections it has matched, over all connections."""
        return self._totals.matched

    @property
    def applied(self) -> int:
        """How many times it has applied, over all connections."""
        return self._totals.applied

    def switch(self, enabled: bool) -> None:
        """Set the switch. For `Pipeline.enable`; sessions do not notice a call from elsewhere."""
        self._enabled = enabled

    def replace(self, fault: Fault, order: int) -> None:
        """Take over the switch of the same fault in another file, if the file has changed it, and
        its place there. For `Pipeline.reload`.
        """
        if fault.enabled != self.fault.enabled:
            self._enabled = fault.enabled
        self.fault = fault
        self.order = (LAYERS.index(fault.layer), order)

    def reset_counters(self) -> None:
        """Count from zero. For `Pipeline.reset_counters`, which resets those of sessions too."""
        self._totals = Counts()

    def count_and_match(
        self, connection_counts: Counts, seed: int, connection: int, now: float
    ) -> str | None:
        """Count a packet, or a connection, that meets the fault's conditions of kind and place.

        Call it once for each: a second call would count it twice.

        connection_counts: what the fault has counted on this connection.
        seed: of the run.
        connection: its number, as the random generator is to know it.
        now: simulated seconds since the start of the outlet.

        Returns the key of the fault's random generator if the fault applies here, else None.
        """
        when = self.fault.when
        if not when.matches_time(now):
            return None
        totals = self._totals
        connection_counts.matched += 1
        totals.matched += 1
        counts = connection_counts if when.per == "connection" else totals
        if not when.matches_count(counts.matched):
            return None
        # The count in the key is always the connection's, whatever `per` says: other connections
        # must not change the random numbers of this one.
        key = f"{seed}/{self.identity}/{connection}/{connection_counts.matched}"
        # A generator of its own, so that whether it applies does not shift what the effect draws.
        if when.probability < 1 and Random(f"{key}/apply").random() >= when.probability:
            return None
        # Last, because `times` limits how many it is applied to, not how many are considered.
        if when.times is not None and counts.applied >= when.times:
            return None
        connection_counts.applied += 1
        totals.applied += 1
        return key

    def undo_count(self, connection_counts: Counts) -> None:
        """Take back that the fault has applied: there was nothing to do for it."""
        connection_counts.applied -= 1
        self._totals.applied -= 1

    def count_timed_start(self) -> None:
        """Count the start of a timed outage, which comes with no packet and no connection."""
        self._totals.matched += 1
        self._totals.applied += 1


def outage_of(armed: ArmedFault) -> Outage:
    """The outage that an armed fault starts, with the identity of the armed fault.

    Raises TypeError for a fault that starts no outage.
    """
    if not isinstance(armed.fault, OutageFault):
        raise TypeError(f"{armed.name} starts no outage")
    return msgspec.structs.replace(armed.fault.outage(), identity=armed.identity)
