"""One simulated outlet: its listeners, its connections, its beginning and its end."""

import errno
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count

import trio

from invis_sim.device.outlet import Outlet
from invis_sim.faults.fault import Fault
from invis_sim.faults.pipeline import Pipeline, Rule
from invis_sim.faults.when import Transport
from invis_sim.journal import Journal
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.server import tcp, websocket
from invis_sim.server.connection import Connection, Core, serve_client

__all__ = ["Simulator", "StartError", "open_simulator"]

PAUSE_SECONDS = 0.1
"""How long accepting rests when the machine has nothing left for another connection."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
_CONVERSE: dict[Transport, Callable[[Connection], Awaitable[None]]] = {
    "tcp": tcp.converse,
    "ws": websocket.converse,
}


class StartError(Exception):
    """The outlet cannot listen where it should; the message says where and why."""


class Simulator:
    """A running outlet. `open_simulator` makes one.

    scenario: what it was made from.
    seed: of everything that is drawn by chance in this run.
    journal: what happened.
    faults: what goes wrong; by name or one after the other, each with its switch `enabled`.
    outlet: the device.
    addresses: host and port of each transport that it has, once it listens.
    """

    def __init__(self, scenario: Scenario, speed: float = 1.0) -> None:
        self.scenario = scenario
        self.seed = scenario.seed if scenario.seed is not None else random.randrange(2**32)
        self.journal = Journal(started=time.time())
        self.faults = Pipeline(scenario.faults, self.seed)
        self.outlet = Outlet(scenario.device.sn, scenario.firmware, scenario.protocol.packet_id)
        self._speed = speed
        self._listeners: dict[Transport, Sequence[trio.SocketListener]] = {}
        self.addresses: dict[Transport, tuple[str, int]] = {}
        self._ordinals = count(1)

    @property
    def sn(self) -> str:
        """The serial number."""
        return self.outlet.sn

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

    def has(self, transport: Transport) -> bool:
        """Whether the outlet has this transport."""
        return transport in self.addresses

    @contextmanager
    def inject(self, fault: Fault) -> Iterator[Rule]:
        """Adds a fault for the time of the block."""
        rule = self.faults.arm(fault)
        try:
            yield rule
        finally:
            self.faults.disarm(rule)

    def _address(self, transport: Transport) -> tuple[str, int]:
        if transport not in self.addresses:
            raise LookupError(f"this outlet has no {transport}: the scenario switches it off")
        return self.addresses[transport]

    async def start(self, nursery: trio.Nursery) -> None:
        """Listens; connections are served in the nursery until it is cancelled.

        Raises StartError.
        """
        listen = self.scenario.listen
        core = Core(
            outlet=self.outlet,
            faults=self.faults,
            journal=self.journal,
            protocol=self.scenario.protocol,
            websocket_path=listen.ws_path,
            started=trio.current_time(),
            speed=self._speed,
        )
        wanted: list[tuple[Transport, int]] = []
        if listen.tcp:
            wanted.append(("tcp", listen.tcp_port or 0))
        if listen.ws:
            wanted.append(("ws", listen.ws_port or 0))
        for transport, port in wanted:
            listeners = await _listen(transport, listen.host, port)
            self._listeners[transport] = listeners
            host, port, *_ = listeners[0].socket.getsockname()
            self.addresses[transport] = (host, port)
        for transport, listeners in self._listeners.items():
            for listener in listeners:
                nursery.start_soon(self._accept, core, transport, listener, nursery)

    def close_listeners(self) -> None:
        """Stops listening; who is connected stays."""
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.socket.close()

    async def _accept(
        self,
        core: Core,
        transport: Transport,
        listener: trio.SocketListener,
        nursery: trio.Nursery,
    ) -> None:
        while True:
            try:
                stream = await listener.accept()
            except trio.ClosedResourceError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                detail = f"no connection can be accepted: {error.strerror}"
                self.journal.event(core.seconds(), "error", detail, transport)
                await trio.sleep(PAUSE_SECONDS)
                continue
            sock = socket.socket(fileno=stream.socket.detach())
            ordinal = next(self._ordinals)
            converse = _CONVERSE[transport]
            nursery.start_soon(serve_client, core, sock, transport, ordinal, converse)


async def _listen(transport: Transport, host: str, port: int) -> Sequence[trio.SocketListener]:
    """Listeners on every address of the host, all on the same port."""
    where = f"{host} port {port}"
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
        if port == 0 and len(listeners) > 1:
            port = listeners[0].socket.getsockname()[1]
            for listener in listeners:
                listener.socket.close()
            listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        why = error.strerror or str(error)
        raise StartError(f"cannot listen for {transport} on {where}: {why}") from error
    return listeners


@asynccontextmanager
async def open_simulator(
    scenario: ScenarioSource = None, *, speed: float = 1.0, **overrides: object
) -> AsyncIterator[Simulator]:
    """An outlet that runs for the time of the block (trio).

    scenario: a `Scenario`, a path, the name of a shipped scenario, TOML text, or None for the
    default outlet.
    speed: by how much every injected wait is divided, above 0.
    overrides: sn, seed, host, tcp, tcp_port, ws, ws_port, ws_path, in place of the scenario's.

    Raises ScenarioError for a scenario that cannot be used, StartError where it cannot listen.
    """
    simulator = Simulator(resolve(scenario, **overrides), speed)
    try:
        async with trio.open_nursery() as nursery:
            try:
                await simulator.start(nursery)
                yield simulator
            finally:
                simulator.close_listeners()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # What the block raises reaches its author as itself; the simulator's own tasks raise
        # nothing.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
