"""The outlet: request in, reply and pushes out.

The rules of this file:

- `HANDLERS` maps a callback number to the function that answers it. A callback that is not in the
  table is answered `PUBACK` 0, as an undocumented one is. Nobody edits an `if` chain to add a
  callback.
- A handler gets the outlet and the request, changes the outlet's state, and returns the reply's
  arguments, or raises `RequestRejected` with the reason, which becomes `PUBACK` 0 and shows in the
  journal.
- What clients and scenarios can see or set is in one value, the `OutletState`. It changes in
  `_become` alone, which tells every connection what has changed, whoever changed it.
- What is to happen later is on the agenda. Nothing here knows of sockets, clocks or faults.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.device.arguments import RequestRejected, array, integer, refuse, shown
from invis_sim.device.device_info import device_information
from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.lights import ColorLight, Nightlight
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.sensors import Sampler
from invis_sim.device.state import OutletState, patched
from invis_sim.device.update_plan import Part
from invis_sim.device.update_process import UpdateProcess
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Push, Reply, Request, encode_json
from invis_sim.protocol.transport import DisconnectMode

__all__ = ["MUTATING_CALLBACKS", "Answer", "Effect", "GoOffline", "Outlet", "PacketIds"]

PacketIds: TypeAlias = Literal["lenient", "six-digits"]
"""Which packetIDs are served: any integer, as real devices do, or 100000-999999, as documented."""

COLOR_LIGHTS = {5: ("color_light", 9), 7: ("indicator_light", 7)}
"""The number of a coloured light → where it is in the state, and how many LEDs it has."""

CALIBRATION_STAGES = (4, 5, 6)
"""What `occupancy_state` is while the occupancy sensor is calibrated, one after the other."""

_SILENCE = object()
"""What a handler returns where the outlet says nothing, not even `PUBACK` 0."""


class GoOffline(msgspec.Struct, frozen=True):
    """The outlet leaves the network: every connection ends, and new ones are refused.

    name: why, in a few words.
    seconds: for how long, ≥ 0; None: until somebody lets it join again.
    connections: how they end.
    """

    name: str
    seconds: float | None
    connections: DisconnectMode


Effect: TypeAlias = Push | GoOffline
"""What the outlet does by itself: it tells something to every connection, or is away."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a request leads to.

    reply: None where the outlet says nothing.
    notes: why it is `PUBACK` 0, and oddities of the request.
    stirs: whether more may come of it, now or later: see `effects`, and the agenda.
    happenings: what happens after the reply, in this order.
    """

    reply: Reply | None
    notes: tuple[Note, ...] = ()
    mutates: bool = False
    effects: tuple[Effect, ...] = ()

    @property
    def pushes(self) -> tuple[Push, ...]:
        """What every connection is told after the reply."""
        return tuple(one for one in self.effects if isinstance(one, Push))


class Outlet:
    """One simulated InvisOutlet.

    state: what it is at the beginning.
    packet_ids: which packetIDs it serves.
    seed: of its own packetIDs, and of sensors that drift.

    agenda: what it has to do later. Its owner keeps the time and lets things happen.
    down: whether it restarts at the moment, or is off the network.
    on_change: called after something has been changed other than by a request or by the agenda.
    Then `take` has what comes of it.
    on_remark: called, for whoever reads the journal, with what no client is told, in words.
    """

    def __init__(
        self,
        state: OutletState | None = None,
        *,
        packet_ids: PacketIds = "lenient",
        seed: int = 0,
    ) -> None:
        self.packet_ids = packet_ids
        self.schedule = Schedule()
        self.on_change: Callable[[], None] = lambda: None
        self.on_remark: Callable[[str], None] = lambda text: None
        self._first = self._state = (state or OutletState()).resolved()
        self._draw = Random(f"{seed}/packetIDs of pushes")
        self._sampler = Sampler(seed)
        self._happenings: list[Effect] = []
        self.down = False
        # The faceplate
        self._faceplate_disturbed = False  # from outside, by a fault
        self._faceplate_restart: Timer | None = None
        self._last_faceplate = self._state  # when there was one: its kind and firmware
        self._calibration: list[Timer] = []
        # Updates and restarts
        self._updating = UpdateProcess(
            self.schedule, self._push, lambda text: self.on_remark(text), self._restart_updated
        )
        self._forgets = False  # whether a restart is a factory reset
        self._announcing: Timer | None = None  # the end of the time after a restart
        self._rhythm: Timer | None = None
        self._prepare()
        self._set_rhythm()

    # What it is

    @property
    def state(self) -> OutletState:
        """Everything that it is and knows at the moment."""
        return self._state

    @property
    def firmware(self) -> FirmwareInventory:
        """Which firmware runs and which is available."""
        return self._state.firmware

    @firmware.setter
    def firmware(self, inventory: FirmwareInventory) -> None:
        self.change(firmware=inventory)

    @property
    def faceplate_online(self) -> bool:
        """Whether there is a faceplate at the moment that answers. To set it is to disturb the
        faceplate from outside, and to leave it alone again.
        """
        return self._faceplate_there and self._state.faceplate.online

    @faceplate_online.setter
    def faceplate_online(self, online: bool) -> None:
        if self._faceplate_disturbed == (not online):
            return
        self._faceplate_disturbed = not online
        self._look_after_faceplate()
        self.on_change()

    @property
    def _has_faceplate(self) -> bool:
        return self._state.product != "bare" and self._state.faceplate.attached

    @property
    def _faceplate_there(self) -> bool:
        busy = self._faceplate_disturbed or self._faceplate_restart is not None
        return self._has_faceplate and not busy

    @property
    def _is_aura(self) -> bool:
        return self._state.product == "aura"

    @property
    def updating(self) -> bool:
        """Whether an update is under way, one that hangs included."""
        return self._updating.under_way

    # What is done to it

    def change(self, **changes: Any) -> None:
        """Changes what the outlet is or knows; clients are told as of any other change.

        changes: as in a scenario file, a table and what to change in it:
        `change(outlets={"states": [1, 0]}, sensors={"lux": "inf"})`.

        Raises ValueError for a value that a scenario could not have, and changes nothing then.
        """
        state = patched(self._state, changes)
        product = "product" in _keys(changes.get("device"))
        faceplate = "PM" in _keys(changes.get("firmware"))
        self._become(self._fitting(state, product=product, faceplate=faceplate))
        self.on_change()

    def push(self, callback: int, args: Any = msgspec.UNSET) -> None:
        """Tells every connection something, unasked.

        args: `callbackArgs`; left out: the present state, where the callback is one of 9, 11, 12,
        15 and 18.

        Raises ValueError where there is no such state at the moment, or the arguments are no JSON.
        """
        if args is msgspec.UNSET:
            try:
                args = self._present(callback)
            except RequestRejected as refusal:
                raise ValueError(f"nothing to push for callback {callback}: {refusal}") from None
        if isinstance(callback, bool) or not isinstance(callback, int):
            found = f"callback: expected a whole number, found {callback!r}"
            raise ValueError(found)  # noqa: TRY004 - as for any other value that cannot be
        try:
            encode_json(args)
        except (TypeError, RecursionError) as error:
            raise ValueError(f"args: {error}") from None
        self._push(callback, args)
        self.on_change()

    def sample(self) -> None:
        """Lets the sensors take a new sample, and tells every connection."""
        self._measure()
        self.on_change()

    def start_update(self, target: Literal["IM", "PM"]) -> None:
        """Starts an update of the outlet (IM) or its faceplate (PM), as if a client had asked.

        Raises ValueError that says why it cannot be.
        """
        if target not in ("IM", "PM"):
            raise ValueError(f"target: expected 'IM' or 'PM', found {target!r}")
        self._perform_update(Part.OUTLET if target == "IM" else Part.FACEPLATE)
        self.on_change()

    def restart_faceplate(self) -> None:
        """Lets the faceplate restart. Raises ValueError where none is there."""
        self._need_faceplate()
        self._let_faceplate_restart()
        self.on_change()

    def take(self) -> tuple[Effect, ...]:
        """What has come of changes and of the agenda since the last time."""
        effects, self._happenings = tuple(self._happenings), []
        return effects

    # Restarts: somebody who sees to the connections says when they begin and end

    def go_down(self) -> None:
        """The outlet restarts, or its power fails. What was under way is lost: an update, a
        calibration, a restart of the faceplate.
        """
        self.down = True
        self._stop_announcing()
        self._end_calibration()
        self._updating.went_down()
        self._end_faceplate_restart()
        self._happenings.clear()
        if self._forgets:
            self._forgets = False
            self._forget_settings()
        self._prepare()

    def _forget_settings(self) -> None:
        """What clients have set is what it was at the beginning."""
        self._sampler.forget_calibrations()
        first = self._first
        self._become(
            msgspec.structs.replace(
                self._state,
                outlets=first.outlets,
                nightlight=first.nightlight,
                color_light=first.color_light,
                indicator_light=first.indicator_light,
                names=first.names,
                preferences=first.preferences,
            )
        )

    def come_up(self) -> None:
        """The outlet is back on the network."""
        self._install(Part.OUTLET, *((Part.FACEPLATE,) if self._has_faceplate else ()))
        self.down = False
        self._updating.came_up()
        self._look_after_faceplate()
        seconds = self._state.timing.reconnect_seconds
        self._announcing = self.schedule.after(seconds, self._stop_announcing, background=True)
        if not seconds:  # nobody is to be told, however soon he comes
            self._stop_announcing()

    def greet(self) -> tuple[Push, ...]:
        """What somebody is told who has just connected: soon after a restart, who the outlet is,
        and whether the update goes on for which it restarted.
        """
        if self._announcing is None:
            return ()
        pushes = [self._packet(Callback.DEVICE_INFORMATION, self._device_information())]
        if self._updating.announced is not None:
            part, goes_on = self._updating.announced
            pushes.append(self._packet(Callback.PERFORM_UPDATE, [int(part), int(goes_on)]))
        self._updating.resume()
        return tuple(pushes)

    def _stop_announcing(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
            self._announcing = None
            if not self.down:
                self._updating.resume()
            self._updating.announced = None

    def _go_away(self, name: str, seconds: float | None) -> None:
        self._happenings.append(GoOffline(name, seconds, self._state.quirks.restart_disconnect))

    # Requests

    def refuse(self, request: Request, note: Note) -> Answer:
        """The answer to a request that something keeps the outlet from.

        note: what.
        """
        return Answer(Reply.failure(self.sn, request.packet_id), (*request.notes, note))

    def handle(self, request: Request, seconds: float | None = None) -> Answer:
        """The answer to a request. Never raises: what cannot be done is a reply with `PUBACK` 0.

        seconds: when it arrived, since the start; None: at the agenda's present time.
        """
        try:
            handler, notes = self._handler(request)
            if handler.mutates and seconds is not None:
                self.schedule.now = seconds
            args = handler.answer(self, request)
        except RequestRejected as refusal:
            return self.refuse(request, refusal.note)
        assert request.callback is not None
        effects = self.take() if self._happenings else ()
        if args is _SILENCE:
            return Answer(None, notes, True, effects)
        reply = Reply.success(self.sn, request.packet_id, request.callback, args)
        return Answer(reply, notes, handler.mutates, effects)

    def _handler(self, request: Request) -> tuple["Handler", tuple[Note, ...]]:
        """Who answers, and what is odd about the request."""
        if request.problem is not None:
            raise RequestRejected(request.problem)
        if self.packet_ids == "six-digits" and not 100_000 <= request.packet_id <= 999_999:
            raise RequestRejected(Note("packetID is no six-digit integer", path=("packetID",)))
        assert request.callback is not None
        handler = HANDLERS.get(request.callback)
        if handler is None:
            number = f"{Decimal(request.callback):.9g}"  # which may have any number of digits
            reason = f"callback {number} is not known to this outlet"
            if request.callback in (Callback.UPDATE_PROGRESS, Callback.UPDATE_RESULT):
                reason = f"callback {number} is pushed, and cannot be asked for"
            raise RequestRejected(Note(reason, path=("payload", "callbackName")))
        if not handler.takes_arguments and request.args is not msgspec.UNSET:
            reason = f"callback {request.callback} takes no arguments; they are ignored"
            return handler, (*request.notes, Note(reason, path=("payload", "callbackArgs")))
        return handler, request.notes

    # 1-4: preferences and names

    def _configuration(self, request: Request) -> Any:
        return self._state.preferences.report()

    def _configure(self, request: Request) -> Any:
        preferences = self._state.preferences.configured(request.args)
        self._become(msgspec.structs.replace(self._state, preferences=preferences))
        return msgspec.UNSET

    def _accessory_names(self, request: Request) -> Any:
        names = self._state.names.report(nightlight=self._has_faceplate)
        return {"payload": names} if self._state.quirks.names_list == "wrapped" else names

    def _configure_accessory_names(self, request: Request) -> Any:
        names = self._state.names.configured(request.args, nightlight=self._has_faceplate)
        self._become(msgspec.structs.replace(self._state, names=names))
        return msgspec.UNSET

    # 5-7: restarts of the outlet

    def _restart(self, request: Request) -> Any:
        self._go_away("a restart", self._state.timing.restart_seconds)
        return _SILENCE

    def _reset_network(self, request: Request) -> Any:
        self._go_away("a network reset", None)
        return _SILENCE

    def _factory_reset(self, request: Request) -> Any:
        self._forgets = True
        self._go_away("a factory reset", self._state.timing.factory_reset_seconds)
        return _SILENCE

    # 9-10: the outlets

    def _outlet_status(self, request: Request | None = None) -> Any:
        return list(self._state.outlets.states)

    def _control_outlet(self, request: Request) -> Any:
        number, switch = array(request.args, "[outlet, state]", 2, 2)
        index = integer(number, "outlet", 1, 2, 0) - 1
        states = list(self._state.outlets.states)
        states[index] = integer(switch, "state", 0, 1, 1)
        outlets = msgspec.structs.replace(self._state.outlets, states=(states[0], states[1]))
        self._become(msgspec.structs.replace(self._state, outlets=outlets))
        return msgspec.UNSET

    # 11, 26, 28: the sensors

    def _need_faceplate(self) -> None:
        if self._state.product == "bare":
            raise RequestRejected(Note("this outlet has no InvisDeco"))
        if not self.faceplate_online:
            raise RequestRejected(Note("the InvisDeco is not there at the moment"))

    def _sensor_readings(self, request: Request | None = None) -> Any:
        self._need_faceplate()
        kind = self._state.sensors.device_type
        if kind is None:
            kind = 2 if self._is_aura else 1
        return [kind, self._sampler.report(self._state.quirks.decimals)]

    def _calibrate_occupancy(self, request: Request) -> Any:
        (seconds,) = array(request.args, "[seconds]", 1, 1)
        seconds = integer(seconds, "seconds", 1, 86_400, 0)
        self._need_sensor("occupancy_state")
        if self._calibration:
            raise RequestRejected(Note("a calibration is under way already"))
        delay = self._state.timing.calibration_delay_seconds
        stages = len(CALIBRATION_STAGES)
        times = [delay + seconds * index / stages for index in range(stages)]
        self._calibration = [
            self.schedule.after(time, partial(setattr, self._sampler, "stage", stage))
            for time, stage in zip(times, CALIBRATION_STAGES, strict=True)
        ]
        self._calibration.append(self.schedule.after(delay + seconds, self._end_calibration))
        self.on_remark(f"the occupancy sensor is calibrated: in {delay:g} s, for {seconds} s")
        return msgspec.UNSET

    def _end_calibration(self) -> None:
        if self._calibration:
            self.on_remark("the calibration of the occupancy sensor ends")
        for timer in self._calibration:
            timer.cancel()
        self._calibration = []
        self._sampler.stage = None

    def _calibrate_climate(self, request: Request) -> Any:
        temperature, humidity = array(request.args, "[thousandths of °C, of %]", 2, 2)
        measured = {
            "temp_celsius": integer(temperature, "temperature", -100_000, 200_000, 0) / 1000,
            "humidity": integer(humidity, "humidity", 0, 100_000, 1) / 1000,
        }
        for name in measured:
            self._need_sensor(name)
        for name, value in measured.items():
            self._sampler.calibrate(name, value)
        return msgspec.UNSET

    def _need_sensor(self, name: str) -> None:
        self._need_faceplate()
        if not self._sampler.measures(name):
            raise RequestRejected(Note(f"this InvisDeco does not measure {name}"))

    def _measure(self) -> None:
        self._sampler.advance()
        if self.faceplate_online and not self.down:
            self._push(Callback.SENSOR_READINGS, self._sensor_readings())

    def _set_rhythm(self) -> None:
        """Takes samples from now on as often as the state says."""
        if self._rhythm is not None:
            self._rhythm.cancel()
            self._rhythm = None
        seconds = self._state.timing.sensor_seconds
        if seconds:
            self._rhythm = self.schedule.every(seconds, self._measure)

    # 12: who it is

    def _device_information(self, request: Request | None = None) -> Any:
        return device_information(
            self._state, there=self._faceplate_there, online=self.faceplate_online
        )

    # 14-15, 17-18: the lights

    def _need_nightlight(self) -> None:
        self._need_faceplate()
        if self._is_aura and not self._state.quirks.plain_nightlight_on_aura:
            raise RequestRejected(Note("an Aura has no plain nightlight; see callbacks 17 and 18"))

    def _control_nightlight(self, request: Request) -> Any:
        nightlight = Nightlight.controlled(request.args)
        self._need_nightlight()
        self._become(msgspec.structs.replace(self._state, nightlight=nightlight))
        return msgspec.UNSET

    def _nightlight_status(self, request: Request | None = None) -> Any:
        self._need_nightlight()
        return self._state.nightlight.report()

    def _color_light(self, light: Any) -> tuple[int, str, ColorLight]:
        """A coloured light that a client means: its number, its place in the state, itself."""
        if not self._is_aura:
            raise RequestRejected(Note("this outlet has no InvisDeco Aura"))
        known = [5, 7] if self._state.quirks.indicator_light else [5]
        if type(light) is not int or light not in known:
            expected = " or ".join(map(str, known))
            refuse(f"light: expected {expected}, found {shown(light)}", 0)
        self._need_faceplate()
        name, count = COLOR_LIGHTS[light]
        color_light: ColorLight = getattr(self._state, name)
        return light, name, color_light.of(count)

    def _control_color_light(self, request: Request) -> Any:
        args = array(request.args, "[light, mode, leds, …]", 3, 6)
        _, name, light = self._color_light(args[0])
        controlled = light.controlled(args)
        if controlled != light:
            self._become(msgspec.structs.replace(self._state, **{name: controlled}))
        return msgspec.UNSET

    def _color_light_status(self, request: Request) -> Any:
        (light,) = array(request.args, "[light]", 1, 1)
        if not self._is_aura and self._state.quirks.color_light_without_aura == "short":
            if type(light) is not int:
                refuse(f"light: expected a number, found {shown(light)}", 0)
            return [light]
        number, _, color_light = self._color_light(light)
        return color_light.report(number)

    # 20-23: updates

    def _available_updates(self, request: Request) -> Any:
        if self._state.firmware.update_check == "fail":
            raise RequestRejected(Note("the update check fails, as the scenario says"))
        return self._report

    def _answer_update(self, request: Request) -> Any:
        args = array(request.args, "[target] or [target, method]", 1, 2)
        part = Part(integer(args[0], "target", 1, 2, 0))
        if len(args) == 2:
            integer(args[1], "method", 0, 1, 1)
        return self._perform_update(part)

    def _perform_update(self, part: Part) -> Any:
        """Starts an update, or restarts for it. Raises RequestRejected."""
        if self.down:
            raise RequestRejected(Note("the outlet restarts at the moment, or is off the network"))
        if self._state.firmware.update_check == "fail":
            raise RequestRejected(Note("the update check fails, as the scenario says"))
        if part is Part.FACEPLATE:
            self._need_faceplate()
        if self._updating.under_way:
            raise RequestRejected(Note("an update is under way already"))
        state = self._state
        module = state.firmware.IM if part is Part.OUTLET else state.firmware.PM
        assert module is not None
        if not module.has_update:
            raise RequestRejected(Note("there is nothing to update: the newest firmware runs"))
        plan = state.updates.IM if part is Part.OUTLET else state.updates.PM
        stray = state.quirks.stray_result
        if state.device.hw_rev == "revB":
            self._updating.restart(part, plan, state.firmware, stray=stray)
            self._go_away("a restart for an update", state.timing.restart_seconds)
            return _SILENCE
        if plan.outcome == "refused":
            raise RequestRejected(Note("the update does not start, as the scenario says"))
        self._updating.start(part, plan, state.firmware, stray=stray)
        return msgspec.UNSET

    def _restart_updated(self, part: Part) -> None:
        """A part has its new firmware: it restarts with that; web pages need no restart."""
        if part is Part.WWW:
            self._install(part)
        elif part is Part.FACEPLATE:
            self._let_faceplate_restart()
        else:
            self._go_away("a restart after an update", self._state.timing.restart_seconds)

    def _install(self, *parts: Part) -> None:
        """These parts run from now on what they have been updated to."""
        firmware = self._updating.install(self._state.firmware, *parts)
        self._become(msgspec.structs.replace(self._state, firmware=firmware))

    # 24-25: restarts of the faceplate

    def _restart_faceplate(self, request: Request) -> Any:
        self._need_faceplate()
        self._let_faceplate_restart()
        return msgspec.UNSET

    def _reset_faceplate(self, request: Request) -> Any:
        self._need_faceplate()
        self._sampler.forget_calibrations()
        self._let_faceplate_restart()
        return msgspec.UNSET

    def _let_faceplate_restart(self) -> None:
        self._end_faceplate_restart()
        seconds = self._state.timing.faceplate_restart_seconds
        self.on_remark(f"the faceplate restarts ({seconds:g} s)")
        self._faceplate_restart = self.schedule.after(seconds, self._faceplate_is_back)
        self._look_after_faceplate()

    def _faceplate_is_back(self) -> None:
        self._faceplate_restart = None
        self.on_remark("the faceplate is back")
        self._install(Part.FACEPLATE)

    def _end_faceplate_restart(self) -> None:
        """It does not come back by itself: it has no power, or is another one."""
        if self._faceplate_restart is not None:
            self._faceplate_restart.cancel()
            self._faceplate_restart = None

    def _follow_faceplate(self, before: OutletState) -> None:
        """It may have been taken off, or put back, or there is another one in its place.

        before: the state until now.
        """
        now = self._state
        if now.product != before.product:
            self._end_faceplate_restart()
            self._end_calibration()
            self._updating.faceplate_gone()
            self._updating.forget(Part.FACEPLATE)
        elif not now.faceplate.attached:
            self._end_faceplate_restart()
        elif not before.faceplate.attached:
            firmware = self._updating.install(now.firmware, Part.FACEPLATE)
            self._state = msgspec.structs.replace(now, firmware=firmware)
        if self._state.product != "bare":
            self._last_faceplate = self._state

    def _look_after_faceplate(self) -> None:
        """What needs the faceplate cannot go on without it."""
        if not self.faceplate_online:
            self._end_calibration()
            if not self.down:
                self._updating.faceplate_gone()
        self._prepare()

    # 27: MQTT

    def _mqtt(self, request: Request) -> Any:
        (action,) = array(request.args, "[action]", 1, 1)
        integer(action, "action", 0, 2, 0)
        if not self._state.mqtt.connected:
            raise RequestRejected(Note("the MQTT broker is not connected, as the scenario says"))
        return msgspec.UNSET

    # Changes

    def _fitting(self, state: OutletState, *, product: bool, faceplate: bool) -> OutletState:
        """A state that is set from outside, with product and firmware in keeping.

        product, faceplate: whether the product was set, and whether the faceplate's firmware was.

        Raises ValueError where the two contradict each other.
        """
        has_firmware = state.firmware.PM is not None
        if product and faceplate and (state.product == "bare") == has_firmware:
            which = "no faceplate, and has" if has_firmware else "a faceplate, and lacks"
            raise ValueError(f"device.product: {state.product!r} is one with {which} firmware.PM")
        before, kept = self._state, self._last_faceplate
        wanted = state.product
        if faceplate and not product:
            if not has_firmware:
                wanted = "bare"
            elif wanted == "bare":
                wanted = kept.product if kept.product != "bare" else "pro"
        if wanted != "bare" and not has_firmware and before.product == "bare":
            firmware = msgspec.structs.replace(state.firmware, PM=kept.firmware.PM)
            state = msgspec.structs.replace(state, firmware=firmware)
        return state.resolved(wanted)

    def _become(self, state: OutletState) -> None:
        """Takes on a state, and tells every connection what of it has changed."""
        before, self._state = self._state, state
        self._follow_faceplate(before)
        self._look_after_faceplate()
        if state.timing.sensor_seconds != before.timing.sensor_seconds:
            self._set_rhythm()
        if self.down:
            return
        if state.outlets != before.outlets:
            self._push(Callback.OUTLET_STATUS, self._outlet_status())
        if state.nightlight != before.nightlight:
            self._push_present(Callback.NIGHTLIGHT_STATUS)
        for light, (name, count) in COLOR_LIGHTS.items():
            color_light: ColorLight = getattr(state, name)
            if color_light.of(count) != getattr(before, name).of(count):
                self._push_present(Callback.COLOR_LIGHT_STATUS, light)

    def _prepare(self) -> None:
        """Works out what is asked for more than anything else."""
        state = self._state
        self.sn = state.device.sn
        self._report = state.firmware.report(faceplate=self.faceplate_online)
        self._sampler.prepare(state.sensors.given(self._is_aura))

    # Pushes

    def _present(self, callback: int, light: int = 5) -> Any:
        """The present state that a callback is about. Raises Refused.

        light: which, where there are several.
        """
        match callback:
            case Callback.OUTLET_STATUS:
                return self._outlet_status()
            case Callback.SENSOR_READINGS:
                return self._sensor_readings()
            case Callback.DEVICE_INFORMATION:
                return self._device_information()
            case Callback.NIGHTLIGHT_STATUS:
                return self._nightlight_status()
            case Callback.COLOR_LIGHT_STATUS:
                number, _, color_light = self._color_light(light)
                return color_light.report(number)
        raise RequestRejected(Note("it has no state of its own, so args are needed"))

    def _push_present(self, callback: Callback, light: int = 5) -> None:
        """Pushes the present state, where there is one at the moment."""
        try:
            args = self._present(callback, light)
        except RequestRejected:
            return
        self._push(callback, args)

    def _push(self, callback: int, args: Any) -> None:
        self._happenings.append(self._packet(callback, args))

    def _packet(self, callback: int, args: Any) -> Push:
        push = Push.of(self.sn, self._draw.randrange(100_000, 1_000_000), int(callback), args)
        if callback == Callback.COLOR_LIGHT_STATUS and self._state.quirks.color_push_puback:
            sn, packet_id, payload = push.fields.values()
            return Push({"sn": sn, "packetID": packet_id, "PUBACK": 1, "payload": payload})
        return push


def _keys(changes: Any) -> Iterable[str]:
    """The keys that are set by changes, or by a struct in the place of one."""
    if isinstance(changes, msgspec.Struct):
        fields = changes.__struct_encode_fields__
        return [key for key in fields if key != "product" or getattr(changes, key) is not None]
    return changes or ()


@dataclass(frozen=True, slots=True)
class Handler:
    """How one callback is answered.

    answer: (outlet, request) → the reply's `callbackArgs`, or `msgspec.UNSET` for a success without
    payload.
    takes_arguments: whether `callbackArgs` of the request mean anything to it.
    stirs: whether it changes anything, so that there may be more to come.
    """

    answer: Callable[[Outlet, Request], Any]
    takes_arguments: bool = False
    mutates: bool = False


def _reads(answer: Callable[[Outlet, Request], Any]) -> Handler:
    return Handler(answer)


def _acts(answer: Callable[[Outlet, Request], Any]) -> Handler:
    return Handler(answer, mutates=True)


def _controls(answer: Callable[[Outlet, Request], Any]) -> Handler:
    return Handler(answer, takes_arguments=True, mutates=True)


HANDLERS: Mapping[int, Handler] = {
    Callback.REQUEST_CONFIGURATION: _reads(Outlet._configuration),
    Callback.CONFIGURE: _controls(Outlet._configure),
    Callback.REQUEST_ACCESSORY_NAMES: _reads(Outlet._accessory_names),
    Callback.CONFIGURE_ACCESSORY_NAMES: _controls(Outlet._configure_accessory_names),
    Callback.RESTART: _acts(Outlet._restart),
    Callback.RESET_NETWORK: _acts(Outlet._reset_network),
    Callback.FACTORY_RESET: _acts(Outlet._factory_reset),
    Callback.OUTLET_STATUS: _reads(Outlet._outlet_status),
    Callback.CONTROL_OUTLET: _controls(Outlet._control_outlet),
    Callback.SENSOR_READINGS: _reads(Outlet._sensor_readings),
    Callback.DEVICE_INFORMATION: _reads(Outlet._device_information),
    Callback.CONTROL_NIGHTLIGHT: _controls(Outlet._control_nightlight),
    Callback.NIGHTLIGHT_STATUS: _reads(Outlet._nightlight_status),
    Callback.CONTROL_COLOR_LIGHT: _controls(Outlet._control_color_light),
    Callback.COLOR_LIGHT_STATUS: Handler(Outlet._color_light_status, takes_arguments=True),
    Callback.AVAILABLE_UPDATES: _reads(Outlet._available_updates),
    Callback.PERFORM_UPDATE: _controls(Outlet._answer_update),
    Callback.RESTART_FACEPLATE: _acts(Outlet._restart_faceplate),
    Callback.RESET_FACEPLATE: _acts(Outlet._reset_faceplate),
    Callback.CALIBRATE_OCCUPANCY: _controls(Outlet._calibrate_occupancy),
    Callback.MQTT: Handler(Outlet._mqtt, takes_arguments=True),
    Callback.CALIBRATE_CLIMATE: _controls(Outlet._calibrate_climate),
}
"""Callback number → how it is answered."""

MUTATING_CALLBACKS = frozenset(number for number, handler in HANDLERS.items() if handler.mutates)
"""The callbacks that change something."""
