"""Entries of the journal as lines of text or JSON, and a writer that takes them somewhere."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from invis_sim.journal import Entry, encode_entry
from invis_sim.journal.telling import in_words, where

__all__ = ["LineWriter", "json_line", "text_line"]


def text_line(entry: Entry, started: float) -> str:
    """The entry for a human, in one line.

    started: the wall-clock time of the start, in seconds since the epoch.
    """
    moment = started + entry.seconds
    clock = time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment * 1000) % 1000:03}"
    return f"{clock}  {where(entry):8}  {in_words(entry)}"


def json_line(entry: Entry, started: float) -> str:
    """The entry as one JSON object."""
    return encode_entry(entry).decode()


class LineWriter:
    """Writes lines from a thread of its own, so that a slow terminal or disk holds up no client.

    stream: where to; it is closed at the end. form: an entry as a line.
    drop: whether entries are dropped, and counted, when the stream is too slow for long; otherwise
    they wait.
    failed: called, in the thread, when the stream takes no more. The outlet goes on without it.
    """

    MOST_WAITING = 20_000

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
        self._queue: queue.Queue[Entry | str | None] = queue.Queue(self.MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="invis-sim-writer", daemon=True)
        self._thread.start()

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
