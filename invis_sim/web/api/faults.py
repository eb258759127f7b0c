"""The faults of an outlet: which there are, how often each applied, and their switches."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim.commands.command import Command
from invis_sim.commands.inject import InjectFault
from invis_sim.commands.switch_faults import DisableFaults, EnableFaults, RemoveFaults
from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.fault import Fault
from invis_sim.scenario.export import fault_table
from invis_sim.scenario.validation import validate
from invis_sim.web.api.commands import Done, carry_out, done
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem, invalid
from invis_sim.web.request import Call

__all__ = ["OPERATIONS", "FaultView"]


class FaultView(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that is there.

    id: its name with its place among those of that name: `drop#1` (`drop%231` in a path). In a
    path the name alone is good too: it means all faults of that name.
    name: its name, or its kind where it has none. kind: its kind.
    enabled: whether it applies at the moment.
    matched: how many packets or connections met its conditions of kind, place and time.
    applied: to how many of those it was applied.
    fault: the table of a scenario file that makes it.
    """

    id: str
    name: str
    kind: str
    enabled: bool
    matched: int
    applied: int
    fault: Any


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """enabled: whether the fault is to apply."""

    enabled: bool


def view(armed: ArmedFault) -> FaultView:
    """Return what a fault is at the moment."""
    return FaultView(
        id=armed.identity,
        name=armed.name,
        kind=armed.fault.kind(),
        enabled=armed.enabled,
        matched=armed.matched,
        applied=armed.applied,
        fault=fault_table(armed.fault),
    )


def list_faults(call: Call) -> list[FaultView]:
    """List the faults in the order in which they are applied, with how often each applied."""
    return [view(armed) for armed in call.outlet.pipeline]


def get_fault(call: Call) -> list[FaultView]:
    """Return the fault with this id, or all of this name."""
    return [view(armed) for armed in _found(call)]


def add_faults(call: Call) -> list[FaultView]:
    """Add a fault, or all of a list or none, and return what was added."""
    faults = _parse(call.json())
    before = set(call.outlet.pipeline)
    carry_out(call.outlet, *map(InjectFault, faults))
    return [view(armed) for armed in call.outlet.pipeline if armed not in before]


def replace_faults(call: Call) -> Done:
    """Replace all faults by those of the list at once: no packet meets anything in between."""
    faults = _parse(call.json(), only_list=True)
    commands: list[Command] = [*_remove(call.outlet.pipeline), *map(InjectFault, faults)]
    return carry_out(call.outlet, *commands) if commands else done(call.outlet)


def switch_faults(call: Call) -> Done:
    """Enable or disable the fault with this id, or all of this name."""
    switch = call.body(Switch)
    names = tuple(armed.identity for armed in _found(call))
    return carry_out(call.outlet, (EnableFaults if switch.enabled else DisableFaults)(names))


def remove_faults(call: Call) -> Done:
    """Remove all faults."""
    commands = _remove(call.outlet.pipeline)
    return carry_out(call.outlet, *commands) if commands else done(call.outlet)


def remove_fault(call: Call) -> Done:
    """Remove the fault with this id, or all of this name."""
    return carry_out(call.outlet, *_remove(_found(call)))


def _found(call: Call) -> tuple[ArmedFault, ...]:
    try:
        return call.outlet.pipeline.matching(call.parameter("id"))
    except LookupError as error:
        raise HttpProblem(404, str(error.args[0])) from None


def _remove(armed: Iterable[ArmedFault]) -> tuple[Command, ...]:
    names = tuple(one.identity for one in armed)
    return (RemoveFaults(names),) if names else ()


def _parse(body: Any, *, only_list: bool = False) -> tuple[Fault, ...]:
    """Return the faults in a body. Raises HttpProblem with every problem."""
    single = not only_list and not isinstance(body, list)
    faults, problems = validate([body] if single else body, tuple[Fault, ...])
    if problems:
        # The author of a single fault has written no list.
        texts = [re.sub(r"^\[0\](\.|: )?", "", str(one)) for one in problems]
        raise invalid(*(texts if single else problems))
    given: tuple[Fault, ...] = faults
    return given


FAULTS = "/api/outlets/{sn}/faults"
FAULT = "/api/outlets/{sn}/faults/{id}"

OPERATIONS = (
    Operation(method="GET", path=FAULTS, handler=list_faults, answer=list[FaultView]),
    Operation(
        method="POST",
        path=FAULTS,
        handler=add_faults,
        body=Fault | list[Fault],
        answer=list[FaultView],
        status=201,
    ),
    Operation(method="PUT", path=FAULTS, handler=replace_faults, body=list[Fault], answer=Done),
    Operation(method="DELETE", path=FAULTS, handler=remove_faults, answer=Done),
    Operation(method="GET", path=FAULT, handler=get_fault, answer=list[FaultView]),
    Operation(method="PATCH", path=FAULT, handler=switch_faults, body=Switch, answer=Done),
    Operation(method="DELETE", path=FAULT, handler=remove_fault, answer=Done),
)
