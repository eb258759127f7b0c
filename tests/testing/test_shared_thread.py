"""Blocks that are open at the same time share a thread and its event loop, and nothing else."""

import gc
import itertools
import os
import random
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any

import pytest
import trio

from invis_sim import Simulator, SimulatorStopped, StartError, start_fleet, start_simulator
from invis_sim.journal import EntryFilter
from invis_sim.scenario.loading import resolve
from invis_sim.testing import loop_thread, thread_block
from invis_sim.testing.block import SimulatorContext
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.loop_thread import LoopThread
from tests.support import TIMEOUT, connect, exchange


class InjectedError(Exception):
    """Something that goes wrong."""


class InjectedEnd(BaseException):
    """Something that goes wrong, and is no ordinary error."""


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Every test leaves threads and descriptors as they were."""
    threads, files = set(threading.enumerate()), descriptors()
    yield
    assert set(threading.enumerate()) <= threads
    if descriptors() > files:
        gc.collect()  # which closes what trio has opened in vain
    assert descriptors() <= files


def descriptors() -> int:
    """How many files this process has open; 0 where the system does not list them."""
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


def serves(sim: SimulatorHandle) -> bool:
    with connect(sim.tcp_address) as client:
        return bool(exchange(client)["PUBACK"] == 1)


def thread_of(sim: SimulatorHandle) -> threading.Thread:
    return sim.call(threading.current_thread)


def test_a_further_outlet_takes_no_thread_and_a_descriptor_for_each_listener() -> None:
    with start_simulator() as first, start_fleet(1) as fleet:
        threads, files = threading.active_count(), descriptors()
        with start_simulator() as second:
            assert thread_of(first) is thread_of(second) is thread_of(*fleet.values())
            assert threading.active_count() == threads
            assert descriptors() == (files + 2 if files else 0)
            assert serves(first)
            assert serves(second)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_blocks_are_left_in_any_order(order: tuple[int, ...]) -> None:
    blocks = [start_simulator() for _ in order]
    running = {number: block.__enter__() for number, block in enumerate(blocks)}
    for number in order:
        assert all(serves(sim) for sim in running.values())
        left = running.pop(number)
        blocks[number].__exit__(None, None, None)
        with pytest.raises(ConnectionRefusedError):
            connect(left.tcp_address)


def test_the_thread_ends_with_the_last_block_and_not_with_the_last_outlet() -> None:
    with start_simulator() as one:
        with start_simulator() as two:
            thread = thread_of(one)
            one.stop()
            assert serves(two)
        assert thread.is_alive()
        with start_simulator() as three:
            assert thread_of(three) is thread
    assert not thread.is_alive()


def test_each_has_a_clock_a_seed_and_a_control_server_of_its_own() -> None:
    with (
        start_simulator(seed=1, control=True) as one,
        start_simulator(seed=2, speed=60, control=True) as two,
    ):
        assert (one.seed, two.seed, one.clock.speed, two.clock.speed) == (1, 2, 1, 60)
        two.clock.pause()
        assert (one.clock.paused, two.clock.paused) == (False, True)
        before = two.clock.sim()
        one.clock.advance(10)
        assert two.clock.sim() == before
        assert one.control_url != two.control_url
        for sim in (one, two):
            with urllib.request.urlopen(f"{sim.control_url}api/clock", timeout=TIMEOUT) as answer:
                assert answer.status == 200


# The end of one block


def test_what_a_block_has_begun_ends_with_it() -> None:
    ended: list[bool] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                for _ in range(5):
                    await trio.lowlevel.checkpoint()
            ended.append(sim._thread.ended.done())

    with start_simulator():
        with start_simulator() as sim, ThreadPoolExecutor(3) as pool:
            task = sim._thread.start_task(work)
            waits: list[Future[object]] = [
                pool.submit(sim.wait_for_request, timeout=600),
                pool.submit(sim._thread.run_task, trio.sleep_forever),
                pool.submit(trio.run, sim.async_wait_for_connection, None, 600),
            ]
            while len(sim._thread._until_end) < 3:  # the task, and two of those that wait
                sim.call(lambda: None)
            sim.stop()
            for waiting in waits:
                with pytest.raises(SimulatorStopped):
                    waiting.result(TIMEOUT)
        assert task.cancelled()
        assert ended == [False]


def test_who_waits_in_an_event_loop_gets_what_has_ended_the_outlet() -> None:
    """And does not take the end of the time-out's timer for a time-out."""
    waits, has_ended = threading.Event(), threading.Event()

    async def wait() -> None:
        waits.set()
        await sim.async_wait_for_connection(timeout=600)

    def in_event_loop() -> None:
        try:
            trio.run(wait)
        finally:
            has_ended.set()

    with start_simulator() as sim, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(in_event_loop)
        assert waits.wait(TIMEOUT)
        while not sim._thread._until_end:
            sim.call(lambda: None)
        # The thread goes on to fail those that wait only when this one has been answered.
        sim._thread.ended.add_done_callback(lambda _: has_ended.wait(TIMEOUT))
        sim.stop()
        with pytest.raises(SimulatorStopped):
            waiting.result(TIMEOUT)


