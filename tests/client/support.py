"""Servers of one TCP connection after the other, for what no outlet does."""

import re
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import trio
from websockets.utils import accept_key

from invis_sim.testing.handle import SimulatorHandle
from tests.support import TIMEOUT

TRANSPORTS = ("tcp", "ws")

T = TypeVar("T")


def run(function: Callable[[], Awaitable[T]]) -> T:
    """What the function returns; it fails if that takes too long."""

    async def limited() -> T:
        with trio.fail_after(TIMEOUT):
            return await function()

    return trio.run(limited)


def address_of(sim: SimulatorHandle, transport: str) -> str:
    return "{}:{}".format(*sim.tcp_address) if transport == "tcp" else sim.ws_url


@contextmanager
def server(*handlers: Callable[[socket.socket], Any]) -> Iterator[str]:
    """A server that handles one connection after the other; its address, HOST:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)

        def serve() -> None:
            for handle in handlers:
                connection, _ = listener.accept()
                connection.settimeout(TIMEOUT)
                with connection, suppress(ConnectionError):
                    handle(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield "{}:{}".format(*listener.getsockname())
        thread.join()


def reset(connection: socket.socket) -> None:
    """Has the connection closed with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_to_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def accept_websocket(connection: socket.socket) -> bytes:
    """Completes the handshake; returns the request of it."""
    request = connection.recv(4096)
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(key[1].decode()).encode()
    )
    return request
