"""The block in which outlets run in a thread, one or many."""

import atexit
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

import trio

from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.server.net.listeners import StartError
from invis_sim.server.net.system_errors import OUT_OF_DESCRIPTORS, explain
from invis_sim.testing.event_loops import completed
from invis_sim.testing.loop_thread import LoopThread
from invis_sim.testing.thread import SimulatorStopped, SimulatorThread, result_of

__all__ = ["ThreadBlock"]

__tracebackhide__ = hide_frames

Opened = TypeVar("Opened")
H = TypeVar("H")

_running: "weakref.WeakSet[ThreadBlock[Any, Any]]" = weakref.WeakSet()
"""The blocks that were entered."""

MAX_SECONDS_AT_EXIT = 5.0
"""How long the exit of the interpreter waits for each outlet at most, which needs milliseconds."""

MAX_SECONDS_IN_GENERATOR = 1.0
"""How long the end of a block is waited for that is left because its generator is closed. The
garbage collector may do that at any moment, and its thread may hold a lock at that moment which the
thread of the outlets needs to end the block."""


@atexit.register
def _stop_all() -> None:
    """Stop the outlets whose blocks were not left, such as that of a generator which nothing has
    finished. Python leaves that block later, when it runs no threads any more.
    """
    for block in tuple(_running):
        block.stop_at_exit()


class _Stop:
    """Makes a block end. Apart from the block, which has the outlets, and they have this: without a
    cycle, much of both is gone before the garbage collector looks for it.

    error: why, if that is an internal error.
    """

    def __init__(self) -> None:
        self.event = trio.Event()
        self.error: Exception | None = None

    def on_error(self, error: Exception) -> None:
        self.error = error
        self.event.set()


class ThreadBlock(Generic[Opened, H]):
    """The time during which outlets run in a thread: a block of `with` or `async with`, once.

    Blocks that are open at the same time share a thread, and nothing else: each ends by itself, and
    with its own error. The last one to be left takes the thread with it, whatever it does.

    A subclass says what runs.

    start_again: what to call for another block, for the error of a second use.
    """

    start_again: ClassVar[str]

    def __init__(self) -> None:
        self._loop: LoopThread | None = None
        self._ready: Future[H] = Future()
        self._ended: Future[None] = Future()
        self._stop = _Stop()
        self._entering = threading.Lock()
        self._entered = False

    def open(self) -> AbstractAsyncContextManager[Opened]:
        """Return what runs the outlets for the time of an async block, in the thread. Its argument
        for their internal errors is `stop_on_error`.
        """
        raise NotImplementedError

    def handle(self, opened: Opened) -> H:
        """Return the handle of the outlets, made with `thread`; in the thread."""
        raise NotImplementedError

    def fail_waiters(self, handle: H, error: BaseException) -> None:
        """Make every wait that has not ended yet raise this error: nothing more will come."""
        raise NotImplementedError

    def __enter__(self) -> H:
        self._claim()
        try:
            self._start()
            return result_of(self._ready)
        except BaseException:  # it could not start, or the waiting was interrupted
            self._finish()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._finish(_max_seconds(kind)):
            self._raise_failure(error)

    async def __aenter__(self) -> H:
        self._claim()
        try:
            self._start()
            await completed(self._ready)
            return result_of(self._ready)
        except BaseException:
            self._finish()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._leave():
                await completed(self._ended)
        finally:
            ended = self._finish(_max_seconds(kind))
        if ended:
            self._raise_failure(error)

    def _claim(self) -> None:
        with self._entering:
            if self._entered:
                raise RuntimeError(
                    "this block was entered before, and each serves once; "
                    f"call {self.start_again} again for another"
                )
            self._entered = True

    def _start(self) -> None:
        try:
            LoopThread.enter(self, self._assign)
        except RuntimeError as error:
            raise StartError(f"the outlet cannot start: {error}") from error
        _running.add(self)

    def _assign(self, loop: LoopThread) -> None:
        self._loop = loop

    def _leave(self) -> bool:
        """Make the outlets end soon, and return whether the caller can wait for that.

        A process that was forked in the block may leave it as well, and has no thread to wait for.
        And the garbage collector may leave a block in any thread of outlets.
        """
        loop = self._loop
        if loop is None or not loop.is_in_this_process:
            return False
        loop.leave(self)
        return loop.can_be_waited_for

    def _finish(self, timeout: float | None = None) -> bool:
        """End the outlets, and wait for that: it takes milliseconds. Return whether they have
        ended, and not only will.
        """
        if not self._leave() or self._loop is None:
            return False
        self._loop.wait(self._ended, timeout)
        return self._ended.done()

    def _raise_failure(self, error: BaseException | None) -> None:
        """Raise what has gone wrong in the simulator, unless the block is left by an interrupt, or
        by that very error.
        """
        failure = self._ended.exception()
        if failure is not None and failure is not error:
            if error is not None and not isinstance(error, Exception):
                return
            raise failure

    def stop_at_exit(self) -> None:
        """End the outlets, where they run in this process."""
        self._finish(MAX_SECONDS_AT_EXIT)

    # In the thread

    async def run(self) -> None:
        """Run the outlets until `stop`. Raises what cancels it, and nothing else."""
        failure: BaseException | None = None
        try:
            if self._stop.event.is_set():  # the caller was interrupted before the thread ran
                raise SimulatorStopped
            async with self.open() as opened:
                self._ready.set_result(self.handle(opened))
                await self._stop.event.wait()
                if self._stop.error is not None:
                    raise self._stop.error
        except BaseException as error:  # it belongs to those who wait
            if _is_cancellation(error):
                raise
            failure = error
        self.end(failure)

    def thread(self, tasks: trio.Nursery) -> SimulatorThread:
        """Return the way in which a handle reaches the outlets.

        tasks: for what is started there; it ends with them.
        """
        assert self._loop is not None
        return SimulatorThread(self._loop, tasks, self._stop.event, self._ended)

    def stop(self) -> None:
        """End the outlets soon."""
        self._stop.event.set()

    def end(self, failure: BaseException | None) -> None:
        """Let those know who wait: for the end, for the beginning, and for what clients do.

        failure: what has ended it.
        """
        # First of all the end: whoever is called back by what follows may call the outlet, which
        # then must not try to answer.
        if failure is None:
            self._ended.set_result(None)
        else:
            if not self._ready.done():
                failure = _as_start_error(failure)
            self._ended.set_exception(failure)
            if not self._ready.done():
                self._ready.set_exception(failure)
        if self._ready.exception() is None:
            self.fail_waiters(self._ready.result(), failure or SimulatorStopped())

    @property
    def stop_on_error(self) -> Callable[[Exception], None]:
        """Stops on an internal error, which an outlet at the desk survives: the test must fail."""
        return self._stop.on_error


def _max_seconds(kind: type[BaseException] | None) -> float | None:
    """Return how long to wait for the end of a block that is left with this kind of error."""
    return MAX_SECONDS_IN_GENERATOR if kind is GeneratorExit else None


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1] is None
    return isinstance(error, trio.Cancelled)


def _as_start_error(error: BaseException) -> BaseException:
    """Return StartError where the process has too many files open for an event loop."""
    if not isinstance(error, OSError) or error.errno not in OUT_OF_DESCRIPTORS:
        return error
    start_error = StartError(f"the outlet cannot start: {explain(error)}")
    start_error.__cause__ = error
    return start_error
