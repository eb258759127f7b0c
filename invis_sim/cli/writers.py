"""Writers of lines, each with a thread, so that a slow output delays neither the outlet nor a
client.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from invis_sim.cli.log import LogFormat
from invis_sim.journal import Batch, Subscription

__all__ = ["JournalWriter", "LineWriter"]

GROUPING_SECONDS = 0.25
"""How long a push waits for the others of its batch. They are recorded in one go, so the
wait only ends a batch of which one connection failed at that moment.
"""

PAUSE_SECONDS = 0.005
"""How long a writer waits after it has written, so that what comes meanwhile is written in one go:
to wake it for each entry would cost the outlet more than to answer a request."""

BUSY_ENTRIES, BUSY_PAUSE_SECONDS = 32, 0.05
"""Where more entries come than these, how long it waits instead. Whenever it begins to write, it is
slow at first, as the processor has its code and data no longer at hand: this saves a third of what
the writer takes. A program that waits for each line before it goes on never makes so many.
"""

REST_SECONDS = 0.0002
"""How long a writer rests when it has made as many lines as it may in one go, so that the outlet
serves its clients. Without a rest, the outlet waits for 5 ms whenever it wants Python's lock back.
"""

MAX_TEXT_AT_ONCE = 2**16
"""About how many characters a writer makes in one go. Of entries with long packets, these are fewer
than the format allows.
"""

STALL_SECONDS = 1.0
"""How long the end of a command waits at most for a reader that takes nothing."""


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
        self._write(f"{self._first}\n")
        while True:
            # If nothing is held back, there is no time limit, so False means that it is closed.
            timeout = GROUPING_SECONDS if self._format.holds else None
            if self._subscription.wait(timeout):
                batch = self._subscription.read_batch()
                self._write_batch(batch)
                busy = len(batch.entries) > BUSY_ENTRIES
                self._subscription.wait_for_many(BUSY_PAUSE_SECONDS if busy else PAUSE_SECONDS)
            elif timeout is not None:
                self._write(self._format.flush())
            else:
                return

    def _write_batch(self, batch: Batch) -> None:
        if batch.first_dropped is not None and batch.last_dropped is not None:
            self.dropped += batch.dropped
            self._write(
                self._format.dropped(batch.dropped, batch.first_dropped, batch.last_dropped)
            )
        done, number = 0, self._format.at_once
        while done < len(batch.entries):
            if done and not self._closing.is_set():
                time.sleep(REST_SECONDS)
            entries = batch.entries[done : done + number]
            text = self._format.text(entries)
            self._write(text)
            done += len(entries)
            # How long entries are is seen by the last ones: to measure each costs too much.
            fitting = len(entries) * MAX_TEXT_AT_ONCE // max(1, len(text))
            number = max(1, min(fitting, self._format.at_once))

    def _write(self, text: str) -> None:
        if text:  # all of it may be held back
            self._output.write(text)
            self._output.flush()
            self._written += 1


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
