"""Every command there is, and how plain data becomes commands.

A new command is a file with its struct and its method, and one base class in `CommandMethods`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from invis_sim.commands.command import Command
from invis_sim.commands.device import FaceplateMethod, SampleMethod, UpdateMethod
from invis_sim.commands.inject import InjectMethod
from invis_sim.commands.methods import Commandable
from invis_sim.commands.network import DisconnectMethod, JoinMethod, RebootMethod
from invis_sim.commands.push import PushMethod
from invis_sim.commands.reset import ResetMethod
from invis_sim.commands.set_state import SetMethod
from invis_sim.commands.switch_faults import DisableMethod, EnableMethod, RemoveMethod

__all__ = ["COMMANDS", "CommandMethods", "annotation", "from_value"]


class CommandMethods(
    # The order in which the commands of one step are carried out.
    ResetMethod,
    SetMethod,
    FaceplateMethod,
    InjectMethod,
    EnableMethod,
    DisableMethod,
    RemoveMethod,
    PushMethod,
    SampleMethod,
    UpdateMethod,
    DisconnectMethod,
    RebootMethod,
    JoinMethod,
):
    """A method for each command. Every handle of a running outlet has them."""


COMMANDS: Mapping[str, type[Command]] = {
    base.added_command.key: base.added_command
    for base in CommandMethods.__bases__
    if issubclass(base, Commandable)
}
"""Key → command, in the order in which those of one step are carried out."""


def annotation(command: type[Command]) -> Any:
    """Return the type of the command's value: what an author may write after its key."""
    fields = msgspec.structs.fields(command)
    if not fields:
        return bool
    if len(fields) == 1:
        return fields[0].type
    forms: Any = command
    for field in fields:
        if field.name == command.short:
            forms = field.type | command
    return bool | forms if all(not field.required for field in fields) else forms


def from_value(command: type[Command], value: Any) -> Command | None:
    """Return the command that a valid value of its key asks for; None for `false`.

    value: of the type that `annotation` names.

    Raises ValueError for fields that do not fit together.
    """
    if isinstance(value, command):
        return value
    fields = command.__struct_fields__
    if isinstance(value, bool) and len(fields) != 1:
        return command() if value else None
    if len(fields) == 1:
        return command(value)
    assert command.short is not None
    return command(**{command.short: value})
