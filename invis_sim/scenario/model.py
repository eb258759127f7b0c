"""What a scenario says: who the outlet is, what firmware it has, where it listens, and what goes
wrong.

The structs are the format: their fields are the keys of a scenario file, their docstrings its
manual, and both the loader and the JSON Schema are made from them.
"""

from typing import Annotated, ClassVar

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.conflicts import unreachable_faults
from invis_sim.scenario.fleet import FleetSettings
from invis_sim.scenario.fleet_check import all_conflicts
from invis_sim.scenario.listen import Listen, Protocol, transports_of
from invis_sim.scenario.steps import Step
from invis_sim.schema.describe import format_path
from invis_sim.schema.fields import value_at

__all__ = ["Listen", "NarrowedScenario", "Protocol", "Scenario"]


class Scenario(OutletState, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outlet and what happens to it. Everything has a default: the empty file is a good outlet.

    description: what the scenario is for, in a sentence.
    seed: of everything that is random; omitted: a new one each time, which is shown.
    listen: where it listens.
    protocol: how it deals with clients.
    faults: what goes wrong; applied layer by layer, within a layer in this order.
    steps: what changes over time, or after a request.
    fleet: many outlets in place of one, each with a serial number and an address of its own.
    """

    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    listen: Listen = Listen()
    protocol: Protocol = Protocol()
    faults: tuple[Fault, ...] = ()
    steps: tuple[Step, ...] = ()
    fleet: FleetSettings | None = None

    # Whether a fault for a transport that the outlet does not have is an error.
    faults_need_transport: ClassVar[bool] = True

    def __post_init__(self) -> None:
        # Here, for it imports this module.
        from invis_sim.scenario.validation import check_struct

        check_struct(self)
        found = all_conflicts(
            msgspec.structs.asdict(self), faults_need_transport=self.faults_need_transport
        )
        if messages := [f"{format_path(path)}: {message}" for path, message in found]:
            raise ValueError("; ".join(messages))

    @property
    def state(self) -> OutletState:
        """The state of the outlet at the beginning."""
        fields = OutletState.__struct_fields__
        return OutletState(**{name: getattr(self, name) for name in fields})

    @property
    def transports(self) -> tuple[Transport, ...]:
        """The transports that the outlet has."""
        return transports_of(self.listen, self.device, self.quirks)

    @property
    def unreachable_faults(self) -> tuple[str, ...]:
        """The names of the faults that never apply, as the outlet lacks their transport."""
        found = unreachable_faults(msgspec.structs.asdict(self))
        return tuple(value_at(self, path[:2]).display_name for path, _ in found)


class NarrowedScenario(Scenario, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario of which an option has switched a transport off. Its faults for that transport
    stay, and never apply: in one file that is a slip of its author, here it is what the user of the
    option wants.
    """

    faults_need_transport = False
