"""The outlet at work: its state, its parts, and its timers, on which its operations are built.

What clients and scenarios can see or set is in one value, the `OutletState`. It changes in
`OutletInternals.set_state` alone, which returns the pushes of what has changed.
Where something happens in several steps, the effects are in the order of the steps.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from invis_sim.device.arguments import RequestRejected
from invis_sim.device.chance import chance
from invis_sim.device.device_info import device_information
from invis_sim.device.effects import Effect, GoOffline, Log
from invis_sim.device.faceplate import FaceplateUnit, Presence
from invis_sim.device.lights import NIGHTLIGHT_NUMBER, ColorLight
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.sensors import Sampler
from invis_sim.device.state import OutletState
from invis_sim.device.status import (
    color_light_numbers,
    color_light_status,
    nightlight_status,
    outlet_status,
    sensor_readings,
)
from invis_sim.device.update_plan import Part, Progress, Result, UpdateEvent
from invis_sim.device.update_process import (
    AcceptedUpdate,
    Downloaded,
    UpdateOutput,
    UpdateProcess,
)
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Push

__all__ = ["OutletInternals"]


class OutletInternals:
    """What handlers and the operations of `Outlet` work on.

    state: what the outlet is at the beginning. seed: of its own packetIDs, and of sensors that
    drift. schedule: where its timers are added.

    state: what it is at present; replaced by `set_state`.
    initial_state: what it was at the beginning.
    sn: its serial number, as in `state`.
    firmware_report: the `callbackArgs` of a successful reply to callback 20.
    offline: whether it restarts, or is off the network: there are no clients.
    factory_reset_pending: whether the next restart restores what clients can change.
    """

    def __init__(self, state: OutletState, seed: int, schedule: Schedule) -> None:
        self.seed = seed
        self.schedule = schedule
        self.initial_state = self.state = state.with_product()
        self.offline = False
        self.factory_reset_pending = False
        self.sampler = Sampler(seed)
        self.faceplate = FaceplateUnit(schedule, self.sampler)
        self.update = UpdateProcess(schedule)
        self._last_with_faceplate = self.state  # whose product and firmware come back with it
        self._faceplate_seen = self.presence.online  # so that its return is noticed
        self._sample_timer: Timer | None = None
        self.restart_packet_ids()
        self._refresh_caches()
        self.restart_sample_timer()

    @property
    def speaks(self) -> bool:
        """Whether it pushes, and answers requests: it is neither offline nor silent."""
        return not (self.offline or self.update.silent)

    @property
    def presence(self) -> Presence:
        """Whether there is a faceplate that answers."""
        return self.faceplate.presence(self.state)

    # The state

    def set_state(self, state: OutletState) -> list[Effect]:
        """Replace the state, and return the pushes of what has changed, and what else comes of it.

        state: with product and firmware in agreement.
        """
        before, self.state = self.state, state
        effects = self._on_faceplate_change(before)
        effects += self.update_presence()
        if state.timing.sensor_seconds != before.timing.sensor_seconds:
            self.restart_sample_timer()
        if not self.speaks:
            return effects  # clients that connect later read the state
        if state.outlets != before.outlets:
            effects.append(self.make_push(Callback.OUTLET_STATUS, outlet_status(state)))
        if state.nightlight != before.nightlight:
            effects += self.push_current(Callback.NIGHTLIGHT_STATUS)
        for light, name in color_light_numbers(state).items():
            old: ColorLight = getattr(before, name)
            new: ColorLight = getattr(state, name)
            # One LED in the state stands for all, so different values may be the same light.
            if new != old and new.with_all_leds() != old.with_all_leds():
                effects += self.push_current(Callback.COLOR_LIGHT_STATUS, light)
        return effects

    def control(self, callback: Callback, light: int = 5, **fields: Any) -> list[Effect]:
        """Replace fields of the state because a client wants it so. By a quirk, there is a push
        even if they have these values already.

        callback: of that push. light: which coloured light, for 18.
        """
        before = self.state
        effects = self.replace_state(**fields)
        if self.state.quirks.unchanged_pushes and self.speaks and self.state == before:
            effects += self.push_current(callback, light)
        return effects

    def replace_state(self, **fields: Any) -> list[Effect]:
        """Replace fields of the state, as `set_state` does."""
        return self.set_state(msgspec.structs.replace(self.state, **fields))

    def reconcile_product(
        self, state: OutletState, *, product: bool, faceplate: bool
    ) -> OutletState:
        """Return a state that was set from outside with product and firmware in agreement.

        product, faceplate: whether the product was set, and whether the faceplate's firmware was.

        Raises ValueError where both were set, and contradict each other.
        """
        has_firmware = state.firmware.PM is not None
        if product and faceplate and (state.product == "bare") == has_firmware:
            which = "no faceplate, and has" if has_firmware else "a faceplate, and lacks"
            raise ValueError(f"device.product: {state.product!r} is one with {which} firmware.PM")
        before, last = self.state, self._last_with_faceplate
        wanted = state.product
        if faceplate and not product:
            if not has_firmware:
                wanted = "bare"
            elif wanted == "bare":
                wanted = last.product if last.product != "bare" else "pro"
        if wanted != "bare" and not has_firmware and before.product == "bare":
            firmware = msgspec.structs.replace(state.firmware, PM=last.firmware.PM)
            state = msgspec.structs.replace(state, firmware=firmware)
        return state.with_product(wanted)

    def restore_settings(self) -> list[Effect]:
        """Restore what clients can change to what it was at the beginning."""
        self.sampler.forget_calibrations()
        first = self.initial_state
        return self.replace_state(
            outlets=first.outlets,
            nightlight=first.nightlight,
            color_light=first.color_light,
            indicator_light=first.indicator_light,
            names=first.names,
            preferences=first.preferences,
        )

    def restore_everything(self) -> list[Effect]:
        """Restore the whole state, and cancel all that is in progress."""
        self.factory_reset_pending = False
        effects: list[Effect] = [*self.update.cancel(), *self.faceplate.end_calibration()]
        self.faceplate.end_restart()
        self.sampler.forget_calibrations()
        effects += self.set_state(self.initial_state)
        self._last_with_faceplate = self.initial_state
        # The next sample is one interval from now, as it was at the beginning.
        self.restart_sample_timer()
        return effects

    def _refresh_caches(self) -> None:
        """Compute what is read far more often than it changes."""
        state, presence = self.state, self.presence
        self.sn = state.device.sn
        self.firmware_report = state.firmware.to_wire(faceplate=presence.online)
        self.sampler.set_readings(state.sensors.effective(state.product))

    # The faceplate

    def _on_faceplate_change(self, before: OutletState) -> list[Effect]:
        """React to a faceplate that was attached, detached or replaced.

        before: the state until now.
        """
        effects: list[Effect] = []
        state = self.state
        if state.product != before.product:
            self._faceplate_seen = False  # another one appears
            self.faceplate.end_restart()
            effects += self.faceplate.end_calibration()
            effects += self._update_effects(self.update.on_faceplate_lost())
            self.update.discard(Part.FACEPLATE)
        elif not state.faceplate.attached:
            self.faceplate.end_restart()
        elif not before.faceplate.attached:
            # It has power again, so it runs what it was updated to.
            firmware, logs = self.update.install(state.firmware, Part.FACEPLATE)
            self.state = msgspec.structs.replace(state, firmware=firmware)
            effects += logs
        if self.state.product != "bare":
            self._last_with_faceplate = self.state
        return effects

    def update_presence(self) -> list[Effect]:
        """Abort what needs the faceplate if that is offline now, and refresh what depends on it. If
        it has appeared, or come back, every client is sent who it is (12).
        """
        effects: list[Effect] = []
        appeared = self.presence.online and not self._faceplate_seen
        self._faceplate_seen = self.presence.online
        if not self.presence.online:
            effects += self.faceplate.end_calibration()
            if not self.offline:  # a restart of the outlet has its own consequences for an update
                effects += self._update_effects(self.update.on_faceplate_lost())
        self._refresh_caches()
        # A client that connects later is sent it then.
        if appeared and self.speaks and self.state.quirks.faceplate_pushes:
            effects += self.push_current(Callback.DEVICE_INFORMATION)
        return effects

    def reset_faceplate(self) -> list[Effect]:
        """Restore what the faceplate keeps to what it was at the beginning."""
        self.sampler.reset_calibrations()
        first = self.initial_state
        return self.replace_state(
            nightlight=first.nightlight,
            color_light=first.color_light,
            indicator_light=first.indicator_light,
            preferences=self.state.preferences.with_faceplate_of(first.preferences),
        )

    def restart_faceplate(self) -> list[Effect]:
        """Begin a restart of the faceplate."""
        seconds = self.state.timing.faceplate_restart_seconds
        logs = self.faceplate.restart(seconds, self._on_faceplate_back)
        return [*logs, *self.update_presence()]

    def _on_faceplate_back(self) -> list[Effect]:
        self.faceplate.end_restart()
        return [Log("the faceplate is back"), *self.install(Part.FACEPLATE)]

    # Updates

    def start_update(self, accepted: AcceptedUpdate) -> list[Effect]:
        """Start an update at once. There must be no other, and its outcome is not "refused"."""
        return self._update_effects(self.update.start(accepted, self._on_update_event))

    def start_update_after_restart(self, accepted: AcceptedUpdate) -> list[Effect]:
        """Restart the outlet, and start an update when it is back. There must be no other."""
        self.update.start_after_restart(accepted)
        seconds = self.state.timing.restart_seconds
        return [self.restart_effect("restart for an update", seconds)]

    def resume_update(self) -> list[Effect]:
        """Continue an update that waits for a client after a restart."""
        return self._update_effects(self.update.resume(self._on_update_event))

    def _on_update_event(self, event: UpdateEvent, *, last: bool) -> list[Effect]:
        return self._update_effects(self.update.apply(event, last=last))

    def _update_effects(self, outputs: Iterable[UpdateOutput]) -> list[Effect]:
        """What comes of an update, as effects."""
        effects: list[Effect] = []
        for output in outputs:
            match output:
                case Log():
                    effects.append(output)
                case Progress(part, percent):
                    effects.append(self._update_push(Callback.UPDATE_PROGRESS, part, percent))
                case Result(part, status):
                    effects.append(self._update_push(Callback.UPDATE_RESULT, part, status))
                case Downloaded(part):
                    effects += self._restart_updated(part)
        return effects

    def _update_push(self, callback: Callback, part: Part, value: int) -> Push:
        push = self.make_push(callback, [int(part), value])
        packet_id = self.update.packet_id
        return push if packet_id is None else push.with_field(("packetID",), packet_id)

    def _restart_updated(self, part: Part) -> list[Effect]:
        """Restart a part that has its new firmware."""
        if part is Part.WWW:
            return self.install(part)  # web pages need no restart
        if part is Part.FACEPLATE:
            return self.restart_faceplate()
        return [self.restart_effect("restart after an update", self.state.timing.restart_seconds)]

    def install(self, *parts: Part) -> list[Effect]:
        """Run what these parts have been updated to."""
        firmware, logs = self.update.install(self.state.firmware, *parts)
        return [*logs, *self.replace_state(firmware=firmware)]

    # The sensors

    def sample(self) -> list[Effect]:
        """Take a new sample, and push it if there is a faceplate that sends it."""
        self.sampler.advance()
        if not self.speaks:
            return []  # the result of a calibration waits for the next push
        effects = self.push_current(Callback.SENSOR_READINGS)
        self.faceplate.after_sample()
        return effects

    def restart_sample_timer(self) -> None:
        """Take samples from now on as often as the state says."""
        if self._sample_timer is not None:
            self._sample_timer.cancel()
            self._sample_timer = None
        seconds = self.state.timing.sensor_seconds
        if seconds:
            self._sample_timer = self.schedule.every(seconds, self.sample)

    # Packets and other effects

    def restart_effect(self, name: str, seconds: float | None) -> GoOffline:
        """The effect of a restart. Its arguments are those of `GoOffline`."""
        return GoOffline(name, seconds, self.state.quirks.restart_disconnect)

    def current_args(self, callback: int, light: int = NIGHTLIGHT_NUMBER) -> Any:
        """The `callbackArgs` of a push of the present state. Raises RequestRejected.

        callback: one of 9, 11, 12, 15 and 18. light: which coloured light, for 18.
        """
        state, presence = self.state, self.presence
        match callback:
            case Callback.OUTLET_STATUS:
                return outlet_status(state)
            case Callback.SENSOR_READINGS:
                return sensor_readings(state, presence, self.sampler)
            case Callback.DEVICE_INFORMATION:
                return device_information(state, presence)
            case Callback.NIGHTLIGHT_STATUS:
                return nightlight_status(state, presence)
            case Callback.COLOR_LIGHT_STATUS:
                return color_light_status(state, presence, light)
        raise RequestRejected(Note("it has no state of its own, so args are needed"))

    def push_current(self, callback: Callback, light: int = NIGHTLIGHT_NUMBER) -> list[Effect]:
        """A push of the present state; none where there is none at the moment."""
        try:
            args = self.current_args(callback, light)
        except RequestRejected:
            return []
        return [self.make_push(callback, args)]

    def restart_packet_ids(self) -> None:
        """Begin the packetIDs of pushes again."""
        self._pushes = 0  # how many had one

    def make_push(self, callback: int, args: Any) -> Push:
        """A push with the next packetID."""
        self._pushes += 1
        number = chance(f"{self.seed}/packetIDs of pushes/{self._pushes}")
        packet_id = 100_000 + int(900_000 * number)
        push = Push.of(self.sn, packet_id, int(callback), args)
        if callback == Callback.COLOR_LIGHT_STATUS and self.state.quirks.color_push_puback:
            sn, packet_id, payload = push.fields.values()
            return Push({"sn": sn, "packetID": packet_id, "PUBACK": 1, "payload": payload})
        return push
