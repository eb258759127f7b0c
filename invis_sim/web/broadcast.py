"""The entries of outlets for many readers: read and encoded once, and written in turns.

Thousands of streams may be open, and each entry goes to all of them. So those that want the same
share a broadcast, and what a request costs the outlet does not depend on how many read it. The
rest, which is mostly the writing, is spread: a few readers have their turn at a time, with pauses
in which the clients of the outlets are served.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeAlias

import trio

from invis_sim.journal import EntryFilter
from invis_sim.web.feed import (
    MAX_WAITING,
    MAX_WAITING_BYTES,
    Chunk,
    Feed,
    Position,
    Positions,
    Source,
    chunks_of,
    lost_event,
    with_ids_from,
)
from invis_sim.web.news import News

__all__ = ["Broadcasts", "Reader", "TooManyFilters"]

REST = 9
"""How much longer than it encodes a broadcast rests: the outlets, and not those who watch them,
should have the processor."""

READERS_PER_TURN, TURN_SECONDS = 4, 0.005
"""How many readers write at a time, and the pause before the next ones do. To write takes some 0.2
ms, so a thousand readers have written in 1.5 s, and take a sixth of a core meanwhile."""

MAX_FILTERS = 32
"""How many broadcasts of one outlet there may be at a time: each costs every request some 3 µs."""


class TooManyFilters(Exception):
    """The readers of an outlet have too many different filters.

    limit: how many they may have at a time.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"the event streams of an outlet have {limit} filters, the most at a time")
        self.limit = limit

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (self.limit,), self.__dict__


class _Broadcast:
    """What the readers of the same outlets and the same filter share.

    readers: those that there are. idle: those of them that have written everything.
    positions: in what is encoded.
    """

    def __init__(
        self,
        outlets: Sequence[Source],
        wanted: EntryFilter,
        single: bool,
        on_ready: Callable[["_Broadcast"], None],
    ) -> None:
        self.readers: dict[Reader, None] = {}
        self.idle: dict[Reader, None] = {}
        self._feeds = [Feed(one, wanted, lambda: on_ready(self)) for one in outlets]
        self.positions = Positions({one.sn: one.position for one in self._feeds}, single)
        self._chunks: deque[Chunk] = deque()
        self._first = 0  # the number of the first chunk that is kept
        self._encoded = 0  # that of the first one that is not encoded
        self._waiting = self._bytes = 0  # of all chunks that are kept

    @property
    def end(self) -> int:
        """The number of the next chunk that comes."""
        return self._first + len(self._chunks)

    @property
    def has_to_encode(self) -> bool:
        """Whether there are entries that are not encoded yet."""
        return self._encoded < self.end

    def read(self) -> None:
        """Take what the outlets have recorded since the last time."""
        for feed in self._feeds:
            entries, lost = feed.read()
            if lost:
                self._add(Chunk(feed.sn, text=lost_event(feed.sn, lost), lost=lost))
            for chunk in chunks_of(feed.sn, entries):
                self._add(chunk)

    def encode_next(self) -> None:
        """Encode the next chunk, so that readers can write it."""
        chunk = self._chunks[self._encoded - self._first]
        chunk.before = self.positions.numbers
        if chunk.text is None:
            chunk.text = self.positions.events(chunk.sn, chunk.entries)
            self._bytes += len(chunk.text) - chunk.size
            chunk.size = len(chunk.text)
            chunk.entries.clear()  # the text is all that is needed of them
        self._encoded += 1

    def is_encoded(self, number: int) -> bool:
        """Return whether there is a chunk of this number to be written."""
        return number < self._encoded

    def take(self, number: int) -> Chunk:
        """Return an encoded chunk to one of the readers, each of which asks for it once."""
        chunk = self._chunks[number - self._first]
        chunk.readers -= 1
        self._forget_written()
        return chunk

    def leave(self, reader: "Reader") -> None:
        """Go on without this reader."""
        del self.readers[reader]
        self.idle.pop(reader, None)
        for at in range(reader.next - self._first, len(self._chunks)):
            self._chunks[at].readers -= 1
        self._forget_written()

    def close(self) -> None:
        for feed in self._feeds:
            feed.close()

    def _add(self, chunk: Chunk) -> None:
        chunk.readers = len(self.readers)
        self._chunks.append(chunk)
        self._waiting += chunk.count
        self._bytes += chunk.size
        while len(self._chunks) > 1 and (
            self._waiting > MAX_WAITING or self._bytes > MAX_WAITING_BYTES
        ):
            number, lost = self._first, self._drop()
            for reader in self.readers:
                if reader.next == number:
                    reader.lose(lost.sn, lost.count + lost.lost)

    def _forget_written(self) -> None:
        while self._first < self._encoded and not self._chunks[0].readers:
            self._drop()

    def _drop(self) -> Chunk:
        chunk = self._chunks.popleft()
        self._first += 1
        self._encoded = max(self._encoded, self._first)
        self._waiting -= chunk.count
        self._bytes -= chunk.size
        return chunk


