"""Waiting for a future of another thread, in whichever event loop this one has."""

import math
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import trio

__all__ = ["completed", "in_event_loop"]


def in_event_loop() -> bool:
    """Return whether this thread runs an event loop."""
    if _in_trio():
        return True
    import asyncio  # here: a program that has none need not load it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_trio() -> bool:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


async def completed(future: Future[Any], seconds: float = math.inf) -> None:
    """Return when the future is done, or after a number of real seconds; in asyncio or trio."""
    if _in_trio():
        await _completed_in_trio(future, seconds)
    else:
        await _completed_in_asyncio(future, seconds)


async def _completed_in_trio(future: Future[Any], seconds: float) -> None:
    token, done = trio.lowlevel.current_trio_token(), trio.Event()

    def wake(future: Future[Any]) -> None:
        with suppress(trio.RunFinishedError):  # the caller's loop has ended
            token.run_sync_soon(done.set)

    future.add_done_callback(wake)
    with trio.move_on_after(seconds):
        await done.wait()


async def _completed_in_asyncio(future: Future[Any], seconds: float) -> None:
    import asyncio

    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(future: Future[Any]) -> None:
        with suppress(RuntimeError):  # the caller's loop is closed
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), None if seconds == math.inf else seconds)
