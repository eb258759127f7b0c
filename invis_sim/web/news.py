"""A signal that there is something new, for one task that waits for it again and again."""

import trio

__all__ = ["News"]


class News:
    """Something to wait for that is set again and again."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        """Wake the task that waits, or the next that does."""
        self._event.set()

    async def wait(self) -> None:
        """Return when it has been set since the last return."""
        await self._event.wait()
        self._event = trio.Event()
