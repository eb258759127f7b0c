"""Carry out commands: all of a list, or none."""

import copy
from collections.abc import Sequence

from invis_sim.commands.command import Command, CommandEffect, CommandError, Target
from invis_sim.device.schedule import Schedule
from invis_sim.protocol.hidden_frames import hide_frames

__all__ = ["apply_all", "rehearse"]

__tracebackhide__ = hide_frames


def apply_all(
    commands: Sequence[Command], target: Target
) -> list[tuple[Command, tuple[CommandEffect, ...]]]:
    """Carry out commands in order, and return each with what comes of it.

    Raises CommandError for the first that cannot be carried out; then nothing has changed.
    """
    if len(commands) > 1:
        rehearse(commands, target)
    return [(command, command.apply(target)) for command in commands]


def rehearse(commands: Sequence[Command], target: Target) -> None:
    """Carry out the commands on a copy. Raises CommandError as they would.

    One command checks everything before it changes anything. Of several, a later one may depend on
    what an earlier one did, so only doing it shows. What comes of it is random only by generators
    that are copied too, so the real run cannot differ.
    """
    outlet = target.outlet
    # The schedule also has timers of the server, which must not be copied; a rehearsal runs none.
    stand_in = Schedule()
    stand_in.move_to(outlet.schedule.now)
    memo = {id(outlet.schedule): stand_in, id(outlet.state): outlet.state}
    outlet, faults = copy.deepcopy((outlet, target.faults), memo)
    trial = Target(outlet, faults, target.now, target.connections, target.last_connection)
    for place, command in enumerate(commands):
        try:
            command.apply(trial)
        except CommandError as error:
            error.place = place
            raise
