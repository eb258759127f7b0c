"""One subscription to the journals of several outlets."""

from invis_sim.journal import Connected, Entry, Journal, subscribe_to_all
from tests.journal.support import record

Key = tuple[str, int]


def keys(entries: list[Entry]) -> list[Key]:
    return [(entry.sn, entry.number) for entry in entries]


def two_journals() -> tuple[Journal, Journal]:
    return Journal(sn="A"), Journal(sn="B")


def test_entries_come_in_the_order_in_which_they_are_recorded() -> None:
    one, other = two_journals()
    with subscribe_to_all((one, other)) as merged:
        for journal in (one, other, other, one):
            journal.add(Connected, 0.0, peer="")
        assert keys(merged.read()) == [("A", 1), ("B", 1), ("B", 2), ("A", 2)]


def test_what_is_kept_comes_first_outlet_by_outlet() -> None:
    one, other = two_journals()
    for journal in (one, other, one):
        journal.add(Connected, 0.0, peer="")
    with subscribe_to_all((one, other), after=1) as merged:
        assert keys(merged.read()) == [("A", 2)]
    with subscribe_to_all((one, other), after=0) as merged:
        assert keys(merged.read()) == [("A", 1), ("A", 2), ("B", 1)]


def test_finished_exchanges_come_when_they_are_finished() -> None:
    one, other = two_journals()
    with subscribe_to_all((one, other), done=True) as merged:
        first, second = record(one, b"x"), record(other, b"x")
        assert merged.read() == []
        other.finish(second)
        one.finish(first)
        assert keys(merged.read()) == [("B", 1), ("A", 1)]


def test_it_ends_with_all_at_once() -> None:
    one, other = two_journals()
    merged = subscribe_to_all((one, other))
    merged.close()
    for journal in (one, other):
        journal.add(Connected, 0.0, peer="")
    assert merged.read() == []
    assert merged.closed


def test_what_waits_is_bounded_over_all_and_counted() -> None:
    one, other = two_journals()
    with subscribe_to_all((one, other), max_waiting=2) as merged:
        for journal in (one, other, one):
            journal.add(Connected, 0.0, peer="")
        batch = merged.read_batch()
        assert (batch.dropped, keys(batch.entries)) == (1, [("B", 1), ("A", 2)])


def test_only_what_waits_grows_whatever_its_number_in_another_journal() -> None:
    one, other = two_journals()
    with subscribe_to_all((one, other), max_waiting_bytes=5000) as merged:
        read = record(one, b"x")
        merged.read()
        waits, _ = record(other, b"x"), record(other, b"x")
        one.sent(read, bytes(6000))  # which is read already
        assert merged.dropped == 0
        other.sent(waits, bytes(6000))
        assert keys(merged.read()) == [("B", 2)]
