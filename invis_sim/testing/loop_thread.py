"""The thread with a trio event loop that all blocks share which are open at the same time. Knows
nothing of outlets.

The first block starts the thread, and the last one that is left ends it. So what an event loop
needs, such as its descriptors, is there once, however many outlets there are.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import ClassVar, Protocol

import trio

from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.server.machine_clock import MachineClock
from invis_sim.server.threads import look_names_up_in_own_threads

__all__ = ["LoopThread"]

__tracebackhide__ = hide_frames

_lock = threading.RLock()
"""Held while a block enters or leaves a thread. The garbage collector may leave one, that of a
generator which nothing has finished, at any moment: also where its thread holds this already."""

_local = threading.local()
"""Has as `thread`, in a thread of this file, what that is."""


class _Block(Protocol):
    """What runs in the thread."""

    async def run(self) -> None:
        """Run until `stop`, and then call `end`. Raises what cancels it, and nothing else."""
        ...

    def stop(self) -> None:
        """Make `run` return soon. For the thread."""
        ...

    def end(self, failure: BaseException | None) -> None:
        """Take note that it has ended. For the thread; failure: what has ended it."""
        ...


class LoopThread:
    """A thread that runs a trio event loop, from its first block to its last.

    first: the block that it starts with.
    """

    _shared: "ClassVar[LoopThread | None]" = None
    """The one that further blocks enter, unless it ends."""

    def __init__(self, first: _Block) -> None:
        self._process = os.getpid()
        self._starter = _this_thread()  # which waits for it
        self._first = [first]  # not an argument, which would be kept for as long as the loop runs
        self._entered = {first}
        self._running = {first}
        self._ends = False
        self._all_ended = trio.Event()
        # What other threads have asked for before the loop ran.
        self._calls: deque[Callable[[], object]] = deque()
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=self._run, name="invis-sim", daemon=True)

    @classmethod
    def enter(cls, block: _Block, assign: "Callable[[LoopThread], object]") -> None:
        """Run the block in the thread of the others, or in a new one where there are none.

        A block that is entered in such a thread has one of its own: that one waits for it.

        assign: called with the thread before it has the block, so that a caller who is interrupted
        can leave it.

        Raises RuntimeError where the system has no thread for it.
        """
        if _this_thread() is not None:
            cls._start(block, assign)
            return
        with _lock:
            shared = cls._shared
            if shared is not None:
                assign(shared)
                if shared._take(block):
                    return
            cls._shared = cls._start(block, assign)

    @classmethod
    def _start(cls, block: _Block, assign: "Callable[[LoopThread], object]") -> "LoopThread":
        thread = cls(block)
        assign(thread)
        thread._thread.start()
        return thread

    def _take(self, block: _Block) -> bool:
        """Run one more block, and return whether that can still be."""
        self._entered.add(block)
        self._running.add(block)
        # Only now, for the last of the others may have been left until here; see `_lock`. A loop
        # that is over, or has failed, takes no calls.
        if not self._ends and self.call_soon(
            lambda: trio.lowlevel.spawn_system_task(self._run_block, block)
        ):
            return True
        self._entered.discard(block)
        self._running.discard(block)
        return False

    def leave(self, block: _Block) -> None:
        """Stop the block, and with the last one the thread. Calling it twice is no error."""
        with _lock:
            self._entered.discard(block)
            if not self._entered:
                self._ends = True

        def stop() -> None:
            block.stop()
            self._note_end()

        self.call_soon(stop)

    def wait(self, ended: Future[None], timeout: float | None = None) -> None:
        """Return when a block that was left has ended, and with the last one the thread.

        ended: done when the block has ended.
        """
        if not self._ends:
            wait((ended,), timeout)
        # Else it may not be alive: the caller was interrupted before it could start.
        elif self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def can_be_waited_for(self) -> bool:
        """Whether the caller may wait for what happens in the thread: not in one of these threads,
        but for the one that has started it. That thread may be waiting for the caller's.
        """
        here = _this_thread()
        return here is None or here is self._starter

    @property
    def is_in_this_process(self) -> bool:
        """Whether this process is the one in which the thread runs, and not forked from that."""
        return os.getpid() == self._process

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this event loop."""
        # By the loop, and not by the number of the thread, which a later thread gets again.
        try:
            return trio.lowlevel.current_trio_token() is self._token
        except RuntimeError:
            return False

    def call_soon(self, function: Callable[[], object]) -> bool:
        """Call the function in the thread soon, and return whether that will be: not after its end.

        function: must not raise.
        """
        self._calls.append(function)
        # In this order: either the loop finds the function as it starts, or it is known here.
        if self._token is not None:
            try:
                self._token.run_sync_soon(self._call_next)
            except trio.RunFinishedError:
                self._calls.clear()  # which would keep the outlets that they are about
                return False
        return True

    # In the thread

    def _call_next(self) -> None:
        if self._calls:  # else it was called as the loop started
            self._calls.popleft()()

    def _run(self) -> None:
        _local.thread = self
        try:
            trio.run(self._main, clock=MachineClock())
        except BaseException as error:  # it belongs to those who wait
            with _lock:  # one that is about to enter may still leave for another thread
                running = tuple(self._running)
                self._running.clear()
                self._first.clear()
            if not running:
                raise
            for block in running:
                block.end(error)

    async def _main(self) -> None:
        look_names_up_in_own_threads()
        self._token = trio.lowlevel.current_trio_token()
        while self._calls:
            self._call_next()
        await self._run_block(self._first.pop())
        # Each further turn of the event loop makes a test wait that has one block after the other.
        if not self._all_ended.is_set():
            await self._all_ended.wait()

    async def _run_block(self, block: _Block) -> None:
        await block.run()
        self._running.discard(block)
        self._note_end()

    def _note_end(self) -> None:
        """End the loop where the last block has been left and has ended."""
        if self._ends and not self._running:
            self._all_ended.set()


def _this_thread() -> LoopThread | None:
    """Return the thread of this file in which the caller is, if any."""
    return getattr(_local, "thread", None)


def _forget_in_child() -> None:
    """Have a forked process begin anew: it has no thread but the one that forked it, which may not
    be the one that held the lock.
    """
    global _lock
    _lock = threading.RLock()
    LoopThread._shared = None


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_forget_in_child)
