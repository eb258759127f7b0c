"""The poller: one task for all clients, which holds up neither other tasks nor other outlets."""

import json
import os
import select
import socket
import threading
from contextlib import AsyncExitStack, ExitStack

import pytest
import trio
import trio.testing

from invis_sim import open_simulator
from invis_sim.server.net import poller as module
from invis_sim.server.net.poller import MAX_SOCKETS_PER_TURN, Poller
from invis_sim.server.runtime import _SHARED, open_runtime
from invis_sim.server.simulator import Simulator
from tests.server.support import many_files
from tests.support import TIMEOUT, make_request

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="there is no epoll here")


class Ticks:
    """A clock that only passes when it is read.

    reads: how often it was.
    """

    def __init__(self, seconds: float) -> None:
        self.reads = 0
        self._seconds = seconds

    def __call__(self) -> float:
        self.reads += 1
        return self.reads * self._seconds


class Calls(trio.abc.Instrument):
    """Counts the calls of a handler within one step of a task.

    most: the highest count.
    """

    def __init__(self) -> None:
        self.most = self._calls = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._calls = 0

    def add(self) -> None:
        self._calls += 1
        self.most = max(self.most, self._calls)


def flood(owns_loop: bool, sockets: int, stops: bool = False) -> int:
    """Return how many handlers run at most before other tasks have their turn, where all sockets
    have something to read all the time.

    stops: whether each handler has something to do for another task.
    """
    calls = Calls()

    async def run() -> None:
        poller = Poller(owns_loop=owns_loop)

        def handle() -> None:
            calls.add()
            if stops or calls.most > 10_000:  # so that the test ends where the poller would not
                poller.stop_busy_polling()

        with ExitStack() as stack:
            for _ in range(sockets):
                one, other = socket.socketpair()
                stack.enter_context(one)
                stack.enter_context(other)
                other.send(b"never read")
                poller.add(one.fileno(), handle)
            for _ in range(50):
                await trio.lowlevel.checkpoint()
            await poller.close()

    trio.run(run, instruments=[calls])
    return calls.most


def test_other_tasks_have_their_turn_after_some_sockets() -> None:
    assert 1 <= flood(False, 3 * MAX_SOCKETS_PER_TURN) <= MAX_SOCKETS_PER_TURN


def test_a_poller_that_owns_its_loop_holds_it_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "monotonic", Ticks(module.BUSY_POLL_SECONDS / 10))
    rounds = flood(True, 1)
    assert 2 <= rounds <= 12  # it does poll again, and does not go on


def test_a_poller_gives_way_to_a_task_that_has_something_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "monotonic", Ticks(module.BUSY_POLL_SECONDS / 1000))
    assert flood(True, 1, stops=True) == 1


