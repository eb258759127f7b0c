"""Another scenario in place of the one that runs. No key of a step says this: it takes a file."""

from typing import Any

from invis_sim.commands.command import Command, CommandEffect, CommandError, ReloadSteps, Target
from invis_sim.device.effects import Log
from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault

__all__ = ["ReloadScenario"]


class ReloadScenario(Command, frozen=True):
    """What differs between the scenario that runs and another one. `scenario/diff.py` makes it.

    state: the state at the beginning by the other scenario, to which resets go back.
    changes: what of the state differs between the scenarios, as for `set`. What was changed since
    the start, and is the same in both, stays.
    faults, steps: all of the other scenario; those that are the same go on as they are.
    texts: what changes, in a few words each, for the journal.
    """

    key = "reload"

    state: OutletState
    changes: dict[str, Any]
    faults: tuple[Fault, ...]
    steps: tuple[Any, ...]
    texts: tuple[str, ...] = ()

    def apply(self, target: Target) -> tuple[CommandEffect, ...]:
        try:
            effects = target.outlet.reload(self.state, self.changes, target.now)
        except ValueError as error:
            raise CommandError(str(error)) from None
        target.faults.reload(self.faults)
        return (*map(Log, self.texts), *effects, ReloadSteps(self.steps))

    def summary(self) -> str:
        number = len(self.texts)
        changes = f"{number} change{'s' if number != 1 else ''}"
        return f"reload the scenario, {changes if number else 'nothing changes'}"
