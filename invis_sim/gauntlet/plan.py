"""What a client is taken through: cases, made of what the kinds of faults declare."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from invis_sim.faults.case import ASKED, Case, Expectation
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import ConnectionFault, Fault
from invis_sim.faults.kinds.device import FaceplateOffline
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.from_keys import build_step
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.loading import ScenarioError, with_faults
from invis_sim.scenario.steps import Step
from invis_sim.scenario.validation import validate
from invis_sim.schema.describe import to_toml_text

__all__ = [
    "PLANS",
    "PlanName",
    "PlannedCase",
    "Target",
    "fault_cases",
    "make_plan",
    "plan_faults",
    "scenario_of",
]

PlanName: TypeAlias = Literal["faults"]

PLANS: tuple[PlanName, ...] = get_args(PlanName)

USUAL_CALLBACK = 9
"""Where it is not known what the client asks for, and a case names a callback all the same."""


class Target(msgspec.Struct, frozen=True):
    """At what the cases of a transport are aimed.

    callback: what the client asks for; None: whatever it asks for.
    requests: how many such requests it makes on one connection, as far as is known; None: unknown.
    """

    callback: int | None = None
    requests: int | None = None


class PlannedCase(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the client.

    id: `kind/label/transport`, unique in a plan.
    kind: of the fault; in the plan of the device, what happens to it.
    parameters: of the fault, as in a scenario.
    transport: on which the client is to reach the outlet.
    expectation, reason: what a good client does, and why.
    fault: what goes wrong; None in the plan of the device.
    step: what happens to the outlet besides; None: nothing.
    state: how the outlet differs from that of the scenario: tables and keys.
    others: how many connections other clients hold while this one runs.
    callback: of the requests at which it is aimed; None: any.
    skip: why it cannot be run with this client or scenario; "": it can.
    """

    id: str
    kind: str
    transport: Transport
    expectation: Expectation
    reason: str
    parameters: dict[str, Any] = {}
    fault: Fault | None = None
    step: Step | None = None
    state: dict[str, Any] = {}
    others: int = 0
    callback: int | None = None
    skip: str = ""

    @property
    def inline(self) -> str:
        """The fault for `invis-sim run --fault`; "" where one line cannot say it all."""
        if self.fault is None or self.step is not None or self.others:
            return ""
        keys = [f"{key}={to_toml_text(value)}" for key, value in self.parameters.items()]
        text = f"{self.kind}:{','.join(keys)}".rstrip(":")
        try:
            same = parse_fault(text) == msgspec.structs.replace(self.fault, name=None)
        except ScenarioError:
            return ""
        return text if same else ""


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

    name: "faults".
    scenario: of the outlet; it may have faults of its own.
    targets: for each transport that is tried.
    """
    return plan_faults(scenario, targets)


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
    try:
        with_faults(scenario, [fault])
    except ScenarioError as error:
        return f"not with this scenario: {error.problems[0]}"
    # None at all is no reason: then the case shows that its aim is wrong.
    if target.requests is not None and target.requests < case.min_requests != 1:
        return (
            f"it needs {case.min_requests} requests about callback {target.callback} on one "
            f"connection, and the client makes {target.requests}"
        )
    return ""


def scenario_of(scenario: Scenario, case: PlannedCase) -> Scenario:
    """Return the scenario of the outlet of a case."""
    faults: Iterable[Fault] = () if case.fault is None else (case.fault,)
    changed = with_faults(scenario, faults)
    if case.step is not None:
        changed = msgspec.structs.replace(changed, steps=(*changed.steps, case.step))
    return changed
