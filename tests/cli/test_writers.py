"""The writers that take lines somewhere, each from a thread of its own."""

import io
import queue
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from invis_sim.cli import writers
from invis_sim.cli.log import JsonLog, TextLog
from invis_sim.cli.writers import BUSY_ENTRIES, MAX_TEXT_AT_ONCE, JournalWriter, LineWriter
from invis_sim.journal import Entry, Journal, ServerError
from tests.journal.support import pushes, record
from tests.support import TIMEOUT

# The writer of a journal


class PlainLog(JsonLog):
    """Entries as their texts alone, few at once."""

    at_once = 16

    def __init__(self) -> None:
        self.goes: list[int] = []  # how many entries at once
        self.made = threading.Semaphore(0)

    def text(self, entries: Sequence[Entry]) -> str:
        self.goes.append(len(entries))
        self.made.release()
        return "".join(f"{entry.text}\n" for entry in entries if isinstance(entry, ServerError))


class Kept(io.StringIO):
    """A stream whose text can be read when it is closed."""

    text = ""

    def close(self) -> None:
        if not self.closed:
            self.text = self.getvalue()
        super().close()


class Lines(Kept):
    """A stream whose lines can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def write(self, text: str) -> int:
        self.lines.put(text.removesuffix("\n"))
        return super().write(text)


class Stalled(Kept):
    """A stream that takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.may.wait(TIMEOUT)
        return super().write(text)


class Full(Stalled):
    """A stream on a disk that turns out to be full."""

    def write(self, text: str) -> int:
        super().write(text)
        raise OSError(28, "No space left on device")


