"""The silence of the outlet at the beginning of an update, for those who wait for its end."""

import trio

from invis_sim.device.outlet import Outlet

__all__ = ["Silence"]


class Silence:
    """Where new connections wait while the outlet is silent. A real outlet accepts them in its
    network stack, and reads nothing of them. Those that exist already get no answers.

    outlet: whose silence it is; whether it is silent, the outlet alone says.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._waiting = trio.lowlevel.ParkingLot()

    def changed(self) -> None:
        """Look whether the outlet is silent: it may have begun or ended."""
        if self._waiting and not self._outlet.silent:
            self._waiting.unpark_all()

    async def over(self) -> None:
        """Return when the outlet is not silent; at once where it is not."""
        while self._outlet.silent:
            await self._waiting.park()
