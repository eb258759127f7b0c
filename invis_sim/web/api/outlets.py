"""Which outlets there are, and which version of invis-sim this is."""

from typing import Any

import msgspec

from invis_sim import __version__
from invis_sim.device.update_process import UpdateStatus
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.json_schema import scenario_schema
from invis_sim.server.simulator import Simulator
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call
from invis_sim.web.selection import Selection

__all__ = ["OPERATIONS", "OutletView"]


class Version(msgspec.Struct, frozen=True):
    """What answers here.

    name: always "invis-sim". version: of the package.
    """

    name: str
    version: str


class Address(msgspec.Struct, frozen=True):
    """Where clients connect.

    url: of the WebSocket; null for TCP.
    """

    host: str
    port: int
    url: str | None = None


class Counters(msgspec.Struct, frozen=True):
    """How much has happened so far.

    journal: the number of the newest journal entry. connections: how many clients have connected.
    requests: how many requests were answered.
    faults_applied: how often the faults that are there have applied.
    """

    journal: int
    connections: int
    requests: int
    faults_applied: int


class OutletView(msgspec.Struct, frozen=True, kw_only=True):
    """An outlet at the moment.

    sn: its serial number. product: "bare", "pro" or "aura". hw_rev: its hardware revision.
    description: of its scenario. seed: of all that is random.
    started: when it started, in seconds since the epoch.
    up: whether it is on the network. updating: whether an update is in progress.
    update: how far that is; null where there is none.
    faceplate_online: whether it has a faceplate that answers.
    readings: of its sensors at the moment, by name; none where no faceplate answers.
    transports: where clients connect.
    connections: the numbers of the open connections.
    """

    sn: str
    product: str
    hw_rev: str
    description: str
    seed: int
    started: float
    up: bool
    updating: bool
    update: UpdateStatus | None
    faceplate_online: bool
    readings: dict[str, float | str]
    transports: dict[Transport, Address]
    connections: tuple[int, ...]
    counters: Counters


def view(outlet: Simulator) -> OutletView:
    """Return what an outlet is at the moment."""
    state = outlet.state
    return OutletView(
        sn=outlet.sn,
        product=state.product,
        hw_rev=state.device.hw_rev,
        description=outlet.scenario.description,
        seed=outlet.seed,
        started=outlet.journal.started,
        up=not outlet.offline,
        updating=outlet.updating,
        update=outlet.update_status,
        faceplate_online=outlet.faceplate_online,
        readings=outlet.sensor_values,
        transports={
            transport: Address(host, port, outlet.ws_url if transport == "ws" else None)
            for transport, (host, port) in outlet.addresses.items()
        },
        connections=tuple(outlet.connections),
        counters=Counters(
            journal=outlet.journal.last_number,
            connections=outlet.last_connection,
            requests=outlet.requests,
            faults_applied=sum(armed.applied for armed in outlet.pipeline),
        ),
    )


def version(call: Call) -> Version:
    """Say what answers here."""
    return Version("invis-sim", __version__)


def schema(call: Call) -> dict[str, Any]:
    """Return the JSON Schema of scenario files: of the state, faults, steps and commands."""
    return scenario_schema()


def list_outlets(call: Call) -> list[OutletView]:
    """List the outlets of this process, or those that are selected; `/api/overview` has less of
    each.
    """
    return [view(outlet) for outlet in call.query(Selection).of(call.outlets)]


def get_outlet(call: Call) -> OutletView:
    """Return one outlet."""
    return view(call.outlet)


OPERATIONS = (
    Operation(method="GET", path="/api/version", handler=version, answer=Version),
    Operation(method="GET", path="/api/schema", handler=schema, answer=dict[str, Any]),
    Operation(
        method="GET",
        path="/api/outlets",
        handler=list_outlets,
        query=Selection,
        answer=list[OutletView],
    ),
    Operation(method="GET", path="/api/outlets/{sn}", handler=get_outlet, answer=OutletView),
)
