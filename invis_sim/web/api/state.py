"""What an outlet is and knows."""

from typing import Any

from invis_sim.commands.command import CommandError
from invis_sim.commands.set_state import SetState, Settings
from invis_sim.device.state import OutletState
from invis_sim.web.api.commands import Done, carry_out
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]


def get_state(call: Call) -> OutletState:
    """Return everything that the outlet is and knows, in the tables and keys of a scenario file."""
    return call.outlet.state


def patch_state(call: Call) -> Done:
    """Change what the outlet is or knows, as the command `set`: tables and the keys to change."""
    try:
        return carry_out(call.outlet, SetState(dict(call.table())))
    except CommandError as error:  # the author has not written `set`
        raise CommandError(*(one.removeprefix("set.") for one in error.problems)) from None


OPERATIONS = (
    Operation(
        method="GET", path="/api/outlets/{sn}/state", handler=get_state, answer=dict[str, Any]
    ),
    Operation(
        method="PATCH",
        path="/api/outlets/{sn}/state",
        handler=patch_state,
        body=Settings,
        answer=Done,
    ),
)
