"""The real client, pointed at a simulator, over the transport that a test asks for."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, get_args
from urllib.parse import urlsplit

from invis_sim import RunningSimulator
from invis_sim.faults.when import Transport

TRANSPORTS: tuple[Transport, ...] = get_args(Transport)


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port of this machine on which connections are refused: bound, but nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        yield port


@asynccontextmanager
async def connected(simulator: RunningSimulator, transport: Transport) -> AsyncIterator[Any]:
    """The client, connected over this transport. It tries TCP first: for WebSocket, TCP refuses."""
    from invisoutlet import InvisOutletClient

    with refusing_port() as nobody:
        host, tcp_port = simulator.tcp_address
        client = InvisOutletClient(
            host,
            port=urlsplit(simulator.ws_url).port,
            tcp_port=tcp_port if transport == "tcp" else nobody,
        )
        async with client:
            assert client.transport_name == transport
            yield client


async def attempt(method: Callable[..., Awaitable[Any]], patience: float) -> tuple[Any, str | None]:
    """What the method returns, and the name of the error where it raises one of the client's."""
    from invisoutlet.exceptions import InvisOutletError

    try:
        return await method(timeout=patience), None
    except InvisOutletError as error:
        return None, type(error).__name__
