"""The block in which outlets run in a thread, one or many."""

import atexit
import threading
import weakref
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

import trio

from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.server.machine_clock import MachineClock
from invis_sim.server.net.listeners import StartError
from invis_sim.server.net.system_errors import OUT_OF_DESCRIPTORS, explain
from invis_sim.testing.event_loops import completed
from invis_sim.testing.thread import LoopThread, SimulatorStopped, result_of

__all__ = ["ThreadBlock"]

__tracebackhide__ = hide_frames

H = TypeVar("H")

_running: "weakref.WeakSet[ThreadBlock[Any]]" = weakref.WeakSet()
"""The blocks that were entered."""

MAX_SECONDS_AT_EXIT = 5.0
"""How long the exit of the interpreter waits for each outlet at most, which needs milliseconds."""


@atexit.register
def _stop_all() -> None:
    """Stop the outlets whose blocks were not left, such as that of a generator which nothing has
    finished. Python leaves that block later, when it runs no threads any more.
    """
    for block in tuple(_running):
        block.stop_at_exit()


class ThreadBlock(Generic[H]):
    """The time during which outlets run in a thread: a block of `with` or `async with`, once.

    Whatever the block does, the thread is gone when it is left. A subclass says what it runs.

    start_again: what to call for another block, for the error of a second use.
    """

    start_again: ClassVar[str]

    def __init__(self) -> None:
        self._loop: LoopThread | None = None
        self._internal_error: Exception | None = None
        self._ready: Future[H] = Future()
        self._ended: Future[None] = Future()
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="invis-sim", daemon=True)

    def open(self, loop: LoopThread) -> AbstractAsyncContextManager[H]:
        """Return what runs the outlets for the time of an async block, in the thread, and provides
        their handle. `stop_on_error` is for their internal errors.
        """
        raise NotImplementedError

    def fail_waiters(self, handle: H, error: BaseException) -> None:
        """Make every wait that has not ended yet raise this error: nothing more will come."""
        raise NotImplementedError

    def __enter__(self) -> H:
        self._start()
        try:
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
        if self._runs_here:
            self._finish()
            self._raise_failure(error)

    async def __aenter__(self) -> H:
        self._start()
        try:
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
        if not self._runs_here:
            return
        try:
            self._ask_to_stop()
            await completed(self._ended)
        finally:
            self._finish()
        self._raise_failure(error)

    @property
    def _runs_here(self) -> bool:
        """Whether this is the process that entered the block: one that was forked in it may leave
        the block as well, and has no thread to wait for.
        """
        return self._loop is None or self._loop.is_in_this_process

    def _start(self) -> None:
        with self._starting:
            if self._thread.ident is not None:
                raise RuntimeError(
                    "this block was entered before, and each serves once; "
                    f"call {self.start_again} again for another"
                )
            self._thread.start()
            _running.add(self)

    def _ask_to_stop(self) -> None:
        if self._loop is not None:
            self._loop.ask_to_stop()

    def _finish(self) -> None:
        """End the thread, and wait for that: it takes milliseconds."""
        self._ready.exception()  # whether it could start is known from here on
        self._ask_to_stop()
        self._thread.join()

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
        """End the thread, where it runs in this process."""
        if self._runs_here:
            self._ask_to_stop()
            self._thread.join(MAX_SECONDS_AT_EXIT)

    # In the thread of the simulator

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            trio.run(self._main, clock=MachineClock())
        except OSError as error:
            failure = error
            if error.errno in OUT_OF_DESCRIPTORS:  # met by the event loop, before any socket
                failure = StartError(f"the outlet cannot start: {explain(error)}")
                failure.__cause__ = error
        except BaseException as error:  # it belongs to those who wait
            failure = error
        # First of all: whoever is called back by what follows may call the outlet, and then waits
        # for this.
        if failure is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(failure)
            if not self._ready.done():
                self._ready.set_exception(failure)
        if self._ready.exception() is None:
            self.fail_waiters(self._ready.result(), failure or SimulatorStopped())

    async def _main(self) -> None:
        loop = self._loop = LoopThread(self._ended)
        async with self.open(loop) as handle:
            self._ready.set_result(handle)
            await loop.stopping.wait()
            if self._internal_error is not None:
                raise self._internal_error

    def stop_on_error(self, error: Exception) -> None:
        """Stop on an internal error, which an outlet at the desk survives: the test must fail."""
        assert self._loop is not None
        self._internal_error = error
        self._loop.stopping.set()
