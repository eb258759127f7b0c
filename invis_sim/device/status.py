"""The present state as packets show it: the `callbackArgs` of callbacks 1, 3, 9, 11, 12, 15 and 18.

What depends on the faceplate raises `RequestRejected` while that cannot be reached.
"""

from typing import Any

from invis_sim.device.arguments import PartMissing, format_value, reject
from invis_sim.device.effects import WholePayload
from invis_sim.device.faceplate import Presence
from invis_sim.device.lights import NIGHTLIGHT_NUMBER, ColorLight
from invis_sim.device.sensors import Sampler
from invis_sim.device.state import OutletState, Product
from invis_sim.protocol.packets import Note

__all__ = [
    "accessory_names",
    "color_light_numbers",
    "color_light_status",
    "configuration",
    "nightlight_status",
    "outlet_status",
    "preference_product",
    "require_faceplate",
    "require_nightlight",
    "select_color_light",
    "sensor_readings",
]


def preference_product(state: OutletState, presence: Presence) -> Product | None:
    """The product whose preferences callbacks 1 and 2 have at the moment; None: all there are.
    While its faceplate is away, an outlet is as a bare one.
    """
    if state.quirks.preference_keys == "all":
        return None
    return state.product if presence.online else "bare"


def configuration(state: OutletState, presence: Presence) -> Any:
    """Callback 1."""
    quirks = state.quirks
    early = quirks.configuration_form == "early"
    tree = state.preferences.to_wire(
        preference_product(state, presence), early=early, addresses=quirks.internet_addresses
    )
    return WholePayload(tree) if early else tree


def accessory_names(state: OutletState, presence: Presence) -> Any:
    """Callback 3."""
    names = state.names.to_wire(nightlight=presence.online)
    match state.quirks.names_list:
        case "wrapped":
            return {"payload": names}
        case "early":
            return WholePayload(names)
        case "bare":
            return names


def outlet_status(state: OutletState) -> list[int]:
    """Callback 9."""
    return list(state.outlets.states)


def sensor_readings(state: OutletState, presence: Presence, sampler: Sampler) -> list[Any]:
    """Callback 11. Raises RequestRejected."""
    require_faceplate(presence)
    return [state.sensors.device_type, sampler.to_wire(state.quirks.decimals)]


def nightlight_status(state: OutletState, presence: Presence) -> list[int]:
    """Callback 15. Raises RequestRejected."""
    require_nightlight(state, presence)
    return state.nightlight.to_wire()


def color_light_status(state: OutletState, presence: Presence, light: Any) -> list[Any]:
    """Callback 18. Raises RequestRejected.

    light: its number, as a client sent it.
    """
    number, _, color_light = select_color_light(state, presence, light)
    return color_light.to_wire(number, full=state.quirks.color_light_args == "six")


def require_faceplate(presence: Presence) -> None:
    """Raise RequestRejected unless there is a faceplate that answers."""
    if presence is Presence.NONE:
        raise PartMissing(Note("this outlet has no InvisDeco"))
    if not presence.online:
        raise PartMissing(Note("faceplate offline"))


def require_nightlight(state: OutletState, presence: Presence) -> None:
    """Raise RequestRejected unless there is a plain nightlight that answers."""
    require_faceplate(presence)
    if state.product == "aura" and not state.quirks.plain_nightlight_on_aura:
        raise PartMissing(Note("an Aura has no plain nightlight; see callbacks 17 and 18"))


def select_color_light(
    state: OutletState, presence: Presence, light: Any
) -> tuple[int, str, ColorLight]:
    """The coloured light of a number: the number, the field of the state, and the light with all
    its LEDs. Raises RequestRejected.

    light: the number, as a client sent it.
    """
    if state.product != "aura":
        raise PartMissing(Note("this outlet has no InvisDeco Aura"))
    numbers = color_light_numbers(state)
    if type(light) is not int or light not in numbers:
        expected = " or ".join(map(str, numbers))
        reject(f"light: expected {expected}, found {format_value(light)}", 0)
    require_faceplate(presence)
    name = numbers[light]
    color_light: ColorLight = getattr(state, name)
    return light, name, color_light.with_all_leds()


def color_light_numbers(state: OutletState) -> dict[int, str]:
    """The coloured lights of an Aura: the number of each on the wire → its field of the state."""
    numbers = {NIGHTLIGHT_NUMBER: "color_light"}
    if state.quirks.indicator_light:
        numbers[state.quirks.indicator_number] = "indicator_light"
    return numbers
