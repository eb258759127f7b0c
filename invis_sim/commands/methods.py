"""What every handle of a running outlet has: `do`, on which the method of each command is built."""

from typing import Any, ClassVar

from invis_sim.commands.command import Command
from invis_sim.protocol.hidden_frames import hide_frames

__all__ = ["Commandable"]

__tracebackhide__ = hide_frames


class Commandable:
    """Something that carries out commands.

    A subclass adds the method of one command, which it names: `class PushMethod(Commandable,
    command=PushPacket)`.
    """

    added_command: ClassVar[type[Command]]

    def __init_subclass__(cls, *, command: type[Command] | None = None) -> None:
        super().__init_subclass__()
        if command is not None:
            cls.added_command = command

    def do(self, *commands: Command, by: str = "python", **keys: Any) -> None:
        """Carry out commands: all of them in order, or none.

        commands: structs. keys: further ones as a step has them: `do(push=9, set={…})`; of these
        the order is that of the manual of steps.
        by: who gives them, for the journal.

        Raises CommandError with the path of the key, what was expected and what was found.
        """
        raise NotImplementedError
