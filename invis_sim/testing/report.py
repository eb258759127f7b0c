"""What happened to the outlets of a test, for the report of one that fails."""

from invis_sim.journal import format_entries
from invis_sim.testing.fleet import FleetHandle
from invis_sim.testing.handle import SimulatorHandle

__all__ = ["report_of"]

NOTHING = "  no client connected"


def report_of(started: SimulatorHandle | FleetHandle) -> str:
    """Return which outlets these are, and what happened to them."""
    if isinstance(started, FleetHandle):
        return _report_of_fleet(started)
    places = []
    if started.has("tcp"):
        host, port = started.tcp_address
        places.append(f"{host} port {port}")
    if started.has("ws"):
        places.append(started.ws_url)
    journal = format_entries(started.journal) or NOTHING
    where = " and ".join(places)
    return f"InvisOutlet {started.sn} at {where}, seed {started.seed}:\n{journal}"


def _report_of_fleet(fleet: FleetHandle) -> str:
    entries = [entry for outlet in fleet.values() for entry in outlet.journal]
    # They count seconds from the same moment.
    entries.sort(key=lambda entry: entry.seconds)
    journal = format_entries(entries, with_sn=True) or NOTHING
    first, *_, last = (*fleet, *fleet)
    return f"{len(fleet)} InvisOutlets, {first} to {last}, seed {fleet.seed}:\n{journal}"
