"""A simulator in a thread of its own, behind a plain handle: for any test, in any event loop.

The rules of this file:

- The simulator and all that belongs to it live in one thread, with trio. Other threads reach it by
  `SimulatorHandle.call` alone; what needs no call is read as it is.
- Nobody waits for something that cannot come any more: whoever waits, waits for the end of the
  thread as well, and gets what ended it.
- Whatever the block does, the thread is gone when the block is left.
"""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar

import msgspec
import trio

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState
from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.fault import Fault
from invis_sim.journal import Event, Exchange, Expectation, Journal
from invis_sim.protocol.packets import Request
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.server.simulator import Simulator, open_simulator

__all__ = [
    "FaultHandle",
    "FaultHandles",
    "OutletHandle",
    "SimulatorContext",
    "SimulatorHandle",
    "SimulatorStopped",
    "start_simulator",
]

T = TypeVar("T")
E = TypeVar("E", Exchange, Event)

_EVENT_LOOP_HINT = """
(this waited in the thread of an event loop, and a client in that loop could do nothing meanwhile;
there, `await` async_wait_for_request or async_wait_for_connection)"""


class SimulatorStopped(RuntimeError):
    """The outlet has been stopped, so what was asked of it cannot be done, or waited for."""

    def __init__(self) -> None:
        super().__init__("the outlet has been stopped")


class _Gone(Exception):
    """The thread of the simulator takes no more calls."""


