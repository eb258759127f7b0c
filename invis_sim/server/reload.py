"""`reload` of both handles: another scenario in place of the one that runs."""

from collections.abc import Sequence

from invis_sim.commands.command import Command
from invis_sim.scenario.diff import Reloaded, changes_between
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.scenario.model import Scenario

__all__ = ["ReloadMethods", "Reloaded", "SimulatorReload"]


class ReloadMethods:
    """Adds `reload`."""

    def reload(self, scenario: ScenarioSource) -> Reloaded:
        """Run another scenario from now on: what differs from the present one is carried out, whole
        or not at all. Connections stay, and so do faults and steps that did not change, with their
        counters, and whatever was changed since the start and is the same in both scenarios.

        scenario: as for `start_simulator`.

        Returns what has changed, and what a reload does not change, such as where the outlet
        listens (`set` does that). Raises ScenarioError for a scenario that cannot be used,
        CommandError where the change is not possible now.
        """
        return self.carry_out_reload(resolve(scenario), "python")

    def carry_out_reload(self, scenario: Scenario, by: str) -> Reloaded:
        """Reload a checked scenario. by: who asks, for the journal. Raises CommandError."""
        raise NotImplementedError


class SimulatorReload(ReloadMethods):
    """How a simulator reloads.

    scenario: what the outlet was made from.
    """

    scenario: Scenario

    def rehearse_reload(self, scenario: Scenario) -> None:
        """Change nothing. Raises CommandError where the scenario cannot be reloaded now."""
        difference = changes_between(self.scenario, scenario)
        if difference.command is not None:
            self.rehearse((difference.command,))

    def carry_out_reload(
        self, scenario: Scenario, by: str, then: Sequence[Command] = ()
    ) -> Reloaded:
        """Reload a checked scenario. by: who asks, for the journal. then: commands that are carried
        out after it: all of it or nothing. Raises CommandError.
        """
        difference = changes_between(self.scenario, scenario)
        if difference.command is not None:
            then = (difference.command, *then)
        self.carry_out(then, by)
        self.scenario = difference.scenario
        return Reloaded(difference.changed, difference.fixed)

    def rehearse(self, commands: Sequence[Command]) -> None:
        """Change nothing. Raises CommandError where the commands cannot be carried out now."""
        raise NotImplementedError

    def carry_out(self, commands: Sequence[Command], by: str) -> None:
        """Carry out checked commands: all of them, or none. Raises CommandError."""
        raise NotImplementedError
