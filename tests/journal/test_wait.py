"""Waiting for entries, and what that may cost."""

import gc
import weakref

import pytest

from invis_sim.journal import Connected, Journal, Waiters
from tests.journal.support import record


def test_an_entry_is_delivered_once_and_even_if_it_came_before() -> None:
    journal = Journal()
    waiters = Waiters(journal)
    entries = [record(journal)]
    for _ in range(2):
        with waiters.request(20, None, None, None) as expectation:
            entries.append(record(journal))
            assert expectation.result(0) is entries.pop(0)


def test_the_first_who_waits_gets_the_first_entry() -> None:
    journal = Journal()
    waiters = Waiters(journal)
    with waiters.connection("tcp") as first, waiters.connection(None) as second:
        entries = [journal.add(Connected, 0.0, "tcp", n, peer="") for n in (1, 2)]
        assert [first.result(0), second.result(0)] == entries


def test_who_waits_in_vain_is_told_what_came() -> None:
    journal = Journal()
    waiters = Waiters(journal)
    with pytest.raises(AssertionError) as caught, waiters.connection("ws") as expectation:
        expectation.result(5, " (a hint)")
    assert str(caught.value) == (
        "timed out after 5 s waiting for a connection on ws (a hint)\nno client connected"
    )
    record(journal)
    with waiters.request(None, None, None, None):
        pass
    with pytest.raises(AssertionError) as caught, waiters.connection("ws") as expectation:
        expectation.result(0.25)
    assert str(caught.value).splitlines() == [
        "timed out after 0.25 s waiting for a connection on ws",
        "received:",
        (
            "     0.500 s  tcp #1   20 available updates -> PUBACK 1  packetID 221040"
            "  (already waited for)"
        ),
    ]


def test_whoever_waits_gets_the_error_that_ends_everything() -> None:
    journal = Journal()
    waiters = Waiters(journal)
    with waiters.connection(None) as expectation:
        waiters.fail(RuntimeError("the end"))
        with pytest.raises(RuntimeError, match="the end"):
            expectation.result(0)
    record(journal)
    with waiters.request(None, None, None, None) as late:
        late.result(0)  # it was there
    with waiters.connection(None) as expectation, pytest.raises(RuntimeError, match="the end"):
        expectation.result(0)
    assert journal._subscriptions == ()


@pytest.mark.parametrize("forgotten", ["by its bounds", "when it is cleared"])
def test_what_the_journal_forgets_the_waiters_forget(forgotten: str) -> None:
    journal = Journal(max_entries=3)
    waiters = Waiters(journal)
    for _ in range(100):
        record(journal)
        if forgotten == "when it is cleared":
            record(journal)
        with waiters.request(None, None, None, None) as expectation:
            expectation.result(0)
        if forgotten == "when it is cleared":
            journal.clear()
    assert len(waiters._consumed) <= 3


def test_expectations_that_are_never_asked_for_are_not_kept() -> None:
    journal = Journal()
    waiters = Waiters(journal)
    expectation = weakref.ref(waiters.connection(None))
    gc.collect()
    assert expectation() is None
    record(journal)


def is_subscribed_to(journal: Journal) -> bool:
    return journal._subscriptions != ()


def test_while_no_one_waits_the_journal_has_no_subscription() -> None:
    journal = Journal()
    waiters = Waiters(journal)
    assert not is_subscribed_to(journal)
    with waiters.connection(None), waiters.request(None, None, None, None):
        assert is_subscribed_to(journal)
    assert not is_subscribed_to(journal)
    with waiters.request(None, None, None, None):
        record(journal)  # it comes, so no one waits any more
        assert not is_subscribed_to(journal)
