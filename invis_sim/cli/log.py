"""Entries of the journal as lines of text or of JSON."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from invis_sim.cli.lines import PLAIN, LineFormat
from invis_sim.journal import Entry, Exchange, OutageStarted, ServerError, encode_entries
from invis_sim.protocol.printable import printable_lines

__all__ = ["JsonLog", "LogFormat", "PushGrouper", "TextLog", "WallClock"]


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
    """How entries become lines, each with its end."""

    @property
    def at_once(self) -> int:
        """How many entries it makes lines of in about 0.2 ms. Meanwhile Python's lock keeps the
        outlet from serving its clients.
        """

    @property
    def holds(self) -> bool:
        """Whether it holds back an entry, to join it with others that should follow at once."""

    def text(self, entries: Sequence[Entry]) -> str:
        """Take entries, and return the lines that are complete with them."""

    def flush(self) -> str:
        """Return the lines of the entries that are held back."""

    def dropped(self, number: int, first: Entry, last: Entry) -> str:
        """Return the lines that say how many entries are missing here.

        first, last: the oldest and the newest of those that are missing.
        """


class JsonLog:
    """JSON Lines, as `Journal.load` reads them."""

    at_once = 128
    holds = False

    def text(self, entries: Sequence[Entry]) -> str:
        encoded = encode_entries(entries)
        text = encoded.decode()
        # JSON has no control characters of ASCII but DEL as they are, and to ask of each character
        # of the others whether it is printable takes as long as to encode it.
        if encoded.isascii() and b"\x7f" not in encoded:
            return text
        return printable_lines(text)  # which is the same JSON

    def flush(self) -> str:
        return ""

    def dropped(self, number: int, first: Entry, last: Entry) -> str:
        # With the number of the last missing entry, so that numbers stay unique and ascending.
        note = ServerError(
            sn=last.sn,
            number=last.number,
            seconds=last.seconds,
            text=f"{number} entries dropped, from number {first.number} on: output too slow",
        )
        return self.text((note,))


class TextLog:
    """Lines for a human; a push that was sent to several connections is one line.

    started: the wall-clock time of the start, in seconds since the epoch.
    join_hint: a line that follows when the outlet leaves the network and does not come back by
    itself; "": none.
    lines: makes the lines.
    """

    at_once = 16

    def __init__(self, started: float, join_hint: str = "", lines: LineFormat = PLAIN) -> None:
        self._grouper = PushGrouper(started, lines)
        self._join_hint = join_hint

    @property
    def holds(self) -> bool:
        return self._grouper.holds

    def text(self, entries: Sequence[Entry]) -> str:
        return _joined(line for entry in entries for line in self._lines(entry))

    def _lines(self, entry: Entry) -> Iterator[str]:
        yield from self._grouper.lines(entry)
        if (
            self._join_hint
            and isinstance(entry, OutageStarted)
            and entry.source == "outlet"
            and entry.duration is None
        ):
            yield self._join_hint

    def flush(self) -> str:
        return _joined(self._grouper.flush())

    def dropped(self, number: int, first: Entry, last: Entry) -> str:
        # With what is held back: the rest of its batch may be among the missing entries.
        return f"{self.flush()}({number} lines dropped: output too slow)\n"


def _joined(lines: Iterable[str]) -> str:
    return "".join([f"{line}\n" for line in lines])


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
