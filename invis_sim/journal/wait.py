"""Waiting for an entry, from any thread."""

import threading
from concurrent.futures import Future
from typing import Any, Generic, Self, TypeVar

import msgspec

from invis_sim.journal.entries import Entry, Event, Exchange
from invis_sim.journal.expected import Expected, format_near_misses
from invis_sim.journal.filter import ExchangeFilter
from invis_sim.journal.journal import Journal
from invis_sim.journal.stream import Subscription
from invis_sim.journal.text import MAX_LINES, format_entry
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.transport import Transport

__all__ = ["Expectation", "Waiters"]

__tracebackhide__ = hide_frames

E = TypeVar("E", Exchange, Event)


class Waiters:
    """Delivers entries of a journal to those who wait for one like it: each entry once, to one of
    them, and even if it was there before they waited.

    May be used from any thread. The journal is subscribed to only while someone waits.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # Reentrant: a caller that is called back with an entry may wait for the next one.
        self._lock = threading.RLock()
        self._consumed: set[int] = set()  # numbers of entries that were delivered and are kept
        self._waiting: list[Expectation[Any]] = []
        self._subscription: Subscription | None = None
        self._error: BaseException | None = None

    def request(
        self,
        callback: int | None,
        connection: int | None,
        transport: Transport | None,
        packet_id: int | None,
        args: Any = msgspec.UNSET,
    ) -> "Expectation[Exchange]":
        """Expect a request. The arguments are those of `Journal.exchanges`."""
        wanted = ExchangeFilter(callback, connection, transport, packet_id, args=args)
        return Expectation[Exchange](self, Expected("request", wanted))

    def connection(self, transport: Transport | None) -> "Expectation[Event]":
        """Expect a client that connects. Raises ValueError for another transport."""
        wanted = ExchangeFilter(transport=transport)
        return Expectation[Event](self, Expected("connection", wanted))

    def fail(self, error: BaseException) -> None:
        """Fail all expectations that wait, and later ones for which nothing is kept."""
        with self._lock:
            self._error = error
            waiting, self._waiting = self._waiting, []
            self._subscribe_if_needed()
            for expectation in waiting:
                expectation.future.set_exception(error)

    def wait_for(self, expectation: "Expectation[Any]") -> None:
        """Complete the expectation with the oldest entry that matches, now or when it comes."""
        with self._lock:
            # Before the look at what is kept: what comes from here on waits in the subscription.
            self._waiting.append(expectation)
            self._subscribe_if_needed()
            kept = tuple(self._journal)
            # What the journal has forgotten cannot be delivered again.
            self._consumed.intersection_update(entry.number for entry in kept)
            for entry in kept:
                if self._deliver(entry, expectation):
                    return
            if self._error is not None:
                self.withdraw(expectation)
                expectation.future.set_exception(self._error)

    def withdraw(self, expectation: "Expectation[Any]") -> None:
        """Stop waiting. Idempotent."""
        with self._lock:
            if expectation in self._waiting:
                self._waiting.remove(expectation)
            self._subscribe_if_needed()

    def format(self, expected: Expected) -> str:
        """What came, for a human: the nearest to what was expected, and the newest entries; those
        that were delivered are marked.
        """
        kept = tuple(self._journal)
        if not kept:
            return "no client connected"
        lines = [f"{format_near_misses(expected, kept, self._consumed)}received:"]
        for entry in kept[-MAX_LINES:]:
            mark = "  (already waited for)" if entry.number in self._consumed else ""
            lines.append(f"  {format_entry(entry)}{mark}")
        return "\n".join(lines)

    def _subscribe_if_needed(self) -> None:
        # A closed one is one whose `_on_ready` failed; that must not make the next waiter hang.
        if self._waiting and (self._subscription is None or self._subscription.closed):
            self._subscription = self._journal.subscribe(on_ready=self._on_ready)
        elif not self._waiting and self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _on_ready(self) -> None:
        with self._lock:
            if self._subscription is None:  # another thread has just stopped to wait
                return
            for entry in self._subscription.read():
                for expectation in tuple(self._waiting):
                    if self._deliver(entry, expectation):
                        break

    def _deliver(self, entry: Entry, expectation: "Expectation[Any]") -> bool:
        if entry.number in self._consumed or not expectation.matches(entry):
            return False
        self._consumed.add(entry.number)
        self.withdraw(expectation)
        expectation.future.set_result(entry)
        return True


class Expectation(Generic[E]):
    """What a caller waits for, for the time of a `with` block; outside of one it waits for nothing.

    matches: whether an entry is what is waited for.
    future: that entry, as soon as it is there.
    """

    def __init__(self, waiters: Waiters, expected: Expected) -> None:
        self.matches = expected.matches
        self.future: Future[E] = Future()
        self._waiters = waiters
        self._expected = expected

    def __enter__(self) -> Self:
        self._waiters.wait_for(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._waiters.withdraw(self)

    def result(self, seconds: float, hint: str = "") -> E:
        """Return the entry; to be called when the waiting is over.

        seconds: how long the caller waited. hint: what to add where it waited in vain.

        Raises AssertionError that says what came instead, or what ended the simulator.
        """
        self._waiters.withdraw(self)
        if self.future.done():
            return self.future.result()
        raise AssertionError(
            f"timed out after {seconds:g} s waiting for {self._expected}{hint}\n"
            f"{self._waiters.format(self._expected)}"
        )
