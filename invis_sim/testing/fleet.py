"""The block in which a fleet runs in a thread: `with start_fleet(50) as fleet:`."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from invis_sim.commands.command import Command
from invis_sim.faults.fault import Fault
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario import Scenario
from invis_sim.scenario.diff import Reloaded
from invis_sim.scenario.fleet_loading import resolve_fleet
from invis_sim.scenario.loading import ScenarioSource
from invis_sim.schema.numbers import check_speed
from invis_sim.server.fleet import Fleet, FleetFault, FleetMethods
from invis_sim.server.several import wait_for_pending_connections
from invis_sim.testing.clock_handle import ClockHandle
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.thread import SimulatorThread
from invis_sim.testing.thread_block import ThreadBlock
from invis_sim.web.fleet_opening import open_fleet

__all__ = ["FleetContext", "FleetHandle", "start_fleet"]

__tracebackhide__ = hide_frames

T = TypeVar("T")


class FleetHandle(FleetMethods[SimulatorHandle]):
    """A fleet that runs in a thread, or some outlets of it, by serial number. `start_fleet` makes
    one.

    Everything on it, and on the outlets, may be used from any thread. After `stop`, of the fleet or
    of any of its outlets, all are gone: they end together.

    clock: the time of all its outlets.
    """

    def __init__(
        self, fleet: Fleet, outlets: dict[str, SimulatorHandle], thread: SimulatorThread
    ) -> None:
        super().__init__(outlets)
        self._fleet = fleet
        self._thread = thread
        self.clock = ClockHandle(fleet.clock, thread)

    @property
    def seed(self) -> int:
        """The seed from which those of the outlets come; start with it to see the same again."""
        return self._fleet.seed

    @property
    def scenario(self) -> Scenario:
        """What the outlets were made from."""
        return self._fleet.scenario

    @property
    def control_url(self) -> str:
        """The URL of their page; the HTTP API is below. Raises LookupError where control is off."""
        return self._fleet.control_url

    @property
    def control_token(self) -> str | None:
        """What each request to the control server must have; None: nothing."""
        return self._fleet.control_token

    def do(self, *commands: Command, by: str = "python", **keys: Any) -> None:
        """Carry out commands on each outlet: all of them in order, on all, or nothing on any.
        Clients that have just connected are served first, so that they get what comes of them.

        The arguments, and what it raises, are those of `SimulatorHandle.do`.
        """
        if self._thread.is_current:
            self._fleet.do(*commands, by=by, **keys)
            return

        async def run() -> None:
            await wait_for_pending_connections(tuple(self._fleet.values()))
            self._fleet.do(*commands, by=by, **keys)

        self._thread.run_task(run)

    def inject(self, fault: Fault) -> FleetFault:
        return self._thread.call(
            lambda: FleetFault([outlet.inject(fault) for outlet in self.values()])
        )

    def _select(self, condition: Callable[[SimulatorHandle], object]) -> "FleetHandle":
        # In the thread, where what is asked of an outlet is answered at once.
        return self._thread.read(
            lambda: self._only(sn for sn, outlet in self.items() if condition(outlet))
        )

    def _only(self, sns: Iterable[str]) -> "FleetHandle":
        chosen = {sn: self[sn] for sn in sns}
        return FleetHandle(self._fleet.only(chosen), chosen, self._thread)

    def carry_out_reload(self, scenario: Scenario, by: str) -> Reloaded:
        return self._thread.call(self._fleet.carry_out_reload, scenario, by)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call the function in the thread of the fleet, and return or raise what it does.

        Raises SimulatorStopped after the end, or the error that ended the fleet.
        """
        return self._thread.call(function, *args)

    def stop(self) -> None:
        """End all outlets of the fleet. Calling it twice is no error."""
        self._thread.stop()


class FleetContext(ThreadBlock[Fleet, FleetHandle]):
    """The time during which a fleet runs. `start_fleet` makes one."""

    start_again = "start_fleet"

    def __init__(self, scenario: Scenario, speed: float) -> None:
        super().__init__()
        self._scenario = scenario
        self._speed = speed

    def open(self) -> AbstractAsyncContextManager[Fleet]:
        return open_fleet(
            scenario=self._scenario, speed=self._speed, on_internal_error=self.stop_on_error
        )

    def handle(self, opened: Fleet) -> FleetHandle:
        thread = self.thread(opened.runtime.nursery)
        outlets = {sn: SimulatorHandle(outlet, thread) for sn, outlet in opened.items()}
        return FleetHandle(opened, outlets, thread)

    def fail_waiters(self, handle: FleetHandle, error: BaseException) -> None:
        for outlet in handle.values():
            outlet.fail_waiters(error)


def start_fleet(
    count: int | None = None,
    scenario: ScenarioSource = None,
    *,
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    **overrides: object,
) -> FleetContext:
    """Run many outlets in one thread for the time of a block: a mapping by serial number, whose
    values are handles as of `start_simulator`. They listen when the block begins.

    For `with`, in any thread and also where an event loop runs, and for `async with` in asyncio and
    trio.

    count: how many; None: as the `[fleet]` of the scenario says.
    scenario, speed, faults: as for `start_simulator`.
    overrides: first, sn (a pattern), address and ports of `[fleet]`, in place of the scenario's,
    and those of `start_simulator`. Ports are free ones, and all outlets share an address, unless
    the scenario or the caller names them.

    Raises as `start_simulator`.
    """
    return FleetContext(
        resolve_fleet(scenario, faults, count=count, **overrides), check_speed(speed)
    )
