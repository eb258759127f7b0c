"""The journal keeps the newest entries within bounds, for any thread, and has files."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.journal import Connected, DeviceLog, Entry, Exchange, Journal, encode_entry
from tests.journal.support import REQUEST, an_hour, record


def size(journal: Journal) -> int:
    return sum(len(one.received or b"") + sum(map(len, one.sent)) for one in journal.exchanges())


# What happens to a journal: ("exchange", received, sent), ("event",), ("sent", which, bytes) and
# ("clear",).
effects = st.lists(
    st.one_of(
        st.tuples(
            st.just("exchange"),
            st.none() | st.integers(0, 60).map(bytes),
            st.lists(st.integers(0, 60).map(bytes), max_size=3).map(tuple),
        ),
        st.tuples(st.just("event")),
        st.tuples(st.just("sent"), st.integers(0, 30), st.integers(0, 90).map(bytes)),
        st.tuples(st.just("clear")),
    ),
    max_size=60,
)


@given(effects, st.integers(1, 12), st.integers(0, 300))
def test_the_newest_entries_that_fit_are_kept_whatever_happens(
    happening: list[Any], most_entries: int, most_bytes: int
) -> None:
    journal = Journal(max_entries=most_entries, max_bytes=most_bytes)
    every: list[Entry] = []
    cleared = 0
    exchanges: list[Exchange] = []
    for what, *rest in happening:
        if what == "exchange":
            exchanges.append(record(journal, rest[0], sent=rest[1]))
            every.append(exchanges[-1])
        elif what == "event":
            every.append(journal.add(Connected, 1.0, peer=""))
        elif what == "sent" and exchanges:
            one = exchanges[rest[0] % len(exchanges)]
            before = one.sent
            journal.sent(one, rest[1])
            assert one.sent == (*before, rest[1])  # also where the journal keeps it no more
        elif what == "clear":
            journal.clear()
            cleared = len(every)
        kept = list(journal)
        assert len(kept) == len(journal) <= most_entries
        assert size(journal) <= most_bytes or len(kept) == 1
        assert kept == every[max(cleared, len(every) - len(kept)) :]
    assert [entry.number for entry in every] == list(range(1, len(every) + 1))


@given(st.integers(1, 5), st.integers(1, 50), st.integers(0, 100))
def test_nothing_is_forgotten_before_it_must_be(most: int, size: int, count: int) -> None:
    journal = Journal(max_entries=1000, max_bytes=most * size)
    for _ in range(count):
        record(journal, bytes(size))
    assert len(journal) == min(count, most)


def test_what_is_sent_for_a_forgotten_exchange_takes_no_room() -> None:
    journal = Journal(max_entries=3, max_bytes=1000)
    forgotten = record(journal)
    for _ in range(3):
        journal.add(Connected, 0.0, peer="")
    for _ in range(100):
        journal.sent(forgotten, bytes(100))
    kept = [record(journal) for _ in range(3)]
    assert list(journal) == kept


def test_numbers_go_on_over_both_kinds_of_entries_and_after_clear() -> None:
    journal = Journal()
    assert record(journal).number == 1
    assert journal.add(Connected, 0.0, peer="").number == 2
    journal.clear()
    assert list(journal) == []
    assert record(journal).number == 3


def test_it_may_be_read_while_another_thread_records() -> None:
    journal = Journal(max_entries=2)

    def record_all() -> None:
        for _ in range(5000):
            journal.add(Connected, 0.0, peer="")
            journal.sent(record(journal), b"{}")

    recorder = threading.Thread(target=record_all)
    recorder.start()
    while recorder.is_alive():
        numbers = [entry.number for entry in journal]
        assert numbers == sorted(numbers)


class Meddling(bytes):
    """Bytes whose size is asked for at a moment at which somebody else calls `meddle`."""

    meddle: Callable[[], None]

    def __len__(self) -> int:
        other = threading.Thread(target=self.meddle)
        other.start()
        other.join(0.05)  # it must wait for the journal, so it does not end in this time
        return super().__len__()


@pytest.mark.parametrize("moment", ["sent", "forgotten"])
def test_it_may_be_cleared_by_another_thread_in_the_middle_of_a_record(moment: str) -> None:
    journal = Journal(max_entries=1)
    threads = set(threading.enumerate())
    data = Meddling(b"some bytes")
    data.meddle = journal.clear
    first = record(journal)
    if moment == "sent":
        journal.sent(first, data)
    else:
        first.sent = (data,)
        record(journal)
    for other in set(threading.enumerate()) - threads:
        other.join()
    assert (len(journal), journal._bytes) == (0, 0)


def test_a_journal_is_written_to_a_file_and_read_from_it(tmp_path: Path) -> None:
    journal = an_hour()
    path = tmp_path / "journal.jsonl"
    journal.dump(path)
    assert path.read_text("utf-8").splitlines() == journal.lines()
    for source in (path, str(path), path.read_bytes().splitlines()):
        assert Journal.load(source).lines() == journal.lines()


def test_a_file_of_entries_alone_in_the_order_in_which_they_ended_is_read() -> None:
    _, *entries = an_hour().lines()
    read = Journal.load(["", *reversed(entries), "\n"])
    assert read.started == 0.0
    assert [entry.number for entry in read] == list(range(1, 10))


def test_all_entries_of_a_file_are_kept_however_many() -> None:
    line = encode_entry(record(Journal(), b" " * 2000 + REQUEST)).decode()
    lines = [line.replace('"number":1,', f'"number":{n},') for n in range(1, 12_001)]
    read = Journal.load(lines)
    assert len(read) == 12_000
    read.add(DeviceLog, 0.0, text="more")
    assert len(read) == 12_000  # which is its bound now
