"""The settings of a scenario that could never have an effect, because the product lacks what they
are about.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from invis_sim.commands.set_state import SetState
from invis_sim.device.preferences import PRODUCTS_WITH
from invis_sim.device.state import OutletState, Product, Quirks
from invis_sim.scenario.steps import Step
from invis_sim.schema.fields import MISSING, Path, value_at

__all__ = ["as_usual", "ineffective_settings"]

_PARTS: dict[tuple[str, ...], tuple[Product, ...]] = {
    ("faceplate",): ("pro", "aura"),
    ("nightlight",): ("pro",),
    ("color_light",): ("aura",),
    ("indicator_light",): ("aura",),
    ("sensors",): ("pro", "aura"),
    ("updates", "PM"): ("pro", "aura"),
    ("quirks", "color_light_args"): ("aura",),
    ("quirks", "indicator_number"): ("aura",),
    ("quirks", "max_kelvin"): ("aura",),
    ("quirks", "short_palette"): ("aura",),
    ("quirks", "random_palette"): ("aura",),
    ("quirks", "faceplate_pushes"): ("pro", "aura"),
    **{("preferences", *path): products for path, products in PRODUCTS_WITH.items()},
}
"""Parts of the state that not every product has → the products that have them."""

SHARED_TABLES = ("preferences", "quirks")
"""Tables of which every product has some keys."""

_BY_QUIRK = {
    "nightlight": ("plain_nightlight_on_aura", "an Aura has a [color_light] in its place"),
    "indicator_light": ("indicator_light", "an Aura is without it by default"),
}
"""Parts that an Aura has only with a quirk → the quirk, and how it is without."""


def ineffective_settings(parts: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The settings that have no effect: their paths, and why. Empty if a step may change which
    product the outlet is.

    parts: every key at the top of the file → its value; None, there or in a list, for one that is
    not valid: it may have said anything, so nothing is blamed that depends on it.
    """
    steps: tuple[Step | None, ...] | None = parts["steps"]
    device, firmware, quirks = parts["device"], parts["firmware"], parts["quirks"]
    if device is None or firmware is None or quirks is None or steps is None or None in steps:
        return
    planned = [step for step in steps if step is not None]
    changes = [_state_set_by(step) for step in planned]
    if any(_mentions(one, ("device", "product")) for one in changes):
        return
    if any(_mentions(one, ("firmware", "PM")) for one in changes):
        return
    product = OutletState(device=device, firmware=firmware).product
    usual = OutletState()
    for path, having in _PARTS.items():
        why = _why_not(path[0], having, product, quirks, changes)
        if not why:
            continue
        if parts[path[0]] is not None and value_at(parts, path) != value_at(usual, path):
            yield path, why
        for index, one in enumerate(changes):
            # A struct has a value for each key, so only those that are not as usual are meant.
            is_usual = path[0] in SHARED_TABLES and value_at(one, path) == value_at(usual, path)
            if _mentions(one, path) and not is_usual:
                yield ("steps", index, "set", *path), why
    if product == "bare":
        why = _why_not("faceplate", _PARTS[("faceplate",)], product, quirks, changes)
        for index, step in enumerate(planned):
            for command in step.commands:
                if command.needs_faceplate:
                    yield ("steps", index, command.key), why


def as_usual(value: Any, usual: Any, keys: Sequence[str]) -> Any:
    """Return a struct with the usual value at the path of these keys."""
    if not keys:
        return usual
    first, *rest = keys
    inner = as_usual(getattr(value, first), getattr(usual, first), rest)
    return msgspec.structs.replace(value, **{first: inner})


def _state_set_by(step: Step) -> dict[str, Any]:
    """Return what a step sets of the state of the outlet."""
    for command in step.commands:
        if isinstance(command, SetState):
            return command.state
    return {}


def _why_not(
    part: str,
    having: tuple[Product, ...],
    product: Product,
    quirks: Quirks,
    changes: list[dict[str, Any]],
) -> str:
    """Why a product does not have a part, and what to set so that it does; "" if it has it.

    having: the products that have it. changes: what steps set.
    """
    if product == "aura" and part in _BY_QUIRK:
        quirk, otherwise = _BY_QUIRK[part]
        switched = any(_mentions(one, ("quirks", quirk)) for one in changes)
        if getattr(quirks, quirk) or switched:
            return ""
        return f"has no effect: {otherwise}; set {quirk} = true under [quirks]"
    if product in having:
        return ""
    if part == "preferences":
        path = ("quirks", "preference_keys")
        if quirks.preference_keys == "all" or any(_mentions(one, path) for one in changes):
            return ""
    other = "an Aura" if having == ("aura",) else "a Pro"
    lacking = f"this outlet {'has no faceplate' if product == 'bare' else f'is not {other}'}"
    wanted = " or ".join(f'"{name}"' for name in having)
    return f"has no effect: {lacking}; set product = {wanted} under [device]"


def _mentions(changes: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether changes are about a part of the state. A struct is about all its fields."""
    value = value_at(changes, path)
    if value is MISSING:
        return False
    # An empty table changes nothing, except that a [firmware.PM] makes a Pro of a bare outlet.
    return value != {} or path == ("firmware", "PM")
