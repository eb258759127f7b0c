"""What the tests of scenarios share."""

from invis_sim.scenario.loading import ScenarioError, parse

__all__ = ["problems_of"]


def problems_of(text: str) -> list[str]:
    """What is wrong with a scenario file, without the file's name; [] if it is good."""
    try:
        parse(text, "f")
    except ScenarioError as error:
        return [problem.removeprefix("f:") for problem in error.problems]
    return []
