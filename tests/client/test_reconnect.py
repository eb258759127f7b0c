"""The packets of an outlet over one connection after the other."""

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

from invis_sim.client.errors import AddressError, ConnectError, ConnectionLost
from invis_sim.client.reconnect import Connected, Disconnected, StreamItem, reconnecting
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.client.support import TRANSPORTS, address_of, read_to_end, run, server
from tests.support import TIMEOUT, refusing_port

PUSH = b'{"sn":"1","packetID":1,"payload":{"callbackName":9,"callbackArgs":[0,1]}}'


def sends(data: bytes) -> Callable[[socket.socket], Any]:
    return lambda connection: connection.sendall(data)


def first_items(address: str, number: int) -> list[StreamItem]:
    async def read() -> list[StreamItem]:
        async with reconnecting(address, TIMEOUT) as items:
            return [await items.receive() for _ in range(number)]

    return run(read)


def test_connections_and_packets_come_in_order() -> None:
    with server(sends(PUSH + b"oops\n"), sends(PUSH + PUSH), read_to_end) as address:
        items = first_items(address, 9)
    disconnected = [item.error for item in items if isinstance(item, Disconnected)]
    assert [item for item in items if not isinstance(item, Disconnected)] == [
        Connected(1),
        PUSH,
        b"oops",
        Connected(2),
        PUSH,
        PUSH,
        Connected(3),
    ]
    assert [isinstance(items[place], Disconnected) for place in (3, 7)] == [True, True]
    for error in disconnected:
        assert type(error) is ConnectionLost
        assert str(error) == f"{address} closed the connection"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_outlet_that_restarts_is_found_again(transport: str) -> None:
    async def read() -> list[StreamItem]:
        seen: list[StreamItem] = []
        async with reconnecting(address_of(sim, transport), TIMEOUT) as items:
            async for item in items:
                seen.append(item)
                if item == Connected(1):
                    await trio.to_thread.run_sync(sim.wait_for_connection)
                    await trio.to_thread.run_sync(sim.reboot, 0.05)
                elif isinstance(item, Connected):
                    await trio.to_thread.run_sync(sim.push, 9)
                elif isinstance(item, bytes) and json.loads(item)["payload"]["callbackName"] == 9:
                    break
        return seen

    with start_simulator() as sim:
        seen = run(read)
    assert seen[0] == Connected(1)
    assert isinstance(seen[1], Disconnected)
    assert Connected(2) in seen


def test_where_nothing_listens_there_is_no_end_of_attempts() -> None:
    with refusing_port() as port:
        items = first_items(f"127.0.0.1:{port}", 3)
    for item in items:
        assert isinstance(item, Disconnected)
        assert type(item.error) is ConnectError


def test_what_is_not_an_address_is_raised_at_once() -> None:
    with pytest.raises(AddressError):
        first_items("ws://", 1)


@for_each("error", [OSError("disk"), ConnectionLost("x", "y"), KeyError("z")])
def test_what_is_raised_in_the_block_is_raised_as_it_is(error: Exception) -> None:
    async def fail() -> None:
        async with reconnecting(address, TIMEOUT) as items:
            await items.receive()
            raise error

    with server(read_to_end) as address, pytest.raises(type(error)) as caught:
        run(fail)
    assert caught.value is error


def test_the_block_may_be_cancelled_while_it_waits() -> None:
    over = threading.Event()

    async def wait() -> bool:
        with trio.move_on_after(0.05) as scope:
            async with reconnecting(address, TIMEOUT) as items:
                async for _ in items:
                    pass
        return scope.cancelled_caught

    def watch(connection: socket.socket) -> None:
        read_to_end(connection)
        over.set()

    with server(watch) as address:
        assert run(wait)
        assert over.wait(TIMEOUT)
