"""The newest entries: recorded, kept within bounds, handed to subscribers, written and read."""

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal.budget import JournalBudget
from invis_sim.journal.entries import Entry, Event, Exchange, Outcome
from invis_sim.journal.filter import EntryFilter
from invis_sim.journal.jsonl import JournalHeader, decode_line, encode_entries, encode_header
from invis_sim.journal.memory import memory_of
from invis_sim.journal.queries import JournalQueries
from invis_sim.journal.stream import MAX_WAITING, MAX_WAITING_BYTES, Subscription
from invis_sim.protocol.packets import Note, Request
from invis_sim.protocol.transport import Transport
from invis_sim.schema.build import check, require

__all__ = ["Journal"]

MAX_ENTRIES = 10_000
"""How many entries are kept: minutes of a busy client, at about 8 MB with small packets."""

MAX_BYTES = 16 * 2**20
"""How much memory is kept: a fault may send packets of a megabyte, a client may ask with as many
small values.
"""

_EntryNumber = Annotated[int, msgspec.Meta(ge=0)]

AnyEvent = TypeVar("AnyEvent", bound=Event)


class Journal(JournalQueries):
    """The newest entries, and the subscriptions to those that come.

    One thread records (the simulator's); everything else may be done from any thread.

    started: the wall-clock time of the start, in seconds since the epoch; entries count from there.
    sn: the serial number of the outlet, which each new entry gets.
    max_entries, max_bytes: how much is kept (bytes: about the memory that the contents take); the
    oldest are forgotten first. The newest entry is kept, however many bytes it has.
    budget: what this journal shares with others; it may lower the bounds.
    header: what else its first line in a file says.
    """

    def __init__(
        self,
        started: float = 0.0,
        sn: str = "",
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        budget: JournalBudget | None = None,
        header: JournalHeader = JournalHeader(),  # noqa: B008 - it is frozen
    ) -> None:
        self._header = header
        self.started = started
        self.sn = sn
        self._own_max_entries = self._max_entries = max_entries
        self._own_max_bytes = self._max_bytes = max_bytes
        self._lock = threading.RLock()  # for the next three
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._subscriptions: tuple[Subscription, ...] = ()
        self._last_number = 0
        if budget is not None:
            budget.join(self)

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last_number(self) -> int:
        """The number of the newest entry so far, kept or not; 0: there was none."""
        return self._last_number

    # Recording

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
        push_callback: int | None = None,
        recipients: int = 1,
        latency: float = 0.0,
    ) -> Exchange:
        """Record a new exchange; the arguments are its fields."""
        exchange = Exchange(
            0,
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
            push_callback,
            "",
            recipients,
            latency,
        )
        self.append(exchange)
        return exchange

    def append(self, exchange: Exchange) -> None:
        """Record a new exchange, and give it its number and the serial number of the outlet."""
        # Every request comes through here, so this calls as little as possible.
        self._last_number = exchange.number = self._last_number + 1
        exchange.sn = self.sn
        size = memory_of(exchange)
        entries, lock = self._entries, self._lock
        lock.acquire()  # `with` takes twice as long
        try:
            entries.append(exchange)
            self._bytes += size
            if len(entries) > self._max_entries or self._bytes > self._max_bytes:
                self._trim()
            # Taken with the lock: each subscription gets the entry either from here or as one that
            # was kept before it began, and never twice.
            subscriptions = self._subscriptions
        finally:
            lock.release()
        for subscription in subscriptions:
            if exchange.done or not subscription.done:
                subscription.offer(exchange, size)

    def sent(self, exchange: Exchange, data: bytes) -> None:
        """Record that these bytes of the exchange were sent."""
        with self._lock:
            exchange.sent += (data,)
            if self._entries and self._entries[0].number <= exchange.number:  # it is kept
                self._bytes += len(data)
                self._trim()
            subscriptions = self._subscriptions
        for subscription in subscriptions:
            if not subscription.done:  # else it does not have the exchange yet
                subscription.grew(exchange, len(data))

    def finish(self, exchange: Exchange) -> None:
        """Record that nothing more of the exchange will be sent. Idempotent."""
        with self._lock:  # as in `record`
            if exchange.done:
                return
            exchange.done = True
            subscriptions = self._subscriptions
        size = memory_of(exchange) if subscriptions else 0
        for subscription in subscriptions:
            if subscription.done:
                subscription.offer(exchange, size)

    def add(
        self,
        event_type: type[AnyEvent],
        seconds: float,
        transport: Transport | None = None,
        connection: int | None = None,
        **fields: Any,
    ) -> AnyEvent:
        """Record a new event of this type.

        seconds: real seconds since the start. transport, connection: None for an event of the
        outlet as a whole. fields: those that the type has of its own.
        """
        self._last_number = number = self._last_number + 1
        event = event_type(
            sn=self.sn,
            number=number,
            seconds=seconds,
            transport=transport,
            connection=connection,
            **fields,
        )
        size = memory_of(event)
        with self._lock:
            self._entries.append(event)
            self._bytes += size
            self._trim()
            subscriptions = self._subscriptions
        for subscription in subscriptions:
            subscription.offer(event, size)
        return event

    def clear(self) -> None:
        """Forget all entries. Numbers go on, and subscribers still get what waits for them."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    # Subscriptions

    def subscribe(
        self,
        filter: EntryFilter | None = None,  # noqa: A002 - there is no better word
        *,
        after: int | None = None,
        done: bool = False,
        max_waiting: int = MAX_WAITING,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        wait_when_full: float = 0.0,
        on_ready: Callable[[], None] | None = None,
        on_loss: Callable[[], None] | None = None,
    ) -> Subscription:
        """Return a subscription to the entries that come; read it, and close it.

        filter: which entries; None: all.
        after: start with the entries that are kept and have a higher number; 0: with all that are
        kept; None: with new ones only.
        done: deliver exchanges when they are finished, in that order, as a file needs them; else
        when they are recorded, while `sent` may still grow.
        max_waiting, max_waiting_bytes: how many entries may wait to be read, and about how much
        memory they may take, ≥ 1; of more, the oldest are lost, and counted by `dropped`. The
        newest one waits, however many bytes it has.
        wait_when_full: how many seconds the recording thread, and with it the outlet, waits for
        room before entries are lost: once, until the reader has caught up.
        on_ready: called in the recording thread when an entry comes and none was waiting (not for
        those of `after`: read them). One that raises closes the subscription.
        on_loss: the same, called once, when the first entry is lost. The reader may be one that
        never reads again.

        Raises ValueError for a filter or a number that cannot be.
        """
        check(_EntryNumber | None, after, "after")
        subscription = Subscription(
            check(EntryFilter | None, filter, "filter"),
            done=done,
            max_waiting=max_waiting,
            max_waiting_bytes=max_waiting_bytes,
            wait_when_full=wait_when_full,
            on_ready=on_ready,
            on_loss=on_loss,
            unsubscribe=self.detach,
        )
        self.attach(subscription, after)
        return subscription

    def attach(self, subscription: Subscription, after: int | None) -> None:
        """Give the subscription what comes from now on; see `subscribe`."""
        with self._lock:
            if after is not None:
                subscription.start_with(
                    [
                        entry
                        for entry in self._entries
                        if entry.number > after
                        # One that is not finished yet comes when it is.
                        and not (
                            subscription.done and isinstance(entry, Exchange) and not entry.done
                        )
                    ]
                )
            self._subscriptions += (subscription,)

    def detach(self, subscription: Subscription) -> None:
        """Give the subscription nothing more. One that gets nothing is no error."""
        with self._lock:
            self._subscriptions = tuple(
                one for one in self._subscriptions if one is not subscription
            )

    # Bounds

    def limit(self, max_entries: int, max_bytes: int) -> None:
        """Set what the budget grants; the journal's own bounds hold as well.

        This takes no lock and forgets nothing: the garbage collector may be the caller.
        """
        self._max_entries = min(self._own_max_entries, max_entries)
        self._max_bytes = min(self._own_max_bytes, max_bytes)

    def trim(self) -> None:
        """Forget the oldest entries that exceed the bounds."""
        with self._lock:
            self._trim()

    def _trim(self) -> None:
        """`trim`, with the lock held. A full journal does this at each record."""
        entries = self._entries
        most = self._max_entries
        while len(entries) > most or (self._bytes > self._max_bytes and len(entries) > 1):
            self._bytes -= memory_of(entries.popleft())

    # Files

    @property
    def header(self) -> JournalHeader:
        """What its first line in a file says: the seed and the version among others."""
        return msgspec.structs.replace(self._header, sn=self.sn, started=self.started)

    def lines(self) -> list[str]:
        """Return what is kept as JSON Lines: a header, then the entries. `load` reads them."""
        header = encode_header(self.header)
        return [line.decode() for line in (header, *encode_entries(self).splitlines())]

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write `lines` to a file. Raises OSError."""
        require(isinstance(path, str | os.PathLike), "path", "the path of a file", path)
        text = "".join(f"{line}\n" for line in self.lines())
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, source: str | os.PathLike[str] | Iterable[str | bytes]) -> "Journal":
        """Return a journal from JSON Lines, as `dump` and `invis-sim run --journal` write them.

        source: the path of a file, or lines.

        The last line of a file may be cut, as where its writer was killed; it is left away then.
        All entries are kept, however many, in the order of their numbers. Seconds are exact to the
        microsecond; everything else is as it was. Raises OSError, and ValueError that names the
        line for one that is not of this kind.
        """
        file = ""
        valid = isinstance(source, str | os.PathLike | Iterable) and not isinstance(source, bytes)
        require(valid, "source", "the path of a journal file, or its lines", source)
        if isinstance(source, str | os.PathLike):
            file = f"{os.fspath(source)}:"
            *source, last = Path(source).read_bytes().split(b"\n")
            if _is_whole(last):
                source.append(last)
        header = JournalHeader()
        entries: list[Entry] = []
        for number, line in enumerate(source, 1):
            require(isinstance(line, str | bytes), f"line {number}", "text or bytes", line)
            if not line.strip():
                continue
            try:
                decoded = decode_line(line)
            except ValueError as error:
                raise ValueError(f"{file}{number}: not a line of a journal: {error}") from None
            if isinstance(decoded, JournalHeader):
                header = decoded
            else:
                entries.append(decoded)
        # `run --journal` writes exchanges when they are finished, so not in the order of numbers.
        # Those of several outlets have no common one.
        single = len({entry.sn for entry in entries}) < 2
        entries.sort(key=lambda entry: (0.0 if single else entry.seconds, entry.number))
        size = sum(map(memory_of, entries))
        journal = cls(
            header.started,
            header.sn,
            max(MAX_ENTRIES, len(entries)),
            max(MAX_BYTES, size),
            header=header,
        )
        journal._entries.extend(entries)
        journal._bytes = size
        journal._last_number = max((entry.number for entry in entries), default=0)
        return journal


def _is_whole(line: bytes) -> bool:
    """Return whether a line without its end is JSON, so that not more than its end is missing."""
    try:
        json.loads(line, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True
