"""What each callback does: one function per callback, and the table of them, `HANDLERS`.

A callback that reads is a `Query`: its function takes the device and the request's `callbackArgs`,
and returns the reply's. One that changes something is a `Command`: its function also returns the
effects, in order. Either raises `RequestRejected` where it cannot be done, before it has changed
anything. To add a callback, add a function and its line in the table.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from invis_sim.device.arguments import (
    PartMissing,
    RequestRejected,
    expect_array,
    expect_int,
    format_value,
    reject,
)
from invis_sim.device.device_info import device_information
from invis_sim.device.effects import NO_REPLY, Effect, NoReply
from invis_sim.device.internals import OutletInternals
from invis_sim.device.lights import Nightlight
from invis_sim.device.status import (
    accessory_names,
    color_light_status,
    configuration,
    nightlight_status,
    outlet_status,
    preference_product,
    require_faceplate,
    require_nightlight,
    select_color_light,
    sensor_readings,
)
from invis_sim.device.update_plan import Part
from invis_sim.device.update_process import AcceptedUpdate
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Request

__all__ = ["HANDLERS", "MUTATING_CALLBACKS", "Command", "Query", "start_update"]

MAX_CALIBRATION_SECONDS = 65_535
"""The documentation recommends 30 to 60 and gives no limit; this is what two bytes hold."""

CELSIUS_RANGE, HUMIDITY_RANGE = (-40_000, 85_000), (0, 100_000)
"""Of callback 28, in thousandths: what the sensor can measure."""

Outcome: TypeAlias = tuple[msgspec.UnsetType | NoReply, Sequence[Effect]]
"""What a command leads to: UNSET (`PUBACK` 1 without a payload) or NO_REPLY, and the effects."""


class Query(msgspec.Struct, frozen=True):
    """A callback that reads.

    answer: (device, the request's `callbackArgs`) → the reply's; UNSET: the reply has no payload.
    takes_arguments: whether `callbackArgs` of the request mean anything to it.
    """

    answer: Callable[[OutletInternals, Any], Any]
    takes_arguments: bool = False


class Command(msgspec.Struct, frozen=True):
    """A callback that changes something.

    perform: (device, the request's `callbackArgs`) → its outcome. The schedule is at the time of
    the request.
    takes_arguments: as for a query.
    takes_packet_id: whether `perform` also takes the request's packetID.
    """

    perform: Callable[..., Outcome]
    takes_arguments: bool = True
    takes_packet_id: bool = False

    def run(self, device: OutletInternals, request: Request) -> Outcome:
        """Do what a request asks for. Raises RequestRejected."""
        if self.takes_packet_id:
            return self.perform(device, request.args, request.packet_id)
        return self.perform(device, request.args)


# 1-4: preferences and names


def _configuration(device: OutletInternals, args: Any) -> Any:
    return configuration(device.state, device.presence)


def _configure(device: OutletInternals, args: Any) -> Outcome:
    state = device.state
    preferences = state.preferences.with_args(
        args,
        preference_product(state, device.presence),
        ignore_unknown=state.quirks.unknown_preferences == "ignore",
        bare=state.quirks.bare_preferences == "accept",
    )
    return msgspec.UNSET, device.replace_state(preferences=preferences)


def _accessory_names(device: OutletInternals, args: Any) -> Any:
    return accessory_names(device.state, device.presence)


def _configure_accessory_names(device: OutletInternals, args: Any) -> Outcome:
    names = device.state.names.with_args(
        args,
        nightlight=device.presence.online,
        max_length=device.state.quirks.name_length,
    )
    return msgspec.UNSET, device.replace_state(names=names)


# 5-7: restarts of the outlet


def _restart(device: OutletInternals, args: Any) -> Outcome:
    return NO_REPLY, [device.restart_effect("restart", device.state.timing.restart_seconds)]


def _reset_network(device: OutletInternals, args: Any) -> Outcome:
    return NO_REPLY, [device.restart_effect("network reset", None)]


def _factory_reset(device: OutletInternals, args: Any) -> Outcome:
    device.factory_reset_pending = True
    seconds: float | None = device.state.timing.factory_reset_seconds
    if device.state.quirks.factory_reset == "leaves_network":
        seconds = None
    return NO_REPLY, [device.restart_effect("factory reset", seconds)]


# 9-10: the outlets


def _outlet_status(device: OutletInternals, args: Any) -> Any:
    return outlet_status(device.state)


def _control_outlet(device: OutletInternals, args: Any) -> Outcome:
    number, switch = expect_array(args, "[outlet, state]", 2, 2)
    index = expect_int(number, "outlet", 1, 2, 0) - 1
    states = list(device.state.outlets.states)
    states[index] = expect_int(switch, "state", 0, 1, 1)
    outlets = msgspec.structs.replace(device.state.outlets, states=(states[0], states[1]))
    return msgspec.UNSET, device.control(Callback.OUTLET_STATUS, outlets=outlets)


# 11, 26, 28: the sensors


def _sensor_readings(device: OutletInternals, args: Any) -> Any:
    return sensor_readings(device.state, device.presence, device.sampler)


def _require_sensor(device: OutletInternals, name: str) -> None:
    require_faceplate(device.presence)
    if not device.sampler.has(name):
        raise PartMissing(Note(f"this InvisDeco does not measure {name}"))


def _calibrate_occupancy(device: OutletInternals, args: Any) -> Outcome:
    (seconds,) = expect_array(args, "[seconds]", 1, 1)
    seconds = expect_int(seconds, "seconds", 1, MAX_CALIBRATION_SECONDS, 0)
    _require_sensor(device, "occupancy_state")
    if device.faceplate.calibrating:
        raise RequestRejected(Note("a calibration is already in progress"))
    outcome = device.state.sensors.occupancy_calibration
    if outcome == "silent":
        raise RequestRejected(Note("the occupancy sensor does not answer, as the scenario says"))
    delay = device.state.timing.calibration_delay_seconds
    succeeds = outcome == "succeeds"
    return msgspec.UNSET, device.faceplate.calibrate_occupancy(delay, seconds, succeeds=succeeds)


def _calibrate_climate(device: OutletInternals, args: Any) -> Outcome:
    temperature, humidity = expect_array(args, "[thousandths of °C, of %]", 2, 2)
    measured = {
        "temp_celsius": expect_int(temperature, "temperature", *CELSIUS_RANGE, 0) / 1000,
        "humidity": expect_int(humidity, "humidity", *HUMIDITY_RANGE, 1) / 1000,
    }
    for name in measured:  # all of them before any is calibrated
        _require_sensor(device, name)
    for name, value in measured.items():
        device.sampler.calibrate(name, value)
    return msgspec.UNSET, ()


# 12: device information


def _device_information(device: OutletInternals, args: Any) -> Any:
    return device_information(device.state, device.presence)


# 14-15, 17-18: the lights


def _control_nightlight(device: OutletInternals, args: Any) -> Outcome:
    nightlight = Nightlight.with_args(args)
    require_nightlight(device.state, device.presence)
    return msgspec.UNSET, device.control(Callback.NIGHTLIGHT_STATUS, nightlight=nightlight)


def _nightlight_status(device: OutletInternals, args: Any) -> Any:
    return nightlight_status(device.state, device.presence)


def _control_color_light(device: OutletInternals, args: Any) -> Outcome:
    args = expect_array(args, "[light, mode, leds, …]", 3, 6)
    number, name, light = select_color_light(device.state, device.presence, args[0])
    quirks = device.state.quirks
    changed = light.with_args(
        args,
        max_kelvin=quirks.max_kelvin,
        repeat_palette=quirks.short_palette == "repeated",
        store_random=quirks.random_palette == "stored",
    )
    fields = {name: changed} if changed != light else {}
    return msgspec.UNSET, device.control(Callback.COLOR_LIGHT_STATUS, number, **fields)


def _color_light_status(device: OutletInternals, args: Any) -> Any:
    (light,) = expect_array(args, "[light]", 1, 1)
    state = device.state
    if state.product != "aura" and state.quirks.color_light_without_aura != "fail":
        if type(light) is not int:
            reject(f"light: expected a number, found {format_value(light)}", 0)
        return [light] if state.quirks.color_light_without_aura == "short" else []
    return color_light_status(state, device.presence, light)


# 20-21: updates


def _available_updates(device: OutletInternals, args: Any) -> Any:
    if device.state.firmware.update_check == "fail":
        raise RequestRejected(Note("the update check fails, as the scenario says"))
    return device.firmware_report


def _perform_update(device: OutletInternals, args: Any, packet_id: int) -> Outcome:
    args = expect_array(args, "[target] or [target, method]", 1, 2)
    part = Part(expect_int(args[0], "target", 1, 2, 0))
    if len(args) == 2:
        expect_int(args[1], "method", 0, 1, 1)
    return start_update(device, part, packet_id)


def start_update(device: OutletInternals, part: Part, packet_id: int | None = None) -> Outcome:
    """Start an update of the outlet or its faceplate. Raises RequestRejected.

    On a revB, the outlet restarts without a reply first, and says afterwards whether its update
    continues; and the reply for the faceplate is followed by a push that says so.
    [documentation of callback 21]

    packet_id: of the request; None: there is none.
    """
    state = device.state
    if device.offline:
        raise RequestRejected(Note("the outlet is offline"))
    if part is Part.FACEPLATE:
        require_faceplate(device.presence)
    if device.update.in_progress:
        raise RequestRejected(Note("an update is already in progress"))
    accepted = AcceptedUpdate(
        part=part,
        plan=state.updates.IM if part is Part.OUTLET else state.updates.PM,
        target=state.firmware,
        stray=state.quirks.stray_result,
        www_alone=state.quirks.web_update == "alone" and not state.firmware.IM.has_new_application,
        packet_id=packet_id if state.quirks.update_packet_ids == "request" else None,
    )
    nothing = _why_nothing_to_update(device, part)
    rev_b = state.device.hw_rev == "revB"
    if rev_b and part is Part.OUTLET:
        if nothing is not None:  # which it finds out once it has restarted
            plan = msgspec.structs.replace(accepted.plan, outcome="refused")
            accepted = msgspec.structs.replace(accepted, plan=plan)
        return NO_REPLY, device.start_update_after_restart(accepted)
    if nothing is not None:
        raise RequestRejected(nothing)
    starts = accepted.plan.outcome != "refused"
    if not rev_b:
        if not starts:
            raise RequestRejected(Note("the update does not start, as the scenario says"))
        return msgspec.UNSET, device.start_update(accepted)
    confirmation = device.make_push(Callback.PERFORM_UPDATE, [int(part), int(starts)])
    return msgspec.UNSET, [confirmation, *(device.start_update(accepted) if starts else ())]


def _why_nothing_to_update(device: OutletInternals, part: Part) -> Note | None:
    """Why there is nothing to update a part to; None: there is something."""
    firmware = device.state.firmware
    if firmware.update_check == "fail":
        return Note("the update check fails, as the scenario says")
    module = firmware.IM if part is Part.OUTLET else firmware.PM
    assert module is not None  # a faceplate that answers has firmware
    return None if module.has_update else Note("no update available")


# 24-25: restarts of the faceplate


def _restart_faceplate(device: OutletInternals, args: Any) -> Outcome:
    require_faceplate(device.presence)
    return msgspec.UNSET, device.restart_faceplate()


def _reset_faceplate(device: OutletInternals, args: Any) -> Outcome:
    require_faceplate(device.presence)
    # Its lights are pushed before it goes: afterwards there is a faceplate that has just started,
    # whose clients learn from callback 12 that it has.
    effects = device.reset_faceplate()
    return msgspec.UNSET, [*effects, *device.restart_faceplate()]


# 27: MQTT


def _mqtt(device: OutletInternals, args: Any) -> Any:
    (action,) = expect_array(args, "[action]", 1, 1)
    expect_int(action, "action", 0, 2, 0)
    if not device.state.preferences.sys_prefs.mqtt.enabled:
        raise RequestRejected(Note("no MQTT broker is connected: sys_prefs.mqtt.enabled is 0"))
    if not device.state.mqtt.connected:
        raise RequestRejected(Note("the MQTT broker is not connected, as the scenario says"))
    return msgspec.UNSET


HANDLERS: Mapping[int, Query | Command] = {
    Callback.REQUEST_CONFIGURATION: Query(_configuration),
    Callback.CONFIGURE: Command(_configure),
    Callback.REQUEST_ACCESSORY_NAMES: Query(_accessory_names),
    Callback.CONFIGURE_ACCESSORY_NAMES: Command(_configure_accessory_names),
    Callback.RESTART: Command(_restart, takes_arguments=False),
    Callback.RESET_NETWORK: Command(_reset_network, takes_arguments=False),
    Callback.FACTORY_RESET: Command(_factory_reset, takes_arguments=False),
    Callback.OUTLET_STATUS: Query(_outlet_status),
    Callback.CONTROL_OUTLET: Command(_control_outlet),
    Callback.SENSOR_READINGS: Query(_sensor_readings),
    Callback.DEVICE_INFORMATION: Query(_device_information),
    Callback.CONTROL_NIGHTLIGHT: Command(_control_nightlight),
    Callback.NIGHTLIGHT_STATUS: Query(_nightlight_status),
    Callback.CONTROL_COLOR_LIGHT: Command(_control_color_light),
    Callback.COLOR_LIGHT_STATUS: Query(_color_light_status, takes_arguments=True),
    Callback.AVAILABLE_UPDATES: Query(_available_updates),
    Callback.PERFORM_UPDATE: Command(_perform_update, takes_packet_id=True),
    Callback.RESTART_FACEPLATE: Command(_restart_faceplate, takes_arguments=False),
    Callback.RESET_FACEPLATE: Command(_reset_faceplate, takes_arguments=False),
    Callback.CALIBRATE_OCCUPANCY: Command(_calibrate_occupancy),
    Callback.MQTT: Query(_mqtt, takes_arguments=True),
    Callback.CALIBRATE_CLIMATE: Command(_calibrate_climate),
}
"""Callback number → what it does. Every other callback is answered `PUBACK` 0."""

MUTATING_CALLBACKS = frozenset(
    number for number, handler in HANDLERS.items() if isinstance(handler, Command)
)
"""The callbacks that change something: the ones that a fault can keep the outlet from."""
