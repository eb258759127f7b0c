"""Watch what a client does while it runs: what the journal says, and whether it asks too often."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from invis_sim.journal import Connected, Entry, Exchange, Journal

__all__ = ["Watch", "watch"]

MAX_ENTRIES = 5000
"""How many entries of a case are kept, from its beginning: a flood is stopped long before that."""


class Watch:
    """What a journal has said since the watch began.

    A subscription, and not the journal itself: journals of one event loop share what they keep, and
    those of cases that are over have a part of it until the garbage collector comes.

    entries: in order. flooded: set when there were more requests and connections than allowed.
    """

    def __init__(self, journal: Journal, max_asked: int, per_second: float = 0.0) -> None:
        """
        max_asked: how many requests and connections are allowed at once. per_second: how many more
        each second, for a client that runs on.
        """
        self.entries: list[Entry] = []
        self.flooded = trio.Event()
        self._max_asked = max_asked
        self._per_second = per_second
        self._start = trio.current_time()
        self._asked = 0
        self._ready = trio.Event()
        self._subscription = journal.subscribe(after=0, on_ready=lambda: self._ready.set())
        self.read()  # what was there before, of which the subscription gives no notice

    async def run(self) -> None:
        """Read what comes, until this is cancelled."""
        while True:
            await self._ready.wait()
            self._ready = trio.Event()
            self.read()

    def read(self) -> None:
        """Take what there is."""
        batch = self._subscription.read_batch()
        self.entries += batch.entries[: MAX_ENTRIES - len(self.entries)]
        self._asked += batch.dropped + sum(map(_is_asked, batch.entries))
        seconds = trio.current_time() - self._start
        if self._asked > self._max_asked + self._per_second * seconds:
            self.flooded.set()

    def close(self) -> None:
        """Take the rest, and watch no longer."""
        self.read()
        self._subscription.close()


def _is_asked(entry: Entry) -> bool:
    """Return whether an entry is a request, malformed ones included, or a connection."""
    received = isinstance(entry, Exchange) and entry.received is not None
    return received or isinstance(entry, Connected)


@asynccontextmanager
async def watch(journal: Journal, max_asked: int, per_second: float = 0.0) -> AsyncIterator[Watch]:
    """Watch for the time of the block; afterwards the entries are complete. The arguments are those
    of `Watch`.
    """
    one = Watch(journal, max_asked, per_second)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        try:
            yield one
        finally:
            nursery.cancel_scope.cancel()
            one.close()
