"""Every operation of the API. A file here has the handlers of a resource and their table."""

from typing import Any

from invis_sim.web.api import (
    clock,
    commands,
    connections,
    events,
    faults,
    guides,
    journal,
    outlets,
    overview,
    page,
    scenario,
    state,
    steps,
    update_service,
    wait,
)
from invis_sim.web.openapi import openapi
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

_API: tuple[Operation, ...] = (
    *outlets.OPERATIONS,
    *overview.OPERATIONS,
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
)


def document(call: Call) -> dict[str, Any]:
    """Return the OpenAPI document of this API."""
    return openapi((*_API, _DOCUMENT))


_DOCUMENT = Operation(
    method="GET", path="/api/openapi.json", handler=document, answer=dict[str, Any]
)

OPERATIONS: tuple[Operation, ...] = (
    *_API,
    _DOCUMENT,
    *update_service.OPERATIONS,
    *guides.OPERATIONS,
    *page.OPERATIONS,
)
"""All of them; the page's files come last."""
