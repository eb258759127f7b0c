"""A subscription delivers what matches, in order, once, and harms no one."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.journal import (
    Batch,
    Connected,
    Entry,
    EntryFilter,
    Exchange,
    Journal,
    ServerError,
    Subscription,
)
from tests.cases import for_each
from tests.journal.support import record
from tests.support import TIMEOUT


def event(journal: Journal) -> Entry:
    return journal.add(Connected, 0.0, "tcp", 1, peer="")


def test_entries_are_read_once_in_their_order() -> None:
    journal = Journal()
    event(journal)
    with journal.subscribe() as subscription:
        assert subscription.read() == []
        entries: list[Entry] = [event(journal), record(journal), record(journal, done=True)]
        assert subscription.read() == entries
        assert subscription.read() == []


def test_with_done_each_exchange_comes_once_it_is_finished() -> None:
    journal = Journal()
    before = record(journal)
    with journal.subscribe(done=True) as subscription:
        at_once = record(journal, done=True)
        later = record(journal)
        one = event(journal)
        assert subscription.read() == [at_once, one]
        for exchange in (later, before, later):
            journal.finish(exchange)
        assert subscription.read() == [later, before]
        assert later.done


def test_with_after_what_is_kept_comes_first() -> None:
    journal = Journal(max_entries=4)
    entries = [event(journal) for _ in range(6)]
    for after, expected in ((0, entries[2:]), (4, entries[4:]), (6, []), (99, [])):
        with journal.subscribe(after=after) as subscription:
            new = event(journal)
            assert subscription.read() == [*expected, new]
            entries = [*entries, new]
            expected_kept = list(journal)
            assert expected_kept == entries[-4:]
        journal.clear()
        journal._entries.extend(entries[2:6])
        entries = entries[:6]


def test_with_after_and_done_what_is_unfinished_comes_later() -> None:
    journal = Journal()
    unfinished, finished = record(journal), record(journal, done=True)
    with journal.subscribe(after=0, done=True) as subscription:
        journal.finish(unfinished)
        assert subscription.read() == [finished, unfinished]


def test_after_its_end_nothing_more_comes_and_the_rest_can_be_read() -> None:
    journal = Journal()
    with journal.subscribe() as subscription:
        first = event(journal)
    subscription.close()
    event(journal)
    assert subscription.closed
    assert journal._subscriptions == ()
    assert subscription.wait(0)
    assert list(subscription) == [first]
    assert not subscription.wait()


def test_of_too_many_entries_the_oldest_are_dropped_and_counted() -> None:
    journal = Journal()
    with journal.subscribe(max_waiting=3) as subscription:
        entries = [event(journal) for _ in range(5)]
        assert (subscription.dropped, subscription.first_dropped) == (2, 1)
        batch = subscription.read_batch()
        assert batch == (entries[2:], 2, entries[0], entries[1])
        assert (subscription.dropped, subscription.first_dropped) == (0, None)
        last = event(journal)
        assert subscription.read_batch() == ([last], 0, None, None)


def test_of_entries_that_take_too_much_memory_the_oldest_are_dropped_but_not_the_newest() -> None:
    journal = Journal()
    with journal.subscribe(max_waiting_bytes=3000) as subscription:
        entries = [record(journal, bytes(1000)) for _ in range(5)]
        assert subscription.read_batch() == (entries[2:], 2, entries[0], entries[1])
        entries = [record(journal, bytes(1000)), record(journal, bytes(9000))]
        assert subscription.read_batch() == (entries[1:], 1, entries[0], entries[0])
        entries = [record(journal, bytes(1000)) for _ in range(3)]
        assert next(iter(subscription)) is entries[0]  # which makes room for one more
        entries.append(record(journal, bytes(1000)))
        assert subscription.read_batch() == (entries[1:], 0, None, None)
    with journal.subscribe(after=0, max_waiting_bytes=3000) as subscription:
        assert subscription.read_batch().entries == entries[1:]


def test_what_is_sent_of_an_entry_while_it_waits_counts() -> None:
    journal = Journal()
    with journal.subscribe(max_waiting_bytes=3000) as subscription:
        read = record(journal)
        assert subscription.read() == [read]
        slow, newer = record(journal), record(journal)
        for _ in range(100):
            journal.sent(read, bytes(1000))  # it waits no more
        assert subscription.dropped == 0
        for _ in range(3):
            journal.sent(slow, bytes(1000))
        assert subscription.read_batch() == ([newer], 1, slow, slow)


def test_what_is_sent_of_entries_that_are_not_wanted_counts_nothing() -> None:
    journal = Journal()
    wanted = EntryFilter(connection=1)
    with journal.subscribe(wanted, max_waiting_bytes=3000) as subscription:
        entries = [record(journal), record(journal)]
        for _ in range(5):
            journal.sent(record(journal, connection=2), bytes(1000))
        assert subscription.read_batch() == (entries, 0, None, None)


def test_a_slow_reader_is_waited_for_where_too_much_memory_waits() -> None:
    journal = Journal()
    subscription = journal.subscribe(max_waiting_bytes=1000, wait_when_full=TIMEOUT)
    entries = [record(journal, bytes(1000))]
    recording = threading.Thread(target=lambda: entries.append(record(journal, bytes(1000))))
    recording.start()
    batches: list[Batch] = []
    while recording.is_alive() or not batches:
        batches.append(subscription.read_batch())
    recording.join()
    batches.append(subscription.read_batch())
    assert [entry for batch in batches for entry in batch.entries] == entries
    assert sum(batch.dropped for batch in batches) == 0


def test_the_first_loss_is_reported_at_once_to_a_reader_that_never_reads() -> None:
    journal = Journal()
    losses: list[int] = []
    subscription = journal.subscribe(
        max_waiting=2, on_loss=lambda: losses.append(journal.last_number)
    )
    for _ in range(5):
        event(journal)
    assert losses == [3]
    subscription.read()
    for _ in range(5):
        event(journal)
    assert losses == [3]


@pytest.mark.parametrize("bound", ["max_waiting", "max_waiting_bytes"])
def test_there_must_be_room_for_one_entry(bound: str) -> None:
    with pytest.raises(ValueError, match=f"{bound}: expected a whole number from 1, found 0"):
        Journal().subscribe(**{bound: 0})  # type: ignore[arg-type]


def test_on_ready_is_called_when_the_first_entry_waits() -> None:
    journal = Journal()
    calls: list[int] = []
    event(journal)
    with journal.subscribe(after=1, on_ready=lambda: calls.append(len(journal))) as subscription:
        for _ in range(3):
            event(journal)
        assert calls == [2]
        subscription.read()
        event(journal)
        assert calls == [2, 5]


def test_a_subscriber_that_raises_is_closed_and_harms_no_other() -> None:
    journal = Journal()
    error = RuntimeError("a defect")

    def fail() -> None:
        raise error

    good = journal.subscribe()
    bad = journal.subscribe(on_ready=fail)
    other = journal.subscribe()
    entries = [event(journal) for _ in range(3)]
    assert good.read() == other.read() == list(journal) == entries
    assert (bad.closed, bad.error) == (True, error)
    assert bad.read() == entries[:1]


def test_a_subscriber_may_read_close_and_record_in_on_ready() -> None:
    journal = Journal()
    read: list[Entry] = []

    def on_ready() -> None:
        read.extend(subscription.read())
        if len(read) == 1:
            journal.add(ServerError, 0.0, text="recorded meanwhile")
        else:
            subscription.close()

    subscription = journal.subscribe(on_ready=on_ready)
    event(journal)
    event(journal)
    assert read == list(journal)[:2]
    assert subscription.error is None


def in_a_thread(function: Any) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_iteration_blocks_until_entries_come_and_ends_with_the_subscription() -> None:
    journal = Journal()
    subscription = journal.subscribe(max_waiting=10_000)
    read: list[Entry] = []
    reader = in_a_thread(lambda: read.extend(subscription))
    for _ in range(1000):
        event(journal)
    subscription.close()
    reader.join(TIMEOUT)
    assert not reader.is_alive()
    assert read == list(journal)


def test_a_loop_that_is_left_leaves_the_rest_to_be_read() -> None:
    journal = Journal()
    with journal.subscribe() as subscription:
        entries = [event(journal) for _ in range(3)]
        assert next(iter(subscription)) == entries[0]
        assert subscription.read() == entries[1:]


def test_wait_returns_when_an_entry_comes_or_time_is_up() -> None:
    journal = Journal()
    with journal.subscribe() as subscription:
        assert not subscription.wait(0.001)
        thread = in_a_thread(lambda: event(journal))
        assert subscription.wait(TIMEOUT)
        thread.join()


@for_each(
    ("bound", "before"),
    [
        ({"max_waiting": 1}, 0),
        ({"max_waiting": 2}, 1),
        ({"max_waiting": 7}, 3),
        ({"max_waiting_bytes": 1}, 0),
        ({"max_waiting_bytes": 8000}, 4),
    ],
)
def test_who_waits_for_many_waits_until_more_than_half_of_what_may_wait_does(
    bound: dict[str, Any], before: int
) -> None:
    journal = Journal()
    subscription = journal.subscribe(**bound)
    subscription.wait_for_many(0.0)
    for _ in range(before):
        record(journal, bytes(1000))
    waiting = in_a_thread(lambda: subscription.wait_for_many(TIMEOUT * 9))
    waiting.join(0.001)
    assert waiting.is_alive()
    record(journal, bytes(1000))
    waiting.join(TIMEOUT)
    assert not waiting.is_alive()


def test_who_waits_for_many_goes_on_when_it_is_closed() -> None:
    subscription = Journal().subscribe()
    waiting = in_a_thread(lambda: subscription.wait_for_many(TIMEOUT * 9))
    subscription.close()
    waiting.join(TIMEOUT)
    assert not waiting.is_alive()


def test_a_full_subscription_is_waited_for_once() -> None:
    journal = Journal()
    subscription = journal.subscribe(max_waiting=1, wait_when_full=TIMEOUT)
    event(journal)
    recorder = in_a_thread(lambda: event(journal))
    recorder.join(0.02)
    assert recorder.is_alive()
    assert len(subscription.read()) == 1
    recorder.join(TIMEOUT)
    assert subscription.read_batch().dropped == 0
    subscription._wait_when_full = 0.01  # which is waited for in vain, and not again
    for _ in range(1 + 3):
        event(journal)
    subscription._wait_when_full = TIMEOUT * 9
    recorder = in_a_thread(lambda: event(journal))
    recorder.join(TIMEOUT)
    assert not recorder.is_alive()
    assert subscription.read_batch().dropped == 4
    event(journal)  # the reader has caught up, so it is waited for again
    recorder = in_a_thread(lambda: event(journal))
    recorder.join(0.02)
    assert recorder.is_alive()
    assert len(subscription.read()) == 1
    recorder.join(TIMEOUT)


def test_a_recorder_that_waits_for_room_goes_on_when_it_is_closed() -> None:
    journal = Journal()
    subscription = journal.subscribe(max_waiting=1, wait_when_full=TIMEOUT * 9)
    event(journal)
    recorder = in_a_thread(lambda: event(journal))
    subscription.close()
    recorder.join(TIMEOUT)
    assert not recorder.is_alive()


class Interrupted(deque[Entry]):
    """A queue in whose `append` another thread runs, before the entry is there or after."""

    def __init__(self, entries: Iterable[Entry], before: Any, after: Any) -> None:
        super().__init__(entries)
        self._before, self._after = before, after

    def append(self, entry: Entry) -> None:
        self._before()
        super().append(entry)
        self._after()


@pytest.mark.parametrize("waiting", [0, 1, 2])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_reader_in_the_middle_of_a_record_gets_each_entry_once_and_misses_no_notice(
    waiting: int, moment: str, one_by_one: bool
) -> None:
    journal = Journal()
    notices: list[int] = []
    subscription = journal.subscribe(
        on_ready=lambda: notices.append(journal.last_number), max_waiting_bytes=10_000
    )
    entries: list[Entry] = [record(journal, bytes(2000)) for _ in range(waiting)]
    read: list[Entry] = []

    def read_all() -> None:
        if one_by_one:
            with suppress(IndexError):
                while True:
                    read.append(subscription._pop())
        else:
            read.extend(subscription.read())

    hooks: dict[str, Any] = {"before": read_all, "after": lambda: None}
    if moment == "after":
        hooks = {"before": hooks["after"], "after": read_all}
    subscription._waiting = Interrupted(subscription._waiting, **hooks)
    notices.clear()
    entries.append(record(journal, bytes(2000)))
    assert notices == ([len(entries)] if moment == "before" else [])
    subscription._waiting = deque(subscription._waiting)
    if moment == "before":
        read_all()
    assert read == entries
    # And it has as much room as at the beginning.
    entries = [record(journal, bytes(2000)) for _ in range(6)]
    assert subscription.read_batch() == (entries[1:], 1, entries[0], entries[0])


def test_what_is_sent_of_an_entry_while_it_leaves_changes_the_room_for_no_other() -> None:
    journal = Journal()
    with journal.subscribe(max_waiting_bytes=10_000) as subscription:
        leaving = record(journal, bytes(2000))
        leaving.sent += (bytes(2000),)  # as `Journal.sent` does before it says so
        assert next(iter(subscription)) is leaving
        subscription.grew(leaving, 2000)
        entries = [record(journal, bytes(2000)) for _ in range(6)]
        assert subscription.read_batch() == (entries[1:], 1, entries[0], entries[0])


@pytest.mark.usefixtures("busy_threads")
def test_a_reader_that_waits_in_another_thread_misses_nothing() -> None:
    journal = Journal()
    subscription = journal.subscribe(max_waiting=100_000)
    read: list[Entry] = []

    def read_all() -> None:
        while subscription.wait():
            read.extend(subscription.read())

    reader = in_a_thread(read_all)
    entries = [record(journal, done=True) for _ in range(3000)]
    subscription.close()
    reader.join(TIMEOUT)
    assert not reader.is_alive()
    assert read == entries


class Lock:
    """A lock after whose first release another thread might run."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._meanwhile: list[Callable[[], None]] = [meanwhile]

    def acquire(self) -> None:
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()
        if self._meanwhile:
            self._meanwhile.pop()()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


