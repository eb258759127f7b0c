"""One simulated outlet: its listeners, its connections, its outages, its beginning and its end."""

import errno
import math
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Literal, TypeVar, get_args

import trio

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.outlet import Effect, Outlet
from invis_sim.device.schedule import Timer
from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.fault import Fault, OutageFault
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline
from invis_sim.journal import (
    CommandGiven,
    DeviceLog,
    Event,
    Exchange,
    Expectation,
    Journal,
    OutageEnded,
    OutageStarted,
    ServerError,
    Waiters,
)
from invis_sim.protocol.packets import Push, Request
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.server.clock import Clock
from invis_sim.server.mdns import Announcement, MdnsUnavailable
from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.net.listeners import ListenerGroup, StartError, open_listeners
from invis_sim.server.net.poller import Poller
from invis_sim.server.session import tcp, websocket
from invis_sim.server.session.connection import Connection, ServerContext, serve_client
from invis_sim.server.speed import scaled
from invis_sim.server.step_runner import StepRunner

__all__ = ["Simulator", "StartError", "open_simulator"]

ACCEPT_RETRY_SECONDS = 0.1
"""How long accepting rests when the machine has nothing left for another connection."""

MAX_TURNS = 10_000
"""For how many turns of the event loop those are waited for who have connected."""

