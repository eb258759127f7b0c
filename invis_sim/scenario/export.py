"""A scenario, a fault, a step → tables, and the text of a file, that load as the same."""

from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.scenario.conflicts import conflicts
from invis_sim.scenario.ineffective import as_usual, ineffective_settings
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from invis_sim.scenario.toml_text import to_toml
from invis_sim.schema.describe import format_path
from invis_sim.schema.differences import differences

__all__ = ["fault_table", "running_scenario", "scenario_of", "scenario_text", "step_table"]


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
            parts[table] = as_usual(parts[table], getattr(usual, table), keys)
    return Scenario(**parts, **more)


def running_scenario(
    original: Scenario,
    state: OutletState,
    faults: Iterable[tuple[str, Fault]],
    steps: Iterable[Step],
    seed: int,
) -> tuple[Scenario, tuple[str, ...]]:
    """Return the scenario that makes such an outlet again as it is now, and what had to be omitted,
    in words: what does not go together with what the outlet has become.

    original: what the outlet was made from.
    faults: identity and fault, in the order in which they are applied, with `enabled` as its switch
    is now. steps: what is left of them; their times count from the start of the new outlet.

    Raises ValueError where the outlet has become one that no scenario can say.
    """
    more: dict[str, Any] = {
        "description": original.description,
        "seed": seed,
        "listen": original.listen,
        "protocol": original.protocol,
        "faults": _with_own_names(faults),
        "steps": tuple(steps),
    }
    parts = {name: getattr(state, name) for name in OutletState.__struct_fields__}
    omitted: list[str] = []
    while True:
        found = conflicts({**_defaults(), **parts, **more})
        path, why = next((one for one in found if one[0][0] in ("faults", "steps")), ((), ""))
        if not path:
            return scenario_of(state, **more), tuple(omitted)
        key, index = str(path[0]), int(path[1])
        omitted.append(f"{format_path(path)}: {why}")
        more[key] = (*more[key][:index], *more[key][index + 1 :])


def _with_own_names(faults: Iterable[tuple[str, Fault]]) -> tuple[Fault, ...]:
    """Return the faults, with the identity as the name of one whose name another one has too."""
    named: list[Fault] = []
    for identity, fault in faults:
        taken = {one.name for one in named}
        if fault.name is not None and fault.name in taken:
            fault = msgspec.structs.replace(fault, name=identity)
        named.append(fault)
    return tuple(named)


def _defaults() -> dict[str, Any]:
    return msgspec.structs.asdict(Scenario())


def fault_table(fault: Fault) -> dict[str, Any]:
    """Return the table of [[faults]] that makes the fault."""
    return {"kind": fault.kind(), **differences(fault)}


def step_table(step: Step) -> dict[str, Any]:
    """Return the table of [[steps]] that makes the step, with each command in its shortest form."""
    commands = {command.key: _command_value(command.value) for command in step.commands}
    return {key: commands.get(key, value) for key, value in differences(step).items()}


def _command_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _command_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_command_value(item) for item in value]
    return fault_table(value) if isinstance(value, Fault) else value
