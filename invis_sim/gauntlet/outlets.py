"""The outlet of a case: fresh, in its state, with the connections of other clients."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import msgspec
import trio

from invis_sim.gauntlet.planned import PlannedCase, scenario_of
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.server import Simulator
from invis_sim.server.runtime import Runtime
from invis_sim.web.opening import open_simulator

__all__ = ["CaseOutlet", "ClosedPort", "open_outlet"]


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()


class CaseOutlet(msgspec.Struct, frozen=True):
    """An outlet of a case that runs.

    simulator: the outlet. values: of the placeholders of the command.
    """

    simulator: Simulator
    values: dict[str, str]


@asynccontextmanager
async def open_outlet(
    scenario: Scenario, case: PlannedCase, runtime: Runtime, closed: ClosedPort
) -> AsyncIterator[CaseOutlet]:
    """Run the outlet of a case for the time of the block.

    scenario: as for all cases, with free ports. closed: for the other transport.

    Raises StartError.
    """
    async with AsyncExitStack() as stack:
        outlet = await stack.enter_async_context(
            open_simulator(scenario_of(scenario, case), runtime=runtime)
        )
        for _ in range(case.others):
            await stack.enter_async_context(_other_client(outlet))
        yield CaseOutlet(outlet, _values(outlet, case, closed))


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


def _values(outlet: Simulator, case: PlannedCase, closed: ClosedPort) -> dict[str, str]:
    host, port = outlet.addresses[case.transport]
    url = outlet.ws_url if case.transport == "ws" else f"ws://{_shown(host)}:{closed.number}/ws"
    return {
        "host": host,
        "port": str(port),
        "tcp_port": str(port if case.transport == "tcp" else closed.number),
        "ws_port": str(port if case.transport == "ws" else closed.number),
        "ws_url": url,
        "address": url if case.transport == "ws" else f"{_shown(host)}:{port}",
        "transport": case.transport,
        "sn": outlet.sn,
        "case": case.id,
    }


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
