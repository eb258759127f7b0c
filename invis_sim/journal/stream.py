"""A subscription: the entries of a journal as they come, for one reader, in any thread.

The thread that records puts entries into a bounded queue; the reader takes them out when it likes.
So a reader that is slow, or has failed, costs the outlet nothing but what waits in its queue.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple, Self

import msgspec

from invis_sim.journal.entries import Entry, Exchange
from invis_sim.journal.filter import EntryFilter
from invis_sim.journal.memory import memory_of
from invis_sim.schema.build import check, require

__all__ = ["MAX_WAITING", "MAX_WAITING_BYTES", "Batch", "Subscription"]

MAX_WAITING = 10_000
"""How many entries wait for a reader: as many as a journal keeps, about 8 MB."""

MAX_WAITING_BYTES = 16 * 2**20
"""How much memory their contents may take. A reader that is stuck may hold as much again."""


class Batch(NamedTuple):
    """What a subscription had waiting.

    entries: oldest first. dropped: how many before them were lost since the last read.
    first_dropped, last_dropped: the oldest and the newest of those that were lost; None where none
    was.
    """

    entries: list[Entry]
    dropped: int
    first_dropped: Entry | None
    last_dropped: Entry | None


class Subscription:
    """The entries of a journal that match a filter. `Journal.subscribe` makes one.

    Everything on it may be used from any thread. As a context manager it is closed at the end of
    the block. After `close`, what was waiting can still be read.

    done: whether exchanges are delivered when they are finished, instead of when they are recorded.
    error: what `on_ready` or `on_loss` raised, which has closed the subscription.
    """

    def __init__(
        self,
        entry_filter: EntryFilter | None,
        *,
        done: bool = False,
        max_waiting: int = MAX_WAITING,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        wait_when_full: float = 0.0,
        on_ready: Callable[[], None] | None = None,
        on_loss: Callable[[], None] | None = None,
        unsubscribe: Callable[["Subscription"], None],
    ) -> None:
        check(bool, done, "done")
        for name, function in (("on_ready", on_ready), ("on_loss", on_loss)):
            require(function is None or callable(function), name, "a function", function)
        check(Annotated[int, msgspec.Meta(ge=1)], max_waiting, "max_waiting")
        check(Annotated[int, msgspec.Meta(ge=1)], max_waiting_bytes, "max_waiting_bytes")
        check(Annotated[float, msgspec.Meta(ge=0)], wait_when_full, "wait_when_full")
        self.done = done
        self.error: Exception | None = None
        self._filter = entry_filter
        self._max_waiting = max_waiting
        self._max_bytes = max_waiting_bytes
        self._many, self._many_bytes = max_waiting // 2, max_waiting_bytes // 2
        self._wait_when_full = wait_when_full
        self._on_ready = on_ready
        self._on_loss = on_loss
        self._unsubscribe = unsubscribe
        self._changed = threading.Condition()  # guards all that follows, but see `offer`
        self._waiting: deque[Entry] = deque()
        self._bytes_in = 0  # of all entries that ever waited
        self._bytes_out = 0  # of those that wait no more
        self._waiting_readers = 0
        self._dropped = 0
        self._first_dropped: Entry | None = None
        self._last_dropped: Entry | None = None
        self._closed = False
        # Whether the reader has been waited for in vain: then it is not waited for again before it
        # has caught up, or each single entry would hold up the outlet.
        self._too_slow = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether no more entries will come."""
        return self._closed

    @property
    def dropped(self) -> int:
        """How many entries were lost since the last read, because too many waited."""
        return self._dropped

    @property
    def first_dropped(self) -> int | None:
        """The number of the oldest entry of those; None: none was lost."""
        first = self._first_dropped
        return None if first is None else first.number

    def read(self) -> list[Entry]:
        """Return all entries that wait, oldest first. Never blocks."""
        return self.read_batch().entries

    def read_batch(self) -> Batch:
        """Return all entries that wait, and how many were lost before them. Never blocks."""
        with self._changed:
            # Counted before they are taken: what comes meanwhile waits for the next time.
            self._bytes_out = self._bytes_in
            take = self._waiting.popleft
            entries = [take() for _ in range(len(self._waiting))]
            batch = Batch(entries, self._dropped, self._first_dropped, self._last_dropped)
            self._dropped = 0
            self._first_dropped = self._last_dropped = None
            self._too_slow = False
            self._changed.notify_all()  # the recording thread may wait for room
        return batch

    def wait(self, timeout: float | None = None) -> bool:
        """Block the thread until an entry waits, or the subscription is closed.

        timeout: seconds; None: no limit.

        Returns whether an entry waits.
        """
        with self._changed:
            self._waiting_readers += 1  # before it looks: see `offer`
            try:
                self._changed.wait_for(lambda: self._waiting or self._closed, timeout)
            finally:
                self._waiting_readers -= 1
            return bool(self._waiting)

    def wait_for_many(self, timeout: float) -> None:
        """Block the thread, so that the next read returns more entries at once: until more than
        half of what may wait does, or the subscription is closed.

        timeout: for how many seconds at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_many() or self._closed, timeout)

    def __iter__(self) -> Iterator[Entry]:
        """Yield entries as they come, and block the thread meanwhile, until it is closed."""
        while self.wait():
            with self._changed:
                if not self._waiting:  # another thread was faster
                    continue
                # One at a time: who leaves the loop can still read the others.
                entry = self._pop()
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
        with self._changed:
            for entry in entries:
                if self._filter is None or self._filter.matches(entry):
                    self._append(entry, memory_of(entry))
            self._trim()

    def offer(self, entry: Entry, size: int) -> None:
        """Queue the entry if it matches; in the thread that records. Never raises.

        size: what `memory_of` says of it now.
        """
        # Each request of a client comes through here, so this calls as little as possible, and in
        # the usual case takes no lock. A reader may take entries at any moment meanwhile; each
        # single step is atomic, and only the order of steps matters.
        if self._filter is not None and not self._filter.matches(entry):
            return
        if self._closed:
            return
        size_then = self._bytes_in - self._bytes_out + size
        if len(self._waiting) < self._many and size_then <= self._many_bytes:
            first = self._append(entry, size)
        else:
            first = self._append_to_many(entry, size)
        # A reader says that it waits before it looks for entries, and this looks for readers after
        # there is an entry: one of the two sees the other.
        if self._waiting_readers:
            with self._changed:
                self._changed.notify_all()
        # Only for the first, because a reader that has not read since then knows already.
        if first and self._on_ready is not None:
            self._call(self._on_ready)
        if self._dropped:
            self._report_loss()

    def grew(self, exchange: Exchange, size: int) -> None:
        """Count that so many more bytes of the exchange were sent, if it still waits. Never
        raises.
        """
        with self._changed:
            if self._waiting and self._waits(exchange):
                self._bytes_in += size
                self._trim()
        self._report_loss()

    def _waits(self, exchange: Exchange) -> bool:
        """Return whether this entry waits; some entry does."""
        # All that was recorded after the oldest one that waits does, if the filter matches it.
        return exchange.number >= self._waiting[0].number and (
            self._filter is None or self._filter.matches(exchange)
        )

    def _report_loss(self) -> None:
        if self._dropped and self._on_loss is not None:
            on_loss, self._on_loss = self._on_loss, None
            self._call(on_loss)

    def _call(self, function: Callable[[], None]) -> None:
        """Call what the subscriber gave, without the lock: it may read, close, or make the journal
        record. A defect of one subscriber must not reach a client.
        """
        try:
            function()
        except Exception as error:
            self.error = error
            self.close()

    def _append(self, entry: Entry, size: int) -> bool:
        """Queue an entry, and return whether it is the only one that waits."""
        # Counted before it is there, so that a reader cannot take what is not counted yet: that
        # would count as waiting for ever.
        self._bytes_in += size
        self._waiting.append(entry)
        return len(self._waiting) == 1

    def _append_to_many(self, entry: Entry, size: int) -> bool:
        """Do the same where there may be no room for it: wait for room, if at all, or lose the
        oldest ones.
        """
        with self._changed:
            if not (self._has_room() or self._too_slow):
                self._too_slow = not self._changed.wait_for(self._has_room, self._wait_when_full)
            first = self._append(entry, size)
            self._trim()
            self._changed.notify_all()  # a reader may wait for many
        return first

    def _has_room(self) -> bool:
        room = len(self._waiting) < self._max_waiting and self._bytes < self._max_bytes
        return self._closed or room

    def _has_many(self) -> bool:
        return len(self._waiting) > self._many or self._bytes > self._many_bytes

    @property
    def _bytes(self) -> int:
        """About how much memory the contents of those that wait take."""
        return self._bytes_in - self._bytes_out

    def _trim(self) -> None:
        """Lose the oldest entries that exceed the bounds."""
        waiting = self._waiting
        while len(waiting) > self._max_waiting or (
            self._bytes > self._max_bytes and len(waiting) > 1
        ):
            self._dropped += 1
            self._last_dropped = self._pop()
            self._first_dropped = self._first_dropped or self._last_dropped

    def _pop(self) -> Entry:
        entry = self._waiting.popleft()
        # What is sent of it while it leaves may count once too often, or not at all: start anew
        # whenever none waits.
        counted = self._bytes_in
        self._bytes_out = self._bytes_out + memory_of(entry) if self._waiting else counted
        return entry