@for_each("what", ["event", "exchange", "finish"])
def test_who_subscribes_in_the_middle_of_a_record_gets_the_entry_once(what: str) -> None:
    journal = Journal()
    subscriptions: list[Subscription] = []
    entry: Entry = record(journal)
    if what != "finish":
        journal.clear()

    def subscribe() -> None:
        subscriptions.append(journal.subscribe(after=0, done=True))

    journal._lock = Lock(subscribe)  # type: ignore[assignment]
    if what == "event":
        entry = event(journal)
    elif what == "exchange":
        entry = record(journal, done=True)
    elif isinstance(entry, Exchange):
        journal.finish(entry)
    assert subscriptions[0].read() == [entry]


@pytest.mark.usefixtures("busy_threads")
def test_who_subscribes_while_another_thread_records_misses_nothing() -> None:
    journal = Journal()
    stop = threading.Event()

    def record_all() -> None:
        while not stop.is_set():
            event(journal)
            record(journal, done=True)

    recorder = in_a_thread(record_all)
    for _ in range(60):
        with journal.subscribe(after=0, max_waiting=1_000_000) as subscription:
            subscription.wait(TIMEOUT)
            numbers = [entry.number for entry in subscription.read()]
            subscription.wait(TIMEOUT)
            numbers += [entry.number for entry in subscription.read()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        journal.clear()
    stop.set()
    recorder.join(TIMEOUT)


filters = st.builds(
    EntryFilter,
    kinds=st.none() | st.sets(st.sampled_from(["exchange", "connected", "error"])).map(tuple),
    callback=st.none() | st.sampled_from([20, 21]),
    connection=st.none() | st.integers(1, 2),
    transport=st.none() | st.sampled_from(["tcp", "ws"]),
)
happenings = st.lists(
    st.tuples(
        st.sampled_from(["exchange", "connected", "error", "finish"]),
        st.integers(1, 2),
        st.sampled_from(["tcp", "ws"]),
    ),
    max_size=25,
)


@given(filters, happenings, happenings, st.integers(0, 30), st.integers(1, 20), st.booleans())
def test_a_subscriber_reads_what_is_kept_after_its_cursor_and_then_all_that_is_new(
    entry_filter: EntryFilter,
    before: list[Any],
    later: list[Any],
    after: int,
    max_entries: int,
    done: bool,
) -> None:
    journal = Journal(max_entries=max_entries)
    exchanges: list[Exchange] = []
    delivered: list[Entry] = []

    def happen(happenings: list[Any]) -> None:
        for what, connection, transport in happenings:
            if what == "exchange":
                one = record(journal, connection=connection, transport=transport)
                exchanges.append(one)
                delivered.extend([] if done else [one])
            elif what == "finish" and exchanges:
                one = exchanges[connection % len(exchanges)]
                delivered.extend([one] if done and not one.done else [])
                journal.finish(one)
            elif what == "connected":
                delivered.append(journal.add(Connected, 0.0, transport, connection, peer=""))
            elif what == "error":
                delivered.append(journal.add(ServerError, 0.0, text=""))

    happen(before)
    kept = [
        entry
        for entry in journal
        if entry.number > after and not (done and isinstance(entry, Exchange) and not entry.done)
    ]
    delivered.clear()
    with journal.subscribe(entry_filter, after=after, done=done) as subscription:
        happen(later)
        read = subscription.read()
    assert read == [entry for entry in (*kept, *delivered) if entry_filter.matches(entry)]
    assert len({entry.number for entry in read}) == len(read)
