"""A scenario → the text of a file that loads as the same scenario."""

from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.toml_text import to_toml
from invis_sim.schema.differences import differences

__all__ = ["scenario_of", "scenario_text"]


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