class SimulatorHandle:
    """A simulator that runs in a thread. `start_simulator` makes one.

    Everything on it may be used from any thread. When something has gone wrong inside the
    simulator, whatever is asked of it raises that error; after `stop`, SimulatorStopped. What the
    properties tell, they tell after the end as well.
    """

    def __init__(self, simulator: Simulator, ended: Future[None]) -> None:
        self._simulator = simulator
        self._device = simulator.outlet
        self._ended = ended
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()
        self._stopping = trio.Event()

    # Who and where it is

    @property
    def sn(self) -> str:
        """The serial number."""
        return self._simulator.sn

    @property
    def seed(self) -> int:
        """The seed of everything that is drawn by chance; start with it to see the same again."""
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
        """Where the WebSocket is. Raises LookupError where the scenario has it off."""
        return self._simulator.ws_url

    def has(self, transport: Transport) -> bool:
        """Whether the outlet has this transport."""
        return self._simulator.has(transport)

    # What it does

    @property
    def firmware(self) -> FirmwareInventory:
        """Which firmware runs and which is available; may be replaced at any time.

        To set it raises ValueError for an inventory with a value that a scenario could not have.
        """
        return self._simulator.firmware

    @firmware.setter
    def firmware(self, inventory: FirmwareInventory) -> None:
        self.call(setattr, self._simulator, "firmware", inventory)

    @property
    def outlet(self) -> "OutletHandle":
        """The device: what it is and knows, and what can be done to it."""
        return OutletHandle(self, self._simulator, self._device)

    @property
    def faults(self) -> "FaultHandles":
        """What goes wrong, each with its switch: `faults["name"].enabled = False`."""
        return FaultHandles(self, self._simulator)

    def inject(self, fault: Fault) -> "FaultHandle":
        """Adds a fault, from now on: in `with`, for the time of the block, else until it is
        removed.

        Raises ValueError for one with a value out of range.
        """
        return FaultHandle(self, self.call(self._simulator.faults.arm, fault))

    def disconnect_all(self, how: Literal["close", "reset", "close_frame"] = "close") -> None:
        """Ends every connection, at once. New ones are welcome.

        how: "close": the stream ends (FIN). "reset": it is broken off (RST). "close_frame": with a
        close frame on WebSocket, and FIN.
        """
        self._call_when_settled(lambda: self._simulator.disconnect_all(how))

    def reboot(self, seconds: float | None = None, how: DisconnectMode | None = None) -> None:
        """Lets the outlet restart: every connection ends, new ones are refused for a while, and
        whoever connects soon after that is told who it is.

        It is away when this returns, and comes back by itself.

        seconds: for how long it is away, ≥ 0, before `speed` divides it; None: as the scenario's
        [timing] says. how: as for the fault `Reboot`; None: as the scenario's [quirks] say.

        Raises ValueError for a value out of range.
        """
        self.call(self._simulator.reboot, seconds, how)

    def join_network(self) -> None:
        """Lets the outlet be back on the network after a network reset (callback 6). Where it was
        not reset, this is no error.
        """
        self.call(self._simulator.join_network)

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
        timeout: float = 5.0,
    ) -> Request:
        """Returns the next request that is like this, as soon as it is there.

        Each request is returned once: one that came before the call counts, unless an earlier call
        has returned it or the journal has forgotten it. It returns as the request comes, and not
        when it has been answered.

        It blocks its thread. In an event loop that a client of the outlet shares,
        `async_wait_for_request` is the right one.

        timeout: seconds. The other arguments are those of `Journal.exchanges`.

        Raises AssertionError that says what came instead.
        """
        arrivals = self._simulator.arrivals
        return _request(
            self._wait(arrivals.request(callback, connection, transport, packet_id), timeout)
        )

    def wait_for_connection(
        self, transport: Transport | None = None, timeout: float = 5.0
    ) -> Event:
        """Returns the event that a client has connected, as soon as one has.

        Each is returned once, as in `wait_for_request`. On WebSocket, the handshake comes after it.

        transport: only on this one. timeout: seconds.

        Raises AssertionError that says what came instead.
        """
        return self._wait(self._simulator.arrivals.connection(transport), timeout)

    def wait_until_up(self, timeout: float = 5.0) -> None:
        """Returns when the outlet is on the network: at once, or when its restart ends. After a
        request to restart, first see that it has come: `wait_for_request(callback=5)`.

        timeout: seconds. Raises AssertionError where it is not back by then.
        """
        up, withdraw = self._when_up()
        wait((up,), timeout)
        withdraw()
        self._check_up(up, timeout)

    async def async_wait_until_up(self, timeout: float = 5.0) -> None:
        """`wait_until_up` for asyncio and trio: others run meanwhile."""
        up, withdraw = self._when_up()
        try:
            await _completed(up, timeout)
        finally:
            withdraw()
        self._check_up(up, timeout)

    def _when_up(self) -> tuple[Future[None], Callable[[], None]]:
        """A future that is done when it is up, and cancelled when that will not come; and what
        takes it back.
        """
        up: Future[None] = Future()

        def is_up() -> None:
            if up.set_running_or_notify_cancel():
                up.set_result(None)

        forget = self.call(self._simulator.when_up, is_up)
        self._ended.add_done_callback(lambda ended: up.cancel())

        def withdraw() -> None:
            with suppress(_Gone):
                self._call(forget)

        return up, withdraw

    def _check_up(self, up: Future[None], timeout: float) -> None:
        if up.done() and not up.cancelled():
            return
        if self._ended.done():
            self._raise_end()
        raise AssertionError(f"the outlet has not come back within {timeout:g} s")

    async def async_wait_for_request(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        timeout: float = 5.0,
    ) -> Request:
        """`wait_for_request` for asyncio and trio: others run meanwhile."""
        arrivals = self._simulator.arrivals
        with arrivals.request(callback, connection, transport, packet_id) as expectation:
            await _completed(expectation.future, timeout)
            return _request(expectation.result(timeout))

    async def async_wait_for_connection(
        self, transport: Transport | None = None, timeout: float = 5.0
    ) -> Event:
        """`wait_for_connection` for asyncio and trio: others run meanwhile."""
        with self._simulator.arrivals.connection(transport) as expectation:
            await _completed(expectation.future, timeout)
            return expectation.result(timeout)

    def _wait(self, expectation: Expectation[E], timeout: float) -> E:
        if threading.get_ident() == self._thread:
            raise RuntimeError("nothing can come while the simulator's own thread waits")
        with expectation:
            wait((expectation.future,), timeout)
            return expectation.result(timeout, _EVENT_LOOP_HINT if _in_a_loop() else "")

    # Its thread

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Calls the function in the simulator's thread, and returns or raises what it does.

        Raises SimulatorStopped after the end, or the error that ended the simulator.
        """
        try:
            return self._call(function, *args)
        except _Gone:
            self._raise_end()

    def _raise_end(self) -> NoReturn:
        """Raises what ended the simulator, or SimulatorStopped; only after its end."""
        self._ended.result()
        raise SimulatorStopped from None

    def _call_when_settled(self, function: Callable[[], T]) -> T:
        """`call`, once those are served who have connected by now."""
        if threading.get_ident() == self._thread:
            return function()
        answer: Future[T] = Future()

        async def settle() -> None:
            try:
                await self._simulator.settle()
                answer.set_result(function())
            except Exception as error:  # it belongs to the thread that waits
                answer.set_exception(error)

        try:
            self.call(trio.lowlevel.spawn_system_task, settle)
        except RuntimeError:  # the event loop takes no new tasks: it ends
            wait((self._ended,))
        if not self._is_answered(answer):
            self._raise_end()
        return answer.result()

    def _is_answered(self, answer: Future[Any]) -> bool:
        """Waits for an answer, and says whether it came before the end."""
        either: tuple[Future[Any], ...] = (answer, self._ended)
        wait(either, return_when=FIRST_COMPLETED)
        return answer.done()

    def stop(self) -> None:
        """Ends the simulator. It is gone when this returns, but for its thread, which is gone when
        the `with` block is left. Once more is no error.
        """
        self._ask_to_stop()
        if threading.get_ident() != self._thread:
            wait((self._ended,))

    def _ask_to_stop(self) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._stopping.set)

    def _call(self, function: Callable[..., T], *args: Any) -> T:
        """`call`, but raises _Gone after the end."""
        if threading.get_ident() == self._thread:
            return function(*args)
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(function(*args))
            except BaseException as error:  # it belongs to the thread that waits
                answer.set_exception(error)

        try:
            self._token.run_sync_soon(run)
        except trio.RunFinishedError:
            raise _Gone from None
        if not self._is_answered(answer):
            raise _Gone
        return answer.result()

    def _read(self, function: Callable[[], T]) -> T:
        """Calls the function, which changes nothing, where nothing changes meanwhile: in the
        simulator's thread, or after its end in this one.
        """
        try:
            return self._call(function)
        except _Gone:
            wait((self._ended,))
            return function()


class OutletHandle:
    """The device of a running simulator. For any thread; what is done has happened, and is on its
    way to every client, when the call returns.
    """

    def __init__(self, owner: SimulatorHandle, simulator: Simulator, device: Outlet) -> None:
        self._owner = owner
        self._simulator = simulator
        self._device = device  # to be read, also when there is no time any more

    @property
    def state(self) -> OutletState:
        """Everything that it is and knows at the moment: `outlet.state.outlets.states`."""
        return self._owner._read(lambda: self._device.state)

    @property
    def faceplate_online(self) -> bool:
        """Whether there is a faceplate at the moment that answers."""
        return self._owner._read(lambda: self._device.faceplate_online)

    @property
    def updating(self) -> bool:
        """Whether an update is under way, one that hangs included."""
        return self._owner._read(lambda: self._device.updating)

    @property
    def down(self) -> bool:
        """Whether it restarts at the moment, or is off the network."""
        return self._owner._read(lambda: self._device.down)

    def change(self, **changes: Any) -> None:
        """Changes what the outlet is or knows; clients are told as of any other change.

        changes: as in a scenario file, a table and what to change in it:
        `change(outlets={"states": [1, 0]}, sensors={"lux": "inf"})`.

        Raises ValueError for a value that a scenario could not have, and changes nothing then.
        """
        self._do(lambda: self._simulator.outlet.change(**changes))

    def attach_faceplate(self) -> None:
        """Puts the InvisDeco back on. An outlet that has none stays without."""
        self.change(faceplate={"attached": True})

    def detach_faceplate(self) -> None:
        """Takes the InvisDeco off."""
        self.change(faceplate={"attached": False})

    def push(self, callback: int, args: Any = msgspec.UNSET) -> None:
        """Tells every connection something, unasked.

        args: `callbackArgs`; left out: the present state, where the callback is one of 9, 11, 12,
        15 and 18.

        Raises ValueError where there is no such state at the moment.
        """
        self._do(lambda: self._simulator.outlet.push(callback, args))

    def sample(self) -> None:
        """Lets the sensors take a new sample, and tells every connection."""
        self._do(lambda: self._simulator.outlet.sample())

    def start_update(self, target: Literal["IM", "PM"]) -> None:
        """Starts an update of the outlet (IM) or its faceplate (PM), as if a client had asked.

        Raises ValueError that says why it cannot be.
        """
        self._do(lambda: self._simulator.outlet.start_update(target))

    def restart_faceplate(self) -> None:
        """Lets the faceplate restart. Raises ValueError where none is there."""
        self._do(lambda: self._simulator.outlet.restart_faceplate())

    def _do(self, action: Callable[[], None]) -> None:
        # A client that has just connected is to be told as well.
        self._owner._call_when_settled(action)


class FaultHandle:
    """A fault of a running simulator: its name, its switch, its count. For any thread.

    As a context manager it removes the fault at the end of the block.
    """

    def __init__(self, owner: SimulatorHandle, rule: ArmedFault) -> None:
        self._owner = owner
        self._rule = rule

    @property
    def name(self) -> str:
        """The fault's name, or its kind."""
        return self._rule.name

    @property
    def fault(self) -> Fault:
        """What it is."""
        return self._rule.fault

    @property
    def applied(self) -> int:
        """How often it has applied."""
        return self._rule.applied

    @property
    def enabled(self) -> bool:
        """Whether it applies; may be switched at any time."""
        return self._rule.enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._owner.call(setattr, self._rule, "enabled", value)

    def remove(self) -> None:
        """Takes the fault away. One that is gone already, or whose simulator is, is no error."""
        with suppress(_Gone):
            self._owner._call(self._owner._simulator.faults.disarm, self._rule)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


