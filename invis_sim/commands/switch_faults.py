"""`enable`, `disable`, `remove`: faults by name, all of that name."""

from typing import Annotated, TypeAlias

import msgspec

from invis_sim.commands.command import Command, CommandError, Target
from invis_sim.commands.methods import Commandable
from invis_sim.faults.armed import ArmedFault
from invis_sim.protocol.hidden_frames import hide_frames

__all__ = [
    "DisableFaults",
    "DisableMethod",
    "EnableFaults",
    "EnableMethod",
    "FaultNames",
    "RemoveFaults",
    "RemoveMethod",
]

__tracebackhide__ = hide_frames

FaultNames: TypeAlias = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
"""The name of a fault, or a list of names. A fault without a name goes by its kind."""


class _FaultCommand(Command, frozen=True):
    """A command about faults that are there."""

    names: FaultNames

    @property
    def fault_names(self) -> tuple[str, ...]:
        return (self.names,) if isinstance(self.names, str) else tuple(self.names)

    def summary(self) -> str:
        return f"{self.key} {', '.join(self.fault_names)}"

    def _find(self, target: Target) -> list[ArmedFault]:
        """Return the faults of these names. Raises CommandError for a name that no fault has."""
        try:
            return [one for name in self.fault_names for one in target.faults.matching(name)]
        except LookupError as error:
            raise CommandError(f"{self.key}: {error.args[0]}") from None


class EnableFaults(_FaultCommand, frozen=True):
    """The name of a fault to enable, or a list of names: all faults of each name."""

    key = "enable"

    def apply(self, target: Target) -> tuple[()]:
        for armed in self._find(target):
            target.faults.enable(armed, True)
        return ()


class DisableFaults(_FaultCommand, frozen=True):
    """The name of a fault to disable, or a list of names: all faults of each name."""

    key = "disable"

    def apply(self, target: Target) -> tuple[()]:
        for armed in self._find(target):
            target.faults.enable(armed, False)
        return ()


class RemoveFaults(_FaultCommand, frozen=True):
    """The name of a fault to remove, or a list of names: all faults of each name."""

    key = "remove"

    def apply(self, target: Target) -> tuple[()]:
        for armed in self._find(target):
            target.faults.remove(armed)
        return ()


class EnableMethod(Commandable, command=EnableFaults):
    """Adds `enable`."""

    def enable(self, *names: str) -> None:
        """Enable all faults of these names. Raises CommandError for an unknown name."""
        self.do(EnableFaults(names))


class DisableMethod(Commandable, command=DisableFaults):
    """Adds `disable`."""

    def disable(self, *names: str) -> None:
        """Disable all faults of these names. Raises CommandError for an unknown name."""
        self.do(DisableFaults(names))


class RemoveMethod(Commandable, command=RemoveFaults):
    """Adds `remove`."""

    def remove(self, *names: str) -> None:
        """Remove all faults of these names. Raises CommandError for an unknown name."""
        self.do(RemoveFaults(names))
