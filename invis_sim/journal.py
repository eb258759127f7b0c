"""The journal: what was received, what was sent, and which fault touched it.

It has two kinds of entries: an `Exchange` for each request, malformed piece of input and push, and
an `Event` for what befell a connection or the outlet as a whole. It keeps the newest entries,
bounded in number and in bytes, and tells its listeners of each; where entries go from there (a
terminal, a file) is theirs to decide. It can be asked and cleared from any thread while one thread
records.

No clock: whoever records says when it happened.
"""

import base64
import binascii
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

import msgspec

from invis_sim.faults.pipeline import Touch
from invis_sim.faults.when import Transport
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.frames import text_frame, text_of
from invis_sim.protocol.packets import (
    MalformedPacket,
    Note,
    Request,
    encode_json,
    parse_request,
)

__all__ = [
    "Arrivals",
    "Entry",
    "Event",
    "Exchange",
    "Expectation",
    "Journal",
    "Outcome",
    "describe",
    "encode_entry",
    "tell",
]

MOST_ENTRIES = 10_000
MOST_BYTES = 16 * 2**20
MOST_LINES_TOLD = 50
"""How many entries a text for humans shows; of more, the newest."""

Outcome: TypeAlias = Literal["success", "failure", "no reply", "malformed", "push"]
"""What came of a piece of input: `PUBACK` 1, `PUBACK` 0, silence, nothing to answer, or a push."""


class Exchange(msgspec.Struct, eq=False, gc=False):
    """One request with its reply, one piece of malformed input, or one push.

    number: its place in the journal, from 1, over both kinds of entries.
    seconds: since the start, when it arrived (a push: when it was caused).
    transport, connection: where; the connection's ordinal is from 1, over both transports.
    received: the bytes of the request, or of the malformed piece; None for a push.
    request: what they mean; None where they mean nothing, and for a push.
    outcome: what the outlet made of it, before faults.
    sent: the bytes that left, one item a write (on WebSocket: frames); grows until `done`.
    faults: those that touched the packet, in the order in which they did.
    notes: what the author of the client should know, with the byte of `received` where it stands.
    done: whether nothing more will be sent.
    """

    number: int
    seconds: float
    transport: Transport
    connection: int
    received: bytes | None
    request: Request | None
    outcome: Outcome
    sent: tuple[bytes, ...] = ()
    faults: tuple[Touch, ...] = ()
    notes: tuple[Note, ...] = ()
    done: bool = False

    @property
    def callback(self) -> int | None:
        """The `callbackName` that was asked for."""
        return None if self.request is None else self.request.callback

    @property
    def packet_id(self) -> int | None:
        """The request's `packetID`."""
        return None if self.request is None else self.request.packet_id


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """Something that befell a connection, or the outlet where there is no connection.

    what: "connected", "closed", "listening", "error", …
    detail: in words.
    """

    number: int
    seconds: float
    transport: Transport | None
    connection: int | None
    what: str
    detail: str = ""