def in_a_thread(function: Callable[[], None]) -> threading.Thread:
    """Starts it where it holds up nothing if it never returns."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def returns(thread: threading.Thread) -> bool:
    thread.join(TIMEOUT)
    return not thread.is_alive()


def record_all(journal: Journal, first: int, end: int) -> threading.Thread:
    """Records errors with these numbers as texts, in a thread."""

    def record() -> None:
        for number in range(first, end):
            journal.add(ServerError, 0.0, text=str(number))

    return in_a_thread(record)


def test_all_that_was_recorded_is_there_in_order_when_the_writer_is_closed() -> None:
    journal, stream = Journal(), Kept()
    writer = JournalWriter(stream, journal.subscribe(), PlainLog(), "first")
    assert returns(record_all(journal, 0, 5000))
    writer.close(TIMEOUT)
    assert stream.text == "first\n" + "".join(f"{number}\n" for number in range(5000))


def test_the_writer_rests_while_it_writes_and_not_when_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []
    rested = threading.Event()

    def rest(seconds: float) -> None:
        rests.append(seconds)
        rested.set()

    monkeypatch.setattr(time, "sleep", rest)
    journal, stream = Journal(), Stalled()
    writer = JournalWriter(stream, journal.subscribe(), PlainLog(), "first")
    assert stream.asked.wait(TIMEOUT)
    assert returns(record_all(journal, 0, 3 * PlainLog.at_once))
    stream.may.set()
    assert rested.wait(TIMEOUT)
    writer.close(TIMEOUT)
    before = len(rests)
    assert 1 <= before <= 2
    closed = Stalled()
    late = JournalWriter(closed, journal.subscribe(after=0), PlainLog(), "first")
    assert closed.asked.wait(TIMEOUT)
    assert not late.close(0)
    closed.may.set()
    assert late.close(TIMEOUT)
    assert len(closed.text.splitlines()) == 1 + 3 * PlainLog.at_once
    assert len(rests) == before


def test_of_long_entries_fewer_are_written_in_one_go() -> None:
    journal, stream, log_format = Journal(), Stalled(), PlainLog()
    long, short = "x" * (MAX_TEXT_AT_ONCE // 4), "y"
    texts = [*[long] * 32, *[long * 9] * 2, *[short] * 32]
    writer = JournalWriter(stream, journal.subscribe(), log_format, "first")
    assert stream.asked.wait(TIMEOUT)
    for text in texts:
        journal.add(ServerError, 0.0, text=text)
    stream.may.set()
    assert writer.close(TIMEOUT)
    assert stream.text.splitlines() == ["first", *texts]
    assert log_format.goes == [16, *[3] * 5, 3, 1, 16, 15]


@pytest.mark.parametrize(
    ("entries", "pause", "other"),
    [
        (BUSY_ENTRIES, "PAUSE_SECONDS", "BUSY_PAUSE_SECONDS"),
        (BUSY_ENTRIES + 1, "BUSY_PAUSE_SECONDS", "PAUSE_SECONDS"),
    ],
)
def test_what_comes_in_a_pause_is_written_in_one_go(
    monkeypatch: pytest.MonkeyPatch, entries: int, pause: str, other: str
) -> None:
    monkeypatch.setattr(writers, pause, TIMEOUT * 9)
    monkeypatch.setattr(writers, other, 0.0)
    journal, stream, log_format = Journal(), Stalled(), PlainLog()
    subscription = journal.subscribe(max_waiting=100)
    writer = JournalWriter(stream, subscription, log_format, "first")
    assert stream.asked.wait(TIMEOUT)
    assert returns(record_all(journal, 0, entries))
    stream.may.set()
    for _ in range(0, entries, PlainLog.at_once):
        assert log_format.made.acquire(timeout=TIMEOUT)
    for number in range(5):
        assert returns(record_all(journal, number, number + 1))
    assert writer.close(TIMEOUT)
    assert sum(log_format.goes) == entries + 5
    assert log_format.goes[-1] == 5


def test_a_pause_ends_where_there_is_little_room_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "PAUSE_SECONDS", TIMEOUT * 9)
    journal, stream, log_format = Journal(), Lines(), PlainLog()
    subscription = journal.subscribe(max_waiting=10)
    writer = JournalWriter(stream, subscription, log_format, "first")
    assert stream.lines.get(timeout=TIMEOUT) == "first"
    for first, end in ((0, 1), (1, 7)):
        assert returns(record_all(journal, first, end))
        written = stream.lines.get(timeout=TIMEOUT)
        assert written == "\n".join(str(number) for number in range(first, end))
    assert writer.close(TIMEOUT)
    assert log_format.goes == [1, 6]


def test_a_push_is_not_held_back_for_long() -> None:
    journal, stream = Journal(), Lines()

    def push(connection: int) -> None:
        record(
            *(journal, None),
            connection=connection,
            outcome="push",
            sent=(pushes(9, [1, 0]),),
            done=True,
            push_callback=9,
            recipients=3,
        )

    writer = JournalWriter(stream, journal.subscribe(), TextLog(1_000_000.5), "first")
    push(1)
    push(2)
    assert stream.lines.get(timeout=TIMEOUT) == "first"
    assert stream.lines.get(timeout=TIMEOUT).endswith("2 of 3    push 9 outlet status [1,0]")
    push(1)  # and one that waits when it is closed
    writer.close(TIMEOUT)
    assert stream.lines.get(timeout=TIMEOUT).endswith("tcp #1    push 9 outlet status [1,0]")


@pytest.mark.parametrize("wait_when_full", [0.0, 0.05])
def test_a_slow_stream_loses_entries_and_the_loss_is_told(wait_when_full: float) -> None:
    journal, stream = Journal(), Stalled()
    subscription = journal.subscribe(max_waiting=10, wait_when_full=wait_when_full)
    writer = JournalWriter(stream, subscription, TextLog(0.0), "first")
    assert stream.asked.wait(TIMEOUT)
    assert returns(record_all(journal, 1, 101))
    stream.may.set()
    writer.close(TIMEOUT)
    first, dropped, *kept = stream.text.splitlines()
    assert first == "first"
    assert dropped == "(90 lines dropped: output too slow)"
    assert [one.split()[-1] for one in kept] == [str(number) for number in range(91, 101)]


def test_the_end_waits_for_a_stream_only_while_it_takes_something() -> None:
    journal, stream = Journal(), Stalled()
    writer = JournalWriter(stream, journal.subscribe(), PlainLog(), "first")
    assert stream.asked.wait(TIMEOUT)
    began = time.monotonic()
    assert not writer.close(3600)
    assert time.monotonic() - began < TIMEOUT
    stream.may.set()
    assert writer.close(TIMEOUT)


def test_a_journal_file_that_loses_entries_says_so_and_can_be_read() -> None:
    journal, stream = Journal(sn="0003C44076"), Stalled()
    head = journal.lines()[0]
    writer = JournalWriter(stream, journal.subscribe(max_waiting=10), JsonLog(), head)
    assert stream.asked.wait(TIMEOUT)
    assert returns(record_all(journal, 1, 101))
    stream.may.set()
    writer.close(TIMEOUT)
    read = Journal.load(stream.text.splitlines())
    assert [one.number for one in read] == list(range(90, 101))
    note = read.events()[0]
    assert isinstance(note, ServerError)
    assert (note.text, note.sn) == (
        "90 entries dropped, from number 1 on: output too slow",
        "0003C44076",
    )


def test_a_slow_stream_is_waited_for_where_it_gets_the_time() -> None:
    journal, stream = Journal(), Stalled()
    subscription = journal.subscribe(max_waiting=10, wait_when_full=TIMEOUT)
    writer = JournalWriter(stream, subscription, PlainLog(), "first")
    assert stream.asked.wait(TIMEOUT)
    recording = record_all(journal, 0, 100)
    stream.may.set()
    assert returns(recording)
    writer.close(TIMEOUT)
    assert stream.text.splitlines() == ["first", *(str(number) for number in range(100))]


def test_a_stream_that_takes_no_more_is_told_of_once_and_blocks_no_one() -> None:
    failures: list[tuple[OSError, bool]] = []
    journal, stream = Journal(), Full()
    subscription = journal.subscribe(max_waiting=10, wait_when_full=TIMEOUT)
    writer = JournalWriter(
        stream,
        subscription,
        PlainLog(),
        "first",
        on_error=lambda error: failures.append((error, subscription.closed)),
    )
    assert stream.asked.wait(TIMEOUT)
    began = time.monotonic()
    recording = record_all(journal, 1, 1000)  # which waits for room
    stream.may.set()
    assert returns(recording)
    writer.close(TIMEOUT)
    assert time.monotonic() - began < TIMEOUT / 2
    # The outlet does not wait for room even while the error is reported.
    assert [(error.strerror, closed) for error, closed in failures] == [
        ("No space left on device", True)
    ]


def test_a_stream_that_stalls_for_good_does_not_hold_up_the_end() -> None:
    journal, stream = Journal(), Stalled()
    writer = JournalWriter(stream, journal.subscribe(), PlainLog(), "first")
    assert stream.asked.wait(TIMEOUT)
    writer.close(0.05)
    assert stream.text == ""
    stream.may.set()
    writer.close(TIMEOUT)


# The writer of lines that must not be lost


def write_all(writer: LineWriter, first: int, end: int) -> threading.Thread:
    """Writes these numbers, in a thread."""

    def write() -> None:
        for number in range(first, end):
            writer.write(str(number))

    return in_a_thread(write)


def fails(error: OSError) -> None:
    raise AssertionError(error)


def test_all_that_was_written_is_there_in_order_when_the_writer_is_closed() -> None:
    stream = Kept()
    writer = LineWriter(stream, fails)
    for number in range(5000):
        writer.write(str(number))
    writer.close(TIMEOUT)
    assert stream.text == "".join(f"{number}\n" for number in range(5000))


def test_a_slow_stream_is_waited_for_where_nothing_may_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MAX_WAITING", 10 * 101)
    stream = Stalled()
    writer = LineWriter(stream, fails)
    writing = write_all(writer, 0, 100)
    assert stream.asked.wait(TIMEOUT)
    stream.may.set()
    assert returns(writing)
    writer.close(TIMEOUT)
    assert stream.text.splitlines() == [str(number) for number in range(100)]


def test_a_full_disk_is_told_of_once_and_blocks_no_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineWriter, "MAX_WAITING", 10 * 101)
    failures: list[OSError] = []
    stream = Full()
    writer = LineWriter(stream, failures.append)
    writer.write("0")
    assert stream.asked.wait(TIMEOUT)
    assert returns(write_all(writer, 1, 11))  # now the queue is full
    writing = write_all(writer, 11, 1000)
    stream.may.set()
    assert returns(writing)
    began = time.monotonic()
    writer.close(TIMEOUT)
    assert time.monotonic() - began < TIMEOUT / 2
    assert [error.strerror for error in failures] == ["No space left on device"]


def test_long_lines_wait_in_smaller_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineWriter, "MAX_WAITING", 10_000)
    stream = Stalled()
    writer = LineWriter(stream, fails)
    writer.write("")
    assert stream.asked.wait(TIMEOUT)
    full = []
    for line in ("x" * 5000, "y" * 4000, "z" * 1000):
        writer.write(line)
        full.append(writer.full)
    assert full == [False, False, True]
    stream.may.set()
    writer.close(TIMEOUT)
    assert len(stream.text) == 10_004


def test_lines_for_a_stream_that_stalls_for_good_do_not_hold_up_the_end() -> None:
    stream = Stalled()
    writer = LineWriter(stream, fails)
    writer.write("0")
    assert stream.asked.wait(TIMEOUT)
    writer.close(0.05)
    assert stream.text == ""
    stream.may.set()
    writer.close(TIMEOUT)