def test_no_call_is_carried_out_after_the_end() -> None:
    """Also none that was on its way then."""
    late: list[bool] = []
    with start_simulator():
        for _ in range(20):
            with start_simulator() as sim:

                def call_until_the_end(sim: SimulatorHandle = sim) -> None:
                    with suppress(SimulatorStopped):
                        while True:
                            sim.call(lambda: late.append(sim._thread.ended.done()))

                threads = [threading.Thread(target=call_until_the_end) for _ in range(3)]
                for thread in threads:
                    thread.start()
            for thread in threads:
                thread.join()
    assert not any(late)


# What goes wrong in one block


async def fail_with(error: BaseException) -> None:
    raise error


@contextmanager
def raises_beside_another(kind: type[BaseException]) -> Iterator[SimulatorHandle]:
    """A block with an outlet that must end with such an error, beside one that must go on."""
    with start_simulator() as other:
        with pytest.raises(kind), start_simulator() as sim:
            yield sim
        assert serves(other)


def test_an_error_in_a_task_ends_its_block_alone() -> None:
    with raises_beside_another(InjectedError) as sim:
        broken = sim.journal.subscribe(EntryFilter(kinds=("outage_ended",)))

        def fail() -> None:
            raise InjectedError

        def reboot() -> None:
            sim._simulator.reboot(0.01)
            sim._simulator.call_when_up(fail)

        sim.call(reboot)
        assert broken.wait(TIMEOUT)
        with pytest.raises(InjectedError):
            sim.wait_for_request(timeout=TIMEOUT)


def test_what_is_no_ordinary_error_ends_its_block_alone() -> None:
    with raises_beside_another(InjectedEnd) as sim:
        with pytest.raises(InjectedEnd):
            sim._thread.run_task(lambda: fail_with(InjectedEnd()))
        with pytest.raises(InjectedEnd):
            sim.push(9)


def test_a_crash_of_the_event_loop_ends_all_blocks_with_it() -> None:
    errors: list[BaseException] = []

    def crash() -> None:
        with pytest.raises(trio.TrioInternalError) as caught, start_simulator() as sim:  # noqa: PT012
            trio_spawn: Any = trio.lowlevel.spawn_system_task
            sim.call(trio_spawn, fail_with, InjectedError())
            with pytest.raises(trio.TrioInternalError):
                sim.wait_for_request(timeout=TIMEOUT)
            with start_simulator() as later:  # in another thread
                assert serves(later)
        errors.append(caught.value)

    with pytest.raises(trio.TrioInternalError) as caught, start_simulator() as other:  # noqa: PT012
        crash()
        with pytest.raises(trio.TrioInternalError):
            other.push(9)
    assert errors == [caught.value]


def test_no_block_enters_a_thread_whose_event_loop_has_crashed() -> None:
    """Also not before the thread has taken note of that, for which it needs the lock."""
    with pytest.raises(trio.TrioInternalError), start_simulator() as sim:  # noqa: PT012
        trio_spawn: Any = trio.lowlevel.spawn_system_task
        with loop_thread._lock:
            sim.call(trio_spawn, fail_with, InjectedError())
            while sim._thread._loop.call_soon(lambda: None):
                pass
            with start_simulator() as later:
                assert serves(later)


def test_a_block_that_cannot_listen_disturbs_no_other() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, start_simulator() as other:
        with pytest.raises(StartError), start_simulator(ws_port=taken.getsockname()[1]):
            pytest.fail("the port is taken")
        assert serves(other)


def test_a_system_that_has_no_thread_for_it_is_an_error_of_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(StartError, match="cannot start: can't start new thread"):
            start_simulator().__enter__()
    with start_simulator() as sim:
        assert serves(sim)


# Entered and left at the same time


@pytest.mark.usefixtures("busy_threads")
def test_blocks_come_and_go_in_several_threads() -> None:
    def come_and_go(number: int) -> None:
        pace = random.Random(number)
        for _ in range(15):
            with start_simulator() as sim:
                if pace.random() < 0.3:
                    assert serves(sim)
                elif pace.random() < 0.3:
                    sim.stop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))


class NoOutlet:
    """A block without an outlet, which is entered and left in microseconds."""

    thread: LoopThread

    def __init__(self) -> None:
        self.ended: Future[None] = Future()
        self._stopping = trio.Event()

    def assign(self, thread: LoopThread) -> None:
        self.thread = thread

    async def run(self) -> None:
        await self._stopping.wait()
        self.end(None)

    def stop(self) -> None:
        self._stopping.set()

    def end(self, failure: BaseException | None) -> None:
        self.ended.set_result(None)


@pytest.mark.usefixtures("busy_threads")
def test_no_block_enters_a_thread_that_ends() -> None:
    def come_and_go(_: int) -> None:
        for _ in range(50):
            block = NoOutlet()
            LoopThread.enter(block, block.assign)
            block.thread.leave(block)
            block.thread.wait(block.ended, TIMEOUT)
            assert block.ended.done()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(come_and_go, range(3)))


