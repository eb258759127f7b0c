"""What a client is taken through: cases, made of what the kinds of faults declare."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

from invis_sim.faults.case import ASKED, Case
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import ConnectionFault, Fault
from invis_sim.faults.kinds.device import FaceplateOffline, Readdress
from invis_sim.gauntlet.device_plan import plan_device
from invis_sim.gauntlet.planned import USUAL_CALLBACK, PlannedCase, Target, no_other_address
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.from_keys import build_step
from invis_sim.scenario.loading import ScenarioError, with_faults
from invis_sim.scenario.steps import Step
from invis_sim.scenario.validation import validate

__all__ = ["PLANS", "PlanName", "fault_cases", "make_plan", "plan_faults"]

PlanName: TypeAlias = Literal["faults", "device", "all"]
"""Everything that can go wrong, the outlet's own life, or both."""

PLANS: tuple[PlanName, ...] = get_args(PlanName)


def fault_cases(transport: Transport) -> Iterator[tuple[type[Fault], Case]]:
    """Yield every case that the catalogue has for a transport, in its order."""
    for kind in KINDS.values():
        if transport in kind.transports:
            for case in kind.cases:
                if case.transports is None or transport in case.transports:
                    yield kind, case


def make_plan(
    name: PlanName, scenario: Scenario, targets: Mapping[Transport, Target]
) -> tuple[PlannedCase, ...]:
    """Return all cases of a plan.

    name: "faults": everything that can go wrong. "device": what happens to an outlet in its life.
    "all": both.
    scenario: of the outlet; it may have faults of its own.
    targets: for each transport that is tried.
    """
    faults = plan_faults(scenario, targets) if name != "device" else ()
    return faults + (plan_device(scenario, targets) if name != "faults" else ())


def plan_faults(scenario: Scenario, targets: Mapping[Transport, Target]) -> tuple[PlannedCase, ...]:
    """Return the plan of all faults.

    scenario: of the outlet; it may have faults of its own.
    targets: for each transport that is tried.
    """
    return tuple(
        _planned(scenario, kind, case, transport, target)
        for transport, target in targets.items()
        for kind, case in fault_cases(transport)
    )


def _planned(
    scenario: Scenario, kind: type[Fault], case: Case, transport: Transport, target: Target
) -> PlannedCase:
    keys = {key: _aimed(value, target) for key, value in case.keys.items()}
    when = dict(case.when)
    packets = not issubclass(kind, ConnectionFault) and not case.at_start
    if packets and target.callback is not None:
        when = {"callback": target.callback, **when}
    parameters = {**keys, **({"when": when} if when else {})}
    fault = _fault(scenario, kind, parameters)
    return PlannedCase(
        id=f"{kind.kind()}/{case.label}/{transport}",
        kind=kind.kind(),
        transport=transport,
        expectation=case.expectation,
        reason=case.reason,
        parameters=parameters,
        fault=fault,
        step=_step(case.then, target),
        others=case.others,
        callback=target.callback if packets else None,
        skip=_obstacle(scenario, fault, case, target),
    )


def _aimed(value: Any, target: Target) -> Any:
    if value != ASKED:
        return value
    return USUAL_CALLBACK if target.callback is None else target.callback


def _fault(scenario: Scenario, kind: type[Fault], parameters: dict[str, Any]) -> Fault:
    taken = {fault.display_name for fault in scenario.faults}
    name = f"{kind.kind()} of the gauntlet" if kind.kind() in taken else None
    plain = {"kind": kind.kind(), **parameters, **({"name": name} if name else {})}
    faults, problems = validate([plain], tuple[Fault, ...])
    assert not problems, problems  # what the catalogue declares; a test builds each
    fault: Fault = faults[0]
    return fault


def _step(commands: dict[str, Any], target: Target) -> Step | None:
    if not commands:
        return None
    callback = USUAL_CALLBACK if target.callback is None else target.callback
    return build_step({"after_request": {"callback": callback}, **commands})


def _obstacle(scenario: Scenario, fault: Fault, case: Case, target: Target) -> str:
    """Return why the case cannot be run; "" if it can."""
    if isinstance(fault, FaceplateOffline) and scenario.product == "bare":
        return "this outlet has no faceplate"
    if isinstance(fault, Readdress) and (why := no_other_address(scenario)):
        return why
    try:
        with_faults(scenario, [fault])
    except ScenarioError as error:
        return f"not with this scenario: {error.problems[0]}"
    # Where there are none at all, the case is run, and shows that its aim is wrong.
    if target.requests is not None and target.requests < case.min_requests != 1:
        return (
            f"it needs {case.min_requests} requests about callback {target.callback} on one "
            f"connection, and the client makes {target.requests}"
        )
    return ""
