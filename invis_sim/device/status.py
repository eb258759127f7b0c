"""The present state as packets show it: the `callbackArgs` of callbacks 3, 9, 11, 12, 15 and 18.

What depends on the faceplate raises `RequestRejected` while that cannot be reached.
"""

from typing import Any

from invis_sim.device.arguments import RequestRejected, format_value, reject
from invis_sim.device.faceplate import Presence
from invis_sim.device.lights import COLOR_LIGHTS, ColorLight
from invis_sim.device.sensors import Sampler
from invis_sim.device.state import OutletState
from invis_sim.protocol.packets import Note

__all__ = [
    "accessory_names",
    "color_light_status",
    "nightlight_status",
    "outlet_status",
    "require_faceplate",
    "require_nightlight",
    "select_color_light",
    "sensor_readings",
]


def accessory_names(state: OutletState, presence: Presence) -> Any:
    """Callback 3."""
    names = state.names.to_wire(nightlight=presence.attached)
    return {"payload": names} if state.quirks.names_list == "wrapped" else names


def outlet_status(state: OutletState) -> list[int]:
    """Callback 9."""
    return list(state.outlets.states)


def sensor_readings(state: OutletState, presence: Presence, sampler: Sampler) -> list[Any]:
    """Callback 11. Raises RequestRejected."""
    require_faceplate(presence)
    device_type = state.sensors.device_type
    if device_type is None:
        device_type = 2 if state.product == "aura" else 1
    return [device_type, sampler.to_wire(state.quirks.decimals)]


def nightlight_status(state: OutletState, presence: Presence) -> list[int]:
    """Callback 15. Raises RequestRejected."""
    require_nightlight(state, presence)
    return state.nightlight.to_wire()


def color_light_status(state: OutletState, presence: Presence, light: Any) -> list[Any]:
    """Callback 18. Raises RequestRejected.

    light: its number, as a client sent it.
    """
    number, _, color_light = select_color_light(state, presence, light)
    return color_light.to_wire(number)


def require_faceplate(presence: Presence) -> None:
    """Raise RequestRejected unless there is a faceplate that answers."""
    if presence is Presence.NONE:
        raise RequestRejected(Note("this outlet has no InvisDeco"))
    if not presence.online:
        raise RequestRejected(Note("faceplate offline"))


def require_nightlight(state: OutletState, presence: Presence) -> None:
    """Raise RequestRejected unless there is a plain nightlight that answers."""
    require_faceplate(presence)
    if state.product == "aura" and not state.quirks.plain_nightlight_on_aura:
        raise RequestRejected(Note("an Aura has no plain nightlight; see callbacks 17 and 18"))


def select_color_light(
    state: OutletState, presence: Presence, light: Any
) -> tuple[int, str, ColorLight]:
    """The coloured light of a number: the number, the field of the state, and the light with all
    its LEDs. Raises RequestRejected.

    light: the number, as a client sent it.
    """
    if state.product != "aura":
        raise RequestRejected(Note("this outlet has no InvisDeco Aura"))
    known = [5, 7] if state.quirks.indicator_light else [5]
    if type(light) is not int or light not in known:
        expected = " or ".join(map(str, known))
        reject(f"light: expected {expected}, found {format_value(light)}", 0)
    require_faceplate(presence)
    name, count = COLOR_LIGHTS[light]
    color_light: ColorLight = getattr(state, name)
    return light, name, color_light.with_leds(count)
