"""Child processes forked from the one with the outlet, as by multiprocessing: they keep no socket
of the outlet open, and a call in them fails instead of waiting for ever.
"""

import asyncio
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import pytest
import trio

from invis_sim import SimulatorStopped, faults, start_simulator
from invis_sim.protocol.transport import Transport
from invis_sim.testing import loop_thread
from invis_sim.testing.handle import SimulatorHandle
from tests.server.peers import address, address_of, connected
from tests.server.support import on_both, outlet
from tests.support import TIMEOUT, connect, exchange

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    # Python warns of forks in processes with several threads, as the outlet makes each process.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@contextmanager
def forked() -> Iterator[None]:
    """A block during which there is a child process that does nothing."""
    child_reads, parent_writes = os.pipe()
    parent_reads, child_writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(child_writes, b"x")
        os.close(parent_writes)
        os.read(child_reads, 1)
        os._exit(0)
    try:
        assert os.read(parent_reads, 1) == b"x"
        yield
    finally:
        for descriptor in (child_reads, parent_writes, parent_reads, child_writes):
            os.close(descriptor)
        os.waitpid(pid, 0)


def in_child(function: Callable[[], object]) -> None:
    """Call the function in a child process; fail where it does not return there."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(TIMEOUT))  # which ends a child that waits for ever
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_clients_are_refused_during_a_restart_and_served_afterwards() -> None:
    with start_simulator(outlet()) as sim, forked():
        sim.reboot(3600)
        for place in sim.addresses.values():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place, TIMEOUT)
        sim.clock.settle()
        with connect(sim.tcp_address) as client:
            assert exchange(client)["PUBACK"] == 1


def test_the_port_of_a_child_that_was_forked_during_a_restart_is_free_for_others() -> None:
    with start_simulator() as sim:
        sim.reboot(3600)
        place = sim.tcp_address
        with forked():
            sim.stop()
            socket.create_server(place, reuse_port=False).close()


@on_both
@pytest.mark.parametrize(("how", "end"), [("close", "FIN"), ("reset", "RST")])
def test_a_connection_that_is_ended_ends(
    transport: Transport, how: Literal["close", "reset"], end: str
) -> None:
    with start_simulator(outlet()) as sim, connected(sim, transport) as client:
        assert client.is_served()
        with forked():
            sim.disconnect(how)
            assert client.end()[1] == end


@on_both
def test_after_the_block_nothing_listens_and_no_connection_is_open(transport: Transport) -> None:
    with start_simulator(outlet()) as sim:
        place = address(sim, transport)
        client = connected(sim, transport)
        peer = client.__enter__()
        assert peer.is_served()
        child = forked()
        child.__enter__()
    try:
        peer.end()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place, TIMEOUT)
        socket.create_server(place).close()
    finally:
        child.__exit__(None, None, None)
        client.__exit__(None, None, None)


def test_a_control_server_and_its_connections_end_with_the_block() -> None:
    with start_simulator(outlet(), control=True) as sim:
        place = address_of(str(sim.control_url))
        events = connect(place)
        events.sendall(
            b"GET /api/events HTTP/1.1\r\nHost: %b:%d\r\n\r\n" % (place[0].encode(), place[1])
        )
        assert events.recv(100).startswith(b"HTTP/1.1 200 ")
        child = forked()
        child.__enter__()
    try:
        with events, suppress(ConnectionResetError):
            while events.recv(4096):
                pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place, TIMEOUT)
    finally:
        child.__exit__(None, None, None)


CALLS: dict[str, Callable[[SimulatorHandle], object]] = {
    "do": lambda sim: sim.do(push=9),
    "inject": lambda sim: sim.inject(faults.Drop()),
    "at": lambda sim: sim.at(after_seconds=1, push=9),
    "call": lambda sim: sim.call(lambda: None),
    "reboot": lambda sim: sim.reboot(1),
    "speed": lambda sim: setattr(sim.clock, "speed", 2),
    "advance": lambda sim: sim.clock.advance(1),
    "wait_for_request": lambda sim: sim.wait_for_request(timeout=600),
    "wait_for_connection": lambda sim: sim.wait_for_connection(timeout=600),
    "wait_until_up": lambda sim: sim.wait_until_up(timeout=600),
    "async_wait_for_request": lambda sim: trio.run(sim.async_wait_for_request),
    "async_advance": lambda sim: trio.run(sim.clock.async_advance, 1),
}


def test_in_the_child_calls_fail_and_what_is_known_can_be_read() -> None:
    with start_simulator("pro") as sim:

        def use() -> None:
            for name, call in CALLS.items():
                print(name)  # which is shown where it does not raise
                with pytest.raises(SimulatorStopped, match="this one was forked from"):
                    call(sim)
            assert sim.state.product == "pro"
            assert not sim.offline
            sim.stop()

        in_child(use)
        with connect(sim.tcp_address) as client:  # which has changed nothing here
            assert exchange(client)["PUBACK"] == 1


def test_a_child_may_run_outlets_of_its_own() -> None:
    held, release = threading.Event(), threading.Event()

    def hold_lock() -> None:
        with loop_thread._lock:
            held.set()
            release.wait(TIMEOUT)

    def use() -> None:
        with start_simulator() as one, start_simulator() as two:
            assert one.call(threading.current_thread) is two.call(threading.current_thread)
            for own in (one, two):
                with connect(own.tcp_address) as client:
                    assert exchange(client)["PUBACK"] == 1
        assert threading.active_count() == 1

    with start_simulator() as sim:
        # While another thread of the parent is about to enter a block.
        thread = threading.Thread(target=hold_lock)
        thread.start()
        assert held.wait(TIMEOUT)
        in_child(use)
        release.set()
        thread.join()
        assert not sim.offline


def test_a_child_may_leave_the_block_in_which_it_was_forked() -> None:
    parent = os.getpid()
    pid = -1
    try:
        with start_simulator() as sim:
            pid = os.fork()
    finally:
        if os.getpid() != parent:
            os._exit(0 if pid == 0 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(sim.tcp_address, TIMEOUT)


def test_a_child_may_leave_an_asynchronous_block_in_which_it_was_forked() -> None:
    async def run() -> None:
        async with start_simulator() as sim:

            async def leave() -> None:
                await block.__aexit__(None, None, None)

            async with (block := start_simulator()):
                in_child(lambda: asyncio.run(leave()))
            assert not sim.offline

    trio.run(run)
