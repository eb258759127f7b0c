"""What the journals of a process may keep, all together."""

import threading
import weakref
from typing import Protocol

__all__ = ["JournalBudget"]


SPARE = 8
"""One in how many parts may be kept free for journals that come, or be left by those that went."""


class _Journal(Protocol):
    def limit(self, max_entries: int, max_bytes: int) -> None: ...
    def trim(self) -> None: ...


class JournalBudget:
    """Bounds that the journals of a process share, in equal parts, or nearly so where there are
    many. For any thread.

    A journal has its part for as long as it exists; also after its outlet has stopped, because a
    test reads it then.

    max_entries, max_bytes: for all journals together.
    min_entries, min_bytes: what each may keep in any case: a journal that keeps less does not show
    the cause of an error. With very many journals the sum can exceed the maximum.
    """

    def __init__(
        self, max_entries: int, max_bytes: int, *, min_entries: int = 100, min_bytes: int = 65_536
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._min_entries = min_entries
        self._min_bytes = min_bytes
        self._lock = threading.Lock()
        self._journals: set[weakref.ref[_Journal]] = set()
        # For how many journals the parts were worked out last. With many it is more than there are,
        # so that a thousand that come or go one by one do not have all parts changed each time.
        self._shares = 0

    def join(self, journal: _Journal) -> None:
        """Give the journal a part; those of the others shrink."""
        with self._lock:
            self._journals.add(weakref.ref(journal, self._left))
            number = len(self._journals)
            if number <= self._shares:
                journal.limit(*self._part())
                return
            self._share(number + number // SPARE)
        # Without the lock, since each journal takes its own.
        for one in self._alive():
            one.trim()

    def _left(self, reference: "weakref.ref[_Journal]") -> None:
        # The garbage collector calls this in any thread, at any moment, so it must take no lock.
        # The parts only grow, so that there is nothing to be trimmed either.
        self._journals.discard(reference)
        number = len(self._journals)
        if number < self._shares - self._shares // SPARE:
            self._share(number)

    def _share(self, number: int) -> None:
        """Give each a part as if there were this many."""
        self._shares = number
        for journal in self._alive():
            journal.limit(*self._part())

    def _part(self) -> tuple[int, int]:
        """Return what each may keep: entries and bytes."""
        number = self._shares or 1
        return (
            max(self._min_entries, self._max_entries // number),
            max(self._min_bytes, self._max_bytes // number),
        )

    def _alive(self) -> list[_Journal]:
        return [one for reference in (*self._journals,) if (one := reference()) is not None]
