"""Which settings of a scenario could never have an effect, because the product lacks what they are
about.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from invis_sim.device.state import OutletState, Product, Quirks
from invis_sim.scenario.steps import Step
from invis_sim.schema.describe import Path

__all__ = ["ineffective_settings"]

_PARTS: dict[tuple[str, ...], tuple[Product, ...]] = {
    ("faceplate",): ("pro", "aura"),
    ("nightlight",): ("pro",),
    ("color_light",): ("aura",),
    ("indicator_light",): ("aura",),
    ("sensors",): ("pro", "aura"),
    ("updates", "PM"): ("pro", "aura"),
}
"""What of the state is about something that not every product has → those that have it."""

_BY_QUIRK = {
    "nightlight": ("plain_nightlight_on_aura", "an Aura has a [color_light] in its place"),
    "indicator_light": ("indicator_light", "an Aura is without it by default"),
}
"""What an Aura has by a quirk alone → the quirk, and what is so without."""


def ineffective_settings(parts: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The settings that have no effect: where they stand, and why. None, where a step makes another
    product of the outlet.

    parts: every key at the top of the file → its value; None, there or in a list, for one that is
    not valid: it may have said anything, so nothing is blamed that depends on it.
    """
    steps: tuple[Step | None, ...] | None = parts["steps"]
    device, firmware, quirks = parts["device"], parts["firmware"], parts["quirks"]
    if device is None or firmware is None or quirks is None or steps is None or None in steps:
        return
    planned = [step for step in steps if step is not None]
    changes = [step.set or {} for step in planned]
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
        if parts[path[0]] is not None and _at(parts, path) != _at(usual, path):
            yield path, why
        for index, one in enumerate(changes):
            if _mentions(one, path):
                yield ("steps", index, "set", *path), why
    if product == "bare":
        why = _why_not("faceplate", _PARTS[("faceplate",)], product, quirks, changes)
        for index, step in enumerate(planned):
            needs = {
                "faceplate": step.faceplate is not None,
                "sample": step.sample,
                "update": step.update == "PM",
            }
            yield from ((("steps", index, key), why) for key, given in needs.items() if given)


def _why_not(
    part: str,
    having: tuple[Product, ...],
    product: Product,
    quirks: Quirks,
    changes: list[dict[str, Any]],
) -> str:
    """Why a product does not have a part, and what to say so that it does; "" where it has it.

    having: the products that have it. changes: what steps set.
    """
    if product == "aura" and part in _BY_QUIRK:
        quirk, otherwise = _BY_QUIRK[part]
        switched = any(_mentions(one, ("quirks", quirk)) for one in changes)
        if getattr(quirks, quirk) or switched:
            return ""
        return f"has no effect: {otherwise}; say {quirk} = true under [quirks]"
    if product in having:
        return ""
    lacking = "this outlet has no faceplate" if product == "bare" else "this outlet is no Aura"
    wanted = " or ".join(f'"{name}"' for name in having)
    return f"has no effect: {lacking}; say product = {wanted} under [device]"


def _mentions(changes: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether changes are about a part of the state. A struct is about all its fields."""
    value: Any = changes
    for key in path:
        if isinstance(value, msgspec.Struct):
            return True
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return value != {} or path == ("firmware", "PM")


def _at(state: Any, path: tuple[str, ...]) -> Any:
    """A part of a state, or of a mapping of its parts."""
    first, *rest = path
    value = state[first] if isinstance(state, Mapping) else getattr(state, first)
    for name in rest:
        value = getattr(value, name)
    return value
