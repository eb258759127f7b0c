"""Entries as lines of text, and the writer that takes them somewhere from a thread of its own."""

import io
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.cli.log import LineWriter, PushGrouper, text_line
from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import Entry, Event, Exchange, Journal
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import Note, Push, parse_request
from tests.support import SN, TIMEOUT, make_request


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
            exchange(make_request()),
            "tcp #3    callback 20 available updates  packetID 221040  PUBACK 1",
        ),
        (
            exchange(make_request(4711, packet_id=7), "failure", notes=(Note("not known", 32),)),
            "tcp #3    callback 4711  packetID 7  PUBACK 0  note: not known (at byte 32)",
        ),
        (
            exchange(make_request(10, [1, 1], packet_id=7)),
            "tcp #3    callback 10 control outlet [1,1]  packetID 7  PUBACK 1",
        ),
        (
            exchange(
                make_request(), faults=(AppliedFault("late", "0.100 s"), AppliedFault("drop"))
            ),
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
        exchange(make_request(packet_id=number)),
        exchange(make_request(args=number)),
    ):
        assert line(entry).isprintable()
        assert len(line(entry)) < 200


# Pushes


class Folded:
    """What becomes of entries, as lines without the time of day.

    soon: what is to be called when that which goes on is over.
    """

    def __init__(self) -> None:
        self.journal = Journal()
        self.written: list[Entry | str] = []
        self.soon: list[Callable[[], None]] = []
        self.folder = PushGrouper(1_000_000.5, self.written.append, self.soon.append)
        self.journal.listen(recorded=self.folder.take)

    def push(self, connection: int, packet_id: int = 7, callback: int = 9, **more: Any) -> Exchange:
        """Even connections are WebSockets, the others TCP with a terminator."""
        data = Push.of(SN, packet_id, callback, [1, 0]).encode()
        ws = connection % 2 == 0
        sent = (text_frame(data) if ws else data + b"\r\n",)
        given = {"sent": sent, "done": True, "pushed": callback, **more}
        transport: Any = "ws" if ws else "tcp"
        return self.journal.record(0.25, transport, connection, None, None, "push", **given)

    def over(self) -> None:
        """What was going on is over."""
        functions, self.soon[:] = tuple(self.soon), []
        for function in functions:
            function()

    def lines(self) -> list[str]:
        """What has been written."""
        return [
            one.partition("  ")[2] if isinstance(one, str) else line(one) for one in self.written
        ]


def test_a_push_to_many_connections_is_one_line_over_both_transports() -> None:
    log = Folded()
    for connection in range(1, 201):
        log.push(connection)
    assert log.lines() == []
    log.over()
    assert log.lines() == ["all 200   push 9 outlet status [1,0]"]
    assert isinstance(log.written[0], str)
    assert log.written[0].partition("  ")[0].endswith(":40.750")


def test_a_push_to_one_connection_is_told_as_ever() -> None:
    log = Folded()
    pushed = log.push(3)
    log.over()
    assert log.written == [pushed]


def test_a_push_that_a_fault_touched_has_a_line_of_its_own() -> None:
    log = Folded()
    late = (AppliedFault("late", "2 s"),)
    for connection in (1, 2, 3, 4, 5):
        log.push(connection, faults=late if connection in (2, 5) else ())
    log.over()
    assert log.lines() == [
        "3 of 5    push 9 outlet status [1,0]",
        "ws #2     push 9 outlet status [1,0]  fault late (2 s)",
        "tcp #5    push 9 outlet status [1,0]  fault late (2 s)",
    ]


def test_pushes_that_wait_behind_something_are_told_together() -> None:
    log = Folded()
    waiting: dict[str, Any] = {"sent": (), "done": False}
    for connection in (1, 2, 3, 4):
        log.push(connection, **(waiting if connection > 2 else {}))
    log.over()
    assert log.lines() == ["2 of 4    push 9 outlet status [1,0]", "2 of 4    push 9 outlet status"]


