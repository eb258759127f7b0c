"""`reload` of both handles: another scenario in place of the one that runs."""

from invis_sim.scenario.diff import Reloaded
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.scenario.model import Scenario

__all__ = ["ReloadMethods", "Reloaded"]


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
