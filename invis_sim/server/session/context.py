"""What the connections of one outlet share, and whom they report to."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec
import trio

from invis_sim.device.effects import Effect
from invis_sim.device.outlet import Outlet
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal import Journal
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.model import Protocol as ProtocolSettings
from invis_sim.server.net.poller import Poller
from invis_sim.server.session.backend import Backend
from invis_sim.server.session.silence import Silence
from invis_sim.server.timeline import RealTime, Timeline

if TYPE_CHECKING:
    from invis_sim.server.session.connection import Connection

__all__ = ["Owner", "ServerContext", "Servers"]

Servers: TypeAlias = "Mapping[Transport, Callable[[Connection], Awaitable[None]]]"
"""Transport → what serves a connection there, from its acceptance until nothing more is read."""


class Owner(Protocol):
    """Whom connections report to: the simulator that they belong to."""

    def apply_effects(self, effects: Iterable[Effect], spared: "Connection | None" = None) -> None:
        """Carry out what comes of a request.

        spared: the connection that gets none of the pushes.
        """

    def start_outage(self, outage: Outage) -> None:
        """Start an outage that begins with a packet."""

    def connection_opened(self, connection: "Connection") -> None:
        """Send a connection that is ready for packets what it gets unasked."""

    def request_answered(self, callback: int | None) -> None:
        """Count a request that has been answered, for the steps that wait for it."""

    def report_internal_error(self, error: Exception) -> None:
        """Report an error of the simulator's own that has cost a connection."""


class ServerContext(msgspec.Struct, frozen=True):
    """What the connections of one outlet share.

    outlet: the device. silence: for those that wait until it speaks.
    backend: who answers requests; the outlet, or a substitute.
    servers: what serves the connections of each transport.
    websocket_path: the path of the WebSocket on its port.
    started: when the outlet started.
    poller: listens to many clients at once; None: each task listens for itself.
    connections: the open ones by their numbers, the oldest first.
    """

    outlet: Outlet
    silence: Silence
    backend: Backend
    servers: Servers
    faults: Pipeline
    journal: Journal
    timeline: Timeline
    protocol: ProtocolSettings
    websocket_path: str
    started: RealTime
    owner: Owner
    poller: Poller | None = None
    connections: dict[int, "Connection"] = msgspec.field(default_factory=dict)

    def seconds(self) -> float:
        """Return the real seconds since the start, as journal entries have them."""
        return trio.current_time() - self.started
