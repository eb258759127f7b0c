"""A subscription to the journals of several outlets, for one reader: one file, one log."""

from collections.abc import Iterable
from typing import Any

from invis_sim.journal.entries import Entry, Exchange
from invis_sim.journal.filter import EntryFilter
from invis_sim.journal.journal import Journal
from invis_sim.journal.stream import Batch, Subscription

__all__ = ["subscribe_to_all"]


def subscribe_to_all(
    journals: Iterable[Journal],
    filter: EntryFilter | None = None,  # noqa: A002 - as `Journal.subscribe`
    *,
    after: int | None = None,
    **options: Any,
) -> Subscription:
    """Return one subscription to the entries of several journals, which one thread records. Those
    that are kept already come first, outlet by outlet.

    The arguments are those of `Journal.subscribe`; `after` is a number of each journal.
    """
    every = tuple(journals)
    if len(every) == 1:  # whose entries need not be told apart
        return every[0].subscribe(filter, after=after, **options)

    def unsubscribe(subscription: Subscription) -> None:
        for journal in every:
            journal.detach(subscription)

    # An exchange that is delivered when it is finished does not grow while it waits.
    subscription_type = Subscription if options.get("done") else _GrowingSubscription
    merged = subscription_type(filter, unsubscribe=unsubscribe, **options)
    for journal in every:
        journal.attach(merged, after)
    return merged


class _GrowingSubscription(Subscription):
    """Knows by their keys which entries wait: each of several journals has numbers of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._keys: set[tuple[str, int]] = set()  # of the entries that wait

    def _append(self, entry: Entry, size: int) -> bool:
        self._keys.add((entry.sn, entry.number))
        return super()._append(entry, size)

    def _pop(self) -> Entry:
        entry = super()._pop()
        self._keys.discard((entry.sn, entry.number))
        return entry

    def read_batch(self) -> Batch:
        with self._changed:
            self._keys.clear()
            return super().read_batch()

    def _waits(self, exchange: Exchange) -> bool:
        return (exchange.sn, exchange.number) in self._keys
