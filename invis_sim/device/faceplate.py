"""The InvisDeco: whether it is there and answers, its restarts, and its calibration.

NONE       the product has none
DETACHED   it is not clipped on
RESTARTING, FORCED_OFFLINE, UNRESPONSIVE   it is clipped on, and away for now
ONLINE
"""

from enum import Enum
from functools import partial

from invis_sim.device.effects import Log
from invis_sim.device.schedule import Action, Schedule, Timer
from invis_sim.device.sensors import Sampler
from invis_sim.device.state import OutletState

__all__ = ["FaceplateUnit", "Presence"]

CALIBRATING, CALIBRATED, CALIBRATION_FAILED = 4, 5, 6
"""What `occupancy_state` says of a calibration of the occupancy sensor. [documentation of callback
26; that they mean this is inferred from the radar module that the sensor resembles]"""


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

    def calibrate_occupancy(
        self, delay: float, seconds: float, *, succeeds: bool
    ) -> tuple[Log, ...]:
        """Start a calibration of the occupancy sensor. At its end the next sample has the result.

        delay: in seconds, after which it begins, ≥ 0. seconds: how long it takes, above 0.
        """
        result = CALIBRATED if succeeds else CALIBRATION_FAILED
        self._calibration = [
            self._schedule.after(delay, partial(self._set_stage, CALIBRATING)),
            self._schedule.after(delay + seconds, partial(self._complete_calibration, result)),
        ]
        return (Log(f"the occupancy sensor is calibrated: in {delay:g} s, for {seconds:g} s"),)

    def _set_stage(self, stage: int) -> None:
        self._sampler.stage = stage

    def _complete_calibration(self, result: int) -> tuple[Log, ...]:
        self._calibration = []
        self._sampler.stage = result
        words = "is complete" if result == CALIBRATED else "has failed"
        return (Log(f"the calibration of the occupancy sensor {words}"),)

    def after_sample(self) -> None:
        """Forget the result of a calibration, which one sample has."""
        if not self._calibration:
            self._sampler.stage = None

    def end_calibration(self) -> tuple[Log, ...]:
        """Abort the calibration, or forget its result. Idempotent."""
        self._sampler.stage = None
        if not self._calibration:
            return ()
        for timer in self._calibration:
            timer.cancel()
        self._calibration = []
        return (Log("the calibration of the occupancy sensor ends"),)