class FaultHandles:
    """The faults of a running simulator, by name or one after the other. For any thread."""

    def __init__(self, owner: SimulatorHandle, simulator: Simulator) -> None:
        self._owner = owner
        self._pipeline = simulator.faults

    def __getitem__(self, name: str) -> FaultHandle:
        """The first fault of this name. Raises KeyError that lists the names there are."""
        return FaultHandle(self._owner, self._owner._read(lambda: self._pipeline[name]))

    def __iter__(self) -> Iterator[FaultHandle]:
        rules = self._owner._read(lambda: tuple(self._pipeline))
        return iter([FaultHandle(self._owner, rule) for rule in rules])

    def __len__(self) -> int:
        return self._owner._read(lambda: len(self._pipeline))


class SimulatorContext:
    """The time during which a simulator runs: a block of `with` or `async with`, once.

    `start_simulator` makes one.
    """

    def __init__(self, scenario: Scenario, speed: float) -> None:
        self._scenario = scenario
        self._speed = speed
        self._handle: SimulatorHandle | None = None
        self._defect: Exception | None = None
        self._ready: Future[SimulatorHandle] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="invis-sim", daemon=True)

    def __enter__(self) -> SimulatorHandle:
        self._thread.start()
        try:
            wait((self._ready,))
            return self._ready.result()
        except BaseException:  # it could not start, or the waiting was interrupted
            self._finish()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish()
        self._raise_failure(error)

    async def __aenter__(self) -> SimulatorHandle:
        self._thread.start()
        try:
            await _completed(self._ready)
            return self._ready.result()
        except BaseException:
            self._finish()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._ask_to_stop()
            await _completed(self._ended)
        finally:
            self._finish()
        self._raise_failure(error)

    def _ask_to_stop(self) -> None:
        if self._handle is not None:
            self._handle._ask_to_stop()

    def _finish(self) -> None:
        """Lets the thread end, and waits for that: some milliseconds at the most."""
        wait((self._ready,))
        self._ask_to_stop()
        self._thread.join()

    def _raise_failure(self, error: BaseException | None) -> None:
        """Raises what has gone wrong in the simulator, unless the block is left by an interrupt, or
        by that very error.
        """
        failure = self._ended.exception()
        if failure is not None and failure is not error:
            if error is not None and not isinstance(error, Exception):
                return
            raise failure

    # In the thread of the simulator

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            trio.run(self._live)
        except BaseException as error:  # it belongs to those who wait
            failure = error
        if self._handle is not None:
            self._handle._simulator.arrivals.fail(failure or SimulatorStopped())
        if failure is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(failure)
            if not self._ready.done():
                self._ready.set_exception(failure)

    async def _live(self) -> None:
        async with open_simulator(self._scenario, speed=self._speed) as simulator:
            self._handle = SimulatorHandle(simulator, self._ended)
            simulator.on_defect = self._failed
            self._ready.set_result(self._handle)
            await self._handle._stopping.wait()
            if self._defect is not None:
                raise self._defect

    def _failed(self, error: Exception) -> None:
        """A defect that an outlet on a desk survives ends one in a test, so that the test fails."""
        assert self._handle is not None
        self._defect = error
        self._handle._stopping.set()


