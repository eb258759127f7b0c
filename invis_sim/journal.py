"""The journal: what was received, what was sent, and which fault touched it.

It has two kinds of entries: an `Exchange` for each request, malformed piece of input and push, and
an `Event` for what befell a connection or the outlet as a whole. It keeps the newest entries,
bounded in number and in bytes, and tells its listeners of each; where entries go from there (a
terminal, a file) is theirs to decide.

No clock: whoever records says when it happened.
"""

import base64
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.faults.pipeline import Touch
from invis_sim.faults.when import Transport
from invis_sim.protocol.frames import text_of
from invis_sim.protocol.packets import Note, Request, encode_json

__all__ = ["Entry", "Event", "Exchange", "Journal", "Outcome", "encode_entry"]

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

    started: the wall-clock time of the start, in seconds since the epoch; entries count from there.
    most_entries, most_bytes: what is kept at the most (bytes as received and sent); the oldest go
    first. The newest entry is kept, however many bytes it has.
    """

    def __init__(
        self, started: float = 0.0, most_entries: int = 10_000, most_bytes: int = 16 * 2**20
    ) -> None:
        self.started = started
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._numbers = 0
        self._recorded: tuple[Callable[[Entry], None], ...] = ()
        self._finished: tuple[Callable[[Exchange], None], ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def exchanges(self) -> list[Exchange]:
        """The exchanges that are kept, oldest first."""
        return [entry for entry in self if isinstance(entry, Exchange)]

    @property
    def events(self) -> list[Event]:
        """The events that are kept, oldest first."""
        return [entry for entry in self if isinstance(entry, Event)]

    def listen(
        self,
        recorded: Callable[[Entry], None] | None = None,
        finished: Callable[[Exchange], None] | None = None,
    ) -> None:
        """Calls `recorded` with each new entry, and `finished` with each exchange that is done."""
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
        if received is not None:
            self._bytes += len(received)
        for data in sent:
            self._bytes += len(data)
        self._keep(exchange)
        if done:
            for listener in self._finished:
                listener(exchange)
        return exchange

    def sent(self, exchange: Exchange, data: bytes) -> None:
        """These bytes of the exchange have left."""
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
        self._keep(event)
        return event

    def clear(self) -> None:
        """Forgets all entries; numbers go on."""
        self._entries.clear()
        self._bytes = 0

    def _keep(self, entry: Entry) -> None:
        self._entries.append(entry)
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


def encode_entry(entry: Entry) -> bytes:
    """The entry as one JSON object, for a file of JSON Lines.

    Bytes are text where they are UTF-8, else `{"base64": …}`; on WebSocket `sent` shows the text of
    whole text frames in UTF-8, and in base64 whatever else was written, as it was.
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
