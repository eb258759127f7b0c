"""What a command is, what it may act on, and what comes of it.

    plain data ──registry──▶ Command ──apply(Target)──▶ effects ──▶ the server carries them out

A command acts on the pure parts of an outlet alone (`Target`). Whatever needs a socket, a clock or
the journal is returned as an effect.
"""

from collections.abc import Collection
from typing import Any, ClassVar, TypeAlias

import msgspec

from invis_sim.commands.new_address import NewAddress
from invis_sim.device.effects import Effect
from invis_sim.device.outlet import Outlet
from invis_sim.faults.pipeline import Pipeline
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.printable import printable
from invis_sim.protocol.transport import DisconnectMode
from invis_sim.schema.describe import format_path, shorten, to_toml_text
from invis_sim.schema.fields import Path

__all__ = [
    "MAX_SUMMARY_CHARACTERS",
    "ClearJournal",
    "ClockChanged",
    "ComeOnline",
    "Command",
    "CommandEffect",
    "CommandError",
    "DisconnectClients",
    "ReloadSteps",
    "ResetSteps",
    "Target",
]

__tracebackhide__ = hide_frames

MAX_SUMMARY_CHARACTERS = 100
"""How long the text of a command in the log may be: it should fit on one line of a terminal."""


class CommandError(ValueError):
    """A command that cannot be carried out; nothing was changed.

    problems: one line each, with the path of the key, what was expected and what was found,
    harmless for a terminal.
    place: which of several commands they are of, from 0; None: there is one, or it is not known.
    """

    place: int | None = None

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))

    @classmethod
    def at(cls, path: Path, message: str) -> "CommandError":
        """Return an error about the value at a path of keys."""
        return cls(f"{format_path(path)}: {message}" if path else message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), self.problems, self.__dict__


class DisconnectClients(msgspec.Struct, frozen=True):
    """End connections.

    how: see `DisconnectMode`. connection: the number of the only one; None: all.
    """

    how: DisconnectMode
    connection: int | None = None


class ComeOnline(msgspec.Struct, frozen=True):
    """End what keeps the outlet off the network.

    from_reboot: whether a restart in progress ends too, and not only a network reset.
    """

    from_reboot: bool = False


class ClearJournal(msgspec.Struct, frozen=True):
    """Forget all journal entries so far."""


class ResetSteps(msgspec.Struct, frozen=True):
    """Count the requests that steps wait for from zero again.

    restart: whether the steps of the scenario also begin again, as at the start of the outlet.
    """

    restart: bool = False


class ReloadSteps(msgspec.Struct, frozen=True):
    """Have other steps of the scenario: those that are the same go on, new ones begin now.

    steps: all of them, each a `Step` (of a package above this one).
    """

    steps: tuple[Any, ...]


class ClockChanged(msgspec.Struct, frozen=True):
    """Record that someone has changed how time passes, which concerns every outlet.

    by: who has. text: what, as a command.
    """

    by: str
    text: str


CommandEffect: TypeAlias = (
    Effect | DisconnectClients | ComeOnline | ClearJournal | ResetSteps | ReloadSteps | ClockChanged
)
"""What a command may cause."""


class Target(msgspec.Struct):
    """What commands act on.

    outlet, faults: changed in place.
    now: simulated seconds since the start of the outlet.
    connections: the numbers of the open connections.
    last_connection: the highest number that a connection has had so far; 0: none has come.
    """

    outlet: Outlet
    faults: Pipeline
    now: float
    connections: Collection[int] = ()
    last_connection: int = 0


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that can be done to a running outlet.

    A subclass names its `key` and has a method `apply`. Its value in a step, in a body or as a
    keyword argument follows from its fields:

    - no field: `true`;
    - one field: the value of that field;
    - more fields: a table of them; also the value of the field named by `short`, and `true` where
      every field has a default.
    """

    key: ClassVar[str]
    short: ClassVar[str | None] = None

    def apply(self, target: Target) -> tuple[CommandEffect, ...]:
        """Carry the command out, whole or not at all, and return what comes of it.

        Raises CommandError, whose path begins with the key of the command.
        """
        raise NotImplementedError

    @property
    def fault_names(self) -> tuple[str, ...]:
        """Names of faults that must exist for the command to make sense."""
        return ()

    @property
    def injects(self) -> tuple[str, ...]:
        """Names of faults that exist because of the command."""
        return ()

    @property
    def new_address(self) -> NewAddress | None:
        """Where the command makes the outlet listen; None: where it does. Whoever carries it out
        does that, and first, because it may fail.
        """
        return None

    @property
    def needs_faceplate(self) -> bool:
        """Whether the command can do nothing to an outlet without a faceplate."""
        return False

    @property
    def value(self) -> Any:
        """The command's value as its author writes it, in its shortest form."""
        given = {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if value is not msgspec.UNSET
        }
        if not self.__struct_fields__:
            return True
        if len(self.__struct_fields__) == 1:
            return next(iter(given.values()))
        defaults = {field.name: field.default for field in msgspec.structs.fields(self)}
        given = {name: value for name, value in given.items() if value != defaults[name]}
        if not given:
            return True
        return given[self.short] if self.short and set(given) == {self.short} else given

    def summary(self) -> str:
        """Return the command in one short line, for the log."""
        value = self.value
        if value is True:
            return self.key
        text = f"{self.key} {value if isinstance(value, str) else to_toml_text(value)}"
        return shorten(text, MAX_SUMMARY_CHARACTERS)