def start_simulator(
    scenario: ScenarioSource = None, *, speed: float = 1.0, **overrides: object
) -> SimulatorContext:
    """An outlet that runs in a thread for the time of the block, and listens when the block begins.

    For `with`, in any thread and also where an event loop runs, and for `async with` in asyncio and
    trio.

    scenario: a `Scenario`, a path, the name of a shipped scenario, TOML text, or None for the
    default outlet.
    speed: by how much every injected wait is divided, above 0; infinite: nothing waits.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, mdns, in place of the
    scenario's. Ports are free ones unless the scenario or the caller names them.

    Raises ScenarioError for a scenario that cannot be used; at the beginning of the block
    StartError where it cannot listen; and at its end whatever went wrong inside the simulator.
    """
    return SimulatorContext(resolve(scenario, **overrides), speed)


def _request(exchange: Exchange) -> Request:
    assert exchange.request is not None
    return exchange.request


def _in_a_loop() -> bool:
    """Whether this thread runs an event loop."""
    if _in_trio():
        return True
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_trio() -> bool:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def _completed(future: Future[Any], seconds: float = math.inf) -> None:
    """Returns when the future is done, or after so many seconds; in asyncio or trio."""
    if _in_trio():
        await _completed_in_trio(future, seconds)
    else:
        await _completed_in_asyncio(future, seconds)


async def _completed_in_trio(future: Future[Any], seconds: float) -> None:
    token, done = trio.lowlevel.current_trio_token(), trio.Event()

    def wake(future: Future[Any]) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(done.set)

    future.add_done_callback(wake)
    with trio.move_on_after(seconds):
        await done.wait()


async def _completed_in_asyncio(future: Future[Any], seconds: float) -> None:
    import asyncio  # here, for a program that has none need not load it

    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(future: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), None if seconds == math.inf else seconds)
