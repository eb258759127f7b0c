"""The outlet as the rest of the project uses it: every operation takes the time, and returns its
effects.

    Outlet ──▶ requests ──▶ handlers ──▶ OutletInternals ──▶ the parts: state, faceplate, sensors,
       └──────────────────────────────────▲                 update_process, schedule

`handlers.py` has what each callback does, `internals.py` what they are built on, and this file the
operations from outside and the outlet's life: offline, online, and the time after a restart in
which clients are sent that it has restarted. Nothing here knows of sockets, clocks or faults.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from invis_sim.device.arguments import RequestRejected
from invis_sim.device.effects import Answer, Effect
from invis_sim.device.handlers import start_update
from invis_sim.device.internals import OutletInternals
from invis_sim.device.requests import PacketIds, answer, rejection
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.state import Outlets, OutletState, patched
from invis_sim.device.status import require_faceplate
from invis_sim.device.update_plan import Part
from invis_sim.device.update_process import UpdateStatus
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Request
from invis_sim.schema.build import check

__all__ = ["Outlet"]


class Outlet:
    """One simulated InvisOutlet.

    Times (`now`) are in simulated seconds since the start, and never go back: an earlier one counts
    as the latest so far. To be given a time does not run timers that are due by then; `advance`
    does. The caller carries out the effects that an operation returns, in order.

    Where an operation raises ValueError, nothing has changed.

    state: what it is at the beginning; None: an outlet as out of the box.
    packet_ids: which packetIDs it serves.
    seed: of its own packetIDs, and of sensors that drift.
    schedule: where its timers are added; may be shared with other code. None: one of its own.
    """

    def __init__(
        self,
        state: OutletState | None = None,
        *,
        packet_ids: PacketIds = "lenient",
        seed: int = 0,
        schedule: Schedule | None = None,
    ) -> None:
        self.schedule = Schedule() if schedule is None else schedule
        self._packet_ids = packet_ids
        self._device = OutletInternals(state or OutletState(), seed, self.schedule)
        # Due at the end of the time in which clients that connect are sent that it has restarted.
        self._reconnect_window: Timer | None = None

    # What it is

    @property
    def state(self) -> OutletState:
        """Everything that it is and knows at the moment."""
        return self._device.state

    @property
    def sn(self) -> str:
        """Its serial number."""
        return self._device.sn

    @property
    def offline(self) -> bool:
        """Whether it restarts, or is off the network."""
        return self._device.offline

    @property
    def silent(self) -> bool:
        """Whether it neither answers nor pushes for a while, as at the beginning of an update,
        although it is on the network. The caller answers no requests and no pings then.
        """
        return self._device.update.silent

    @property
    def speaks(self) -> bool:
        """Whether it is neither offline nor silent."""
        return self._device.speaks

    @property
    def faceplate_online(self) -> bool:
        """Whether there is a faceplate that answers."""
        return self._device.presence.online

    @property
    def updating(self) -> bool:
        """Whether an update is in progress. One that hangs is."""
        return self._device.update.in_progress

    @property
    def update_status(self) -> UpdateStatus | None:
        """How far the update in progress is; None: there is none."""
        return self._device.update.status

    @property
    def sensor_values(self) -> dict[str, Any]:
        """The present readings by name, as numbers; none where no faceplate answers."""
        return self._device.sampler.to_wire("numbers") if self.faceplate_online else {}

    # Requests

    def handle(self, request: Request, now: float) -> Answer:
        """Answer a request. Never raises: what cannot be done is a reply with `PUBACK` 0."""
        self.schedule.move_to(now)
        return answer(self._device, request, self._packet_ids)

    def reject(self, request: Request, note: Note) -> Answer:
        """The answer to a request that is kept from the outlet: `PUBACK` 0.

        note: why.
        """
        return rejection(self._device.sn, request, note)

    # Time

    def advance(self, now: float) -> tuple[Effect, ...]:
        """Run every timer that is due by now, and return the effects of all, in order.

        A caller that has to carry out the effects of each timer before the next one runs, as while
        a restart may be among them, calls `schedule.run_due` until that returns None.
        """
        effects: list[Effect] = []
        while (ran := self.schedule.run_due(now)) is not None:
            effects += ran
        return tuple(effects)

    # Changes from outside

    def set(self, changes: Mapping[str, Any], now: float) -> tuple[Effect, ...]:
        """Change what the outlet is or knows; the effects are those of any other change.

        changes: as in a scenario file, a table and what to change in it, or the struct of a whole
        table: `{"outlets": {"states": [1, 0]}, "sensors": {"lux": "inf"}}`.

        Raises ValueError, with the path of the key, for a value that a scenario could not have.
        """
        self.schedule.move_to(now)
        state = patched(self._device.state, changes)
        state = self._device.reconcile_product(
            state,
            product="product" in _keys(changes.get("device")),
            faceplate="PM" in _keys(changes.get("firmware")),
        )
        return tuple(self._device.set_state(state))

    def reload(
        self, initial: OutletState, changes: Mapping[str, Any], now: float
    ) -> tuple[Effect, ...]:
        """Have another state of the beginning, to which resets go back, and change what the outlet
        is or knows as `set` does.

        Raises ValueError as `set`.
        """
        effects = self.set(changes, now)
        self._device.initial_state = initial.with_product()
        return effects

    def push(self, callback: int, args: Any, now: float) -> tuple[Effect, ...]:
        """Push a packet to every client.

        args: `callbackArgs`; UNSET: the present state, where the callback is one of 9, 11, 12, 15
        and 18.

        Raises ValueError where there is no such state at the moment, or the arguments are not JSON.
        """
        self.schedule.move_to(now)
        if args is msgspec.UNSET:
            try:
                args = self._device.current_args(callback)
            except RequestRejected as rejected:
                raise ValueError(f"nothing to push for callback {callback}: {rejected}") from None
        check(int, callback, "callback")
        return (self._device.make_push(callback, check(Any, args, "args")),)

    def sample(self, now: float) -> tuple[Effect, ...]:
        """Take a new sample of the sensors, and push it."""
        self.schedule.move_to(now)
        return tuple(self._device.sample())

    def start_update(self, target: Literal["IM", "PM"], now: float) -> tuple[Effect, ...]:
        """Start an update of the outlet (IM) or its faceplate (PM), as if a client had asked.

        Raises ValueError that says why it cannot be.
        """
        self.schedule.move_to(now)
        if target not in ("IM", "PM"):
            raise ValueError(f"target: expected 'IM' or 'PM', found {target!r}")
        part = Part.OUTLET if target == "IM" else Part.FACEPLATE
        _, effects = start_update(self._device, part)
        return tuple(effects)

    def restart_faceplate(self, now: float) -> tuple[Effect, ...]:
        """Restart the faceplate. Raises ValueError unless there is one that answers."""
        self.schedule.move_to(now)
        require_faceplate(self._device.presence)
        return tuple(self._device.restart_faceplate())

    def force_faceplate_offline(self, offline: bool, now: float) -> tuple[Effect, ...]:
        """Keep the faceplate offline, whatever its state says, or no longer. Idempotent."""
        self.schedule.move_to(now)
        faceplate = self._device.faceplate
        if faceplate.forced_offline == offline:
            return ()
        faceplate.forced_offline = offline
        return tuple(self._device.update_presence())

    # Restarts

    def go_offline(self, now: float) -> tuple[Effect, ...]:
        """Leave the network: the outlet restarts, or its power fails. What is in progress is lost:
        an update, a calibration, a restart of the faceplate. The effects are logs alone.

        The caller ends the connections. To be offline already is no error: then it is a power
        failure during a restart.
        """
        self.schedule.move_to(now)
        device = self._device
        device.offline = True
        effects = self._close_reconnect_window()
        effects += device.faceplate.end_calibration()
        effects += device.update.on_offline()
        device.faceplate.end_restart()
        if device.factory_reset_pending:
            device.factory_reset_pending = False
            effects += device.restore_settings()
        effects += device.update_presence()
        if device.state.quirks.outlets_after_restart == "off":
            effects += device.replace_state(outlets=Outlets())
        return tuple(effects)

    def come_online(self, now: float) -> tuple[Effect, ...]:
        """Be back on the network. For `timing.reconnect_seconds` from now, `connect_pushes` says so
        to each client that connects.
        """
        self.schedule.move_to(now)
        device = self._device
        restarted = [Part.WWW, Part.OUTLET]
        if device.presence.attached:
            restarted.append(Part.FACEPLATE)
        effects = device.install(*restarted)
        device.offline = False
        effects += device.update.on_online()
        effects += device.update_presence()
        seconds = device.state.timing.reconnect_seconds
        if self._reconnect_window is not None:
            self._reconnect_window.cancel()
        # A daemon, so that at infinite speed the window is open until the first client connects.
        self._reconnect_window = self.schedule.after(
            seconds, self._close_reconnect_window, daemon=True
        )
        if not seconds:  # no client is sent anything, however soon it connects
            effects += self._close_reconnect_window()
        return tuple(effects)

    def connect_pushes(self, now: float) -> tuple[Effect, ...]:
        """What comes of a client that has just connected. Every push among the effects is for that
        client alone.

        Soon after a restart, these are who the outlet is (12), and, from a revB that has restarted
        for an update, whether that continues (21); at other times there is no effect.
        """
        self.schedule.move_to(now)
        if self._reconnect_window is None:
            return ()
        device = self._device
        information = device.current_args(Callback.DEVICE_INFORMATION)
        effects: list[Effect] = [device.make_push(Callback.DEVICE_INFORMATION, information)]
        if device.update.resumed is not None:
            args = [int(Part.OUTLET), int(device.update.resumed)]
            effects.append(device.make_push(Callback.PERFORM_UPDATE, args))
        effects += device.resume_update()
        return tuple(effects)

    def readings(self, now: float) -> tuple[Effect, ...]:
        """The push of the present readings, which are no new sample; none where the outlet has no
        sensors that answer, or takes no samples.
        """
        self.schedule.move_to(now)
        device = self._device
        if not (device.state.timing.sensor_seconds and device.speaks):
            return ()
        return tuple(device.push_current(Callback.SENSOR_READINGS))

    def _close_reconnect_window(self) -> list[Effect]:
        """End the time in which clients that connect are sent that it has restarted. Idempotent."""
        if self._reconnect_window is None:
            return []
        self._reconnect_window.cancel()
        self._reconnect_window = None
        # While it is offline, the next restart decides about an update that waits.
        effects = [] if self._device.offline else self._device.resume_update()
        self._device.update.resumed = None
        return effects

    # The beginning again

    def reset(self, now: float) -> tuple[Effect, ...]:
        """Restore the state of the beginning. An update, a calibration, and a restart of the
        faceplate that are in progress are cancelled, and so is a factory reset that was requested.
        The effects are logs of that, and the pushes of what has changed.

        What the caller decides stays: whether the outlet is offline, and whether its faceplate is
        forced to be. So do packetIDs and drifts: see `reseed`.
        """
        self.schedule.move_to(now)
        effects: list[Effect] = []
        if self._reconnect_window is not None:
            self._reconnect_window.cancel()
            self._reconnect_window = None
        effects += self._device.restore_everything()
        return tuple(effects)

    def reseed(self, now: float) -> tuple[Effect, ...]:
        """Begin again with what the seed decides: packetIDs of pushes, and readings, which are at
        their first sample.
        """
        self.schedule.move_to(now)
        self._device.restart_packet_ids()
        self._device.sampler.restart()
        return ()


def _keys(changes: Any) -> Iterable[str]:
    """The keys that are set by changes, or by a struct in the place of a table."""
    if isinstance(changes, msgspec.Struct):
        fields = changes.__struct_encode_fields__
        # A product of None is not set: it follows the firmware.
        return [key for key in fields if key != "product" or getattr(changes, key) is not None]
    return changes or ()
