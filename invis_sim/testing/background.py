"""A simulator in a thread of its own, behind a plain handle: for any test, in any event loop."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import trio

from invis_sim.faults.fault import Fault
from invis_sim.faults.rule import Rule
from invis_sim.journal import Journal
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.server.simulator import Simulator, open_simulator

__all__ = ["RunningSimulator", "start_simulator"]

T = TypeVar("T")


class RunningSimulator:
    """A simulator that runs in a thread. `start_simulator` makes one.

    Everything on it may be used from any thread but the simulator's own.
    """

    def __init__(self, simulator: Simulator, token: trio.lowlevel.TrioToken) -> None:
        self._simulator = simulator
        self._token = token
        self.stopping = trio.Event()

    @property
    def sn(self) -> str:
        """The serial number."""
        return self._simulator.sn

    @property
    def seed(self) -> int:
        """The seed of everything that is drawn by chance; start with it to see the same again."""
        return self._simulator.seed

    @property
    def tcp_address(self) -> tuple[str, int]:
        """Host and port of the TCP transport. Raises LookupError where the scenario has it off."""
        return self._simulator.tcp_address

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is. Raises LookupError where the scenario has it off."""
        return self._simulator.ws_url

    @property
    def journal(self) -> Journal:
        """What has happened so far."""
        return self._simulator.journal

    @contextmanager
    def inject(self, fault: Fault) -> Iterator[Rule]:
        """Adds a fault for the time of the block."""
        rule = self.call(self._simulator.faults.arm, fault)
        try:
            yield rule
        finally:
            with suppress(trio.RunFinishedError):  # it may have been stopped meanwhile
                self.call(self._simulator.faults.disarm, rule)

    def call(self, function: Callable[..., T], *args: object) -> T:
        """Calls the function in the simulator's thread, and returns or raises what it does."""
        return trio.from_thread.run_sync(function, *args, trio_token=self._token)

    def stop(self) -> None:
        """Ends the simulator; it is gone when its `with` block is left."""
        with suppress(trio.RunFinishedError):
            self.call(self.stopping.set)


@contextmanager
def start_simulator(
    scenario: ScenarioSource = None, *, speed: float = 1.0, **overrides: object
) -> Iterator[RunningSimulator]:
    """An outlet that runs in a thread for the time of the block, and listens when the block begins.

    scenario: a `Scenario`, a path, the name of a shipped scenario, TOML text, or None for the
    default outlet.
    speed: by how much every injected wait is divided, above 0.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, in place of the scenario's.
    Ports are free ones unless the scenario or the caller names them.

    Raises ScenarioError for a scenario that cannot be used, StartError where it cannot listen; and
    at the end of the block whatever went wrong inside the simulator.
    """
    resolved = resolve(scenario, **overrides)
    ready = threading.Event()
    handle: RunningSimulator | None = None
    failure: BaseException | None = None

    async def live() -> None:
        nonlocal handle
        async with open_simulator(resolved, speed=speed) as simulator:
            handle = RunningSimulator(simulator, trio.lowlevel.current_trio_token())
            ready.set()
            await handle.stopping.wait()

    def run() -> None:
        nonlocal failure
        try:
            trio.run(live)
        except BaseException as error:  # it belongs to the thread that waits for us
            failure = error
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="invis-sim", daemon=True)
    thread.start()
    try:
        ready.wait()
        if handle is not None:
            yield handle
    finally:
        ready.wait()  # the first one may have been interrupted
        if handle is not None:
            handle.stop()
        thread.join()
        if failure is not None:
            raise failure
