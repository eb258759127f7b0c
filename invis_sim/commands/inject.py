"""`inject`: one more fault."""

from invis_sim.commands.command import Command, Target
from invis_sim.commands.methods import Commandable
from invis_sim.faults.fault import Fault
from invis_sim.schema.describe import to_toml_text

__all__ = ["InjectFault", "InjectMethod"]


class InjectFault(Command, frozen=True):
    """A fault to add, as a table of [[faults]]: { kind = "delay", seconds = 0.5 }. It is applied
    after the other faults of its layer.
    """

    key = "inject"

    fault: Fault

    def apply(self, target: Target) -> tuple[()]:
        target.faults.arm(self.fault)
        return ()

    @property
    def injects(self) -> tuple[str, ...]:
        return (self.fault.display_name,)

    def summary(self) -> str:
        name = self.fault.display_name
        kind = self.fault.kind()
        return f"inject {kind}" if name == kind else f"inject {kind} {to_toml_text(name)}"


class InjectMethod(Commandable, command=InjectFault):
    """Registers the command; the handles have an `inject` that returns a handle of the fault."""
