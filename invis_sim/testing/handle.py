"""A simulator in another thread, steered from any: for any test, in any event loop.

The simulator and all that belongs to it live in one thread, with trio. The handle offers what
`Simulator` offers, and reaches it by `SimulatorThread.call`.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from invis_sim.commands.command import Command
from invis_sim.commands.inject import InjectFault
from invis_sim.commands.registry import CommandMethods
from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.journal import Event, Exchange, Expectation, Journal
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.packets import Request
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.schema.numbers import check_timeout
from invis_sim.server.fault_handle import FaultHandle, FaultHandles, FaultMethods
from invis_sim.server.reload import Reloaded, ReloadMethods
from invis_sim.server.simulator import Simulator
from invis_sim.testing.clock_handle import ClockHandle
from invis_sim.testing.event_loops import completed, in_event_loop, seconds_to_wait
from invis_sim.testing.thread import SimulatorThread, ThreadStopped

__all__ = ["SimulatorHandle", "ThreadStepHandle"]

__tracebackhide__ = hide_frames

T = TypeVar("T")
E = TypeVar("E", Exchange, Event)

_EVENT_LOOP_HINT = """
(this waited in the thread of an event loop, and a client in that loop could do nothing meanwhile;
there, `await` async_wait_for_request or async_wait_for_connection)"""


class SimulatorHandle(CommandMethods, FaultMethods, ReloadMethods):
    """A simulator that runs in a thread. `start_simulator` makes one.

    Everything on it may be used from any thread. When something has gone wrong in the simulator,
    each call raises that error; after `stop`, SimulatorStopped. Properties can be read then too.
    """

    def __init__(self, simulator: Simulator, thread: SimulatorThread) -> None:
        self._simulator = simulator
        self._thread = thread
        self.clock = ClockHandle(simulator.clock, thread)

    @property
    def faults(self) -> FaultHandles:
        """What goes wrong; by name or one after the other, each with its switch `enabled`."""
        return FaultHandles(
            self, self._simulator.pipeline, self._simulator.journal, self._thread.read
        )

    # Who and where it is

    @property
    def sn(self) -> str:
        """The serial number."""
        return self._simulator.sn

    @property
    def seed(self) -> int:
        """The seed of all that is random; start with it to see the same again."""
        return self._simulator.seed

    @property
    def scenario(self) -> Scenario:
        """What it was made from."""
        return self._simulator.scenario

    @property
    def tcp_address(self) -> tuple[str, int]:
        """Host and port of the TCP transport. Raises LookupError where the scenario has it off."""
        return self._simulator.tcp_address

    @property
    def ws_url(self) -> str:
        """The URL of the WebSocket. Raises LookupError where the scenario has it off."""
        return self._simulator.ws_url

    @property
    def addresses(self) -> dict[Transport, tuple[str, int]]:
        """Host and port of each transport that it has."""
        return self._simulator.addresses

    @property
    def control_url(self) -> str:
        """The URL of its page; the HTTP API is below. Raises LookupError where control is off."""
        return self._simulator.control_url

    @property
    def control_token(self) -> str | None:
        """What each request to the control server must have; None: nothing."""
        return self._simulator.control_token

    def has(self, transport: Transport) -> bool:
        """Return whether the outlet has this transport."""
        return self._simulator.has(transport)

    # What it is

    @property
    def state(self) -> OutletState:
        """Everything that the outlet is and knows at the moment: `sim.state.outlets.states`."""
        return self._thread.read(lambda: self._simulator.state)

    @property
    def faceplate_online(self) -> bool:
        """Whether a faceplate is there that answers."""
        return self._thread.read(lambda: self._simulator.faceplate_online)

    @property
    def updating(self) -> bool:
        """Whether an update is in progress, one that hangs included."""
        return self._thread.read(lambda: self._simulator.updating)

    @property
    def offline(self) -> bool:
        """Whether the outlet restarts at the moment, or is off the network."""
        return self._thread.read(lambda: self._simulator.offline)

    # What is done to it

    def do(self, *commands: Command, by: str = "python", **keys: Any) -> None:
        """Carry out commands: all of them in order, or none. A client that has just connected is
        served first, so that it gets what comes of them.

        commands: structs. keys: further ones as a step has them: `do(push=9, set={…})`; these are
        carried out in the order of the manual of steps.
        by: who gives them, for the journal.

        Raises CommandError with the path of the key, what was expected and what was found.
        """
        self._call_after_accepts(lambda: self._simulator.do(*commands, by=by, **keys))

    def inject(self, fault: Fault) -> FaultHandle:
        """Add a fault, from now on: in `with` until the end of the block, else until it is removed.

        Raises CommandError for a fault with a value out of range.
        """
        return self.faults.handle(self._thread.call(self._simulator.arm, InjectFault(fault)))

    def carry_out_reload(self, scenario: Scenario, by: str) -> Reloaded:
        return self._thread.call(self._simulator.carry_out_reload, scenario, by)

    def at(self, **keys: Any) -> "ThreadStepHandle":
        """Add a step: conditions and commands as in a scenario file, times from now.

        `at(after_seconds=10, push=9)`, `at(after_request={"callback": 20}, reboot=True)`

        Raises CommandError.
        """
        step = self._thread.call(lambda: self._simulator.at(**keys))
        return ThreadStepHandle(step.number, self._thread, step.remove)

    # What has happened

    @property
    def journal(self) -> Journal:
        """What has happened so far."""
        return self._simulator.journal

    def wait_for_request(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        args: Any = msgspec.UNSET,
        timeout: float = 5.0,
    ) -> Request:
        """Return the next request that is like this, as soon as it is there.

        Each request is returned once: one that came before the call counts, unless an earlier call
        has returned it or the journal has forgotten it. It returns as the request comes, and not
        when it has been answered.

        It blocks its thread. In an event loop that a client of the outlet shares, use
        `async_wait_for_request`.

        timeout: real seconds, 0 or more. The other arguments are those of `Journal.exchanges`.

        Raises AssertionError that lists what came instead, ValueError for an argument that no
        request can have.
        """
        waiters = self._simulator.waiters
        return _request(
            self._wait(waiters.request(callback, connection, transport, packet_id, args), timeout)
        )

    def wait_for_connection(
        self, transport: Transport | None = None, timeout: float = 5.0
    ) -> Event:
        """Return the event that a client has connected, as soon as one has.

        Each is returned once, as in `wait_for_request`. On WebSocket, the handshake comes after it.

        transport: only on this one. timeout: real seconds, 0 or more.

        Raises AssertionError that lists what came instead, ValueError for another transport.
        """
        return self._wait(self._simulator.waiters.connection(transport), timeout)

    def wait_until_up(self, timeout: float = 5.0) -> None:
        """Return when the outlet is on the network: at once, or when its restart ends. After a
        request to restart, first see that it has come: `wait_for_request(callback=5)`.

        timeout: real seconds. Raises AssertionError where it is not back by then.
        """
        seconds = seconds_to_wait(timeout)
        up, withdraw = self._when_up()
        wait((up,), seconds)
        withdraw()
        self._check_up(up, timeout)

    async def async_wait_until_up(self, timeout: float = 5.0) -> None:
        """Do as `wait_until_up`, in asyncio or trio: other tasks run meanwhile."""
        timeout = check_timeout(timeout)
        up, withdraw = self._when_up()
        try:
            await self._completed(up, timeout)
        finally:
            withdraw()
        self._check_up(up, timeout)

    async def async_wait_for_request(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        args: Any = msgspec.UNSET,
        timeout: float = 5.0,
    ) -> Request:
        """Do as `wait_for_request`, in asyncio or trio: other tasks run meanwhile."""
        timeout = check_timeout(timeout)
        waiters = self._simulator.waiters
        with waiters.request(callback, connection, transport, packet_id, args) as expectation:
            await self._completed(expectation.future, timeout)
            return _request(expectation.result(timeout))

    async def async_wait_for_connection(
        self, transport: Transport | None = None, timeout: float = 5.0
    ) -> Event:
        """Do as `wait_for_connection`, in asyncio or trio: other tasks run meanwhile."""
        timeout = check_timeout(timeout)
        with self._simulator.waiters.connection(transport) as expectation:
            await self._completed(expectation.future, timeout)
            return expectation.result(timeout)

    def _when_up(self) -> tuple[Future[None], Callable[[], None]]:
        """Return a future that is done when the outlet is up, and cancelled when that will not
        come; and a function that takes it back.
        """
        up: Future[None] = Future()

        def is_up() -> None:
            if up.set_running_or_notify_cancel():
                up.set_result(None)

        forget = self._thread.call(self._simulator.call_when_up, is_up)
        self._thread.cancel_at_end(up)

        def withdraw() -> None:
            up.cancel()  # so that the thread does not keep it
            with suppress(ThreadStopped):
                self._thread.try_call(forget)

        return up, withdraw

    def _check_up(self, up: Future[None], timeout: float) -> None:
        if up.done() and not up.cancelled():
            return
        if self._thread.ended.done():
            self._thread.raise_exit_error()
        raise AssertionError(f"the outlet has not come back within {timeout:g} s")

    async def _completed(self, future: Future[Any], timeout: float) -> None:
        """Return when the future is done, or after a number of real seconds. Raises what has ended
        the outlet, where that comes first.
        """
        self._thread.check_process()
        if not future.done():
            with self._thread.timer(timeout) as timer:
                await completed(future, timer)
                if timer.cancelled() and not future.done():
                    self._thread.raise_exit_error()

    def _wait(self, expectation: Expectation[E], timeout: float) -> E:
        if self._thread.is_current:
            raise RuntimeError("would deadlock: called from the simulator's thread")
        seconds = seconds_to_wait(timeout)
        self._thread.check_process()
        with expectation:
            wait((expectation.future,), seconds)
            return expectation.result(timeout, _EVENT_LOOP_HINT if in_event_loop() else "")

    # Its thread

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call the function in the simulator's thread, and return or raise what it does.

        Raises SimulatorStopped after the end, or the error that ended the simulator.
        """
        return self._thread.call(function, *args)

    def stop(self) -> None:
        """End the simulator. It is gone when this returns, but for its thread, which is gone when
        the last `with` block is left that shares it. Calling it twice is no error.
        """
        self._thread.stop()

    def fail_waiters(self, error: BaseException) -> None:
        """Make every wait that has not ended yet raise this error: nothing more will come."""
        self._simulator.waiters.fail(error)

    def _call_after_accepts(self, function: Callable[[], T]) -> T:
        """Call the function once those clients are served that have connected by now."""
        if self._thread.is_current:
            return function()

        async def run() -> T:
            await self._simulator.wait_for_pending_connections()
            return function()

        return self._thread.run_task(run)


class ThreadStepHandle:
    """A step of an outlet in another thread. number: its number, from 1."""

    def __init__(self, number: int, thread: SimulatorThread, remove: Callable[[], None]) -> None:
        self.number = number
        self._thread = thread
        self._remove = remove

    def remove(self) -> None:
        """Take the step away. One that is gone, or whose outlet has stopped, is no error."""
        with suppress(ThreadStopped):
            self._thread.try_call(self._remove)


def _request(exchange: Exchange) -> Request:
    assert exchange.request is not None
    return exchange.request
