"""The real client, pointed at a simulator, over the transport that a test asks for."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

import pytest

from invis_sim import SimulatorHandle, StartError, start_simulator
from invis_sim.device.state import Product
from invis_sim.protocol.transport import Transport
from tests.support import TIMEOUT, refusing_port

TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
PRODUCTS: tuple[Product, ...] = get_args(Product)

LIGHT = 5
"""The number of an Aura's nightlight."""

LEDS = 9
"""How many LEDs it has."""

T = TypeVar("T")


@contextmanager
def on_an_address_of_its_own(scenario: Any = None, **options: Any) -> Iterator[SimulatorHandle]:
    """A simulator on a loopback address that no other has, so that its ports may be given ones.

    scenario, options: those of `start_simulator`.
    """
    with ExitStack() as stack:
        for attempt in range(20):
            host = "127." + ".".join(str(random.randrange(1, 255)) for _ in range(3))
            try:
                simulator = stack.enter_context(start_simulator(scenario, host=host, **options))
                break
            except StartError:  # by chance, somebody has it
                if attempt == 19:
                    raise
        yield simulator


@asynccontextmanager
async def connected(simulator: SimulatorHandle, transport: Transport) -> AsyncIterator[Any]:
    """The client, connected over this transport. It tries TCP first: for WebSocket, TCP refuses."""
    from invisoutlet import InvisOutletClient

    with refusing_port() as refusing:
        host, tcp_port = simulator.tcp_address
        client = InvisOutletClient(
            host,
            port=urlsplit(simulator.ws_url).port,
            tcp_port=tcp_port if transport == "tcp" else refusing,
        )
        async with client:
            assert client.transport_name == transport
            yield client


@asynccontextmanager
async def both_connected(
    simulator: SimulatorHandle, transport: Transport
) -> AsyncIterator[tuple[Any, Any]]:
    """Two clients: one over this transport, and another over the other one."""
    other_transport: Transport = "ws" if transport == "tcp" else "tcp"
    async with connected(simulator, transport) as client:
        await known(client)
        async with connected(simulator, other_transport) as other:
            await known(other)
            yield client, other


async def known(client: Any) -> None:
    """Returns once the outlet knows of the connection, and so pushes to it: on TCP, a client is
    connected before that.
    """
    await client.get_outlet_status()


async def attempt(method: Callable[..., Awaitable[Any]], timeout: float) -> tuple[Any, str | None]:
    """What the method returns, and the name of the error where it raises one of the client's."""
    from invisoutlet.exceptions import InvisOutletError

    try:
        return await method(timeout=timeout), None
    except InvisOutletError as error:
        return None, type(error).__name__


async def refused(call: Awaitable[Any]) -> None:
    """Asserts that the client raises that the outlet has answered `PUBACK` 0."""
    from invisoutlet.exceptions import InvisOutletCommandError

    with pytest.raises(InvisOutletCommandError):
        await call


async def soon(awaitable: Awaitable[T]) -> T:
    """What must come, or a failure."""
    async with asyncio.timeout(TIMEOUT):
        return await awaitable


class Heard:
    """What a client hears from now on: `Heard(client.on_message, 9)`.

    register: a method of the client that takes a callback. args: what it takes before that.
    everything: all that it has heard.
    """

    def __init__(self, register: Callable[..., Any], *args: Any) -> None:
        self.everything: list[Any] = []
        self._next: asyncio.Queue[Any] = asyncio.Queue()
        self.forget: Callable[[], None] = register(*args, self._hear)

    def _hear(self, *said: Any) -> None:
        one = said[0] if said else None
        self.everything.append(one)
        self._next.put_nowait(one)

    async def next(self) -> Any:
        """The next that it hears."""
        return await soon(self._next.get())

    async def next_args(self) -> Any:
        """The `callbackArgs` of the next push that it hears."""
        return (await self.next())["payload"]["callbackArgs"]

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The next that is as wanted; what comes before is passed over."""
        while not wanted(one := await self.next()):
            pass
        return one
