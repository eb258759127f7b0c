"""The journal as text or JSON, and writers of lines, each with a thread."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO, Protocol

from invis_sim.cli.lines import PLAIN, LineFormat
from invis_sim.journal import (
    Batch,
    Entry,
    Exchange,
    OutageStarted,
    ServerError,
    Subscription,
    encode_entry,
)

__all__ = [
    "JournalWriter",
    "JsonLog",
    "LineWriter",
    "LogFormat",
    "PushGrouper",
    "TextLog",
    "WallClock",
]

GROUPING_SECONDS = 0.25
"""How long a push waits for the others of its batch. They are recorded in one go, so the
wait only ends a batch of which one connection failed at that moment.
"""


PAUSE_SECONDS = 0.005
"""How long a writer waits after it has written, so that what comes meanwhile is written in one go:
to wake it for each entry would cost the outlet more than to answer a request."""

MAX_LINES_AT_ONCE, REST_SECONDS = 16, 0.0002
"""After how many lines a writer rests, and for how long. While it makes lines, Python's lock keeps
the outlet from serving its clients: without a rest, for 5 ms whenever it wants the lock back."""

STALL_SECONDS = 1.0
"""How long the end of a command waits at most for a reader that takes nothing."""


class WallClock:
    """When second 0 of a journal was, by the wall clock as it is set at the moment: entries have
    seconds of a clock that never is, and a line must show what the clock on the wall shows.

    started: when it was by the wall clock at that time, in seconds since the epoch.
    wall, steady: the two clocks.
    """

    def __init__(
        self,
        started: float,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._started = started
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def started(self) -> float:
        """Return when it was, in seconds since the epoch."""
        return self._started + (self._wall() - self._steady()) - self._offset


class LogFormat(Protocol):
    """How entries become lines."""

    @property
    def holds(self) -> bool:
        """Whether it holds back an entry, to join it with others that should follow at once."""

    def lines(self, entry: Entry) -> Iterable[str]:
        """Take an entry, and return the lines that are complete with it."""

    def flush(self) -> Iterable[str]:
        """Return the lines of the entries that are held back."""

    def dropped(self, number: int, first: Entry, last: Entry) -> Iterable[str]:
        """Return the lines that say how many entries are missing here.

        first, last: the oldest and the newest of those that are missing.
        """


class JsonLog:
    """JSON Lines, as `Journal.load` reads them."""

    holds = False

    def lines(self, entry: Entry) -> Iterable[str]:
        return (encode_entry(entry).decode(),)

    def flush(self) -> Iterable[str]:
        return ()

    def dropped(self, number: int, first: Entry, last: Entry) -> Iterable[str]:
        # With the number of the last missing entry, so that numbers stay unique and ascending.
        note = ServerError(
            sn=last.sn,
            number=last.number,
            seconds=last.seconds,
            text=f"{number} entries dropped, from number {first.number} on: output too slow",
        )
        return self.lines(note)


class TextLog:
    """Lines for a human; a push that was sent to several connections is one line.

    started: the wall-clock time of the start, in seconds since the epoch.
    join_hint: a line that follows when the outlet leaves the network and does not come back by
    itself; "": none.
    lines: makes the lines.
    """

    def __init__(self, started: float, join_hint: str = "", lines: LineFormat = PLAIN) -> None:
        self._grouper = PushGrouper(started, lines)
        self._join_hint = join_hint

    @property
    def holds(self) -> bool:
        return self._grouper.holds

    def lines(self, entry: Entry) -> Iterator[str]:
        yield from self._grouper.lines(entry)
        if (
            self._join_hint
            and isinstance(entry, OutageStarted)
            and entry.source == "outlet"
            and entry.duration is None
        ):
            yield self._join_hint

    def flush(self) -> Iterator[str]:
        return self._grouper.flush()

    def dropped(self, number: int, first: Entry, last: Entry) -> Iterator[str]:
        yield from self.flush()  # the rest of its batch may be among the missing entries
        yield f"({number} lines dropped: output too slow)"


class PushGrouper:
    """Makes lines of text; a push that was sent to several connections is one line.

    A push that a fault was applied to has its own line, as has one with another text.

    started: the wall-clock time of the start, in seconds since the epoch. lines: makes the lines.
    """

    def __init__(self, started: float, lines: LineFormat = PLAIN) -> None:
        self._clock = WallClock(started)
        self._lines = lines
        self._batch: dict[int, Exchange] = {}  # by connection; all of one push

    @property
    def holds(self) -> bool:
        """Whether a push waits for the others of its batch."""
        return bool(self._batch)

    def lines(self, entry: Entry) -> Iterator[str]:
        """Return the lines that are complete; a push may wait for others of the same batch."""
        if not isinstance(entry, Exchange) or entry.recipients == 1:
            yield from self.flush()
            yield from self._lines.lines(entry, self._clock.started())
            return
        if not self._belongs(entry):
            yield from self.flush()
        self._batch[entry.connection] = entry
        if len(self._batch) >= entry.recipients:
            yield from self.flush()

    def flush(self) -> Iterator[str]:
        """Return the lines of the batch, whether or not it is complete."""
        batch, self._batch = self._batch, {}
        alike: dict[bytes | int, list[Exchange]] = {}
        for push in batch.values():
            # Stripped: on TCP a terminator may follow the same packet.
            key = push.number if push.faults else push.sent_text.strip()
            alike.setdefault(key, []).append(push)
        for pushes in alike.values():
            first, number = pushes[0], len(pushes)
            if number == 1:
                yield from self._lines.lines(first, self._clock.started())
            else:
                every = number == first.recipients
                place = f"{number} clients" if every else f"{number} of {first.recipients}"
                yield from self._lines.lines(first, self._clock.started(), place)

    def _belongs(self, push: Exchange) -> bool:
        """Whether the push belongs to the batch that is held back."""
        other = next(iter(self._batch.values()), push)
        return (
            push.connection not in self._batch
            and push.sn == other.sn
            and push.push_callback == other.push_callback
            and push.recipients == other.recipients
        )


class JournalWriter:
    """Writes the entries of a subscription from its own thread, so that a slow terminal or disk
    delays neither the outlet nor a client.

    stream: the destination; it is closed at the end. Or a function that opens it, in the thread: to
    open a pipe waits for its reader. log_format: how entries become lines.
    first: the text before the first entry.
    on_error: called, in the thread, when writing fails; nothing more is written then.

    dropped: how many entries the output says are missing.
    """

    def __init__(
        self,
        stream: IO[str] | Callable[[], IO[str]],
        subscription: Subscription,
        log_format: LogFormat,
        first: str,
        *,
        on_error: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        self._stream = stream
        self._subscription = subscription
        self._format = log_format
        self._first = first
        self._on_error = on_error
        self.dropped = 0
        self._opened = not callable(stream)
        self._written = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="invis-sim-writer", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 0.5) -> bool:
        """End the subscription, and wait until the remaining entries are written.

        seconds: how long to wait at most. Where nothing at all is written for STALL_SECONDS, the
        wait ends before.

        Returns whether all is written, or the writer has failed and said so.
        """
        self._subscription.close()
        self._closing.set()
        deadline = time.monotonic() + (seconds if self._opened else 0)  # else nothing reads it
        while self._thread.is_alive() and (left := deadline - time.monotonic()) > 0:
            written = self._written
            self._thread.join(min(left, STALL_SECONDS))
            if self._written == written:
                break
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._stream() if callable(self._stream) else self._stream as self._output:
                self._opened = True
                self._write_all()
        except OSError as error:
            self._subscription.close()  # before the report: the outlet may be waiting for room
            self._on_error(error)
        finally:
            self._subscription.close()

    def _write_all(self) -> None:
        self._write((self._first,))
        while True:
            # If nothing is held back, there is no time limit, so False means that it is closed.
            timeout = GROUPING_SECONDS if self._format.holds else None
            if self._subscription.wait(timeout):
                self._write(self._lines(self._subscription.read_batch()))
                self._closing.wait(PAUSE_SECONDS)
            elif timeout is not None:
                self._write(self._format.flush())
            else:
                return

    def _lines(self, batch: Batch) -> Iterator[str]:
        if batch.first_dropped is not None and batch.last_dropped is not None:
            self.dropped += batch.dropped
            yield from self._format.dropped(batch.dropped, batch.first_dropped, batch.last_dropped)
        for entry in batch.entries:
            yield from self._format.lines(entry)

    def _write(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._output.write(line + "\n")
            self._written += 1
            if self._written % MAX_LINES_AT_ONCE == 0 and not self._closing.is_set():
                time.sleep(REST_SECONDS)
        self._output.flush()


class _LineQueue(queue.Queue[str | None]):
    """A queue of lines, and of None for their end, whose size is about the memory that they
    take.
    """

    PER_LINE = 100  # what a string takes beside its characters, and its place in the queue

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._size = 0

    def _qsize(self) -> int:
        return self._size

    def _put(self, item: str | None) -> None:
        super()._put(item)
        self._size += self._weight(item)

    def _get(self) -> str | None:
        item: str | None = super()._get()
        self._size -= self._weight(item)
        return item

    def _weight(self, item: str | None) -> int:
        return self.PER_LINE + len(item or "")


class LineWriter:
    """Writes lines from its own thread; no line is lost, because `write` waits for room.

    stream: the destination; it is closed at the end.
    failed: called, in the thread, when writing fails.
    """

    MAX_WAITING = 16 * 2**20
    """Bytes in the queue, about: enough for a burst of packets while a terminal scrolls."""

    def __init__(self, stream: IO[str], failed: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._failed = failed
        self._broken = False
        self._queue = _LineQueue(self.MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="invis-sim-writer", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether `write` would wait."""
        return self._queue.full()

    def write(self, line: str) -> None:
        """Queue the line, and block the caller while the queue is full."""
        if not self._broken:
            self._queue.put(line)

    def close(self, seconds: float = 0.5) -> None:
        """Wait until the remaining lines are written.

        seconds: how long to wait at most.
        """
        deadline = time.monotonic() + seconds
        with suppress(queue.Full):
            self._queue.put(None, timeout=seconds)
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            with self._stream:
                while (line := self._queue.get()) is not None:
                    self._stream.write(line + "\n")
                    if self._queue.empty():
                        self._stream.flush()
        except OSError as error:
            self._broken = True
            self._failed(error)
            while self._queue.get() is not None:
                pass  # `write` may be blocked by the full queue; nothing else would empty it