TURNS_OF_A_CONNECTION = 4
"""In so many turns of the event loop a connection that was accepted is open."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_CONVERSE: dict[Transport, Callable[[Connection], Awaitable[None]]] = {
    "tcp": tcp.converse,
    "ws": websocket.converse,
}


class Simulator:
    """A running outlet. `open_simulator` makes one.

    scenario: what it was made from.
    seed: of everything that is drawn by chance in this run.
    journal: what happened.
    arrivals: what of it is waited for.
    faults: what goes wrong; by name or one after the other, each with its switch `enabled`.
    on_defect: called with an error of the simulator's own that has cost a connection, and that is
    logged by now; who wants to can end the simulator.
    """

    def __init__(self, scenario: Scenario, speed: float = 1.0, *, owns_loop: bool = False) -> None:
        self.scenario = scenario
        self.seed = scenario.seed if scenario.seed is not None else random.randrange(2**32)
        self.journal = Journal(started=time.time(), sn=scenario.device.sn)
        self.arrivals = Waiters(self.journal)
        self.faults = Pipeline(scenario.faults, self.seed)
        self._outlet = Outlet(
            scenario.state, packet_ids=scenario.protocol.packet_id, seed=self.seed
        )
        self._speed = speed
        self.on_defect: Callable[[Exception], None] = lambda error: None
        self._alone = owns_loop
        self._listening: dict[Transport, ListenerGroup] = {}
        self._numbers = count(1)
        self._refuses = False
        # Outages that wait for their time or began, by identity, each with what ends its waiting.
        self._scheduled: dict[str, trio.CancelScope] = {}
        self._outages: list[_UnderWay] = []
        self._clock: Clock | None = None
        self._announcement: Announcement | None = None
        self._waiting_for_up: list[Callable[[], None]] = []

    @property
    def outlet(self) -> Outlet:
        """The device: what it is and knows, and what can be done to it. To be asked for each time:
        this brings its time up to date.
        """
        self._bring_up_to_date()
        return self._outlet

    def _bring_up_to_date(self) -> None:
        """To be called before anything that is not an appointment of the outlet's: those have
        their own time.
        """
        if self._clock is not None:
            self._outlet.schedule.now = self._clock.seconds()

    @property
    def sn(self) -> str:
        """The serial number."""
        return self._outlet.sn

    @property
    def tcp_address(self) -> tuple[str, int]:
        """Host and port of the TCP transport. Raises LookupError where the scenario has it off."""
        return self._address("tcp")

    @property
    def ws_url(self) -> str:
        """Where the WebSocket is. Raises LookupError where the scenario has it off."""
        host, port = self._address("ws")
        shown = f"[{host}]" if ":" in host else host
        return f"ws://{shown}:{port}{self.scenario.listen.ws_path}"

    @property
    def firmware(self) -> FirmwareInventory:
        """Which firmware runs and which is available; may be replaced at any time.

        To set it raises ValueError for an inventory with a value that a scenario could not have.
        """
        return self._outlet.firmware

    @firmware.setter
    def firmware(self, inventory: FirmwareInventory) -> None:
        self.outlet.firmware = inventory

    @property
    def addresses(self) -> dict[Transport, tuple[str, int]]:
        """Host and port of each transport that it has, once it listens."""
        return {name: (place.host, place.port) for name, place in self._listening.items()}

    def has(self, transport: Transport) -> bool:
        """Whether the outlet has this transport."""
        return transport in self._listening

    @contextmanager
    def inject(self, fault: Fault) -> Iterator[ArmedFault]:
        """Adds a fault for the time of the block.

        Raises ValueError for one with a value out of range.
        """
        rule = self.faults.arm(fault)
        try:
            yield rule
        finally:
            self.faults.disarm(rule)

    async def wait_for_request(
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
        has returned it or the journal has forgotten it.

        timeout: seconds. The other arguments are those of `Journal.exchanges`.

        Raises AssertionError that says what came instead.
        """
        expectation = self.arrivals.request(callback, connection, transport, packet_id)
        request = (await _arrival(expectation, timeout)).request
        assert request is not None
        return request

    async def wait_for_connection(
        self, transport: Transport | None = None, timeout: float = 5.0
    ) -> Event:
        """Returns the event that a client has connected, as soon as one has.

        Each is returned once, as in `wait_for_request`. On WebSocket, the handshake comes after it.

        transport: only on this one. timeout: seconds.

        Raises AssertionError that says what came instead.
        """
        return await _arrival(self.arrivals.connection(transport), timeout)

    def disconnect_all(self, how: Literal["close", "reset", "close_frame"] = "close") -> None:
        """Ends every connection, at once. New ones are welcome.

        how: "close": the stream ends (FIN). "reset": it is broken off (RST). "close_frame": with a
        close frame on WebSocket, and FIN.
        """
        for connection in tuple(self._core.connections.values()):
            connection.cut(how, "by disconnect_all")

    def reboot(self, seconds: float | None = None, how: DisconnectMode | None = None) -> None:
        """Lets the outlet restart: every connection ends, at once, new ones are refused for a
        while, and whoever connects soon after that is told who it is.

        seconds: for how long it is away, ≥ 0, before `speed` divides it; None: as the scenario's
        [timing] says. how: as for the fault `Reboot`; None: as the scenario's [quirks] say.

        Raises ValueError for a value out of range.
        """
        self._bring_up_to_date()
        self._reboot(seconds, how)

    def _reboot(self, seconds: float | None, how: DisconnectMode | None) -> None:
        state = self._outlet.state
        if seconds is None:
            seconds = state.timing.restart_seconds
        if how is None:
            how = state.quirks.restart_disconnect
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds: expected a number from 0, found {seconds!r}")
        if how not in get_args(DisconnectMode):
            raise ValueError(f"how: expected one of {get_args(DisconnectMode)}, found {how!r}")
        self._begin(Outage("a reboot", seconds, refuses=True, connections=how), "outlet")

    def join_network(self) -> None:
        """Lets the outlet be back on the network after a network reset. Where it was not reset,
        this is no error.
        """
        self._bring_up_to_date()
        self._join_network()

    def _join_network(self) -> None:
        for under_way in tuple(self._outages):
            if under_way.what == "outlet" and under_way.outage.seconds is None:
                self._end(under_way)

    def when_up(self, function: Callable[[], None]) -> Callable[[], None]:
        """Calls the function once the outlet is on the network: now, or when its restart ends.

        Returns what takes that back.
        """
        waiting = self._waiting_for_up
        if not self._outlet.down:
            function()
            return lambda: None
        waiting.append(function)
        return lambda: waiting.remove(function) if function in waiting else None

    async def wait_until_up(self, timeout: float = 5.0) -> None:
        """Returns when the outlet is on the network: at once, or when its restart ends. After a
        request to restart, first see that it has come: `wait_for_request(callback=5)`.

        timeout: seconds. Raises AssertionError where it is not back by then.
        """
        up = trio.Event()
        withdraw = self.when_up(up.set)
        try:
            with trio.move_on_after(timeout):
                await up.wait()
        finally:
            withdraw()
        if not up.is_set():
            raise AssertionError(f"the outlet has not come back within {timeout:g} s")

    def begin(self, outage: Outage) -> None:
        """Something of the outlet goes away, at once, and comes back by itself."""
        self._bring_up_to_date()
        self._begin(outage)

    def _begin(self, outage: Outage, what: Literal["fault", "outlet"] = "fault") -> None:
        under_way = _UnderWay(outage, what)
        name = under_way.name
        self._event(OutageStarted, name=name, source=what, duration=outage.seconds)
        if outage.restarts:
            self._outlet.go_down()
            if self._announcement is not None:
                self._announcement.show(False)
        if outage.connections is not None:
            open_now = tuple(self._core.connections.values())
            for connection in open_now:
                connection.cut(outage.connections, under_way.reason)
            if outage.connections == "blackhole":
                under_way.silenced = open_now
        self._outages.append(under_way)
        self._apply_outages()
        if outage.seconds is not None:
            end = partial(self._end, under_way)
            under_way.timer = self._outlet.schedule.after(outage.seconds, end)
            assert self._clock is not None
            self._clock.changed()

    async def start(self, nursery: trio.Nursery) -> None:
        """Listens; connections are served in the nursery until it is cancelled.

        Raises StartError.
        """
        listen = self.scenario.listen
        self._nursery = nursery
        hub = Poller.create_if_supported(owns_loop=self._alone)
        if hub is not None:
            nursery.start_soon(hub.run)
        script = StepRunner(
            self.scenario.steps,
            self._outlet,
            self.faults,
            self._reboot,
            self._join_network,
            partial(self._event, CommandGiven),
        )
        started = trio.current_time()
        self._clock = Clock(self._outlet, started, self._speed, self._take_along)
        self._core = ServerContext(
            outlet=self._outlet,
            faults=self.faults,
            journal=self.journal,
            protocol=self.scenario.protocol,
            websocket_path=listen.ws_path,
            started=started,
            speed=self._speed,
            begin=self.begin,
            defect=lambda error: self.on_defect(error),
            outlet_seconds=self._clock.seconds,
            apply_effects=self._carry_out,
            opened=self._opened,
            requested=partial(self._requested, script) if script.counts_requests else None,
            hub=hub,
        )
        self._outlet.on_change = self._take_along
        self._outlet.on_remark = lambda text: self._event(DeviceLog, text=text)
        ports: dict[Transport, int | None] = {"tcp": listen.tcp_port, "ws": listen.ws_port}
        for transport in self.scenario.transports:
            port = ports[transport] or 0
            self._listening[transport] = await open_listeners(transport, listen.host, port)
        self._accept_all()
        nursery.start_soon(self._clock.run)
        if listen.mdns:
            self._announcement = self._announce()
            nursery.start_soon(self._announcement.run)
        self.faults.on_change = self._faults_changed
        self._faults_changed()
        if self._speed == math.inf:
            await self._let_time_jump()

    async def _let_time_jump(self) -> None:
        """Lets all happen that has a time, before anybody can see what it was like before."""
        assert self._clock is not None
        while self._clock.jump():
            await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Stops listening for good; who is connected stays."""
        self.faults.on_change = lambda: None
        for listening in self._listening.values():
            listening.close()

    def _address(self, transport: Transport) -> tuple[str, int]:
        if transport not in self._listening:
            raise LookupError(f"this outlet has no {transport}: the scenario switches it off")
        return self.addresses[transport]

    def _announce(self) -> Announcement:
        # The integration that browses for it was tested with the port of the WebSocket.
        host, port = self._address("ws" if self.has("ws") else "tcp")
        try:
            return Announcement(
                self._outlet, host, port, lambda text: self._event(ServerError, text=text)
            )
        except MdnsUnavailable as error:
            raise StartError(str(error)) from None

    async def settle(self) -> None:
        """Lets those be served who have connected by now."""
        for _ in range(MAX_TURNS):
            if not any(listening.has_pending_connection for listening in self._listening.values()):
                break
            await trio.lowlevel.checkpoint()
        for _ in range(TURNS_OF_A_CONNECTION):
            await trio.lowlevel.checkpoint()

    # What the outlet does by itself

    def _take_along(self) -> None:
        """Carries out what has come of a change, or of the agenda."""
        self._carry_out(self._outlet.take())

    def _carry_out(self, effects: tuple[Effect, ...]) -> None:
        for happening in effects:
            if isinstance(happening, Push):
                framed: dict[Transport, bytes] = {}
                everyone = tuple(self._core.connections.values())
                recipients = sum(connection.takes_push for connection in everyone)
                for connection in everyone:
                    connection.push(happening, framed, recipients)
            else:
                name, seconds, how = happening.name, happening.seconds, happening.connections
                self._begin(Outage(name, seconds, refuses=True, connections=how), "outlet")
        assert self._clock is not None
        self._clock.changed()
        if self._announcement is not None:
            self._announcement.look()

    def _requested(self, script: StepRunner, callback: int | None) -> None:
        self._bring_up_to_date()  # a step may make appointments
        script.requested(callback)

    def _opened(self, connection: Connection) -> None:
        for push in self.outlet.greet():
            connection.push(push, {})
        self._take_along()

    # Connections

    def _accept_all(self) -> None:
        for transport, listening in self._listening.items():
            for listener in listening.listeners:
                self._nursery.start_soon(self._accept, transport, listener)

    async def _accept(self, transport: Transport, listener: trio.SocketListener) -> None:
        exhausted = False
        while True:
            try:
                stream = await listener.accept()
            except trio.ClosedResourceError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                if not exhausted:  # said once, not ten times a second
                    exhausted = True
                    text = f"cannot accept connections ({error.strerror}), retrying"
                    self._event(ServerError, text=text)
                await trio.sleep(ACCEPT_RETRY_SECONDS)
                continue
            exhausted = False
            sock = socket.socket(fileno=stream.socket.detach())
            self._nursery.start_soon(self._serve, sock, transport, next(self._numbers))

    async def _serve(self, sock: socket.socket, transport: Transport, number: int) -> None:
        if self._refuses:  # it was accepted in the last moment before, and nobody knew of it
            ClientSocket(sock, 0).reset()
        else:
            await serve_client(self._core, sock, transport, number, _CONVERSE[transport])

    # Outages

    def _faults_changed(self) -> None:
        """Looks which outages are due or wait for their time, and which are switched off."""
        self._bring_up_to_date()
        timed = {rule.identity: (rule, fault) for rule, fault in self.faults.timed_outages}
        for identity in self._scheduled.keys() - timed.keys():
            self._scheduled.pop(identity).cancel()
        for under_way in tuple(self._outages):
            if under_way.what == "fault" and not self.faults.is_enabled(under_way.outage.name):
                self._end(under_way)
        for identity in [one for one in timed if one not in self._scheduled]:  # in file order
            rule, fault = timed[identity]
            waiting = self._scheduled[identity] = trio.CancelScope()
            due = self._core.started + self._scaled(fault.when.from_seconds)
            if due <= trio.current_time():
                self._begin_if_due(rule, fault)
            else:
                self._nursery.start_soon(self._await_time, waiting, due, rule, fault)

    async def _await_time(
        self, waiting: trio.CancelScope, due: float, rule: ArmedFault, fault: OutageFault
    ) -> None:
        with waiting:
            await trio.sleep_until(due)
            self._begin_if_due(rule, fault)

    def _begin_if_due(self, rule: ArmedFault, fault: OutageFault) -> None:
        now = self._core.scenario_seconds(self._core.seconds())
        matches_time = fault.when.until_seconds is None or now < fault.when.until_seconds
        if matches_time and any(rule is other for other, _ in self.faults.timed_outages):
            rule.applied += 1
            self.begin(fault.outage())

    def _end(self, under_way: "_UnderWay") -> None:
        """What went away comes back; once."""
        if under_way not in self._outages:
            return
        self._outages.remove(under_way)
        if under_way.timer is not None:
            under_way.timer.cancel()
        self._apply_outages()
        for connection in under_way.silenced:
            connection.cut("reset", under_way.reason)
        self._event(OutageEnded, name=under_way.name, source=under_way.what)
        if self._outlet.down and not any(one.outage.restarts for one in self._outages):
            self._outlet.come_up()
            self._take_along()
            if self._announcement is not None:
                self._announcement.show(True)
            waiting = tuple(self._waiting_for_up)
            self._waiting_for_up.clear()
            for function in waiting:
                function()

    def _apply_outages(self) -> None:
        """Lets the outlet be as all outages that are under way, taken together, have it."""
        outages = [under_way.outage for under_way in self._outages]
        refuses = any(outage.refuses for outage in outages)
        if refuses != self._refuses:
            self._refuses = refuses
            for listening in self._listening.values():
                if refuses:
                    listening.pause()
                else:
                    self._resume(listening)
            if not refuses:
                self._accept_all()
        self._outlet.faceplate_online = not any(outage.faceplate for outage in outages)

    def _resume(self, listening: ListenerGroup) -> None:
        try:
            listening.resume()
        except OSError as error:
            place = f"{listening.host} port {listening.port}"
            text = f"cannot listen on {place} any more: {error.strerror}"
            self._event(ServerError, text=text)

    def _scaled(self, seconds: float | None) -> float:
        """How long something lasts outside. None: for ever."""
        if seconds is None:
            return math.inf
        return scaled(seconds, self._speed)

    def _event(self, event_type: type[Event], **fields: Any) -> None:
        self.journal.add(event_type, self._core.seconds(), **fields)


@dataclass(slots=True, eq=False)
class _UnderWay:
    """An outage that has begun and not ended.

    what: "fault": it is a fault's, whose switch ends it. "outlet": it is the outlet's own.
    appointment: when it ends; None: at no time of its own.
    silenced: connections that get a reset then.
    """

    outage: Outage
    what: Literal["fault", "outlet"] = "fault"
    timer: Timer | None = None
    silenced: tuple[Connection, ...] = ()

    @property
    def name(self) -> str:
        """For the journal: "a reboot" of the outlet is "reboot"."""
        name = self.outage.name
        return name if self.what == "fault" else name.removeprefix("a ")

    @property
    def reason(self) -> str:
        """Why connections end with it, in words."""
        name, how = self.outage.name, self.outage.connections
        ways = {
            "reset": ", with a reset",
            "close_frame": ", with a goodbye",
            "blackhole": ", silently",
        }
        way = "" if how is None else ways.get(how, "")
        return f"by a fault ({name})" if self.what == "fault" else f"by {name}{way}"


E = TypeVar("E", Exchange, Event)


async def _arrival(expectation: Expectation[E], seconds: float) -> E:
    token = trio.lowlevel.current_trio_token()
    here = trio.Event()

    def wake(future: object) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(here.set)

    with expectation:
        expectation.future.add_done_callback(wake)
        with trio.move_on_after(seconds):
            await here.wait()
        return expectation.result(seconds)


@asynccontextmanager
async def open_simulator(
    scenario: ScenarioSource = None,
    *,
    speed: float = 1.0,
    owns_loop: bool = False,
    **overrides: object,
) -> AsyncIterator[Simulator]:
    """An outlet that runs for the time of the block (trio).

    scenario: a `Scenario`, a path, the name of a shipped scenario, TOML text, or None for the
    default outlet.
    speed: by how much every injected wait is divided, above 0; infinite: nothing waits.
    alone: whether nothing else runs in this event loop; then it may be held up for a millisecond at
    a time, which serves requests that follow hard upon each other faster.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, mdns, in place of the
    scenario's.

    Raises ScenarioError for a scenario that cannot be used, StartError where it cannot listen.
    """
    simulator = Simulator(resolve(scenario, **overrides), speed, owns_loop=owns_loop)
    try:
        async with trio.open_nursery() as nursery:
            try:
                await simulator.start(nursery)
                yield simulator
            finally:
                simulator.close()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # What the block raises reaches its author as itself; the simulator's own tasks raise
        # nothing.
        if len(group.exceptions) > 1:
            raise
        only = group.exceptions[0]
    else:
        return
    raise only  # out here, so that its own cause and context stay what they are