Entry: TypeAlias = Exchange | Event


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
        most_entries: int = MOST_ENTRIES,
        most_bytes: int = MOST_BYTES,
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

        callback, packet_id: of the request. Malformed input and pushes have none.
        connection: its ordinal, from 1, over both transports. transport: "tcp" or "ws".
        fault: the name of one that touched the packet.
        """
        return self._like(_Like(callback, connection, transport, packet_id, fault))

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
        like = _Like(callback, connection, transport, packet_id, fault)
        return [one.request for one in self._like(like) if one.request is not None]

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
        like = _Like(callback, connection, transport, packet_id, fault)
        return [_said(one) for one in self._like(like) if one.request is not None and any(one.sent)]

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
        like = _Like(callback, connection, transport, packet_id, fault)
        found = sum(one.request is not None for one in self._like(like))
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
        like = _Like(callback, connection, transport, packet_id, fault)
        found = sum(one.request is not None for one in self._like(like))
        if found:
            raise AssertionError(
                f"expected no {like.words}; it came {_times(found)}\n{self._received()}"
            )

    def _like(self, like: "_Like") -> list[Exchange]:
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
        faults: tuple[Touch, ...] = (),
        notes: tuple[Note, ...] = (),
        done: bool = False,
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
        head = encode_json({"entry": "journal", "started": self.started})
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
        where = ""
        if isinstance(source, str | os.PathLike):
            where = f"{os.fspath(source)}:"
            source = Path(source).read_bytes().split(b"\n")
        started = 0.0
        entries: list[Entry] = []
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                read = _read(line)
            except ValueError as error:
                raise ValueError(f"{where}{number}: not a line of a journal: {error}") from None
            if isinstance(read, _HeadLine):
                started = read.started
            else:
                entries.append(read)
        entries.sort(key=lambda entry: entry.number)
        size = sum(_size(entry) for entry in entries if isinstance(entry, Exchange))
        journal = cls(started, max(MOST_ENTRIES, len(entries)), max(MOST_BYTES, size))
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
    text = text_of(whole)
    if text is not None:
        return text
    texts = [text_of(data) for data in exchange.sent]
    return whole if None in texts else b"".join(text for text in texts if text is not None)


# For humans


class _Like(msgspec.Struct, frozen=True):
    """What an exchange must be like; None: anything."""

    callback: int | None = None
    connection: int | None = None
    transport: Transport | None = None
    packet_id: int | None = None
    fault: str | None = None

    def matches(self, exchange: Exchange) -> bool:
        return (
            (self.callback is None or exchange.callback == self.callback)
            and (self.connection is None or exchange.connection == self.connection)
            and (self.transport is None or exchange.transport == self.transport)
            and (self.packet_id is None or exchange.packet_id == self.packet_id)
            and (self.fault is None or any(one.fault == self.fault for one in exchange.faults))
        )

    @property
    def words(self) -> str:
        """A request that is like this, without the article."""
        words = "request"
        if self.callback is not None:
            number, _, name = _callback(self.callback).partition(" ")
            words += f" for callback {number}" + (f" ({name})" if name else "")
        if self.packet_id is not None:
            words += f" with packetID {_digits(self.packet_id)}"
        if self.transport is not None or self.connection is not None:
            words += f" on {_place(self.transport, self.connection)}"
        if self.fault is not None:
            words += f" touched by {self.fault!r}"
        return words

    def __str__(self) -> str:
        return f"a {self.words}"


def describe(entry: Entry) -> str:
    """The entry for a human, in one line: seconds since the start, where, and what."""
    where = ""
    if entry.connection is not None:
        where = f"{entry.transport} #{entry.connection}"
    what = f"{entry.what} {entry.detail}".rstrip() if isinstance(entry, Event) else _exchange(entry)
    return f"{entry.seconds:8.3f} s  {where:7}  {what}"


def tell(entries: Iterable[Entry], most: int = MOST_LINES_TOLD) -> str:
    """The entries for a human, a line each, oldest first.

    most: how many lines, ≥ 1; of more entries, the newest.
    """
    every = tuple(entries)
    left_out = len(every) - most
    first = [f"  … {left_out} earlier ones left out"] if left_out > 0 else []
    return "\n".join([*first, *(f"  {describe(entry)}" for entry in every[-most:])])


def _exchange(exchange: Exchange) -> str:
    parts = []
    if exchange.request is not None:
        callback = exchange.callback
        parts.append(f"callback {'?' if callback is None else _callback(callback)}")
        parts.append(f"packetID {_digits(exchange.packet_id)}")
    parts.append(_OUTCOMES.get(exchange.outcome, exchange.outcome))
    parts += [f"fault {_did(touch)}" for touch in exchange.faults]
    parts += [f"note: {note}" for note in exchange.notes]
    if exchange.outcome == "malformed" and exchange.received:
        parts.append(_shortened(repr(exchange.received[:100])[1:]))
    return "  ".join(parts)


_OUTCOMES = {"success": "PUBACK 1", "failure": "PUBACK 0"}


def _did(touch: Touch) -> str:
    return f"{touch.fault} ({touch.did})" if touch.did else touch.fault


def _callback(number: int) -> str:
    try:
        return f"{number} {Callback(number).name.lower().replace('_', ' ')}"
    except ValueError:
        return _digits(number)


def _place(transport: Transport | None, connection: int | None) -> str:
    where = "" if transport is None else f"{transport} "
    return where.rstrip() if connection is None else f"{where}connection #{connection}"


def _digits(number: int | None) -> str:
    return _shortened(encode_json(number).decode())  # also of integers that str() refuses


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


# For those who wait

E = TypeVar("E", Exchange, Event)


class Arrivals:
    """Hands entries of a journal to those who wait for one like it: each entry once, to one of
    them, also if it was there before they waited.

    May be used from any thread.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.RLock()
        self._listens = False
        self._handed: set[int] = set()  # numbers of entries
        self._waiting: list[Expectation[Any]] = []
        self._error: BaseException | None = None

    def request(
        self,
        callback: int | None,
        connection: int | None,
        transport: Transport | None,
        packet_id: int | None,
    ) -> "Expectation[Exchange]":
        """Somebody waits for a request. The arguments are those of `Journal.exchanges`."""
        like = _Like(callback, connection, transport, packet_id)

        def matches(entry: Entry) -> bool:
            return isinstance(entry, Exchange) and entry.request is not None and like.matches(entry)

        expectation = Expectation[Exchange](self, str(like), matches)
        self._expect(expectation)
        return expectation

    def connection(self, transport: Transport | None) -> "Expectation[Event]":
        """Somebody waits for a client that connects."""

        def matches(entry: Entry) -> bool:
            return (
                isinstance(entry, Event)
                and entry.what == "connected"
                and transport in (None, entry.transport)
            )

        words = "a connection" if transport is None else f"a connection on {transport}"
        expectation = Expectation[Event](self, words, matches)
        self._expect(expectation)
        return expectation

    def fail(self, error: BaseException) -> None:
        """Nothing more will come: whoever waits for what is not there gets this error."""
        with self._lock:
            self._error = error
            waiting, self._waiting = self._waiting, []
            for expectation in waiting:
                expectation.future.set_exception(error)

    def withdraw(self, expectation: "Expectation[Any]") -> None:
        """Nobody waits for it any more. One that is not waited for is no error."""
        with self._lock:
            if expectation in self._waiting:
                self._waiting.remove(expectation)

    def report(self) -> str:
        """The journal for a human; what has been handed out is marked."""
        lines = []
        for entry in tuple(self._journal)[-MOST_LINES_TOLD:]:
            mark = "  (already waited for)" if entry.number in self._handed else ""
            lines.append(f"  {describe(entry)}{mark}")
        return "\n".join(lines)

    def _expect(self, expectation: "Expectation[Any]") -> None:
        with self._lock:
            if not self._listens:
                self._listens = True
                self._journal.listen(recorded=self._recorded)
            kept = tuple(self._journal)
            oldest = kept[0].number if kept else 0
            self._handed = {number for number in self._handed if number >= oldest}
            if any(self._hand(entry, expectation) for entry in kept):
                return
            if self._error is not None:
                expectation.future.set_exception(self._error)
            else:
                self._waiting.append(expectation)

    def _recorded(self, entry: Entry) -> None:
        with self._lock:
            for expectation in self._waiting:
                if self._hand(entry, expectation):
                    self._waiting.remove(expectation)
                    return

    def _hand(self, entry: Entry, expectation: "Expectation[Any]") -> bool:
        if entry.number in self._handed or not expectation.matches(entry):
            return False
        self._handed.add(entry.number)
        expectation.future.set_result(entry)
        return True


