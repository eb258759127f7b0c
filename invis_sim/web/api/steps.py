"""The steps of an outlet that are still to come."""

from typing import Any

import msgspec

from invis_sim.scenario.export import step_table
from invis_sim.scenario.from_keys import build_step
from invis_sim.scenario.steps import Step
from invis_sim.server.step_runner import StepHandle
from invis_sim.web.api.commands import BY
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem
from invis_sim.web.request import Call

__all__ = ["OPERATIONS", "StepView"]


class StepView(msgspec.Struct, frozen=True):
    """A step that is left.

    number: from 1. step: the table of a scenario file that makes it.
    left: the same as it would be in an outlet that starts now: with the time and the requests that
    are still to pass. null: it has been carried out, and waits for a reset of the counters.
    """

    number: int
    step: Any
    left: Any


def view(handle: StepHandle) -> StepView:
    """Return what a step is."""
    left = handle.left
    return StepView(
        handle.number, step_table(handle.step), None if left is None else step_table(left)
    )


def list_steps(call: Call) -> list[StepView]:
    """List the steps that are left."""
    return [view(handle) for handle in call.outlet.steps]


def get_step(call: Call) -> StepView:
    """Return one step."""
    return view(_found(call))


def add_step(call: Call) -> StepView:
    """Add a step; its times, and the requests that it waits for, count from now."""
    return view(call.outlet.add_step(build_step(call.table()), BY))


def remove_steps(call: Call) -> None:
    """Remove all steps."""
    for handle in call.outlet.steps:
        handle.remove(BY)


def remove_step(call: Call) -> None:
    """Remove one step."""
    _found(call).remove(BY)


def _found(call: Call) -> StepHandle:
    number = call.parameter("number")
    for handle in call.outlet.steps:
        if str(handle.number) == number:
            return handle
    there = ", ".join(str(handle.number) for handle in call.outlet.steps) or "none"
    raise HttpProblem(404, f"no step has the number {number!r}; there are: {there}")


STEPS = "/api/outlets/{sn}/steps"
STEP = "/api/outlets/{sn}/steps/{number}"

OPERATIONS = (
    Operation(method="GET", path=STEPS, handler=list_steps, answer=list[StepView]),
    Operation(method="POST", path=STEPS, handler=add_step, body=Step, answer=StepView, status=201),
    Operation(method="DELETE", path=STEPS, handler=remove_steps, status=204),
    Operation(method="GET", path=STEP, handler=get_step, answer=StepView),
    Operation(method="DELETE", path=STEP, handler=remove_step, status=204),
)
