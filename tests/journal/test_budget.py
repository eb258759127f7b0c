"""The journals of a process share what they may keep."""

import gc

from invis_sim.journal import Connected, Journal, JournalBudget
from tests.journal.support import record


def fill(journal: Journal, number: int = 1000, size: int = 0) -> int:
    """How many entries the journal keeps of so many."""
    for _ in range(number):
        record(journal, bytes(size)) if size else journal.add(Connected, 0.0, peer="")
    return len(journal)


def test_journals_share_the_number_of_entries_in_equal_parts() -> None:
    budget = JournalBudget(600, 10**6, min_entries=10)
    first = Journal(budget=budget)
    assert fill(first) == 600
    second = Journal(budget=budget)
    assert len(first) == 300  # at once
    third = Journal(budget=budget)
    assert [fill(one) for one in (first, second, third)] == [200] * 3


def test_journals_share_the_bytes_in_equal_parts() -> None:
    budget = JournalBudget(10_000, 100_000, min_bytes=10)
    first, second = Journal(budget=budget), Journal(budget=budget)
    assert [fill(one, size=1000) for one in (first, second)] == [50, 50]


def test_each_journal_keeps_the_minimum() -> None:
    budget = JournalBudget(100, 1000, min_entries=30, min_bytes=500)
    journals = [Journal(budget=budget) for _ in range(10)]
    assert {fill(one) for one in journals} == {30}
    assert {fill(one, size=100) for one in journals} == {5}


def test_a_journal_keeps_no_more_than_its_own_bounds() -> None:
    budget = JournalBudget(1000, 100_000)
    assert fill(Journal(max_entries=7, budget=budget)) == 7
    assert fill(Journal(max_bytes=500, budget=budget), size=100) == 5


def test_the_part_of_a_journal_that_is_gone_is_for_the_others() -> None:
    budget = JournalBudget(600, 10**6)
    journals = [Journal(budget=budget) for _ in range(3)]
    last = journals.pop()
    assert fill(last) == 200
    del journals
    gc.collect()
    assert fill(last) == 600


class Counting(Journal):
    """A journal that counts how often its part is set."""

    times = 0

    def limit(self, max_entries: int, max_bytes: int) -> None:
        Counting.times += 1
        super().limit(max_entries, max_bytes)


def test_a_thousand_that_come_and_go_change_the_parts_of_all_a_few_times_only() -> None:
    budget = JournalBudget(100_000, 10**8, min_entries=1)
    Counting.times = 0
    journals = [Counting(budget=budget) for _ in range(1000)]
    assert Counting.times < 20_000  # and not half a million
    assert sum(fill(one, 120) for one in journals) <= 100_000
    assert fill(journals[0], 120) > 80  # of the 100 that would be its equal part
    Counting.times = 0
    while journals:
        journals.pop()
    assert Counting.times < 20_000