class Reader:
    """One of those who read the same. `Broadcasts.reader` makes one.

    next: the number of the chunk that comes next.
    """

    def __init__(
        self,
        broadcast: _Broadcast,
        began: Mapping[str, int],
        kept: Sequence[Chunk],
        positions: Positions,
        turns: "Broadcasts",
    ) -> None:
        """Begin.

        began: by serial number, up to which number the reader has all entries, or wants none.
        kept: what was recorded after that and before the next chunk. positions: before that.
        """
        self.next = broadcast.end
        self._broadcast = broadcast
        # It began later than some exchanges of which more will come, for which the ids would wait.
        self._least = _above(began, broadcast.positions.numbers)
        self._kept = deque(kept)
        self._positions = positions
        self._turns = turns
        self._lost: Counter[str] = Counter()
        self._turn: trio.Event | None = None  # which it waits for

    async def read(self) -> bytes:
        """Return the next events, when there are some and it is this reader's turn to write."""
        while True:
            if self._turn is None:
                self._turn = trio.Event()
                if self.behind:
                    self._turns.queue(self)
                else:
                    self._broadcast.idle[self] = None
            await self._turn.wait()
            self._turn = None
            if self.behind:
                return self._take()

    @property
    def behind(self) -> bool:
        """Whether there is something to write."""
        return bool(self._kept or self._lost) or self._broadcast.is_encoded(self.next)

    def have_turn(self) -> None:
        """Let `read` return."""
        if self._turn is not None:
            self._turn.set()

    def lose(self, sn: str, number: int) -> None:
        """Skip the next chunk, as too much waits. number: of its entries."""
        self.next += 1
        self._lost[sn] += number

    def _take(self) -> bytes:
        if self._kept:
            with self._turns.encoding():
                chunk = self._kept.popleft()
                return self._positions.events(chunk.sn, chunk.entries)
        if self._lost:
            text = b"".join(lost_event(sn, number) for sn, number in self._lost.items())
            self._lost.clear()
            return text
        chunk = self._broadcast.take(self.next)
        self.next += 1
        assert chunk.text is not None
        if not self._least:
            return chunk.text
        self._least = _above(self._least, chunk.before)
        return with_ids_from(chunk.text, self._least) if self._least else chunk.text


def _above(numbers: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Return the numbers that are higher than the others of the same names."""
    return {sn: number for sn, number in numbers.items() if number > others.get(sn, number)}


_Key: TypeAlias = tuple[tuple[tuple[Source, str], ...], EntryFilter, bool]
"""What is shared: outlets, each with its serial number at the time, the filter, the form of ids."""


class Broadcasts:
    """All broadcasts of a control server, and the turns of their readers. `run` must run."""

    def __init__(self) -> None:
        self._broadcasts: dict[_Key, _Broadcast] = {}
        self._filters: Counter[Source] = Counter()  # how many broadcasts an outlet has
        self._with_news: dict[_Broadcast, None] = {}
        self._ready: deque[Reader] = deque()  # those that have something to write
        self._encoded_for = 0.0  # seconds, since the last pause
        self._news = News()

    @contextmanager
    def reader(
        self,
        outlets: Sequence[Source],
        wanted: EntryFilter,
        after: Mapping[str, int],
        *,
        single: bool,
    ) -> Iterator[Reader]:
        """Provide a reader for the time of the block.

        after: by serial number, the number after which it begins with what the journal has kept;
        for an outlet that is not in it, it begins with what comes.
        single: whether the id of an event names no outlet.

        Raises TooManyFilters.
        """
        key = (tuple((one, one.sn) for one in outlets), wanted, single)
        broadcast = self._broadcasts.get(key)
        if broadcast is None:
            if any(self._filters[one] >= MAX_FILTERS for one in outlets):
                raise TooManyFilters(MAX_FILTERS)
            broadcast = self._broadcasts[key] = _Broadcast(outlets, wanted, single, self._on_ready)
            self._filters.update(outlets)
        else:
            # What is recorded by now comes from the journal, or not at all, and not once more.
            broadcast.read()
            self._on_ready(broadcast)
        began = {one.sn: after.get(one.sn, one.journal.last_number) for one in outlets}
        positions = Positions({sn: Position(number) for sn, number in began.items()}, single)
        kept = [
            chunk
            for one in outlets
            if one.sn in after
            for chunk in chunks_of(
                one.sn,
                [
                    entry
                    for entry in one.journal
                    if entry.number > after[one.sn] and wanted.matches(entry)
                ],
            )
        ]
        reader = Reader(broadcast, began, kept, positions, self)
        broadcast.readers[reader] = None
        try:
            yield reader
        finally:
            broadcast.leave(reader)
            if not broadcast.readers:
                broadcast.close()
                del self._broadcasts[key]
                self._with_news.pop(broadcast, None)
                self._filters.subtract(outlets)
                self._filters += Counter()  # without those that are 0

    def queue(self, reader: Reader) -> None:
        """Give the reader a turn after those that wait for one."""
        self._ready.append(reader)
        self._news.set()

    @contextmanager
    def encoding(self) -> Iterator[None]:
        """Count the time of the block, in which entries are encoded."""
        began = trio.current_time()
        yield
        self._encoded_for += trio.current_time() - began

    async def run(self) -> None:
        """Give turns until cancelled."""
        while True:
            await self._news.wait()
            while self._turn():
                pause = max(TURN_SECONDS, REST * self._encoded_for)
                self._encoded_for = 0.0
                await trio.sleep(pause)

    def _on_ready(self, broadcast: _Broadcast) -> None:
        self._with_news[broadcast] = None
        self._news.set()

    def _turn(self) -> bool:
        """Give a turn to some readers; return whether there was anything to do."""
        broadcasts = tuple(islice(self._with_news, READERS_PER_TURN))
        for broadcast in broadcasts:
            del self._with_news[broadcast]
            broadcast.read()
            if broadcast.has_to_encode:
                with self.encoding():
                    broadcast.encode_next()
                self._ready.extend(broadcast.idle)
                broadcast.idle.clear()
            if broadcast.has_to_encode:
                self._with_news[broadcast] = None  # after the others
        readers = [self._ready.popleft() for _ in range(min(len(self._ready), READERS_PER_TURN))]
        for reader in readers:
            reader.have_turn()
        return bool(broadcasts or readers)
