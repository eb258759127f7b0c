"""Calls into the thread of the outlets, on behalf of one block of them. Knows nothing of outlets.

The rules of this file:

- Other threads reach the loop by `call` and its relatives alone.
- A caller never waits for what cannot come any more: it also waits for the end of the block, and
  then gets what ended it. The thread may go on, for other blocks.
- What a block has started in the thread ends with it.
"""

from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

import trio

from invis_sim.protocol.hidden_frames import hide_frames, is_for_the_caller
from invis_sim.testing.loop_thread import LoopThread

__all__ = ["SimulatorStopped", "SimulatorThread", "ThreadStopped", "result_of"]

__tracebackhide__ = hide_frames

T = TypeVar("T")


class SimulatorStopped(RuntimeError):
    """The outlet has been stopped, so a call or a wait cannot be carried out."""

    def __init__(self, message: str = "the outlet has been stopped") -> None:
        super().__init__(message)


class ThreadStopped(Exception):
    """The block has ended, and takes no more calls."""


class SimulatorThread:
    """The thread in which the outlets of a block run, until they end.

    loop: that thread, which other blocks may share.
    tasks: of the block.
    stopping: set in the thread when the block should end.
    ended: done when it has ended, with the error that ended it, if any.
    """

    def __init__(
        self, loop: LoopThread, tasks: trio.Nursery, stopping: trio.Event, ended: Future[None]
    ) -> None:
        self.ended = ended
        self._loop = loop
        self._tasks = tasks
        self._stopping = stopping
        # Futures to be cancelled at the end. One callback for all of them: those of a future, which
        # may live as long as a test suite, cannot be taken back.
        self._until_end: set[Future[Any]] = set()
        ended.add_done_callback(partial(_cancel_all, self._until_end))

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in the event loop of outlets that have not ended."""
        return self._loop.is_current and not self.ended.done()

    def check_process(self) -> None:
        """Raise SimulatorStopped in a process that was forked from the one of the thread: it has a
        copy of the outlet, but not the thread, so all waits would be in vain.
        """
        if not self._loop.is_in_this_process:
            raise SimulatorStopped("the outlet runs in the process that this one was forked from")

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Call the function in the thread, and return or raise what it does.

        Raises SimulatorStopped after the end, or the error that ended the block.
        """
        try:
            return self.try_call(function, *args)
        except ThreadStopped:
            self.raise_exit_error()

    def try_call(self, function: Callable[..., T], *args: Any) -> T:
        """Do as `call`, but raise ThreadStopped after the end."""
        if self.is_current:
            return function(*args)
        if self.ended.done() or not self._loop.is_in_this_process:
            raise ThreadStopped
        answer: Future[T] = Future()

        def run() -> None:
            if self.ended.done():  # since it was asked for
                return
            try:
                answer.set_result(function(*args))
            except BaseException as error:  # it belongs to the thread that waits
                answer.set_exception(error)

        if not self._loop.call_soon(run) or not self._is_answered(answer):
            raise ThreadStopped
        return result_of(answer)

    def read(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that changes nothing where nothing changes meanwhile: in the thread, or
        after the end in the caller's.
        """
        try:
            return self.try_call(function, *args)
        except ThreadStopped:
            if self._loop.is_in_this_process:
                wait((self.ended,))
            return function(*args)

    def start_task(self, function: Callable[[], Awaitable[T]]) -> Future[T]:
        """Run an async function in the thread, and return a future for what it returns or raises.

        The function is cancelled at the end of the block, and the future with it.
        """
        answer: Future[T] = Future()

        async def run() -> None:
            try:
                result = await function()
            except Exception as error:  # it belongs to the thread that waits
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

        try:
            self.call(self._tasks.start_soon, run)
        except SimulatorStopped:
            raise
        except RuntimeError:  # the block takes no new tasks: it ends
            wait((self.ended,))
            self.raise_exit_error()
        self.cancel_at_end(answer)
        return answer

    @contextmanager
    def timer(self, seconds: float) -> Iterator[Future[None]]:
        """Provide a future that is done after a number of real seconds, or cancelled at the end of
        the outlets. At the end of the `with` block the timer is cancelled.

        It runs in this thread: a test may have frozen the time of the caller's event loop.
        """
        done: Future[None] = Future()
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await trio.sleep(seconds)
                if done.set_running_or_notify_cancel():
                    done.set_result(None)

        self.cancel_at_end(done)
        with suppress(ThreadStopped, RuntimeError):  # it ends, and then the future is cancelled
            self.try_call(self._tasks.start_soon, run)
        try:
            yield done
        finally:
            done.cancel()
            with suppress(ThreadStopped):
                self.try_call(scope.cancel)

    def cancel_at_end(self, future: Future[Any]) -> None:
        """Cancel the future when the block ends, unless it is done by then."""
        self._until_end.add(future)
        future.add_done_callback(self._until_end.discard)
        if self.ended.done():
            future.cancel()

    def run_task(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run an async function in the thread, and return or raise what it does.

        Raises as `call`; RuntimeError in the thread itself, where it could never return.
        """
        if self.is_current:
            raise RuntimeError("would deadlock: called from the simulator's thread")
        answer = self.start_task(function)
        if not self._is_answered(answer) or answer.cancelled():
            self.raise_exit_error()
        return result_of(answer)

    def stop(self) -> None:
        """End the block, and return when it has ended. Calling it twice is no error."""
        if self._loop.is_in_this_process:
            self._loop.call_soon(self._stopping.set)
            if self._loop.can_be_waited_for:
                wait((self.ended,))

    def raise_exit_error(self) -> NoReturn:
        """Raise what ended the block, or SimulatorStopped; only after its end."""
        self.check_process()
        self.ended.result()
        raise SimulatorStopped from None

    def _is_answered(self, answer: Future[Any]) -> bool:
        """Wait for an answer, and return whether it came before the end."""
        either: tuple[Future[Any], ...] = (answer, self.ended)
        wait(either, return_when=FIRST_COMPLETED)
        return answer.done()


def _cancel_all(futures: set[Future[Any]], ended: Future[None]) -> None:
    for future in tuple(futures):
        future.cancel()


def result_of(answer: Future[T]) -> T:
    """Return the result of a future, or raise its error: one that is for the caller as if it had
    been raised here, without the frames of the thread of the outlets.
    """
    error = answer.exception()
    if error is None:
        return answer.result()
    raise error.with_traceback(None) if is_for_the_caller(error) else error
