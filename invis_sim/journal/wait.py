"""Waiting for an entry that is like this, from any thread."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from invis_sim.journal.entries import Entry, Event, Exchange
from invis_sim.journal.filter import ExchangeFilter
from invis_sim.journal.journal import Journal
from invis_sim.journal.text import MAX_LINES, describe
from invis_sim.protocol.transport import Transport

__all__ = ["Expectation", "Waiters"]

E = TypeVar("E", Exchange, Event)


class Waiters:
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
        like = ExchangeFilter(callback, connection, transport, packet_id)

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
        for entry in tuple(self._journal)[-MAX_LINES:]:
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

    def __init__(self, arrivals: Waiters, words: str, matches: Callable[[Entry], bool]) -> None:
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
