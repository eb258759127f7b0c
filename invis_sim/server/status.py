"""What an outlet is at the moment."""

from typing import Any

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState
from invis_sim.device.update_process import UpdateStatus

__all__ = ["StatusMethods"]


class StatusMethods:
    """Adds what there is to know of the outlet itself: to be read only."""

    _outlet: Outlet

    @property
    def sn(self) -> str:
        """The serial number."""
        return self._outlet.sn

    @property
    def state(self) -> OutletState:
        """Everything that the outlet is and knows at the moment."""
        return self._outlet.state

    @property
    def faceplate_online(self) -> bool:
        """Whether a faceplate is there that answers."""
        return self._outlet.faceplate_online

    @property
    def sensor_values(self) -> dict[str, Any]:
        """The present readings by name, as numbers; none where no faceplate answers."""
        return self._outlet.sensor_values

    @property
    def updating(self) -> bool:
        """Whether an update is in progress, one that hangs included."""
        return self._outlet.updating

    @property
    def update_status(self) -> UpdateStatus | None:
        """How far the update in progress is; None: there is none."""
        return self._outlet.update_status

    @property
    def offline(self) -> bool:
        """Whether the outlet restarts at the moment, or is off the network."""
        return self._outlet.offline
