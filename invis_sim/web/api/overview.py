"""Many outlets at a glance: a line for each, in parts."""

from typing import Annotated

import msgspec

from invis_sim.device.state import Product
from invis_sim.server.simulator import Simulator
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call
from invis_sim.web.selection import Selection

__all__ = ["OPERATIONS"]

MAX_LIMIT = 10_000
"""How many outlets one answer has at most: some 1.5 MB."""


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """An outlet in a line.

    sn: its serial number. product: "bare", "pro" or "aura".
    up: whether it is on the network. updating: whether an update is in progress.
    connections: how many clients are connected.
    requests: how many requests it has answered.
    faults: how many are enabled. faults_applied: how often those that are there have applied.
    """

    sn: str
    product: Product
    up: bool
    updating: bool
    connections: int
    requests: int
    faults: int
    faults_applied: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Outlets at a glance.

    all: how many there are. found: how many of them are selected.
    up, connections, requests: of those that are selected, together.
    outlets: as many of those that are selected as were asked for.
    """

    all: int
    found: int
    up: int
    connections: int
    requests: int
    outlets: list[Glance]


class OverviewQuery(Selection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """offset: how many of those that are selected come before. limit: how many follow at most."""

    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=MAX_LIMIT)] = 100


def glance(outlet: Simulator) -> Glance:
    """Return an outlet in a line."""
    return Glance(
        sn=outlet.sn,
        product=outlet.state.product,
        up=not outlet.offline,
        updating=outlet.updating,
        connections=len(outlet.connections),
        requests=outlet.requests,
        faults=sum(armed.enabled for armed in outlet.pipeline),
        faults_applied=sum(armed.applied for armed in outlet.pipeline),
    )


def overview(call: Call) -> Overview:
    """Return the outlets of this process at a glance, or those that are selected, in parts: the
    next part begins at `offset` + `limit`.
    """
    query = call.query(OverviewQuery)
    every = call.outlets
    found = query.of(every)
    return Overview(
        all=len(every),
        found=len(found),
        up=sum(not outlet.offline for outlet in found),
        connections=sum(len(outlet.connections) for outlet in found),
        requests=sum(outlet.requests for outlet in found),
        outlets=[glance(outlet) for outlet in found[query.offset : query.offset + query.limit]],
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/overview",
        handler=overview,
        query=OverviewQuery,
        answer=Overview,
    ),
)