def test_others_wait_while_a_block_is_entered_or_left() -> None:
    def is_locked() -> bool:
        with ThreadPoolExecutor(1) as pool:
            got = pool.submit(loop_thread._lock.acquire, blocking=False).result()
            if got:
                pool.submit(loop_thread._lock.release).result()
        return not got

    locked: list[bool] = []

    class Watched(NoOutlet):
        def __hash__(self) -> int:  # called where a thread adds or removes it
            if threading.current_thread() is caller:
                locked.append(is_locked())
            return id(self)

    caller = threading.current_thread()
    blocks = [Watched(), Watched()]
    for block in blocks:
        LoopThread.enter(block, block.assign)
    entered = len(locked)
    for block in blocks:
        block.thread.leave(block)
        block.thread.wait(block.ended)
    assert entered >= 2
    assert len(locked) >= entered + 2
    assert all(locked)


class Hooked(SimulatorContext):
    """A block in which something happens at a moment that is hard to meet."""

    def __init__(
        self,
        *,
        entering: Callable[[], object] = lambda: None,
        opening: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(resolve(None), 1.0)
        self._entering_hook = entering
        self._opening_hook = opening

    def _assign(self, loop: LoopThread) -> None:
        super()._assign(loop)
        hook, self._entering_hook = self._entering_hook, lambda: None
        hook()

    def open(self) -> AbstractAsyncContextManager[Simulator]:
        self._opening_hook()
        return super().open()


@pytest.mark.parametrize("waits", [True, False])
def test_the_last_block_may_be_left_while_another_is_entered(waits: bool) -> None:
    """As by the garbage collector, which closes a generator that nothing has finished."""
    last = start_simulator()
    old = thread_of(last.__enter__())

    def leave() -> None:
        if waits:
            last.__exit__(None, None, None)
        else:
            last._leave()

    with Hooked(entering=leave) as sim:
        assert thread_of(sim) is not old
        assert serves(sim)
    last.__exit__(None, None, None)


def test_a_block_may_be_left_in_a_thread_of_outlets(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, the garbage collector may close a generator that nothing has finished."""
    monkeypatch.setattr(thread_block, "MAX_SECONDS_IN_GENERATOR", 600)  # it does not wait at all

    def outlet() -> Iterator[SimulatorHandle]:
        with start_simulator() as sim:
            yield sim

    def nest(generator: Any) -> None:
        with start_simulator() as nested:  # which has a thread of its own, for which this waits
            nested.call(generator.close)

    with start_simulator() as other:
        for close in (lambda generator: generator.close(), nest):
            generator = outlet()
            sim = next(generator)
            other.call(close, generator)
            sim.stop()
            with pytest.raises(ConnectionRefusedError):
                connect(sim.tcp_address)


def test_a_block_may_be_left_where_its_end_must_wait_for_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where the garbage collector closes a generator in the middle of a wait for a future."""
    monkeypatch.setattr(thread_block, "MAX_SECONDS_IN_GENERATOR", 0.01)

    def outlet() -> Iterator[SimulatorHandle]:
        with start_simulator() as sim:
            yield sim

    with start_simulator() as other:
        generator = outlet()
        sim = next(generator)
        with other._thread.ended._condition:
            other._thread._loop.call_soon(other._thread._stopping.set)
            while not other._simulator._acceptor._closed:
                pass
            generator.close()  # type: ignore[attr-defined]
    with pytest.raises(ConnectionRefusedError):
        connect(sim.tcp_address)


def test_a_block_that_is_entered_in_the_thread_of_outlets_has_one_of_its_own() -> None:
    """It shares none: that one waits for the beginning of the block."""
    threads: list[threading.Thread] = []

    def nested(depth: int) -> None:
        with start_simulator() as sim:
            assert serves(sim)
            threads.append(thread_of(sim))
            if depth:
                sim.call(nested, depth - 1)

    with start_simulator() as sim:
        sim.call(nested, 1)
        with start_simulator() as later:
            assert len({thread_of(sim), *threads}) == 3
            assert thread_of(later) is thread_of(sim)


# Interrupts


@pytest.fixture
def interrupt() -> Iterator[Callable[[], None]]:
    """A function that interrupts the test from another thread, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        pytest.skip("only the main thread can be interrupted")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()
    yield lambda: signal.pthread_kill(main, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_while_a_block_is_entered_leaves_nothing(
    interrupt: Callable[[], None],
) -> None:
    with pytest.raises(KeyboardInterrupt):
        Hooked(opening=interrupt).__enter__()
    with start_simulator() as other:
        with pytest.raises(KeyboardInterrupt):
            Hooked(opening=interrupt).__enter__()
        assert serves(other)


@pytest.mark.parametrize("starts", ["not", "at once", "late"])
def test_an_interrupt_while_the_thread_starts_leaves_nothing(
    starts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []
    threads: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        threads.append(thread)
        if starts == "at once":
            start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Hooked(opening=lambda: opened.append(True)).__enter__()
    (thread,) = threads
    if starts == "late":
        thread.start()
        thread.join()
        assert not opened
    assert not thread.is_alive()
    with start_simulator() as sim:
        assert serves(sim)
