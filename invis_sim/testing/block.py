"""The block in which a simulator runs in a thread: `with start_simulator() as sim:`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from invis_sim.device.outlet import Outlet
from invis_sim.faults.fault import Fault
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.schema.numbers import check_speed
from invis_sim.server.session.backend import Backend
from invis_sim.server.session.context import Servers
from invis_sim.server.session.serve import OUTLET_SERVERS
from invis_sim.server.simulator import Simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.thread_block import ThreadBlock
from invis_sim.web.opening import open_simulator

__all__ = ["SimulatorContext", "start_simulator"]

__tracebackhide__ = hide_frames


class SimulatorContext(ThreadBlock[Simulator, SimulatorHandle]):
    """The time during which a simulator runs. `start_simulator` makes one."""

    start_again = "start_simulator"

    def __init__(
        self,
        scenario: Scenario,
        speed: float,
        make_backend: Callable[[Outlet], Backend] | None = None,
        servers: Servers = OUTLET_SERVERS,
    ) -> None:
        super().__init__()
        self._scenario = scenario
        self._speed = speed
        self._make_backend = make_backend
        self._servers = servers

    def open(self) -> AbstractAsyncContextManager[Simulator]:
        return open_simulator(
            self._scenario,
            speed=self._speed,
            make_backend=self._make_backend,
            servers=self._servers,
            on_internal_error=self.stop_on_error,
        )

    def handle(self, opened: Simulator) -> SimulatorHandle:
        return SimulatorHandle(opened, self.thread(opened.runtime.nursery))

    def fail_waiters(self, handle: SimulatorHandle, error: BaseException) -> None:
        handle.fail_waiters(error)


def start_simulator(
    scenario: ScenarioSource = None,
    *,
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    **overrides: object,
) -> SimulatorContext:
    """Run an outlet in a thread for the time of a block; it listens when the block begins.

    For `with`, in any thread and also where an event loop runs, and for `async with` in asyncio and
    trio.

    scenario: a `Scenario`, a path, the name of a bundled scenario, TOML text, or None for the
    default outlet.
    speed: how many simulated seconds pass in a real one, above 0; infinite: time jumps from timer
    to timer.
    faults: further ones, after those of the scenario.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, mdns, control, control_host,
    control_port, in place of the scenario's. Ports are free ones unless the scenario or the caller
    names them.

    Raises ScenarioError for a scenario that cannot be used, ValueError for a speed that is not
    above 0; at the beginning of the block StartError where it cannot listen; and at its end
    whatever went wrong inside the simulator.
    """
    return SimulatorContext(resolve(scenario, faults, **overrides), check_speed(speed))
