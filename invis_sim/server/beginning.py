"""How outlets begin: what their caller chooses, and when that was."""

from collections.abc import Callable, Sequence

import msgspec

from invis_sim.commands.command import Command
from invis_sim.device.outlet import Outlet
from invis_sim.server.session.backend import Backend
from invis_sim.server.session.context import Servers
from invis_sim.server.session.serve import OUTLET_SERVERS
from invis_sim.server.timeline import RealTime, SimTime

__all__ = ["Beginning", "Opening"]


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How outlets are opened.

    make_backend: makes what answers requests in place of the simulated outlet, from that outlet;
    None: the outlet does.
    servers: what serves the connections of each transport.
    on_internal_error: called with an error of the simulator's own that has cost a connection.
    commands: carried out before the first client is served. by: who gives them, for the journal.
    """

    make_backend: Callable[[Outlet], Backend] | None = None
    servers: Servers = msgspec.field(default_factory=lambda: OUTLET_SERVERS)
    on_internal_error: Callable[[Exception], None] = lambda error: None
    commands: Sequence[Command] = ()
    by: str = "python"


class Beginning(msgspec.Struct, frozen=True):
    """When an outlet begins.

    wall: by the clock on the wall, in seconds since the epoch. real, sim: the same moment by trio's
    clock and by that of the runtime.
    phase: when its rhythms first run, as a part of their interval; see `Schedule`.
    """

    wall: float
    real: RealTime
    sim: SimTime
    phase: float = 1.0
