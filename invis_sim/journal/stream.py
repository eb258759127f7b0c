"""A subscription: the entries of a journal as they come, for one reader, in any thread.

The thread that records puts entries into a bounded queue; the reader takes them out when it likes.
So a reader that is slow, or has failed, costs the outlet nothing but what waits in its queue.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Annotated, NamedTuple, Self

import msgspec

from invis_sim.journal.entries import Entry
from invis_sim.journal.filter import EntryFilter
from invis_sim.schema.build import check

__all__ = ["MAX_WAITING", "Batch", "Subscription"]

MAX_WAITING = 10_000
"""How many entries wait for a reader: as many as a journal keeps, about 8 MB."""


class Batch(NamedTuple):
    """What a subscription had waiting.

    entries: oldest first. dropped: how many before them were lost since the last read.
    last_dropped: the newest of those that were lost; None where none was.
    """

    entries: list[Entry]
    dropped: int
    last_dropped: Entry | None


class Subscription:
    """The entries of a journal that match a filter. `Journal.subscribe` makes one.

    Everything on it may be used from any thread. As a context manager it is closed at the end of
    the block. After `close`, what was waiting can still be read.

    done: whether exchanges are delivered when they are finished, instead of when they are recorded.
    error: what `on_ready` raised, which has closed the subscription.
    """

    def __init__(
        self,
        entry_filter: EntryFilter | None,
        *,
        done: bool,
        max_waiting: int,
        wait_when_full: float,
        on_ready: Callable[[], None] | None,
        unsubscribe: Callable[["Subscription"], None],
    ) -> None:
        check(Annotated[int, msgspec.Meta(ge=1)], max_waiting, "max_waiting")
        check(Annotated[float, msgspec.Meta(ge=0)], wait_when_full, "wait_when_full")
        self.done = done
        self.error: Exception | None = None
        self._filter = entry_filter
        self._max_waiting = max_waiting
        self._wait_when_full = wait_when_full
        self._on_ready = on_ready
        self._unsubscribe = unsubscribe
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: deque[Entry] = deque()
        self._dropped = 0
        self._last_dropped: Entry | None = None
        self._closed = False
        # Whether the reader has been waited for in vain: then it is not waited for again before it
        # has caught up, or each single entry would hold up the outlet.
        self._too_slow = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether no more entries will come."""
        return self._closed

    @property
    def dropped(self) -> int:
        """How many entries were lost since the last read, because too many waited."""
        return self._dropped

    def read(self) -> list[Entry]:
        """Return all entries that wait, oldest first. Never blocks."""
        return self.read_batch().entries

    def read_batch(self) -> Batch:
        """Return all entries that wait, and how many were lost before them. Never blocks."""
        with self._changed:
            batch = Batch(list(self._waiting), self._dropped, self._last_dropped)
            self._waiting.clear()
            self._dropped = 0
            self._last_dropped = None
            self._too_slow = False
            self._changed.notify_all()  # the recording thread may wait for room
        return batch

    def wait(self, timeout: float | None = None) -> bool:
        """Block the thread until an entry waits, or the subscription is closed.

        timeout: seconds; None: no limit.

        Returns whether an entry waits.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            return bool(self._waiting)

    def __iter__(self) -> Iterator[Entry]:
        """Yield entries as they come, and block the thread meanwhile, until it is closed."""
        while self.wait():
            with self._changed:
                if not self._waiting:  # another thread was faster
                    continue
                # One at a time: who leaves the loop can still read the others.
                entry = self._waiting.popleft()
                if not self._waiting:
                    self._too_slow = False
                self._changed.notify_all()
            yield entry

    def close(self) -> None:
        """Unsubscribe. Idempotent."""
        self._unsubscribe(self)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # For the journal

    def start_with(self, entries: list[Entry]) -> None:
        """Queue entries that the journal had kept before, without waiting or notice."""
        for entry in entries:
            if self._filter is None or self._filter.matches(entry):
                self._append(entry)

    def offer(self, entry: Entry) -> None:
        """Queue the entry if it matches; in the thread that records. Never raises."""
        if self._filter is not None and not self._filter.matches(entry):
            return
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= self._max_waiting and not self._too_slow:
                self._too_slow = not self._changed.wait_for(self._has_room, self._wait_when_full)
            first = not self._waiting
            self._append(entry)
            if first:
                self._changed.notify_all()
        # Without the lock: what is called may read, close, or make the journal record. Only for the
        # first, because a reader that has not read since then knows already.
        if first and self._on_ready is not None:
            try:
                self._on_ready()
            except Exception as error:  # a defect of one subscriber must not reach a client
                self.error = error
                self.close()

    def _has_room(self) -> bool:
        return self._closed or len(self._waiting) < self._max_waiting

    def _append(self, entry: Entry) -> None:
        if len(self._waiting) >= self._max_waiting:
            self._dropped += 1
            self._last_dropped = self._waiting.popleft()
        self._waiting.append(entry)
