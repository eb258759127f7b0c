"""Waiting for futures of another thread, in whichever event loop this one has.

There is no time limit here: the time of the caller's event loop may be frozen by a test.
"""

import math
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import trio

from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.schema.numbers import check_timeout

__all__ = ["completed", "in_event_loop", "seconds_to_wait"]

__tracebackhide__ = hide_frames


def seconds_to_wait(timeout: float) -> float | None:
    """Return a timeout as `concurrent.futures.wait` has it, which knows no infinity.

    Raises ValueError for one that cannot be.
    """
    return None if check_timeout(timeout) == math.inf else timeout


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


async def completed(*futures: Future[Any]) -> None:
    """Return when one of the futures is done; in asyncio or trio."""
    if _in_trio():
        await _completed_in_trio(futures)
    else:
        await _completed_in_asyncio(futures)


async def _completed_in_trio(futures: Iterable[Future[Any]]) -> None:
    token, done = trio.lowlevel.current_trio_token(), trio.Event()

    def wake(future: Future[Any]) -> None:
        with suppress(trio.RunFinishedError):  # the caller's loop has ended
            token.run_sync_soon(done.set)

    for future in futures:
        future.add_done_callback(wake)
    await done.wait()


async def _completed_in_asyncio(futures: Iterable[Future[Any]]) -> None:
    import asyncio

    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(future: Future[Any]) -> None:
        with suppress(RuntimeError):  # the caller's loop is closed
            loop.call_soon_threadsafe(done.set)

    for future in futures:
        future.add_done_callback(wake)
    await done.wait()
