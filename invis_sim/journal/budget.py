"""What the journals of a process may keep, all together."""

import threading
import weakref
from typing import Protocol

__all__ = ["JournalBudget"]


class _Journal(Protocol):
    def limit(self, max_entries: int, max_bytes: int) -> None: ...
    def trim(self) -> None: ...


class JournalBudget:
    """Bounds that the journals of a process share, in equal parts. For any thread.

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
        self._journals: tuple[weakref.ref[_Journal], ...] = ()

    def join(self, journal: _Journal) -> None:
        """Give the journal a part; those of the others shrink."""
        with self._lock:
            # Dead ones are removed here, and not by `_left`: see there.
            others = tuple(one for one in self._journals if one() is not None)
            self._journals = (*others, weakref.ref(journal, self._left))
            self._share()
        # Without the lock, since each journal takes its own.
        for one in self._alive():
            one.trim()

    def _left(self, reference: "weakref.ref[_Journal]") -> None:
        # The garbage collector calls this in any thread, at any moment, so it must take no lock.
        # The parts only grow, so that there is nothing to be trimmed either.
        self._share()

    def _share(self) -> None:
        alive = self._alive()
        number = len(alive) or 1
        for journal in alive:
            journal.limit(
                max(self._min_entries, self._max_entries // number),
                max(self._min_bytes, self._max_bytes // number),
            )

    def _alive(self) -> list[_Journal]:
        return [one for reference in self._journals if (one := reference()) is not None]
