"""Keys as a scenario has them → commands and steps, given while an outlet runs."""

from collections.abc import Mapping
from typing import Any

from invis_sim.commands.command import Command, CommandError
from invis_sim.commands.registry import COMMANDS
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario.steps import CommandTable, Step
from invis_sim.scenario.validation import validate
from invis_sim.schema.describe import format_value

__all__ = ["build_step", "checked", "parse_commands"]

__tracebackhide__ = hide_frames


def parse_commands(keys: Mapping[str, Any]) -> tuple[Command, ...]:
    """Return the commands that keys of a step ask for, in the order in which they are carried out.

    keys: `{"push": 9, "set": {…}}`; values may be structs too.

    Raises CommandError with every problem: path of the key, what was expected, what was found.
    """
    if not keys:
        return ()
    table, problems = validate(keys, CommandTable)
    if problems:
        raise CommandError(*map(str, problems))
    commands: tuple[Command, ...] = table.commands
    return commands


def checked(command: object) -> Command:
    """Return a command that Python has built, checked as one from a file.

    Raises CommandError, also for what is not a command.
    """
    if not isinstance(command, Command):
        message = f"expected a command, found {format_value(command)}"
        hint = (
            f"; write do({command}=…)" if isinstance(command, str) and command in COMMANDS else ""
        )
        raise CommandError(message + hint)
    commands = parse_commands({command.key: command.value})
    # A value that asks for nothing, such as an empty `set`, is a command all the same here.
    return commands[0] if commands else command


def build_step(keys: Mapping[str, Any]) -> Step:
    """Return the step that keys ask for. Raises CommandError with every problem."""
    step, problems = validate(keys, Step)
    if problems:
        raise CommandError(*map(str, problems))
    assert isinstance(step, Step)
    return step
