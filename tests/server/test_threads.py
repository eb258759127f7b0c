"""Nothing of an outlet runs on in a thread when its block has ended."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from invis_sim import StartError, capture, start_proxy, start_simulator
from invis_sim.server.net.listeners import open_listeners
from invis_sim.server.threads import run_in_thread
from invis_sim.testing.block import SimulatorContext
from tests.cases import for_each
from tests.support import connect, exchange


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1"])
def test_a_loopback_host_needs_no_thread(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def no_thread(*args: object, **named: object) -> None:
        raise AssertionError("a thread was started")

    async def run() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading, "Thread", no_thread)
            group = await open_listeners("tcp", host, 0)
        assert group.host == "127.0.0.1"
        group.close()

    trio.run(run)


def test_localhost_has_the_addresses_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    bind = socket.socket.bind

    class WithoutIPv6(socket.socket):
        def bind(self, address: Any) -> None:
            if self.family == socket.AF_INET6:
                raise OSError(99, "Cannot assign requested address")
            bind(self, address)

    monkeypatch.setattr(socket, "socket", WithoutIPv6)

    async def run() -> None:
        group = await open_listeners("tcp", "localhost", 0)
        assert [sock.getsockname() for sock in group.sockets] == [("127.0.0.1", group.port)]
        group.close()

    trio.run(run)


@for_each(
    "start",
    [
        lambda: start_simulator(host="localhost"),
        lambda: start_simulator(host=socket.gethostname()),
        lambda: start_simulator(host="no.such.host.invalid"),
        lambda: start_simulator("bare", mdns=True, sn="00AB00CD00"),
        lambda: start_simulator(control=True, control_host="localhost"),
    ],
    ids=["localhost", "another name", "a name without an address", "mDNS", "control"],
)
def test_no_thread_is_left_when_the_block_ends(start: Callable[[], SimulatorContext]) -> None:
    before = threads()
    with suppress(StartError), start():  # this machine may not know the name
        pass
    assert threads() <= before


def test_no_thread_is_left_where_the_name_of_a_device_was_looked_up() -> None:
    before = threads()
    with start_simulator() as device:
        tcp, ws = (port for _, port in device.addresses.values())
        proxy = start_proxy("localhost", tcp_port=tcp, ws_port=ws)
        with proxy as sim, connect(sim.tcp_address) as client:
            assert exchange(client)["PUBACK"] == 1
        assert capture("localhost", tcp_port=tcp, ws_port=ws, pause=0, listen=0).exchanges
    assert threads() <= before


def test_what_a_function_returns_or_raises_comes_back_and_its_thread_is_gone() -> None:
    async def run() -> None:
        before = threads()
        assert await run_in_thread(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await run_in_thread(divmod, 7, 0)
        assert threads() == before

    trio.run(run)


def test_a_caller_that_is_cancelled_waits_or_leaves() -> None:
    released = threading.Event()
    ended: list[str] = []

    def block(name: str) -> None:
        released.wait()
        ended.append(name)

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                scope.cancel()
                await run_in_thread(block, "abandoned", abandon_on_cancel=True)
            assert ended == []
            nursery.start_soon(run_in_thread, block, "waited for")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            released.set()
        assert "waited for" in ended

    trio.run(run)
