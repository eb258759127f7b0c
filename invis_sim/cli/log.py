"""Entries of the journal as lines of text or JSON, and a writer that takes them somewhere."""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from invis_sim.journal import Entry, Exchange, encode_entry
from invis_sim.journal.text import short_location, summary
from invis_sim.protocol.frames import unframe_text

__all__ = ["LineWriter", "PushGrouper", "dup_stdout", "json_line", "text_line"]


def text_line(entry: Entry, started: float, place: str | None = None) -> str:
    """The entry for a human, in one line.

    started: the wall-clock time of the start, in seconds since the epoch.
    place: where it was, in short; None: as the entry says.
    """
    moment = started + entry.seconds
    clock = time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment * 1000) % 1000:03}"
    return f"{clock}  {short_location(entry) if place is None else place:8}  {summary(entry)}"


def json_line(entry: Entry, started: float) -> str:
    """The entry as one JSON object."""
    return encode_entry(entry).decode()


def dup_stdout() -> IO[str]:
    """Stdout by a descriptor of its own: whoever reads too slowly must not hold up the end of the
    process.
    """
    if sys.stdout is None:  # as it is where the descriptor is closed
        return open(os.devnull, "w", encoding="utf-8")
    return open(
        os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding, errors="backslashreplace"
    )


class PushGrouper:
    """Passes on entries for a text log; a push that many connections are told in one go is one
    line.

    A push that a fault touched has a line of its own, and so have those that differ.

    started: the wall-clock time of the start, in seconds since the epoch.
    write: takes entries, and lines that are finished.
    soon: calls a function once that which is going on is over. It may call it more than once.
    """

    def __init__(
        self,
        started: float,
        write: Callable[[Entry | str], None],
        soon: Callable[[Callable[[], None]], None],
    ) -> None:
        self._started = started
        self._write = write
        self._soon = soon
        # Pushes of one callback that were recorded back to back, by their connections.
        self._go: dict[int, Exchange] = {}

    def take(self, entry: Entry) -> None:
        """The entry is passed on, now or soon, in its turn."""
        if not isinstance(entry, Exchange) or entry.pushed is None:
            self.flush()
            self._write(entry)
            return
        if entry.connection in self._go or entry.pushed != self._pushed:
            self.flush()
        if not self._go:
            self._soon(self.flush)
        self._go[entry.connection] = entry

    def flush(self) -> None:
        """Passes on what was kept."""
        go, self._go = self._go, {}
        alike: dict[bytes | int, list[Exchange]] = {}
        for entry in go.values():
            alike.setdefault(entry.number if entry.faults else _said(entry), []).append(entry)
        for entries in alike.values():
            number = len(entries)
            if number == 1:
                self._write(entries[0])
            else:
                place = f"all {number}" if number == len(go) else f"{number} of {len(go)}"
                self._write(text_line(entries[0], self._started, place))

    @property
    def _pushed(self) -> int | None:
        return next(iter(self._go.values())).pushed if self._go else None


def _said(push: Exchange) -> bytes:
    """The packet, on whichever transport it left; b"" where it has not left yet."""
    data = b"".join(push.sent)
    return ((unframe_text(data) or data) if push.transport == "ws" else data).strip()


class LineWriter:
    """Writes lines from a thread of its own, so that a slow terminal or disk holds up no client.

    stream: where to; it is closed at the end. form: an entry as a line.
    drop: whether entries are dropped, and counted, when the stream is too slow for long; otherwise
    they wait.
    failed: called, in the thread, when the stream takes no more. The outlet goes on without it.
    """

    MAX_WAITING = 20_000

    def __init__(
        self,
        stream: IO[str],
        form: Callable[[Entry], str],
        *,
        drop: bool,
        failed: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        self._stream = stream
        self._form = form
        self._drop = drop
        self._failed = failed
        self._dropped = 0
        self._broken = False
        self._queue: queue.Queue[Entry | str | None] = queue.Queue(self.MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="invis-sim-writer", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether to write would wait, or drop something."""
        return self._queue.full()

    def write(self, entry: Entry | str) -> None:
        """Takes the entry, or a line that is finished, along."""
        if self._broken:
            return
        if self._drop and self._queue.full():
            self._dropped += 1
        else:
            self._queue.put(entry)

    def close(self, seconds: float = 0.5) -> None:
        """Writes what is left, for so long at the most."""
        deadline = time.monotonic() + seconds
        with suppress(queue.Full):
            self._queue.put(None, timeout=seconds)
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            with self._stream:
                self._write_all()
        except OSError as error:
            self._broken = True
            self._failed(error)
            while self._queue.get() is not None:
                pass  # whoever waits for room in the queue must not wait for ever

    def _write_all(self) -> None:
        while (entry := self._queue.get()) is not None:
            line = entry if isinstance(entry, str) else self._form(entry)
            self._stream.write(line + "\n")
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._stream.write(f"({dropped} lines left out: nobody read fast enough)\n")
            if self._queue.empty():
                self._stream.flush()
