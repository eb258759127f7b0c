"""A fault in one line, for the command line: `delay:seconds=0.5,when={callback=20}`."""

from invis_sim.faults.fault import Fault
from invis_sim.scenario.loading import ScenarioError
from invis_sim.scenario.validation import validate
from invis_sim.schema.build import Problem
from invis_sim.schema.describe import shorten
from invis_sim.schema.inline import parse_inline

__all__ = ["MAX_SHOWN", "parse_fault"]

MAX_SHOWN = 200
"""How many characters of the text are shown: more than any fault that a person types has."""


def parse_fault(text: str) -> Fault:
    """The fault in a text of the form KIND[:key=value,…].

    text: values as in TOML, but words need no quotes; keys may have dots (`when.nth=3`).

    Raises ScenarioError.
    """
    # Shortened, as it is in front of each of its problems.
    shown = shorten(repr(text), MAX_SHOWN)
    kind, _, settings = text.partition(":")
    try:
        table = parse_inline(settings)
    except ValueError:
        found = f"{shown}: expected KIND or KIND:key=value,…, with values as in TOML"
        raise ScenarioError([found]) from None
    if "kind" in table:
        raise ScenarioError([f"{shown}: kind: expected it before the colon only"])
    faults, problems = validate([{"kind": kind.strip(), **table}], tuple[Fault, ...])
    if problems:
        raise ScenarioError([f"{shown}: {_key(p)}{p.message}" for p in problems])
    fault: Fault = faults[0]
    return fault


def _key(problem: Problem) -> str:
    """Where in the text the problem is; "" if it is the fault as a whole."""
    key = problem.key.removeprefix("[0]").lstrip(".")
    return f"{key}: " if key else ""
