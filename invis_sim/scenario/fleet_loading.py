"""A scenario, and how many outlets → the scenario of a fleet."""

from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim.device.state import Device
from invis_sim.faults.fault import Fault
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario.fleet import FleetSettings
from invis_sim.scenario.loading import (
    OVERRIDES,
    ScenarioError,
    ScenarioSource,
    check_overrides,
    override,
    scenario_in,
    with_faults,
)
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.validation import validate
from invis_sim.schema.build import values_checked

__all__ = ["FLEET_OPTIONS", "resolve_fleet", "with_fleet"]

__tracebackhide__ = hide_frames

FLEET_OPTIONS = ("count", "first", "sn", "address", "ports")
"""The keys of `[fleet]` that the command line and Python can give beside a scenario."""


def resolve_fleet(
    source: ScenarioSource = None, faults: Iterable[Fault] = (), **overrides: Any
) -> Scenario:
    """The scenario of a fleet, of a source as for `resolve`.

    overrides: any of FLEET_OPTIONS, and those of `override`.

    Raises ScenarioError, also where neither the scenario nor `count` says how many outlets.
    """
    check_overrides(overrides, {**dict.fromkeys(FLEET_OPTIONS), **OVERRIDES})
    keys = {name: overrides.pop(name, None) for name in FLEET_OPTIONS}
    scenario = override(with_fleet(scenario_in(source), **keys), **overrides)
    return scenario if faults == () else with_faults(scenario, faults)


def with_fleet(scenario: Scenario, **options: Any) -> Scenario:
    """The scenario with another `[fleet]`, or with one that it has not had.

    options: any of FLEET_OPTIONS; None leaves the key as it is.

    Raises ScenarioError.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if scenario.fleet is None:
        if "count" not in given:
            missing = "expected a number of outlets; the scenario has no [fleet]"
            raise ScenarioError([f"count: {missing}"])
        # Of one outlet; those of the fleet have a pattern.
        device = msgspec.structs.replace(scenario.device, sn=Device().sn)
        with values_checked():
            scenario = msgspec.structs.replace(scenario, device=device)
    fleet, problems = validate(given, FleetSettings, base=scenario.fleet)
    if problems:
        raise ScenarioError([*map(str, problems)])
    try:
        with values_checked():
            return msgspec.structs.replace(scenario, fleet=fleet)
    except ValueError as error:
        raise ScenarioError([str(error)]) from None
