"""A scenario, a fault, a step → tables, and the text of a file, that load as the same."""

from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from invis_sim.scenario.toml_text import to_toml
from invis_sim.schema.differences import differences

__all__ = ["fault_table", "scenario_of", "scenario_text", "step_table"]


def scenario_text(scenario: Scenario, comments: tuple[str, ...] = ()) -> str:
    """Return TOML that says what of the scenario differs from the defaults. Loading it gives an
    equal scenario.

    comments: lines for the top of the file, without "#".
    """
    return to_toml(differences(scenario), comments)


def scenario_of(state: OutletState, **more: Any) -> Scenario:
    """Return the scenario of an outlet that begins in this state, without what has no effect there,
    such as the lights of a faceplate that the product lacks.

    more: other values of the scenario, such as `seed`. Raises ValueError if these do not go
    together with the state.
    """
    usual = OutletState()
    fields = OutletState.__struct_fields__
    parts = {name: getattr(state, name) for name in fields}
    others = {name: value for name, value in _defaults().items() if name not in fields}
    for path, _ in list(ineffective_settings({**others, **parts, **more})):
        if path[0] in fields:
            table, *keys = map(str, path)
            parts[table] = _reset(parts[table], getattr(usual, table), keys)
    return Scenario(**parts, **more)


def _defaults() -> dict[str, Any]:
    return msgspec.structs.asdict(Scenario())


def _reset(struct: Any, usual: Any, keys: list[str]) -> Any:
    """Return the struct with the usual value at the path of these keys."""
    if not keys:
        return usual
    first, *rest = keys
    inner = _reset(getattr(struct, first), getattr(usual, first), rest)
    return msgspec.structs.replace(struct, **{first: inner})


def fault_table(fault: Fault) -> dict[str, Any]:
    """Return the table of [[faults]] that makes the fault."""
    return {"kind": fault.kind(), **differences(fault)}


def step_table(step: Step) -> dict[str, Any]:
    """Return the table of [[steps]] that makes the step."""
    # A command has several forms, and knows its shortest.
    commands = {command.key: _command_value(command.value) for command in step.commands}
    return {key: commands.get(key, value) for key, value in differences(step).items()}


def _command_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _command_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_command_value(item) for item in value]
    return fault_table(value) if isinstance(value, Fault) else value