def test_different_pushes_are_different_lines_in_their_order_among_everything_else() -> None:
    log = Folded()
    log.journal.event(0.25, "first")
    for packet_id in (7, 8):
        for connection in (1, 2):
            log.push(connection, packet_id)
    for connection in (3, 4):
        log.push(connection, 9, callback=15)
    for connection, packet_id in ((1, 10), (2, 11)):  # not the same one
        log.push(connection, packet_id)
    log.journal.event(0.25, "last")
    expected = [
        "          first",
        "all 2     push 9 outlet status [1,0]",
        "all 2     push 9 outlet status [1,0]",
        "all 2     push 15 ",
        "tcp #1    push 9 outlet status [1,0]",
        "ws #2     push 9 outlet status [1,0]",
        "          last",
    ]
    for written, beginning in zip(log.lines(), expected, strict=True):
        assert written.startswith(beginning)
    log.over()
    assert len(log.written) == len(expected)


effects = st.lists(
    st.tuples(
        st.sampled_from(["push", "touched", "waiting", "event", "over"]),
        st.integers(1, 4),
        st.integers(1, 2),
        st.sampled_from([9, 15]),
    ),
    max_size=30,
)


@given(effects)
def test_no_entry_is_lost_or_told_twice(happening: list[tuple[str, int, int, int]]) -> None:
    log = Folded()
    for kind, connection, packet_id, callback in happening:
        if kind == "over":
            log.over()
        elif kind == "event":
            log.journal.event(0.25, "event")
        else:
            more: dict[str, dict[str, Any]] = {
                "touched": {"faults": (AppliedFault("late"),)},
                "waiting": {"sent": ()},
            }
            log.push(connection, packet_id, callback, **more.get(kind, {}))
    log.over()
    told = 0
    for one in log.written:
        number = re.search(r"  (?:all )?(\d+)(?: of \d+)? ", one) if isinstance(one, str) else None
        assert isinstance(one, str) == (number is not None)
        told += int(number[1]) if number is not None else 1
    assert told == len(log.journal)
    whole = [one for one in log.written if not isinstance(one, str)]
    assert [e for e in whole if isinstance(e, Event)] == log.journal.events()


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
    writer.close(TIMEOUT)
    assert stream.text == "".join(f"{number}\n" for number in range(5000)) + "the end\n"


def test_a_slow_stream_loses_entries_where_it_may_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MAX_WAITING", 10)
    stream = Stalled()
    writer = LineWriter(stream, what, drop=True)
    writer.write(event(0))
    assert stream.asked.wait(TIMEOUT)
    assert returns(write_all(writer, 1, 101))
    stream.may.set()
    writer.close(TIMEOUT)
    kept = stream.text.splitlines()
    assert kept[0] == "0"
    assert kept[1] == "(90 lines left out: nobody read fast enough)"
    assert kept[2:] == [str(number) for number in range(1, 11)]


def test_a_slow_stream_is_waited_for_where_nothing_may_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MAX_WAITING", 10)
    stream = Stalled()
    writer = LineWriter(stream, what, drop=False)
    writing = write_all(writer, 0, 100)
    assert stream.asked.wait(TIMEOUT)
    stream.may.set()
    assert returns(writing)
    writer.close(TIMEOUT)
    assert stream.text.splitlines() == [str(number) for number in range(100)]


def test_a_stream_that_takes_no_more_is_told_of_once_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LineWriter, "MAX_WAITING", 10)
    failures: list[OSError] = []
    stream = Full()
    writer = LineWriter(stream, what, drop=False, failed=failures.append)
    writer.write(event(0))
    assert stream.asked.wait(TIMEOUT)
    assert returns(write_all(writer, 1, 11))  # now the queue is full
    writing = write_all(writer, 11, 1000)
    stream.may.set()
    assert returns(writing)
    began = time.monotonic()
    writer.close(TIMEOUT)
    assert time.monotonic() - began < TIMEOUT / 2
    assert [error.strerror for error in failures] == ["No space left on device"]


def test_a_stream_that_stalls_for_good_does_not_hold_up_the_end() -> None:
    stream = Stalled()
    writer = LineWriter(stream, what, drop=True)
    writer.write(event(0))
    assert stream.asked.wait(TIMEOUT)
    writer.close(0.05)
    assert stream.text == ""
    stream.may.set()
    writer.close(TIMEOUT)
