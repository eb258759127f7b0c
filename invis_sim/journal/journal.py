"""The newest entries: kept within bounds, told of, asked, written and read."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal.entries import Entry, Event, Exchange, Outcome
from invis_sim.journal.filter import ExchangeFilter
from invis_sim.journal.jsonl import HeaderLine, encode_entry, encode_head, read_line
from invis_sim.journal.text import tell
from invis_sim.protocol.frames import unframe_text
from invis_sim.protocol.packets import Note, Request
from invis_sim.protocol.transport import Transport

__all__ = ["Journal"]

MAX_ENTRIES = 10_000
MAX_BYTES = 16 * 2**20


class Journal:
    """The newest entries, and those who want to hear of them.

    One thread records (the simulator's); everything else may be done from any thread.

    started: the wall-clock time of the start, in seconds since the epoch; entries count from there.
    most_entries, most_bytes: what is kept at the most (bytes as received and sent); the oldest go
    first. The newest entry is kept, however many bytes it has.
    """

    def __init__(
        self,
        started: float = 0.0,
        most_entries: int = MAX_ENTRIES,
        most_bytes: int = MAX_BYTES,
    ) -> None:
        self.started = started
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._lock = threading.RLock()  # for the next two
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._numbers = 0
        self._recorded: tuple[Callable[[Entry], None], ...] = ()
        self._finished: tuple[Callable[[Exchange], None], ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        """The newest entries in words, as `tell` has them."""
        return tell(self)

    def exchanges(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
    ) -> list[Exchange]:
        """The exchanges that are kept and like this, oldest first; None: whatever it is.

        callback, packet_id: of the request. Malformed input has none. A push has a callback.
        connection: its ordinal, from 1, over both transports. transport: "tcp" or "ws".
        fault: the name of one that touched the packet.
        """
        return self._alike(ExchangeFilter(callback, connection, transport, packet_id, fault))

    def events(
        self,
        *,
        what: str | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
    ) -> list[Event]:
        """The events that are kept and like this, oldest first; None: whatever it is.

        what: "connected", "closed", "fault", "error", … connection, transport: as in `exchanges`.
        """
        return [
            entry
            for entry in self
            if isinstance(entry, Event)
            and what in (None, entry.what)
            and connection in (None, entry.connection)
            and transport in (None, entry.transport)
        ]

    def requests(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
    ) -> list[Request]:
        """What clients asked, oldest first. Malformed input is no request; see `exchanges`.

        The arguments are those of `exchanges`.
        """
        like = ExchangeFilter(callback, connection, transport, packet_id, fault)
        return [one.request for one in self._alike(like) if one.request is not None]

    def pushes(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        fault: str | None = None,
    ) -> list[bytes]:
        """What clients were told unasked, oldest first, as it left: one item for each push and each
        connection that it went to. For its form, see `replies`.

        callback: the `callbackName`. The other arguments are those of `exchanges`.
        """
        like = ExchangeFilter(callback, connection, transport, None, fault)
        return [_said(one) for one in self._alike(like) if one.outcome == "push" and one.sent]

    def replies(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
    ) -> list[bytes]:
        """What has been sent in answer to requests, in the order of the requests, as it left.

        One item for each request of which something has been sent: all that was, with whatever
        faults made of it. On WebSocket it is the text of the message where whole text frames were
        sent, and else the raw bytes. The arguments are those of `exchanges`.
        """
        like = ExchangeFilter(callback, connection, transport, packet_id, fault)
        return [
            _said(one) for one in self._alike(like) if one.request is not None and any(one.sent)
        ]

    def assert_received(
        self,
        *,
        times: int | None = None,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
    ) -> None:
        """Fails with an AssertionError, which says what was received instead, unless there has
        been such a request.

        times: how often exactly, ≥ 0; None: once or more. The other arguments are those of
        `exchanges`.
        """
        like = ExchangeFilter(callback, connection, transport, packet_id, fault)
        found = sum(one.request is not None for one in self._alike(like))
        if found != times and (times is not None or not found):
            wanted = f"{like}" if times is None else f"{like}, {_times(times)}"
            came = "there was none" if not found else f"it came {_times(found)}"
            raise AssertionError(f"expected {wanted}; {came}\n{self._received()}")

    def assert_not_received(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        fault: str | None = None,
    ) -> None:
        """Fails with an AssertionError, which says what was received, if there has been such a
        request. The arguments are those of `exchanges`.
        """
        like = ExchangeFilter(callback, connection, transport, packet_id, fault)
        found = sum(one.request is not None for one in self._alike(like))
        if found:
            raise AssertionError(
                f"expected no {like.words}; it came {_times(found)}\n{self._received()}"
            )

    def _alike(self, like: "ExchangeFilter") -> list[Exchange]:
        return [entry for entry in self if isinstance(entry, Exchange) and like.matches(entry)]

    def _received(self) -> str:
        received = [
            entry for entry in self if isinstance(entry, Exchange) and entry.received is not None
        ]
        return f"received:\n{tell(received)}" if received else "nothing at all was received"

    def listen(
        self,
        recorded: Callable[[Entry], None] | None = None,
        finished: Callable[[Exchange], None] | None = None,
    ) -> None:
        """Calls `recorded` with each new entry, and `finished` with each exchange that is done, in
        the thread that records.
        """
        with self._lock:
            if recorded is not None:
                self._recorded += (recorded,)
            if finished is not None:
                self._finished += (finished,)

    def record(
        self,
        seconds: float,
        transport: Transport,
        connection: int,
        received: bytes | None,
        request: Request | None,
        outcome: Outcome,
        sent: tuple[bytes, ...] = (),
        faults: tuple[AppliedFault, ...] = (),
        notes: tuple[Note, ...] = (),
        done: bool = False,
        pushed: int | None = None,
    ) -> Exchange:
        """A new exchange; the arguments are its fields."""
        self._numbers += 1
        exchange = Exchange(
            self._numbers,
            seconds,
            transport,
            connection,
            received,
            request,
            outcome,
            sent,
            faults,
            notes,
            done,
            pushed,
        )
        size = 0 if received is None else len(received)
        for data in sent:
            size += len(data)
        self._keep(exchange, size)
        if done:
            for listener in self._finished:
                listener(exchange)
        return exchange

    def sent(self, exchange: Exchange, data: bytes) -> None:
        """These bytes of the exchange have left."""
        with self._lock:
            exchange.sent += (data,)
            if self._entries and self._entries[0].number <= exchange.number:  # it is kept
                self._bytes += len(data)
                self._trim()

    def finish(self, exchange: Exchange) -> None:
        """Nothing more of the exchange will leave."""
        if not exchange.done:
            exchange.done = True
            for listener in self._finished:
                listener(exchange)

    def event(
        self,
        seconds: float,
        what: str,
        detail: str = "",
        transport: Transport | None = None,
        connection: int | None = None,
    ) -> Event:
        """A new event; the arguments are its fields."""
        self._numbers += 1
        event = Event(
            number=self._numbers,
            seconds=seconds,
            transport=transport,
            connection=connection,
            what=what,
            detail=detail,
        )
        self._keep(event, 0)
        return event

    def clear(self) -> None:
        """Forgets all entries; numbers go on."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def lines(self) -> list[str]:
        """What is kept as JSON Lines: when it started, then the entries. `load` reads them."""
        head = encode_head(self.started)
        return [line.decode() for line in (head, *map(encode_entry, self))]

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Writes `lines` to a file. Raises OSError."""
        text = "".join(f"{line}\n" for line in self.lines())
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, source: str | os.PathLike[str] | Iterable[str | bytes]) -> "Journal":
        """A journal from JSON Lines, as `dump` and `invis-sim run --journal` write them.

        source: the path of a file, or lines.

        All entries are kept, however many, in the order of their numbers. Seconds are exact to the
        microsecond; everything else is as it was. Raises OSError, and ValueError that names the
        line for one that is not of this kind.
        """
        short_location = ""
        if isinstance(source, str | os.PathLike):
            short_location = f"{os.fspath(source)}:"
            source = Path(source).read_bytes().split(b"\n")
        started = 0.0
        entries: list[Entry] = []
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                read = read_line(line)
            except ValueError as error:
                raise ValueError(
                    f"{short_location}{number}: not a line of a journal: {error}"
                ) from None
            if isinstance(read, HeaderLine):
                started = read.started
            else:
                entries.append(read)
        entries.sort(key=lambda entry: entry.number)
        size = sum(_size(entry) for entry in entries if isinstance(entry, Exchange))
        journal = cls(started, max(MAX_ENTRIES, len(entries)), max(MAX_BYTES, size))
        journal._entries.extend(entries)
        journal._bytes = size
        journal._numbers = entries[-1].number if entries else 0
        return journal

    def _keep(self, entry: Entry, size: int) -> None:
        with self._lock:
            self._entries.append(entry)
            self._bytes += size
            self._trim()
        for listener in self._recorded:
            listener(entry)

    def _trim(self) -> None:
        entries = self._entries
        while len(entries) > self._most_entries or (
            self._bytes > self._most_bytes and len(entries) > 1
        ):
            oldest = entries.popleft()
            if isinstance(oldest, Exchange):
                self._bytes -= _size(oldest)


def _size(exchange: Exchange) -> int:
    return len(exchange.received or b"") + sum(map(len, exchange.sent))


def _said(exchange: Exchange) -> bytes:
    """What the client was told, without frames where that is possible."""
    whole = b"".join(exchange.sent)
    if exchange.transport == "tcp":
        return whole
    text = unframe_text(whole)
    if text is not None:
        return text
    texts = [unframe_text(data) for data in exchange.sent]
    return whole if None in texts else b"".join(text for text in texts if text is not None)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
