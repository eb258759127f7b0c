"""The InvisDeco: whether it is there and answers, its restarts, and its calibration.

NONE       the product has none
DETACHED   it is not clipped on
RESTARTING, FORCED_OFFLINE   it is clipped on, and absent for now
UNRESPONSIVE   it is there, and does not answer
ONLINE
"""

from enum import Enum
from functools import partial

from invis_sim.device.effects import Log
from invis_sim.device.schedule import Action, Schedule, Timer
from invis_sim.device.sensors import Sampler
from invis_sim.device.state import OutletState

__all__ = ["FaceplateUnit", "Presence"]

CALIBRATION_STAGES = (4, 5, 6)
"""What `occupancy_state` is while the occupancy sensor is calibrated, one after the other.
[documentation of callback 26]"""


class Presence(Enum):
    """What of the faceplate the outlet can reach. Of several reasons, the first applies."""

    NONE = "none"
    DETACHED = "detached"
    RESTARTING = "restarting"
    FORCED_OFFLINE = "forced offline"
    UNRESPONSIVE = "unresponsive"
    ONLINE = "online"

    @property
    def attached(self) -> bool:
        """Whether there is a faceplate that is clipped on."""
        return self not in (Presence.NONE, Presence.DETACHED)

    @property
    def present(self) -> bool:
        """Whether the outlet sees a faceplate. Whether it also answers, `online` says."""
        return self in (Presence.UNRESPONSIVE, Presence.ONLINE)

    @property
    def online(self) -> bool:
        """Whether it answers, and sends readings."""
        return self is Presence.ONLINE


class FaceplateUnit:
    """What the faceplate is doing at the moment. What it is, the state says.

    schedule: where timers are added. sampler: of its sensors.

    forced_offline: whether a fault keeps it offline.
    """

    def __init__(self, schedule: Schedule, sampler: Sampler) -> None:
        self.forced_offline = False
        self._schedule = schedule
        self._sampler = sampler
        self._restart: Timer | None = None
        self._calibration: list[Timer] = []

    def presence(self, state: OutletState) -> Presence:
        """Whether there is a faceplate that answers.

        state: of the outlet.
        """
        if state.product == "bare":
            return Presence.NONE
        if not state.faceplate.attached:
            return Presence.DETACHED
        if self._restart is not None:
            return Presence.RESTARTING
        if self.forced_offline:
            return Presence.FORCED_OFFLINE
        return Presence.ONLINE if state.faceplate.online else Presence.UNRESPONSIVE

    # Restarts

    def restart(self, seconds: float, action: Action) -> tuple[Log, ...]:
        """Begin a restart, or begin it again.

        seconds: how long it takes, ≥ 0. action: of the timer at its end, which calls `end_restart`.
        """
        self.end_restart()
        self._restart = self._schedule.after(seconds, action)
        return (Log(f"the faceplate restarts ({seconds:g} s)"),)

    def end_restart(self) -> None:
        """End a restart, if there is one: it is complete, or the faceplate has no power, or was
        replaced.
        """
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None

    # The calibration of the occupancy sensor

    @property
    def calibrating(self) -> bool:
        """Whether a calibration of the occupancy sensor is in progress, its delay included."""
        return bool(self._calibration)

    def calibrate_occupancy(self, delay: float, seconds: float) -> tuple[Log, ...]:
        """Start a calibration of the occupancy sensor, which goes through its stages.

        delay: in seconds, after which it begins, ≥ 0. seconds: how long it takes, above 0.
        """
        stages = len(CALIBRATION_STAGES)
        times = [delay + seconds * index / stages for index in range(stages)]
        self._calibration = [
            self._schedule.after(time, partial(self._set_stage, stage))
            for time, stage in zip(times, CALIBRATION_STAGES, strict=True)
        ]
        self._calibration.append(self._schedule.after(delay + seconds, self.end_calibration))
        return (Log(f"the occupancy sensor is calibrated: in {delay:g} s, for {seconds:g} s"),)

    def _set_stage(self, stage: int) -> None:
        self._sampler.stage = stage

    def end_calibration(self) -> tuple[Log, ...]:
        """End the calibration, complete or not. Idempotent."""
        if not self._calibration:
            return ()
        for timer in self._calibration:
            timer.cancel()
        self._calibration = []
        self._sampler.stage = None
        return (Log("the calibration of the occupancy sensor ends"),)
