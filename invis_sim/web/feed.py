"""The entries of an outlet on their way to readers: in chunks, as server-sent events, with ids.

The id of an event says which entries the reader has in full, so that one which reconnects misses
nothing. An exchange is sent when it begins, and once more when nothing more of it will be sent.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from invis_sim.journal import Entry, EntryFilter, Exchange, Journal, encode_entries
from invis_sim.journal.memory import memory_of

__all__ = [
    "MAX_WAITING",
    "MAX_WAITING_BYTES",
    "Chunk",
    "Feed",
    "Position",
    "Positions",
    "Source",
    "chunks_of",
    "lost_event",
    "with_ids_from",
]

MAX_WAITING = 10_000
"""How many entries wait for a reader, as many as a journal keeps; older ones are lost."""

MAX_WAITING_BYTES = 16 * 2**20
"""About how many bytes wait for the slowest reader, all entries together, and in each queue of a
journal before they are taken from there."""

MAX_CHUNK, MAX_CHUNK_BYTES = 100, 2**16
"""How many entries, and about how many bytes of them, are encoded and written in one go. Meanwhile
no client of an outlet is served."""


class Source(Protocol):
    """Whose entries are read: an outlet."""

    @property
    def sn(self) -> str:
        """Its serial number."""

    @property
    def journal(self) -> Journal:
        """Its journal."""


class Position:
    """Which entries of an outlet a reader has in full: all up to a number.

    number: the highest up to which no entry is missing, or may still grow.
    """

    def __init__(self, number: int, unfinished: Sequence[int] = ()) -> None:
        self._newest = number
        self._begun = deque(unfinished)  # in the order of their numbers
        self._unfinished = set(unfinished)

    def sent(self, entry: Entry) -> None:
        """Note that the entry was sent as it is now."""
        number = entry.number
        self._newest = max(self._newest, number)
        if isinstance(entry, Exchange) and not entry.done:
            self._begun.append(number)
            self._unfinished.add(number)
        else:
            self._unfinished.discard(number)

    @property
    def number(self) -> int:
        while self._begun and self._begun[0] not in self._unfinished:
            self._begun.popleft()
        return self._begun[0] - 1 if self._begun else self._newest


class Positions:
    """Those of all outlets of a broadcast. single: whether the id of an event names no outlet."""

    def __init__(self, positions: dict[str, Position], single: bool) -> None:
        self._positions = positions
        self._single = single

    def events(self, sn: str, entries: Sequence[Entry]) -> bytes:
        """Return the entries as server-sent events, and note that they were sent.

        sn: the serial number of their outlet, when the broadcast began.
        """
        position = self._positions[sn]
        lines = []
        for entry, line in zip(entries, encode_entries(entries).splitlines(), strict=True):
            position.sent(entry)
            lines.append(b"id: %b\ndata: %b\n\n" % (self._id(position), line))
        return b"".join(lines)

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each, by serial number."""
        return {sn: one.number for sn, one in self._positions.items()}

    def _id(self, position: Position) -> bytes:
        if self._single:
            return b"%d" % position.number
        return ",".join(f"{sn}={one.number}" for sn, one in self._positions.items()).encode()


def with_ids_from(text: bytes, least: Mapping[str, int]) -> bytes:
    """Return events with ids that say no less than these numbers.

    least: by serial number; an id without serial numbers is that of the only one.
    """

    def raised(line: re.Match[bytes]) -> bytes:
        parts = [part.rpartition("=") for part in line[1].decode().split(",")]
        numbers = [
            f"{sn}{equals}{max(int(number), least.get(sn or only, 0))}"
            for sn, equals, number in parts
        ]
        return b"id: %b" % ",".join(numbers).encode()

    only = next(iter(least))
    return _ID.sub(raised, text)


_ID = re.compile(rb"^id: (.*)$", re.MULTILINE)


class Chunk(msgspec.Struct, eq=False):
    """Entries that go to readers together.

    sn: of their outlet. count: how many they are. size: about how many bytes they have.
    text: as events; None: they are not encoded yet. before: the positions before the first of them.
    lost: how many entries the text says are lost.
    readers: how many still have to write it.
    """

    sn: str
    entries: list[Entry] = msgspec.field(default_factory=list)
    count: int = 0
    size: int = 0
    text: bytes | None = None
    before: Mapping[str, int] = {}
    lost: int = 0
    readers: int = 0


def chunks_of(sn: str, entries: Sequence[Entry]) -> Iterator[Chunk]:
    chunk = Chunk(sn)
    for entry in entries:
        if chunk.count == MAX_CHUNK or chunk.size >= MAX_CHUNK_BYTES:
            yield chunk
            chunk = Chunk(sn)
        chunk.entries.append(entry)
        chunk.count += 1
        chunk.size += memory_of(entry)
    if chunk.count:
        yield chunk


def lost_event(sn: str, number: int) -> bytes:
    return b'event: lost\ndata: {"sn":"%b","lost":%d}\n\n' % (sn.encode(), number)


class Feed:
    """The entries of one outlet, for one broadcast.

    unfinished: the numbers of exchanges that were read and of which more will come.
    """

    def __init__(self, outlet: Source, wanted: EntryFilter, on_ready: Callable[[], None]) -> None:
        journal = outlet.journal
        self.sn = outlet.sn
        self.unfinished = {
            one.number
            for one in journal
            if isinstance(one, Exchange) and not one.done and wanted.matches(one)
        }
        self._recorded = journal.subscribe(
            wanted, max_waiting=MAX_WAITING, max_waiting_bytes=MAX_WAITING_BYTES, on_ready=on_ready
        )
        self._finished = journal.subscribe(
            wanted,
            done=True,
            max_waiting=MAX_WAITING,
            max_waiting_bytes=MAX_WAITING_BYTES,
            on_ready=on_ready,
        )
        self.position = Position(journal.last_number, sorted(self.unfinished))

    def read(self) -> tuple[list[Entry], int]:
        """Return the entries to send, and how many were lost before them."""
        batch = self._recorded.read_batch()
        # Those that were read when they were unfinished; the others were read finished.
        finished = [one for one in self._finished.read() if one.number in self.unfinished]
        self.unfinished -= {one.number for one in finished}
        self.unfinished |= {
            one.number for one in batch.entries if isinstance(one, Exchange) and not one.done
        }
        return [*batch.entries, *finished], batch.dropped

    def close(self) -> None:
        self._recorded.close()
        self._finished.close()
