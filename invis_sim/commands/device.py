"""`sample`, `update`, `faceplate`: what the outlet does by itself, at once."""

from typing import Literal

from invis_sim.commands.command import Command, CommandError, Target
from invis_sim.commands.methods import Commandable
from invis_sim.device.effects import Effect
from invis_sim.protocol.hidden_frames import hide_frames

__all__ = [
    "FaceplateMethod",
    "SampleMethod",
    "SetFaceplate",
    "StartUpdate",
    "TakeSample",
    "UpdateMethod",
]

__tracebackhide__ = hide_frames


class TakeSample(Command, frozen=True):
    """true: takes a new sample of the sensors and pushes it as callback 11."""

    key = "sample"

    def apply(self, target: Target) -> tuple[Effect, ...]:
        return target.outlet.sample(target.now)

    @property
    def needs_faceplate(self) -> bool:
        return True


class StartUpdate(Command, frozen=True):
    """ "IM" or "PM": starts an update of the outlet or of its faceplate, as if a client had
    requested it with callback 21.
    """

    key = "update"

    target: Literal["IM", "PM"]

    def apply(self, target: Target) -> tuple[Effect, ...]:
        try:
            return target.outlet.start_update(self.target, target.now)
        except ValueError as error:
            raise CommandError(f"{self.key}: {error}") from None

    @property
    def needs_faceplate(self) -> bool:
        return self.target == "PM"


class SetFaceplate(Command, frozen=True):
    """ "off": removes the InvisDeco; "on": puts it back; "restart": restarts it."""

    key = "faceplate"

    to: Literal["on", "off", "restart"]

    def apply(self, target: Target) -> tuple[Effect, ...]:
        try:
            if self.to == "restart":
                return target.outlet.restart_faceplate(target.now)
            return target.outlet.set({"faceplate": {"attached": self.to == "on"}}, target.now)
        except ValueError as error:
            raise CommandError(f"{self.key}: {error}") from None

    @property
    def needs_faceplate(self) -> bool:
        return True


class SampleMethod(Commandable, command=TakeSample):
    """Adds `sample`."""

    def sample(self) -> None:
        """Take a new sample of the sensors and push it (callback 11)."""
        self.do(TakeSample())


class UpdateMethod(Commandable, command=StartUpdate):
    """Adds `update`."""

    def update(self, target: Literal["IM", "PM"]) -> None:
        """Start an update of the outlet (IM) or of its faceplate (PM), as if a client had asked.

        Raises CommandError that says why it cannot start.
        """
        self.do(update=target)


class FaceplateMethod(Commandable, command=SetFaceplate):
    """Adds `faceplate`."""

    def faceplate(self, to: Literal["on", "off", "restart"]) -> None:
        """Put the InvisDeco on, take it off, or restart it.

        Raises CommandError for a restart of a faceplate that is not there.
        """
        self.do(faceplate=to)
