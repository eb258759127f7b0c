"""The second plan: no faults, but the outlet's own life, which every client meets one day."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from invis_sim.device.state import Product
from invis_sim.faults.case import Expectation
from invis_sim.gauntlet.planned import USUAL_CALLBACK, PlannedCase, Target, no_other_address
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.from_keys import build_step
from invis_sim.scenario.loading import parse

__all__ = ["plan_device"]

PUSHES = (9, 11, 12, 15, 18)
"""The states that an outlet pushes by itself."""


class DeviceCase(msgspec.Struct, frozen=True):
    """One thing that happens to an outlet.

    kind, label: of the case's id. expectation, reason: what a good client does, and why.
    commands: carried out after the client's first request, as in a step.
    step: further keys of that step, such as `after_seconds`.
    scenario: TOML of an outlet in place of the one that was given; "": that one.
    """

    kind: str
    label: str
    expectation: Expectation
    reason: str
    commands: dict[str, Any] = {}
    step: dict[str, Any] = {}
    scenario: str = ""


_UPDATES = """
[firmware.IM]
fw_rev = "0.0.1"
available_fw_rev = "0.1.0"
www_fw_rev = "0.1.2"
available_www_fw_rev = "0.3.0"

[firmware.PM]
fw_rev = "0.5.0"
available_fw_rev = "0.5.1"

[timing]
restart_seconds = 0.3

[updates.IM]
outcome = "{outcome}"
silence_seconds = 0.3
www_seconds = 0.3
seconds = 0.3

[updates.PM]
outcome = "{outcome}"
seconds = 0.3
"""
"""An outlet whose updates take a second, so that a client need not wait for them."""

_OUTCOMES = ("success", "fails_at_start", "fails", "hangs", "keeps_old_revision")
"""How updates go. One that is refused never begins, so a client that has not asked for it meets
nothing of it."""

_REV_B = """
[device]
product = "pro"
hw_rev = "revB"
"""


def _cases() -> Iterator[DeviceCase]:
    for product in get_args(Product):
        yield DeviceCase(
            "product",
            product,
            "either",
            "A client may need what this product lacks, if it says so.",
            scenario=f'[device]\nproduct = "{product}"\n',
        )
    yield DeviceCase(
        "hardware",
        "rev-b",
        "survive",
        "The other hardware revision answers as the first does.",
        scenario=_REV_B,
    )
    for how in get_args(DisconnectMode):
        yield DeviceCase(
            "restart",
            how,
            "either",
            "The outlet is back after a third of a second: connect again, or say so.",
            {"reboot": {"seconds": 0.3, "how": how}},
        )
    for outcome in _OUTCOMES:
        for part, what in (("IM", "outlet"), ("PM", "faceplate")):
            yield DeviceCase(
                "update",
                f"{what}-{outcome}",
                "either",
                "An update that another client has started restarts what it updates.",
                {"update": part},
                scenario=_UPDATES.format(outcome=outcome),
            )
    for what, reason in (
        ("off", "Without its faceplate the outlet answers less, or nothing about it."),
        ("restart", "The faceplate is away for a moment, and the outlet pushes who it is."),
    ):
        yield DeviceCase("faceplate", what, "either", reason, {"faceplate": what})
    for number in PUSHES:
        yield DeviceCase(
            "push",
            str(number),
            "survive",
            "An outlet pushes its state whenever that changes.",
            {"push": number},
            {"every_seconds": 0.02},
        )
    yield DeviceCase(
        "disconnect",
        "all",
        "either",
        "The outlet ends every connection: connect again, or say so.",
        {"disconnect": True},
    )
    yield DeviceCase(
        "disconnect",
        "reset",
        "either",
        "The outlet aborts every connection: connect again, or say so.",
        {"disconnect": "reset"},
    )
    yield DeviceCase(
        "address",
        "changes",
        "either",
        "The outlet has got another address: find it again, or say so.",
        {"inject": {"kind": "readdress", "how": "blackhole", "seconds": 0.3}},
    )


def plan_device(scenario: Scenario, targets: Mapping[Transport, Target]) -> tuple[PlannedCase, ...]:
    """Return the plan of the outlet's own life. The arguments are those of `make_plan`."""
    return tuple(
        _planned(scenario, case, transport, target)
        for transport, target in targets.items()
        for case in _cases()
    )


def _planned(
    scenario: Scenario, case: DeviceCase, transport: Transport, target: Target
) -> PlannedCase:
    other = _outlet(scenario, case.scenario) if case.scenario else None
    return PlannedCase(
        id=f"{case.kind}/{case.label}/{transport}",
        kind=case.kind,
        transport=transport,
        expectation=case.expectation,
        reason=case.reason,
        parameters=case.commands,
        step=_step(case, target),
        scenario=other,
        callback=target.callback if case.commands and not case.step else None,
        skip=_obstacle(scenario if other is None else other, case),
    )


def _step(case: DeviceCase, target: Target) -> Any:
    if not case.commands:
        return None
    callback = USUAL_CALLBACK if target.callback is None else target.callback
    when = case.step or {"after_request": {"callback": callback}}
    return build_step({**when, **case.commands})


def _outlet(scenario: Scenario, text: str) -> Scenario:
    """Return another outlet, with the serial number and the addresses of this one."""
    other = parse(text)
    device = msgspec.structs.replace(other.device, sn=scenario.device.sn)
    return msgspec.structs.replace(
        other,
        device=device,
        seed=scenario.seed,
        listen=scenario.listen,
        protocol=scenario.protocol,
    )


def _obstacle(scenario: Scenario, case: DeviceCase) -> str:
    """Return why the case cannot be run; "" if it can."""
    if case.kind == "address":
        return no_other_address(scenario)
    needs = {"faceplate/off": "bare", "faceplate/restart": "bare", "push/11": "bare"}
    lacking = needs.get(f"{case.kind}/{case.label}")
    if scenario.product == lacking:
        return "this outlet has no faceplate"
    lights = {"15": "pro", "18": "aura"}
    if case.kind == "push" and lights.get(case.label, scenario.product) != scenario.product:
        return f"this outlet is not an InvisDeco {lights[case.label].capitalize()}"
    return ""
