"""A scenario → the text of a file that loads as the same scenario."""

from invis_sim.scenario.model import Scenario
from invis_sim.scenario.toml_text import to_toml
from invis_sim.schema.differences import differences

__all__ = ["scenario_text"]


def scenario_text(scenario: Scenario, comments: tuple[str, ...] = ()) -> str:
    """Return TOML that says what of the scenario differs from the defaults. Loading it gives an
    equal scenario.

    comments: lines for the top of the file, without "#".
    """
    return to_toml(differences(scenario), comments)