@pytest.mark.parametrize(("owns_loop", "least", "most"), [(True, 10, 15), (False, 1, 2)])
def test_a_poller_spins_once_after_a_request_if_it_owns_its_loop_and_never_when_idle(
    owns_loop: bool, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Ticks(module.SPIN_SECONDS / 10)
    monkeypatch.setattr(module, "monotonic", clock)

    async def run() -> None:
        with ExitStack() as stack:
            one, other = (stack.enter_context(end) for end in socket.socketpair())
            poller = Poller(owns_loop=owns_loop)
            answered = trio.Event()

            def handle() -> None:
                one.recv(1)
                answered.set()

            poller.add(one.fileno(), handle)
            await trio.testing.wait_all_tasks_blocked()
            assert clock.reads == 0
            other.send(b"x")
            with trio.fail_after(TIMEOUT):
                await answered.wait()
            await trio.testing.wait_all_tasks_blocked()
            await poller.close()

    trio.run(run)
    assert least <= clock.reads <= most


def test_tasks_and_timers_have_their_turn_while_every_spin_pays_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each request comes in the middle of a spin, so the poller never has to sleep."""
    calls = Calls()
    reads_until_asked = 5

    async def run() -> None:
        with ExitStack() as stack:
            one, other = (stack.enter_context(end) for end in socket.socketpair())
            clock = Ticks(module.SPIN_SECONDS / 10)
            answered_at = 0

            def monotonic() -> float:  # read between two polls, so a client can ask meanwhile
                if clock.reads - answered_at == reads_until_asked:
                    other.send(b"x")
                return clock()

            def handle() -> None:
                nonlocal answered_at
                one.recv(1)
                answered_at = clock.reads
                calls.add()
                if calls.most > 10_000:  # so that the test ends where the poller would not
                    poller.stop_busy_polling()

            monkeypatch.setattr(module, "monotonic", monotonic)
            poller = Poller(owns_loop=True)
            poller.add(one.fileno(), handle)
            other.send(b"x")
            with trio.fail_after(TIMEOUT):
                for _ in range(5):
                    await trio.sleep(0.0001)
                    await trio.lowlevel.checkpoint()
            await poller.close()

    trio.run(run, instruments=[calls])
    in_a_turn = 10 * module.BUSY_POLL_SECONDS / module.SPIN_SECONDS / reads_until_asked
    assert 5 <= calls.most <= in_a_turn


def test_a_delayed_reply_and_another_outlet_are_served_while_a_client_floods() -> None:
    """The flooding client is answered in the poller's task, and never pauses."""

    async def run() -> None:
        async with (
            open_simulator("[[faults]]\nkind = 'delay'\nseconds = 0.01", owns_loop=True) as slow,
            open_simulator(owns_loop=True) as fast,
        ):
            flooding = True

            def flood() -> None:
                with socket.create_connection(fast.tcp_address, TIMEOUT) as client:
                    while flooding:
                        client.sendall(make_request(20, packet_id=1) * 8)
                        client.recv(65536)

            thread = threading.Thread(target=flood)
            thread.start()
            try:
                with trio.fail_after(TIMEOUT):
                    await fast.wait_for_request()
                    async with await trio.open_tcp_stream(*slow.tcp_address) as stream:
                        for _ in range(5):
                            await stream.send_all(make_request(20, packet_id=2))
                            assert json.loads(await stream.receive_some())["packetID"] == 2
            finally:
                flooding = False
                await trio.to_thread.run_sync(thread.join)

    trio.run(run)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def answered(sim: Simulator, stream: trio.SocketStream, packet_id: int) -> None:
    await stream.send_all(make_request(3, packet_id=packet_id))
    text = b""
    while True:
        text += await stream.receive_some()
        try:
            reply = json.loads(text)
        except ValueError:
            continue
        assert (reply["packetID"], reply["sn"]) == (packet_id, sim.sn)
        return


def test_a_hundred_outlets_share_one_poller_and_leave_nothing() -> None:
    number = 100
    quiet = "[timing]\nsensor_seconds = 0\nreconnect_seconds = 0"

    async def run() -> None:
        pollers: set[Poller | None] = set()
        async with AsyncExitStack() as stack:
            outlets = []
            for index in range(number):
                sim = await stack.enter_async_context(
                    open_simulator(quiet, sn=f"{index:010X}", owns_loop=True)
                )
                pollers.add(sim._context.poller)
                stream = await trio.open_tcp_stream(*sim.tcp_address)
                await stack.enter_async_context(stream)
                outlets.append((sim, stream))
            (poller,) = pollers
            assert poller is not None
            assert len({id(sim.clock) for sim, _ in outlets}) == number  # a clock is one's own
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    for index, (sim, stream) in enumerate(outlets):
                        nursery.start_soon(answered, sim, stream, index + 1)
            assert len(poller._handlers) == number  # all of them listen there
            shared = _SHARED.get()
            assert shared is not None
            assert shared.users == number
        assert _SHARED.get() is None
        assert poller._epoll.closed
        assert not poller._handlers

    with many_files(2048):
        before = descriptors()
        trio.run(run)
        assert descriptors() == before


def test_the_poller_stays_until_the_last_outlet_has_ended() -> None:
    async def run() -> None:
        first_ends = trio.Event()

        async def first() -> None:
            async with open_simulator(owns_loop=True) as sim:
                began.append(sim)
                await first_ends.wait()

        began: list[Simulator] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            await trio.testing.wait_all_tasks_blocked()
            (one,) = began
            async with open_simulator() as other:
                poller = other._context.poller
                assert poller is one._context.poller
                assert poller is not None
                first_ends.set()
                await trio.testing.wait_all_tasks_blocked()
                shared = _SHARED.get()
                assert shared is not None
                assert shared.users == 1
                async with await trio.open_tcp_stream(*other.tcp_address) as stream:
                    await answered(other, stream, 1)
                async with open_runtime() as third:
                    assert third.poller is poller
        assert poller._epoll.closed
        async with open_simulator() as again:  # begins with one of its own
            assert again._context.poller is not poller
            async with await trio.open_tcp_stream(*again.tcp_address) as stream:
                await answered(again, stream, 2)

    trio.run(run)
