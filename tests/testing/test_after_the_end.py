"""After the block every call fails in the same way, from any thread; and a block serves once."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from invis_sim import (
    Simulator,
    faults,
    start_fleet,
    start_proxy,
    start_replay,
    start_simulator,
)
from invis_sim.commands.registry import COMMANDS
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.thread import SimulatorStopped
from tests.cases import for_each
from tests.support import connect, exchange

CALLS: dict[str, Callable[[SimulatorHandle], object]] = {
    "do": lambda sim: sim.do(push=9),
    "inject": lambda sim: sim.inject(faults.Drop()),
    "at": lambda sim: sim.at(after_seconds=1, push=9),
    "switch": lambda sim: setattr(sim.faults["drop"], "enabled", False),
    "call": lambda sim: sim.call(lambda: None),
    "wait_for_request": lambda sim: sim.wait_for_request(timeout=60),
    "wait_for_connection": lambda sim: sim.wait_for_connection(timeout=60),
    "wait_until_up": lambda sim: sim.wait_until_up(timeout=60),
    "real": lambda sim: sim.clock.real(),
    "sim": lambda sim: sim.clock.sim(),
    "speed": lambda sim: setattr(sim.clock, "speed", 2),
    "pause": lambda sim: sim.clock.pause(),
    "resume": lambda sim: sim.clock.resume(),
    "advance": lambda sim: sim.clock.advance(1),
    "settle": lambda sim: sim.clock.settle(),
    # One command each, with a value that it takes.
    "reset": lambda sim: sim.reset(),
    "set": lambda sim: sim.set(outlets={"states": [1, 1]}),
    "faceplate": lambda sim: sim.faceplate("off"),
    "enable": lambda sim: sim.enable("drop"),
    "disable": lambda sim: sim.disable("drop"),
    "remove": lambda sim: sim.remove("drop"),
    "push": lambda sim: sim.push(9),
    "sample": lambda sim: sim.sample(),
    "update": lambda sim: sim.update("IM"),
    "disconnect": lambda sim: sim.disconnect(),
    "reboot": lambda sim: sim.reboot(1),
    "join_network": lambda sim: sim.join_network(),
}


@pytest.fixture(params=["alone", "beside another"], autouse=True)
def other(request: pytest.FixtureRequest) -> Iterator[SimulatorHandle | None]:
    """Another outlet, whose block keeps the thread alive, which both share; None: there is none."""
    if request.param == "alone":
        yield None
    else:
        with start_simulator() as sim:
            yield sim


def ended() -> SimulatorHandle:
    with start_simulator() as sim:
        sim.inject(faults.Drop())
    return sim


def test_every_command_is_here() -> None:
    assert set(COMMANDS) <= set(CALLS)


@for_each("name", CALLS)
def test_after_the_block_a_call_raises(name: str) -> None:
    with pytest.raises(SimulatorStopped):
        CALLS[name](ended())


@for_each("name", CALLS)
def test_after_the_block_a_call_raises_in_another_trio_loop(name: str) -> None:
    sim = ended()

    async def call() -> None:
        with pytest.raises(SimulatorStopped):
            CALLS[name](sim)

    trio.run(call)


def test_a_thread_with_the_number_of_the_dead_one_is_another(
    other: SimulatorHandle | None,
) -> None:
    if other is not None:
        pytest.skip("it is not dead")
    numbers: list[int] = []
    with start_simulator() as sim:
        number = sim.call(threading.get_ident)
    outcomes: list[object] = []

    def call() -> None:
        numbers.append(threading.get_ident())
        for name in ("reboot", "inject", "set", "advance", "wait_for_request"):
            try:
                CALLS[name](sim)
            except BaseException as error:
                outcomes.append(type(error))
            else:
                outcomes.append(f"{name} did something")

    for _ in range(100):
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        assert outcomes == [SimulatorStopped] * 5
        outcomes.clear()
        if number in numbers:
            break
    else:
        pytest.skip("this system gives no number twice")


def test_who_is_called_back_at_the_end_may_call_the_outlet() -> None:
    """In the very thread that ends, or goes on: there, waiting for the end would be for ever."""
    outcomes: list[object] = []
    with start_simulator() as sim:
        expectation = sim._simulator.waiters.request(None, None, None, None)

        def call(_: object) -> None:
            for name in ("push", "advance", "wait_until_up", "inject"):
                try:
                    CALLS[name](sim)
                except BaseException as error:
                    outcomes.append(type(error))

        expectation.__enter__()
        expectation.future.add_done_callback(call)
    assert outcomes == [SimulatorStopped] * 4


def test_calls_leave_nothing_behind_while_the_outlet_runs() -> None:
    """An outlet may serve a whole test suite."""
    with start_simulator() as sim:
        for _ in range(20):
            sim.push(99, [])
            sim.clock.advance(0)
            sim.wait_until_up()
        assert len(vars(sim._thread.ended)["_done_callbacks"]) <= 1
        assert not sim._thread._until_end


def test_a_block_that_is_entered_twice_says_what_to_call(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.journal.dump(journal)
    blocks: dict[str, Any] = {
        "start_fleet": start_fleet(2),
        "start_proxy": start_proxy("127.0.0.1"),
        "start_replay": start_replay(journal),
    }
    for name, block in blocks.items():
        with block, pytest.raises(RuntimeError, match=f"call {name} again"):
            block.__enter__()


def test_a_block_serves_once() -> None:
    block = start_simulator()
    for _ in range(2):
        with block if _ == 0 else start_simulator() as sim:
            with pytest.raises(RuntimeError, match=r"entered before.*start_simulator again"):
                block.__enter__()
            sim.push(99, [])  # the outlet is not disturbed
    with pytest.raises(RuntimeError, match="entered before"), block:
        pass

    async def again() -> None:
        with pytest.raises(RuntimeError, match="entered before"):
            async with block:
                pass

    trio.run(again)


def test_the_first_outlet_of_a_thread_is_not_kept_for_as_long_as_that_runs() -> None:
    first = start_simulator()
    sim = first.__enter__()
    kept = weakref.ref(sim._simulator)
    with start_simulator() as later:
        first.__exit__(None, None, None)
        del first, sim
        later.call(lambda: None)  # so that the thread has finished what ends a block
        gc.collect()
        assert kept() is None


def test_an_outlet_that_has_ended_is_not_kept(other: SimulatorHandle | None) -> None:
    async def use() -> weakref.ref[Simulator]:
        async with start_simulator() as sim:
            return weakref.ref(sim._simulator)

    with start_simulator() as sim:
        kept = weakref.ref(sim._simulator)
    del sim
    also_kept = trio.run(use)
    if other is not None:
        other.call(lambda: None)  # so that the thread has finished what ends a block
    gc.collect()
    assert (kept(), also_kept()) == (None, None)