class Expectation(Generic[E]):
    """What somebody waits for, for the time of a `with` block.

    matches: whether an entry is what is waited for.
    future: it, as soon as it is there.
    """

    def __init__(self, arrivals: Arrivals, words: str, matches: Callable[[Entry], bool]) -> None:
        self.matches = matches
        self.future: Future[E] = Future()
        self._arrivals = arrivals
        self._words = words

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._arrivals.withdraw(self)

    def outcome(self, seconds: float, hint: str = "") -> E:
        """What has come; to be asked when the waiting is over.

        seconds: how long it was waited for. hint: what else to tell if it was for nothing.

        Raises AssertionError that says what came instead, or what ended the simulator.
        """
        self._arrivals.withdraw(self)
        if self.future.done():
            return self.future.result()
        came = self._arrivals.report()
        raise AssertionError(
            f"{self._words} has not come within {seconds:g} s{hint}\n"
            + (f"what came:\n{came}" if came else "nothing came, not even a connection")
        )


# For machines


def encode_entry(entry: Entry) -> bytes:
    """The entry as one JSON object, for a file of JSON Lines.

    Bytes are text where they are UTF-8, else `{"base64": …}`; on WebSocket `sent` shows the text of
    whole text frames in UTF-8, and in base64 whatever else was written, as it was. An exchange of
    which more may be sent has `"done": false`.
    """
    return encode_json(_plain(entry))


