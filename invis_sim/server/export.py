"""A running outlet → the scenario that makes such an outlet again."""

import msgspec

from invis_sim.scenario import Scenario
from invis_sim.scenario.export import running_scenario
from invis_sim.server.simulator import Simulator

__all__ = ["export"]


def export(outlet: Simulator) -> tuple[Scenario, tuple[str, ...]]:
    """Return the scenario that makes such an outlet again as it is now, and what had to be omitted,
    in words.

    Raises ValueError where the outlet has become one that no scenario can say.
    """
    faults = [
        (armed.identity, msgspec.structs.replace(armed.fault, enabled=armed.enabled))
        for armed in outlet.pipeline
    ]
    steps = [left for handle in outlet.steps if (left := handle.left) is not None]
    listen = outlet.moves.so_far.in_place_of(outlet.scenario.listen)
    original = msgspec.structs.replace(outlet.scenario, listen=listen)
    return running_scenario(original, outlet.state, faults, steps, outlet.seed)
