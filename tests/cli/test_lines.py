"""Entries as lines of text, and the writer that takes them somewhere from a thread of its own."""

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.cli.lines import LineWriter, text_line
from invis_sim.faults.pipeline import Touch
from invis_sim.journal import Entry, Event, Exchange, Journal
from invis_sim.protocol.packets import Note, parse_request

PATIENCE = 20.0


def ask(packet_id: int = 221040, callback: int = 20) -> bytes:
    return b'{"packetID": %d, "payload": {"callbackName": %d}}' % (packet_id, callback)


def exchange(received: bytes, outcome: Any = "success", **more: Any) -> Exchange:
    request = None if outcome == "malformed" else parse_request(received)
    return Journal().record(0.25, "tcp", 3, received, request, outcome, **more)


def line(entry: Entry) -> str:
    """The entry's line without the time of day, which depends on where we are."""
    clock, _, rest = text_line(entry, started=1_000_000.5).partition("  ")
    assert clock.endswith(":40.750")
    return rest


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            exchange(ask()),
            "tcp #3    callback 20 available updates  packetID 221040  PUBACK 1",
        ),
        (
            exchange(ask(7, 4711), "failure", notes=(Note("not known", 32),)),
            "tcp #3    callback 4711  packetID 7  PUBACK 0  note: not known (at byte 32)",
        ),
        (
            exchange(ask(), faults=(Touch("late", "0.100 s"), Touch("drop"))),
            (
                "tcp #3    callback 20 available updates  packetID 221040  PUBACK 1"
                "  fault late (0.100 s)  fault drop"
            ),
        ),
        (
            exchange(b"\x1b[31m\n\xff", "malformed", notes=(Note("odd", 0),)),
            "tcp #3    malformed  note: odd (at byte 0)  '\\x1b[31m\\n\\xff'",
        ),
        (
            Event(
                number=1, seconds=0.25, transport="ws", connection=12, what="closed", detail="so"
            ),
            "ws #12    closed so",
        ),
        (
            Event(number=1, seconds=0.25, transport="tcp", connection=None, what="error"),
            "          error",
        ),
    ],
)
def test_an_entry_is_a_line_that_a_human_can_read(entry: Entry, expected: str) -> None:
    assert line(entry) == expected


@given(st.binary(max_size=500), st.integers(min_value=-(10**400), max_value=10**400))
def test_a_line_is_one_line_and_not_endless_whatever_a_client_sends(
    raw: bytes, number: int
) -> None:
    for entry in (
        exchange(raw, "malformed"),
        exchange(ask().replace(b"221040", str(number).encode())),
    ):
        assert line(entry).isprintable()
        assert len(line(entry)) < 200


def event(number: int) -> Event:
    return Event(number=number, seconds=0, transport=None, connection=None, what=str(number))


def what(entry: Entry) -> str:
    assert isinstance(entry, Event)
    return entry.what


class Kept(io.StringIO):
    """A stream whose text can be read when it is closed."""

    text = ""

    def close(self) -> None:
        if not self.closed:
            self.text = self.getvalue()
        super().close()


class Stalled(Kept):
    """A stream that takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        assert self.may.wait(PATIENCE)
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
    thread.join(PATIENCE)
    return not thread.is_alive()


def write_all(writer: LineWriter, first: int, end: int) -> threading.Thread:
    """Writes events with these numbers, in a thread."""

    def write() -> None:
        for number in range(first, end):
            writer.write(event(number))

    return in_a_thread(write)


def test_all_that_was_written_is_there_in_order_when_the_writer_is_closed() -> None:
    stream = Kept()
    writer = LineWriter(stream, what, drop=False)
    for number in range(5000):
        writer.write(event(number))
    writer.write("the end")
    writer.close(PATIENCE)
    assert stream.text == "".join(f"{number}\n" for number in range(5000)) + "the end\n"


def test_a_slow_stream_loses_entries_where_it_may_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MOST_WAITING", 10)
    stream = Stalled()
    writer = LineWriter(stream, what, drop=True)
    writer.write(event(0))
    assert stream.asked.wait(PATIENCE)
    assert returns(write_all(writer, 1, 101))
    stream.may.set()
    writer.close(PATIENCE)
    kept = stream.text.splitlines()
    assert kept[0] == "0"
    assert kept[1] == "(90 lines left out: nobody read fast enough)"
    assert kept[2:] == [str(number) for number in range(1, 11)]


def test_a_slow_stream_is_waited_for_where_nothing_may_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MOST_WAITING", 10)
    stream = Stalled()
    writer = LineWriter(stream, what, drop=False)
    writing = write_all(writer, 0, 100)
    assert stream.asked.wait(PATIENCE)
    stream.may.set()
    assert returns(writing)
    writer.close(PATIENCE)
    assert stream.text.splitlines() == [str(number) for number in range(100)]


def test_a_stream_that_takes_no_more_is_told_of_once_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MOST_WAITING", 10)
    failures: list[OSError] = []
    stream = Full()
    writer = LineWriter(stream, what, drop=False, failed=failures.append)
    writer.write(event(0))
    assert stream.asked.wait(PATIENCE)
    assert returns(write_all(writer, 1, 11))  # now the queue is full
    writing = write_all(writer, 11, 1000)
    stream.may.set()
    assert returns(writing)
    began = time.monotonic()
    writer.close(PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2
    assert [error.strerror for error in failures] == ["No space left on device"]


def test_a_stream_that_stalls_for_good_does_not_hold_up_the_end() -> None:
    stream = Stalled()
    writer = LineWriter(stream, what, drop=True)
    writer.write(event(0))
    assert stream.asked.wait(PATIENCE)
    writer.close(0.05)
    assert stream.text == ""
    stream.may.set()
    writer.close(PATIENCE)
