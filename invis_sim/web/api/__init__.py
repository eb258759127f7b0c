"""Every operation of the API. A file here has the handlers of a resource and their table."""

from invis_sim.web.api import (
    clock,
    commands,
    connections,
    events,
    faults,
    journal,
    outlets,
    page,
    scenario,
    state,
    steps,
    wait,
)
from invis_sim.web.operation import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = (
    *outlets.OPERATIONS,
    *state.OPERATIONS,
    *scenario.OPERATIONS,
    *faults.OPERATIONS,
    *steps.OPERATIONS,
    *connections.OPERATIONS,
    *commands.OPERATIONS,
    *journal.OPERATIONS,
    *events.OPERATIONS,
    *wait.OPERATIONS,
    *clock.OPERATIONS,
    *page.OPERATIONS,
)
"""All of them; the page's files come last."""