def _plain(entry: Entry) -> dict[str, Any]:
    head: dict[str, Any] = {
        "entry": "exchange" if isinstance(entry, Exchange) else "event",
        "number": entry.number,
        "seconds": round(entry.seconds, 6),
        "transport": entry.transport,
        "connection": entry.connection,
    }
    if isinstance(entry, Event):
        return {**head, "what": entry.what, "detail": entry.detail}
    return {
        **head,
        "callback": entry.callback,
        "packetID": entry.packet_id,
        "outcome": entry.outcome,
        "received": None if entry.received is None else _text(entry.received),
        "sent": [_sent(data, entry.transport) for data in entry.sent],
        "faults": [{"fault": touch.fault, "did": touch.did} for touch in entry.faults],
        "notes": [{"reason": note.reason, "offset": note.offset} for note in entry.notes],
        **({} if entry.done else {"done": False}),
    }


def _sent(data: bytes, transport: Transport) -> Any:
    if transport == "tcp":
        return _text(data)
    text = text_of(data)
    shown = None if text is None else _text(text)
    return shown if isinstance(shown, str) else _base64(data)


def _text(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _base64(data)


def _base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


class _Base64(msgspec.Struct, frozen=True):
    base64: str


class _HeadLine(msgspec.Struct, tag_field="entry", tag="journal"):
    started: float


class _EventLine(msgspec.Struct, tag_field="entry", tag="event"):
    number: int
    seconds: float
    transport: Transport | None
    connection: int | None
    what: str
    detail: str = ""


class _ExchangeLine(msgspec.Struct, tag_field="entry", tag="exchange"):
    number: int
    seconds: float
    transport: Transport
    connection: int
    outcome: Outcome
    received: str | _Base64 | None
    sent: tuple[str | _Base64, ...]
    faults: tuple[Touch, ...]
    notes: tuple[Note, ...]
    done: bool = True


def _read(line: str | bytes) -> _HeadLine | Entry:
    """What a line says. Raises ValueError."""
    try:
        plain = json.loads(line, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deep") from None
    read = msgspec.convert(plain, _HeadLine | _EventLine | _ExchangeLine)
    if isinstance(read, _HeadLine):
        return read
    if isinstance(read, _EventLine):
        return Event(**msgspec.structs.asdict(read))
    received = None if read.received is None else _bytes(read.received)
    request = None
    if received is not None and read.outcome != "malformed":
        try:
            request = parse_request(received)
        except MalformedPacket as error:
            raise ValueError(f"what was received is no request: {error}") from None
    return Exchange(
        number=read.number,
        seconds=read.seconds,
        transport=read.transport,
        connection=read.connection,
        received=received,
        request=request,
        outcome=read.outcome,
        sent=tuple(_written(data, read.transport) for data in read.sent),
        faults=read.faults,
        notes=read.notes,
        done=read.done,
    )


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 100 else int(Decimal(digits))  # of any length


def _written(shown: str | _Base64, transport: Transport) -> bytes:
    if transport == "ws" and isinstance(shown, str):
        return text_frame(_bytes(shown))
    return _bytes(shown)


def _bytes(shown: str | _Base64) -> bytes:
    if isinstance(shown, str):
        return shown.encode()
    try:
        return base64.b64decode(shown.base64, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
