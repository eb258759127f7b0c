"""The outlet of a case: fresh, in its state, with the connections of other clients."""

import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import msgspec
import trio

from invis_sim.gauntlet.planned import PlannedCase, scenario_of
from invis_sim.gauntlet.real_device import RealDevice
from invis_sim.protocol.address import host_and_port
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import override
from invis_sim.server import Simulator, StartError
from invis_sim.server.runtime import Runtime
from invis_sim.server.session.context import Servers
from invis_sim.server.session.serve import OUTLET_SERVERS
from invis_sim.web.opening import open_simulator

__all__ = ["CaseOutlet", "ClosedPort", "open_outlet"]


MAX_ATTEMPTS = 20
"""How many addresses are tried: some may have a program that listens on every address."""


class ClosedPort:
    """A port that refuses connections and that no other program gets: bound, without a listener.

    It takes the place of the transport that a case is not about, so that a client that tries one
    after the other comes to the right one.
    """

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.bind((host, 0))
        self.number: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class CaseOutlet(msgspec.Struct, frozen=True):
    """An outlet of a case that runs.

    simulator: the outlet. case: what it is there for. closed, ports: as for `open_outlet`.
    """

    simulator: Simulator
    case: PlannedCase
    closed: ClosedPort
    ports: Mapping[Transport, int]

    @property
    def values(self) -> dict[str, str]:
        """Those of the placeholders of the command, with the address that it has at the moment."""
        outlet, transport = self.simulator, self.case.transport
        host, port = outlet.addresses[transport]
        other = {"tcp": self.closed.number, "ws": self.closed.number, **self.ports}
        elsewhere = f"ws://{host_and_port(host, other['ws'])}/ws"
        url = outlet.ws_url if transport == "ws" else elsewhere
        steered = {"control_url": outlet.control_url} if outlet.scenario.listen.control else {}
        return {
            **steered,
            "host": host,
            "port": str(port),
            "tcp_port": str(port if transport == "tcp" else other["tcp"]),
            "ws_port": str(port if transport == "ws" else other["ws"]),
            "ws_url": url,
            "address": url if transport == "ws" else host_and_port(host, port),
            "transport": transport,
            "sn": outlet.sn,
            "case": self.case.id,
        }


@asynccontextmanager
async def open_outlet(
    scenario: Scenario,
    case: PlannedCase,
    runtime: Runtime,
    closed: ClosedPort,
    ports: Mapping[Transport, int],
    device: RealDevice | None = None,
) -> AsyncIterator[CaseOutlet]:
    """Run the outlet of a case for the time of the block.

    scenario: as for all cases, with free ports. closed: in place of the other transport's port.
    ports: fixed ones, for clients that know no others; the outlet has an address of its own then.
    Empty: free ports.
    device: a real outlet, which answers in place of this one.

    Raises StartError.
    """
    made = scenario_of(scenario, case)
    servers = OUTLET_SERVERS if device is None else device.servers()
    async with AsyncExitStack() as stack:
        # A control server is there for all outlets of a runtime: with one, each has its own.
        shared = None if made.listen.control else runtime
        speed = runtime.clock.speed
        if ports:
            outlet = await _open_at_own_address(stack, made, case, shared, speed, ports, servers)
        else:
            outlet = await stack.enter_async_context(
                open_simulator(made, runtime=shared, speed=speed, servers=servers)
            )
        for _ in range(case.others):
            await stack.enter_async_context(_other_client(outlet))
        yield CaseOutlet(outlet, case, closed, ports)


async def _open_at_own_address(
    stack: AsyncExitStack,
    scenario: Scenario,
    case: PlannedCase,
    runtime: Runtime | None,
    speed: float,
    ports: Mapping[Transport, int],
    servers: Servers,
) -> Simulator:
    """Open an outlet at fixed ports, without the transport that the case is not about: a client
    that knows these ports must not find it.
    """
    other = {"tcp": "ws", "ws": "tcp"}[case.transport]
    given: dict[str, Any] = {f"{name}_port": port for name, port in ports.items()}
    for attempt in range(MAX_ATTEMPTS):
        # A loopback address that no program of this machine listens on, most probably.
        host = "127." + ".".join(str(1 + secrets.randbelow(254)) for _ in range(3))
        at_own_address = override(scenario, host=host, **given, **{other: False})
        try:
            return await stack.enter_async_context(
                open_simulator(at_own_address, runtime=runtime, speed=speed, servers=servers)
            )
        except StartError:
            if attempt == MAX_ATTEMPTS - 1:
                raise
    raise AssertionError("there is at least one attempt")


@asynccontextmanager
async def _other_client(outlet: Simulator) -> AsyncIterator[None]:
    """Hold a connection, which the outlet has accepted when the block begins."""
    transport: Transport = "tcp" if outlet.has("tcp") else "ws"
    stream = await trio.open_tcp_stream(*outlet.addresses[transport])
    try:
        await outlet.wait_for_connection(transport)
        yield
    finally:
        await trio.aclose_forcefully(stream)
