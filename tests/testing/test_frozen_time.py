"""An outlet beside tests that freeze time: its own time goes on."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from invis_sim import capture, faults, start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.server.support import outlet
from tests.support import TIMEOUT, connect, exchange, make_request

RunLoop = Callable[[Callable[[], Awaitable[None]]], object]

LOOPS = pytest.mark.parametrize(
    "run_loop", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"]
)


@contextmanager
def frozen() -> Iterator[None]:
    """A block in which time stands still."""
    freezegun: Any = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2020-01-01"):
        before = time.monotonic(), time.perf_counter(), time.time()
        assert before == (time.monotonic(), time.perf_counter(), time.time())
        yield


def serve(sim: SimulatorHandle) -> None:
    """Have the outlet wait for everything that it waits for on purpose."""
    with sim.inject(faults.Delay(seconds=0.01)), connect(sim.tcp_address) as client:
        assert exchange(client)["PUBACK"] == 1
    with connect(sim.tcp_address) as client:  # a step, which sends a push
        sim.at(after_seconds=0.01, push={"callback": 99, "args": []})
        assert json.loads(client.recv(4096))["payload"]["callbackName"] == 99
    sim.reboot(0.01)
    sim.wait_until_up(TIMEOUT)


def test_a_delay_a_step_and_a_restart_come_to_their_end() -> None:
    with frozen(), start_simulator(outlet()) as sim:
        serve(sim)


def test_they_do_where_time_is_frozen_while_the_outlet_runs() -> None:
    with start_simulator(outlet()) as sim:
        with frozen():
            serve(sim)
        serve(sim)


def test_a_capture_comes_to_its_end() -> None:
    with frozen(), start_simulator(outlet()) as sim:
        tcp, ws = (port for _, port in sim.addresses.values())
        assert capture("127.0.0.1", tcp_port=tcp, ws_port=ws, pause=0.001, listen=0.01).exchanges


@LOOPS
def test_waits_in_an_event_loop_end(run_loop: RunLoop) -> None:
    async def main() -> None:
        async with start_simulator() as sim:
            with connect(sim.tcp_address) as client:
                client.sendall(make_request())
                assert (await sim.async_wait_for_request(callback=20)).packet_id == 221040
                sim.reboot(0.01)
                await sim.async_wait_until_up(TIMEOUT)

    with frozen():
        run_loop(main)


@LOOPS
def test_waits_in_an_event_loop_have_their_time_limit(run_loop: RunLoop) -> None:
    async def main() -> None:
        async with start_simulator() as sim:
            for _ in range(2):
                with pytest.raises(AssertionError, match=r"timed out after 0\.01 s"):
                    await sim.async_wait_for_request(callback=20, timeout=0.01)
            with pytest.raises(AssertionError, match=r"timed out after 0\.01 s"):
                await sim.async_wait_for_connection(timeout=0.01)
            sim.reboot(3600)
            with pytest.raises(AssertionError, match=r"within 0\.01 s"):
                await sim.async_wait_until_up(timeout=0.01)
            assert not sim._thread._until_end

    with frozen():
        run_loop(main)


def test_many_requests_in_a_row_do_not_keep_the_loop_for_themselves() -> None:
    """The poller holds the event loop for a millisecond at most, by the same clock."""
    with frozen(), start_simulator() as sim, connect(sim.tcp_address) as client:
        sim.at(after_seconds=0.02, push={"callback": 99, "args": []})
        received = b""
        while b'"callbackName":99' not in received:
            client.sendall(make_request())
            received = client.recv(4096)
