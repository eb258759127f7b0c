"""A nursery whose block ends its tasks, and whose errors arrive as they were raised."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

__all__ = ["open_cancelled_nursery", "single_error"]


@asynccontextmanager
async def open_cancelled_nursery() -> AsyncIterator[trio.Nursery]:
    """Provide a nursery; its tasks are cancelled at the end of the block.

    One error, of the block or of a task, reaches the caller as itself and not in a group.
    """
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            finally:
                if nursery.child_tasks:
                    nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = single_error(group)
    else:
        return
    raise error  # out here, so that its own cause and context stay what they are


def single_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the only error in a group, cancellations aside; the group where there are several.

    The end of a block and an error of a task may meet: then the group also holds cancellations,
    which say nothing that the error does not.
    """
    error: BaseException = group.split(trio.Cancelled)[1] or group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
