"""A fleet: many outlets in one runtime, by serial number, and what is done to all or some."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import msgspec

from invis_sim.commands.command import Command
from invis_sim.commands.registry import CommandMethods
from invis_sim.faults.fault import Fault
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario import Scenario, ScenarioError
from invis_sim.scenario.diff import Reloaded
from invis_sim.scenario.fleet_loading import with_fleet
from invis_sim.scenario.fleet_outlets import members_of
from invis_sim.scenario.from_keys import checked, parse_commands
from invis_sim.scenario.loading import ScenarioSource, scenario_in
from invis_sim.schema.build import check, require
from invis_sim.schema.describe import did_you_mean
from invis_sim.schema.differences import differences
from invis_sim.server.addresses import ControlMethods
from invis_sim.server.clock import Clock
from invis_sim.server.fault_handle import FaultHandle
from invis_sim.server.runtime import Runtime
from invis_sim.server.several import do_on_all, rehearse_on_all
from invis_sim.server.simulator import Simulator

__all__ = ["Fleet", "FleetFault", "FleetMethods"]

__tracebackhide__ = hide_frames

H = TypeVar("H")

_FIXED = ("count", "first", "sn", "address", "ports")
"""The keys of [fleet] that cannot change while it runs: which outlets there are, and where."""


class FleetFault:
    """A fault of several outlets. As a context manager it removes it at the end of the block.

    handles: that of each outlet.
    """

    def __init__(self, handles: Sequence[FaultHandle]) -> None:
        self.handles = tuple(handles)

    @property
    def applied(self) -> int:
        """How often it has applied, on all outlets together."""
        return sum(handle.applied for handle in self.handles)

    def remove(self) -> None:
        """Remove the fault from each outlet. One that is gone already is no error."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class FleetMethods(Mapping[str, H], CommandMethods):
    """The outlets of a fleet, or some of them, by serial number. A method for each command, such as
    `push`, and `do` are about all of these: all carry it out, or none does.

    outlets: the handle of each, by the serial number with which it began.
    """

    def __init__(self, outlets: Mapping[str, H]) -> None:
        self._outlets = outlets

    def __getitem__(self, sn: str) -> H:
        """Return the outlet. Raises KeyError that says which there are."""
        if sn not in self._outlets:
            sns = tuple(self._outlets)
            there = f"; there are {len(sns)}, from {sns[0]} to {sns[-1]}" if sns else ""
            hint = did_you_mean(sn, sns) or there
            raise KeyError(f"no outlet has the serial number {sn!r}{hint}")
        return self._outlets[sn]

    def __contains__(self, sn: object) -> bool:
        return sn in self._outlets

    def __iter__(self) -> Iterator[str]:
        return iter(self._outlets)

    def __len__(self) -> int:
        return len(self._outlets)

    def __repr__(self) -> str:
        sns = tuple(self._outlets)
        which = f", from {sns[0]} to {sns[-1]}" if sns else ""
        return f"<{type(self).__name__}: {len(sns)} outlets{which}>"

    def select(self, condition: Callable[[H], object]) -> Self:
        """Return the outlets for which the condition holds at this moment, for commands to them:
        `fleet.select(lambda outlet: outlet.offline).reboot()`.

        condition: called with the handle of each outlet. Raises ValueError for anything else.
        """
        require(callable(condition), "condition", "a function", condition)
        return self._select(condition)

    def _select(self, condition: Callable[[H], object]) -> Self:
        raise NotImplementedError

    def inject(self, fault: Fault) -> FleetFault:
        """Add a fault to each outlet: in `with` until the end of the block, else until it is
        removed.

        Raises CommandError for a fault with a value out of range.
        """
        raise NotImplementedError

    def reload(self, scenario: ScenarioSource) -> Reloaded:
        """Run another scenario from now on: what differs from the present one is carried out, on
        all outlets or on none; see `SimulatorHandle.reload`. How many outlets there are, their
        serial numbers and addresses stay.

        scenario: as for `start_fleet`.

        Returns what has changed, and what cannot change while they run. Raises ScenarioError,
        CommandError.
        """
        return self.carry_out_reload(scenario_in(scenario), "python")

    def carry_out_reload(self, scenario: Scenario, by: str) -> Reloaded:
        """Reload a checked scenario. by: who asks, for the journal. Raises as `reload`."""
        raise NotImplementedError


class Fleet(FleetMethods[Simulator], ControlMethods):
    """Running outlets, by serial number. `open_fleet` makes one.

    scenario: what they were made from. seed: of the fleet, from which those of the outlets come.
    runtime: what they share. clock: their time.
    """

    def __init__(
        self, outlets: Mapping[str, Simulator], scenario: Scenario, seed: int, runtime: Runtime
    ) -> None:
        super().__init__(outlets)
        self._every_sn = tuple(outlets)
        self.scenario = scenario
        self.seed = seed
        self.runtime = runtime
        self.clock: Clock = runtime.clock

    def do(self, *commands: Command, by: str = "python", **keys: Any) -> None:
        """Carry out commands on each outlet: all of them in order, on all, or nothing on any.

        The arguments, and what it raises, are those of `Simulator.do`.
        """
        check(str, by, "by")
        given = (*map(checked, commands), *parse_commands(keys))
        do_on_all(tuple(self.values()), given, by)

    def inject(self, fault: Fault) -> FleetFault:
        return FleetFault([outlet.inject(fault) for outlet in self.values()])

    def _select(self, condition: Callable[[Simulator], object]) -> "Fleet":
        return self.only([sn for sn, outlet in self.items() if condition(outlet)])

    def only(self, sns: Iterable[str]) -> "Fleet":
        """Return the outlets with these serial numbers."""
        part = copy.copy(self)
        part._outlets = {sn: self[sn] for sn in sns}
        return part

    def carry_out_reload(self, scenario: Scenario, by: str) -> Reloaded:
        scenario, fixed = self._with_same_outlets(scenario)
        try:
            members = members_of(scenario, self.seed)
        except ValueError as error:
            raise ScenarioError([str(error)]) from None
        pairs = [
            (self._outlets[sn], member.scenario)
            for sn, member in zip(self._every_sn, members, strict=True)
            if sn in self._outlets
        ]
        own = dict(pairs)
        rehearse_on_all(tuple(own), lambda outlet: outlet.rehearse_reload(own[outlet]))
        done = [outlet.carry_out_reload(one, by) for outlet, one in pairs]
        self.scenario = scenario
        changed = dict.fromkeys(text for one in done for text in one.changed)
        fixed |= dict.fromkeys(key for one in done for key in one.fixed)
        return Reloaded(tuple(changed), tuple(fixed))

    def _with_same_outlets(self, new: Scenario) -> tuple[Scenario, dict[str, None]]:
        """Return the scenario with as many outlets, at the same places, as there are, and the keys
        that would have it otherwise.
        """
        running = self.scenario.fleet
        assert running is not None
        kept = {key: getattr(running, key) for key in _FIXED}
        said = {} if new.fleet is None else differences(new.fleet)
        fixed = [key for key in _FIXED if key in said and said[key] != kept[key]]
        other = with_fleet(new, count=running.count)
        assert other.fleet is not None
        try:
            fleet = msgspec.structs.replace(other.fleet, **kept)
            same = msgspec.structs.replace(other, fleet=fleet)
        except ValueError as error:
            raise ScenarioError([f"not possible while the outlets run: {error}"]) from None
        return same, dict.fromkeys(f"fleet.{key}" for key in fixed)
