"""Entries of the journal as lines for a human."""

import shutil
import time
from collections.abc import Callable, Iterator
from typing import IO

from invis_sim.cli.color import NO_COLORS, Paint, Style
from invis_sim.journal import Entry, Exchange
from invis_sim.journal.entries import text_of_write
from invis_sim.journal.text import Role, parts, short_location
from invis_sim.protocol.printable import printable

__all__ = ["PLAIN", "LineFormat", "byte_lines", "columns_of"]

LATE_SECONDS = 0.001
"""A reply that comes later is said to be late: others take as long as this machine does."""

_STYLES: dict[Role, Style] = {
    "success": "success",
    "failure": "error",
    "fault": "warning",
    "note": "warning",
    "outage": "warning",
    "error": "error",
    "faint": "faint",
}
"""What a part of a line is → how it looks. The others are plain."""

INDENT = " " * 14
"""As far as the time of a line reaches, so that bytes are below what they belong to."""


class LineFormat:
    """Makes lines of entries, for a human.

    paint: colours their parts. columns: returns how wide the terminal is now; None where the lines
    go to a file. full: whether the bytes of an exchange follow its line.
    """

    def __init__(
        self,
        paint: Paint = NO_COLORS,
        columns: Callable[[], int | None] = lambda: None,
        full: bool = False,
        label: Callable[[Entry], str] = lambda entry: "",
    ) -> None:
        self._paint = paint
        self._columns = columns
        self._full = full
        self._label = label

    def line(self, entry: Entry, started: float, place: str | None = None) -> str:
        """Return the entry as one line: when, where, and what.

        started: the wall-clock time of the start, in seconds since the epoch; see `WallClock`.
        place: the column for the connection, as `tcp #1`; None: the entry's own.
        """
        moment = started + entry.seconds
        clock = time.strftime("%H:%M:%S", time.localtime(moment))
        where = short_location(entry) if place is None else place
        label = printable(self._label(entry))
        head = f"{label}{'  ' if label else ''}{clock}.{int(moment * 1000) % 1000:03}  {where:9} "
        columns = self._columns()
        width = None if columns is None else columns - len(head)
        return self._paint(head, "faint") + "".join(
            self._paint(part.text, _STYLES[part.role]) if part.role in _STYLES else part.text
            for part in parts(entry, width)
        )

    def lines(self, entry: Entry, started: float, place: str | None = None) -> Iterator[str]:
        """Yield the line of an entry, and below it its bytes, where they are wanted."""
        yield self.line(entry, started, place)
        if self._full and isinstance(entry, Exchange):
            yield from byte_lines(entry)


def byte_lines(exchange: Exchange) -> Iterator[str]:
    """Yield what was received (`>`) and sent (`<`), a line for each write, as text where it is
    text, without WebSocket frames where it is whole ones, and in hexadecimal digits elsewhere.
    """
    if exchange.received is not None:
        yield f"{INDENT}> {_text_of(exchange.received)}"
    late = f"(after {exchange.latency:.3f} s) " if exchange.latency >= LATE_SECONDS else ""
    for data in exchange.sent:
        text = text_of_write(data, exchange.transport)
        yield f"{INDENT}< {late}{_text_of(data if text is None else text)}"
        late = ""


def _text_of(data: bytes) -> str:
    try:
        return printable(data.decode())
    except UnicodeDecodeError:
        return data.hex(" ")


def columns_of(stream: IO[str] | None) -> Callable[[], int | None]:
    """Return what says how wide a terminal is, which its user may change; None for a file."""
    if stream is None or not stream.isatty():
        return lambda: None
    return lambda: shutil.get_terminal_size().columns


PLAIN = LineFormat()
"""Makes lines for a file."""
