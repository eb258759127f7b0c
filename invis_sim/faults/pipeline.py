"""The faults of one outlet: armed, removed, switched, found by name.

A `Pipeline` is the set of armed faults; each connection has a `FaultSession` of its own through
them (`session.py`, which also draws the way of a packet). Sessions remember which faults concern
them and compare `Pipeline.version` to know when to look again, so a pipeline has no callbacks.

The rules of this file:

- Faults are listed in the order in which they apply: layer by layer (`LAYERS`), within a layer in
  the order of the scenario file, those armed later last.
- The identity of an armed fault is its name and the lowest free place among those of that name. So
  removing a fault and arming the same one again gives the same identity, and the same random
  numbers.
"""

from collections.abc import Iterable, Iterator
from itertools import count

from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.fault import Fault
from invis_sim.faults.session import AppliedFault, FaultSession
from invis_sim.protocol.transport import Transport

__all__ = ["AppliedFault", "Pipeline"]


class Pipeline:
    """The faults of one outlet, in the order in which they apply.

    faults: in the order of the scenario file.
    seed: of all random numbers that faults draw.
    version: rises with every change that sessions and the scheduler of timed outages must see.
    counters_version: rises when all counters start again from zero.
    connection_base: the connection number from which random numbers count; see `reseed`.
    """

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self.seed = seed
        self.version = 0
        self.counters_version = 0
        self.connection_base = 0
        self._armed: list[ArmedFault] = []
        self._last_order = 0  # no iterator of itertools: those cannot be copied
        for fault in faults:
            self.arm(fault)
        self._initial = tuple(self._armed)

    def arm(self, fault: Fault) -> ArmedFault:
        """Add a fault, after those of its layer that are present."""
        self._last_order += 1
        armed = ArmedFault(fault, self._free_identity(fault.display_name), self._last_order)
        self._armed.append(armed)
        self._armed.sort(key=lambda armed: armed.order)
        self.version += 1
        return armed

    def remove(self, armed: ArmedFault) -> None:
        """Remove an armed fault. Idempotent."""
        if armed in self._armed:
            self._armed.remove(armed)
            self.version += 1

    def enable(self, armed: ArmedFault, enabled: bool) -> None:
        """Switch an armed fault on or off. It counts nothing while it is off."""
        armed.switch(enabled)
        self.version += 1

    def reset(self) -> None:
        """Go back to the faults of the beginning, in their order, each enabled as it was then.

        Faults that are still present keep their counters, which `reset_counters` resets; those that
        were removed are armed again and start from zero.
        """
        present = set(self._armed)
        self._initial = tuple(
            # The second of an order is its place within the layer: as in the file.
            armed if armed in present else ArmedFault(armed.fault, armed.identity, armed.order[1])
            for armed in self._initial
        )
        for armed in self._initial:
            armed.switch(armed.fault.enabled)
        self._armed = list(self._initial)
        self.version += 1

    def reload(self, faults: Iterable[Fault]) -> None:
        """Have other faults of the beginning. Those that are the same, but for their switch, stay
        with their counters, identity and switch; one that was switched differently in the file is
        switched. Faults that were added later stay, after the others of their layer.

        faults: in the order of the scenario file.
        """
        faults, old = tuple(faults), list(self._initial)
        initial: list[ArmedFault | None] = []
        for fault in faults:
            same = next((one for one in old if one.fault.same_but_switch(fault)), None)
            initial.append(same)
            if same is not None:
                old.remove(same)
        later = [armed for armed in self._armed if armed not in set(self._initial)]
        self._armed = [armed for armed in self._armed if armed not in old]
        order = count(1)
        placed: list[ArmedFault] = []
        for fault, armed in zip(faults, initial, strict=True):
            if armed is None:
                armed = ArmedFault(fault, self._free_identity(fault.display_name), next(order))
                self._armed.append(armed)
            else:
                armed.replace(fault, next(order))
            placed.append(armed)
        for armed in later:
            armed.replace(armed.fault, next(order))
        self._initial = tuple(sorted(placed, key=lambda armed: armed.order))
        self._last_order = next(order)
        self._armed.sort(key=lambda armed: armed.order)
        self.version += 1

    def reset_counters(self) -> None:
        """Make every fault count from zero again, on open connections too."""
        for armed in self._armed:
            armed.reset_counters()
        self.counters_version += 1
        self.version += 1  # sessions look at the version of counters only when this one differs

    def reseed(self, base: int) -> None:
        """Start the random numbers again: connection `base + 1` draws what connection 1 would have.

        Together with `reset_counters` this repeats a run without starting the outlet again.

        base: the number of the newest connection so far, ≥ 0.
        """
        self.connection_base = base

    def __iter__(self) -> Iterator[ArmedFault]:
        return iter(self._armed)

    def __len__(self) -> int:
        return len(self._armed)

    def __getitem__(self, name: str) -> ArmedFault:
        """The first of `matching(name)`. Raises KeyError that lists the names there are."""
        try:
            return self.matching(name)[0]
        except LookupError as error:
            raise KeyError(str(error)) from None

    def matching(self, name: str) -> tuple[ArmedFault, ...]:
        """All armed faults of this name, at least one; else the one with this identity.

        Raises LookupError that lists the names there are.
        """
        # A name goes first: a fault may be called what another one's identity is.
        found = tuple(armed for armed in self._armed if armed.name == name) or tuple(
            armed for armed in self._armed if armed.identity == name
        )
        if not found:
            names = ", ".join(map(repr, sorted({armed.name for armed in self._armed}))) or "none"
            raise LookupError(f"no fault is called {name!r}; there are: {names}")
        return found

    def session(self, transport: Transport, number: int) -> FaultSession:
        """The way through the faults for one new connection.

        number: the connection's, from 1.
        """
        return FaultSession(self, transport, number)

    def find_enabled(self, identity: str) -> ArmedFault | None:
        """Return the fault with this identity; None: it is not there, or is disabled."""
        return next((one for one in self._armed if one.enabled and one.identity == identity), None)

    def _free_identity(self, name: str) -> str:
        taken = {armed.identity for armed in self._armed}
        # The place has no "#" in it, so that identities differ where names do.
        return next(one for one in (f"{name}#{place}" for place in count(1)) if one not in taken)
