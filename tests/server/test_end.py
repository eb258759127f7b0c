"""The end of an outlet, whatever clients and callers do at that moment."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing

from invis_sim import faults, open_simulator, start_simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.thread import SimulatorStopped
from tests.cli.process import outlet
from tests.server.frames import HANDSHAKE, PING, TEXT, client_frame
from tests.support import TIMEOUT, make_request

RST = struct.pack("ii", 1, 0)


def websocket_address(url: str) -> tuple[str, int]:
    where = urlsplit(url)
    return where.hostname or "", where.port or 0


def shake_hands_and_break_off(url: str) -> None:
    with socket.create_connection(websocket_address(url), TIMEOUT) as client:
        client.sendall(HANDSHAKE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)


def test_a_block_may_end_while_a_client_breaks_off() -> None:
    for attempt in range(200):
        with start_simulator() as sim:
            shake_hands_and_break_off(sim.ws_url)
            time.sleep(0.0005 * (attempt % 3))


@pytest.mark.parametrize("turns_before", range(0, 20, 2))
def test_a_loop_may_end_at_any_moment_while_a_client_breaks_off(turns_before: int) -> None:
    """After each number of turns of the event loop, so that no moment is left to chance."""

    async def run(turns_after: int) -> None:
        errors: list[Exception] = []
        async with open_simulator(on_internal_error=errors.append) as sim:
            with socket.create_connection(websocket_address(sim.ws_url), TIMEOUT) as client:
                client.sendall(HANDSHAKE)
                for _ in range(turns_before):
                    await trio.lowlevel.checkpoint()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            for _ in range(turns_after):
                await trio.lowlevel.checkpoint()
        assert errors == []

    for turns_after in range(25):
        trio.run(run, turns_after)


def test_a_process_may_end_while_a_client_breaks_off() -> None:
    with outlet("--seed", "1", "--speed", "20") as running:
        url = running.ready["ws"]["url"]
        ends = threading.Event()

        def annoy() -> None:
            while not ends.is_set():
                with contextlib.suppress(OSError):  # it restarts, or has ended
                    shake_hands_and_break_off(url)

        def restart() -> None:
            while not ends.is_set():
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(running.tcp_address, TIMEOUT) as client,
                ):
                    client.sendall(make_request(5, packet_id=1))
                    client.recv(4096)
                time.sleep(0.02)

        threads = [threading.Thread(target=one) for one in (annoy, annoy, restart)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        assert running.process.poll() is None
        threading.Timer(0.2, ends.set).start()  # the end meets the clients in the middle
        status, _, errors = running.end()
        ends.set()
        for thread in threads:
            thread.join()
    assert status == 0, errors
    assert "Traceback" not in errors


CALLS: dict[str, Callable[[SimulatorHandle], object]] = {
    "reboot": lambda sim: sim.reboot(0.001),
    "refuse": lambda sim: sim.inject(faults.Refuse(seconds=0.001)),
    "disconnect": lambda sim: sim.disconnect("reset"),
    "reset": lambda sim: sim.reset(),
    "advance": lambda sim: sim.clock.advance(1),
    "settle": lambda sim: sim.clock.settle(),
    "step": lambda sim: sim.at(after_seconds=0, push=9),
}


def call_until_error(
    call: Callable[[SimulatorHandle], object], sim: SimulatorHandle, errors: list[BaseException]
) -> None:
    try:
        while True:
            call(sim)
    except BaseException as error:
        errors.append(error)


@pytest.mark.parametrize("name", CALLS)
def test_a_block_may_end_while_a_thread_calls(name: str) -> None:
    for attempt in range(15):
        errors: list[BaseException] = []

        with start_simulator() as sim:
            address = sim.tcp_address
            thread = threading.Thread(target=call_until_error, args=(CALLS[name], sim, errors))
            thread.start()
            with (
                contextlib.suppress(OSError),
                socket.create_connection(address, TIMEOUT) as client,
            ):
                client.sendall(make_request(20, packet_id=1))
            time.sleep(0.001 * (attempt % 4))
        thread.join(TIMEOUT)
        assert [type(one) for one in errors] == [SimulatorStopped]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, TIMEOUT)


def test_a_client_that_is_disconnected_in_the_middle_of_a_greeting_costs_nothing() -> None:
    async def run() -> None:
        errors: list[Exception] = []
        greeting = faults.Greeting(text="x" * 65_536)
        async with open_simulator(on_internal_error=errors.append) as sim:
            for _ in range(160):  # more than all buffers hold
                sim.inject(greeting)
            with socket.create_connection(sim.tcp_address, TIMEOUT):
                await sim.wait_for_connection()
                await trio.testing.wait_all_tasks_blocked()
                sim.disconnect("reset")
                await trio.testing.wait_all_tasks_blocked()
        assert errors == []

    trio.run(run)


@pytest.mark.parametrize("how", ["reset", "close", "close_frame", "blackhole"])
def test_clients_in_every_phase_may_be_disconnected(how: str) -> None:
    """No task that waits for one of them takes that for an error of its own."""

    async def run() -> None:
        errors: list[Exception] = []
        async with open_simulator(on_internal_error=errors.append) as sim:
            websocket = websocket_address(sim.ws_url)
            with contextlib.ExitStack() as stack:

                def connect(address: tuple[str, int], *said: bytes) -> None:
                    client = stack.enter_context(socket.create_connection(address, TIMEOUT))
                    for one in said:
                        client.sendall(one)

                connect(sim.tcp_address)
                connect(sim.tcp_address, make_request(20, packet_id=1)[:9])
                connect(websocket)
                connect(websocket, HANDSHAKE[:20])
                connect(websocket, HANDSHAKE)
                connect(websocket, HANDSHAKE, client_frame(TEXT, make_request(20, packet_id=1))[:9])
                connect(websocket, HANDSHAKE, client_frame(PING, b"1") * 3)
                connect(websocket, HANDSHAKE, client_frame(0x01, make_request(20, packet_id=1)[:9]))
                await trio.testing.wait_all_tasks_blocked()
                assert len(sim.journal.events(kind="connected")) == 8
                sim.disconnect(how)  # type: ignore[arg-type]
                await trio.testing.wait_all_tasks_blocked()
                sim.disconnect("reset")
                await trio.testing.wait_all_tasks_blocked()
            # One that ends in order is only closed once its client has hung up.
            with trio.fail_after(TIMEOUT):
                while len(sim.journal.events(kind="closed")) < 8:
                    await trio.sleep(0)
        assert errors == []

    trio.run(run)
