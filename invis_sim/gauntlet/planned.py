"""A case of a plan, and the outlet that it needs."""

import ipaddress
from typing import Any

import msgspec

from invis_sim.faults.case import Expectation
from invis_sim.faults.fault import Fault
from invis_sim.protocol.address import is_ip_address
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.loading import ScenarioError, with_faults
from invis_sim.scenario.steps import Step
from invis_sim.schema.describe import to_toml_text
from invis_sim.server.net.listeners import has_address

__all__ = ["USUAL_CALLBACK", "PlannedCase", "Target", "no_other_address", "scenario_of"]

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
    scenario: of the outlet, in place of the one that was given; None: that one.
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
    scenario: Scenario | None = None
    others: int = 0
    callback: int | None = None
    skip: str = ""

    @property
    def inline(self) -> str:
        """The fault for `invis-sim run --fault`; "" where one line cannot say it all."""
        if self.fault is None or self.step is not None or self.others:
            return ""
        # TOML has no null, which is what those keys mean that may be null and are omitted.
        given = {key: value for key, value in self.parameters.items() if value is not None}
        keys = [f"{key}={to_toml_text(value)}" for key, value in given.items()]
        text = f"{self.kind}:{','.join(keys)}".rstrip(":")
        try:
            same = parse_fault(text) == msgspec.structs.replace(self.fault, name=None)
        except ScenarioError:
            return ""
        return text if same else ""


def scenario_of(scenario: Scenario, case: PlannedCase) -> Scenario:
    """Return the scenario of the outlet of a case."""
    if case.scenario is not None:
        scenario = case.scenario
    changed = with_faults(scenario, () if case.fault is None else (case.fault,))
    if case.step is not None:
        changed = msgspec.structs.replace(changed, steps=(*changed.steps, case.step))
    return changed


def no_other_address(scenario: Scenario) -> str:
    """Return why the outlet of a case cannot get another address here; "" if it can."""
    host = scenario.listen.host if is_ip_address(scenario.listen.host) else "127.0.0.1"
    other = str(ipaddress.ip_address(host) + 1)
    return "" if has_address(other) else f"this machine has no address {other}"
