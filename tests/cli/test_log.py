"""Entries as lines of text."""

import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from invis_sim.cli.color import Paint
from invis_sim.cli.lines import LineFormat
from invis_sim.cli.log import (
    JsonLog,
    PushGrouper,
    TextLog,
    WallClock,
)
from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import (
    Closed,
    Entry,
    Exchange,
    Journal,
    OutageEnded,
    OutageStarted,
    ServerError,
)
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import Note, Push, parse_request
from tests.cases import for_each
from tests.support import SN, make_request


def exchange(received: bytes, outcome: Any = "success", **more: Any) -> Exchange:
    request = None if outcome == "malformed" else parse_request(received)
    return Journal().record(0.25, "tcp", 3, received, request, outcome, **more)


def line(entry: Entry, **more: Any) -> str:
    """The entry's line without the time of day, which depends on where we are."""
    clock, _, rest = LineFormat(**more).line(entry, started=1_000_000.5).partition("  ")
    assert clock.endswith(":40.750")
    return rest


@for_each(
    ("entry", "expected"),
    [
        (
            exchange(make_request()),
            "tcp #3    20 available updates -> PUBACK 1  packetID 221040",
        ),
        (
            exchange(make_request(4711, packet_id=7), "failure", notes=(Note("not known", 32),)),
            "tcp #3    callback 4711 -> PUBACK 0: not known (at byte 32)  packetID 7",
        ),
        (
            exchange(make_request(10, [1, 1], packet_id=7)),
            "tcp #3    10 control outlet [1,1] -> PUBACK 1  packetID 7",
        ),
        (
            exchange(
                make_request(), faults=(AppliedFault("late", "0.100 s"), AppliedFault("drop"))
            ),
            (
                "tcp #3    20 available updates -> PUBACK 1"
                "  fault late (0.100 s), drop  packetID 221040"
            ),
        ),
        (
            exchange(b"\x1b[31m\n\xff", "malformed", notes=(Note("odd", 0),)),
            "tcp #3    malformed: odd (at byte 0)  '\\x1b[31m\\n\\xff'",
        ),
        (
            Closed(number=1, seconds=0.25, transport="ws", connection=12, reason="so"),
            "ws #12    closed: so",
        ),
        (
            ServerError(number=1, seconds=0.25, text="so"),
            "          error: so",
        ),
    ],
)
def test_an_entry_is_a_line_that_a_human_can_read(entry: Entry, expected: str) -> None:
    assert line(entry) == expected


REPLY = (
    b'{"packetID":7,"PUBACK":1,"payload":{"callbackName":10,"callbackArgs":["' + b"x" * 80 + b'"]}}'
)


@for_each(
    ("columns", "expected"),
    [
        (40, "10 control outlet [1,1] -> PUBACK 1"),
        (80, '10 control outlet [1,1] -> PUBACK 1 ["xxxxxxxxxxxxxxxxx…'),
        (140, f'10 control outlet [1,1] -> PUBACK 1 ["{"x" * 57}…  packetID 7'),
        (None, f'10 control outlet [1,1] -> PUBACK 1 ["{"x" * 57}…  packetID 7'),
    ],
)
def test_a_line_says_what_was_answered_as_far_as_it_fits_the_terminal(
    columns: int | None, expected: str
) -> None:
    answered = exchange(make_request(10, [1, 1], packet_id=7), sent=(REPLY,), done=True)
    assert line(answered, columns=lambda: columns) == f"tcp #3    {expected}"
    late = exchange(
        make_request(10, [1, 1], packet_id=7), sent=(REPLY,), faults=(AppliedFault("late", "2 s"),)
    )
    shown = line(late, columns=lambda: columns)
    assert shown.startswith("tcp #3    10 control outlet [1,1] -> PUBACK 1  fault late (2 s)")
    assert "x" not in shown  # it may not be what the outlet has answered


@given(
    st.integers(60, 200),
    st.text(max_size=100),
    st.lists(st.sampled_from(["delay", "split"]), max_size=2),
)
def test_a_line_fits_a_terminal_where_its_arguments_can_be_shortened(
    columns: int, text: str, faults: list[str]
) -> None:
    entry = exchange(
        make_request(10, text, packet_id=7),
        sent=(REPLY,),
        faults=tuple(AppliedFault(name, "0.1 s") for name in faults),
    )
    needed = 24 + len("10 control outlet  -> PUBACK 1  fault ") + 16 + 20 * len(faults)
    whole = LineFormat(columns=lambda: columns).line(entry, started=0.0)
    assert len(whole) <= max(columns, needed)


def test_outcomes_and_faults_are_seen_by_their_colours() -> None:
    paint = Paint(True)
    for outcome, style in (("success", "32"), ("failure", "1;31"), ("no reply", "1;31")):
        shown = line(exchange(make_request(), outcome, faults=(AppliedFault("drop"),)), paint=paint)
        assert f"\x1b[{style}m -> " in shown
        assert "\x1b[33m  fault drop\x1b[0m" in shown
    assert "\x1b" not in line(exchange(b"\x1b[31m", "malformed"))


@for_each(
    ("transport", "sent", "expected"),
    [
        ("tcp", (b'{"a":1}', b"\xff\x00"), ['< {"a":1}', "< ff 00"]),
        ("ws", (text_frame(b'{"a":1}'),), ['< {"a":1}']),
        ("ws", (b"\x81\x7f",), ["< 81 7f"]),
        ("tcp", (b"\x1b[31m",), ["< \\u001b[31m"]),
    ],
)
def test_the_full_log_has_the_bytes_of_both_directions(
    transport: Any, sent: tuple[bytes, ...], expected: list[str]
) -> None:
    received = make_request()
    entry = Journal().record(
        0.25, transport, 3, received, parse_request(received), "success", sent=sent, latency=0.25
    )
    _, *below = LineFormat(full=True).lines(entry, 0.0)
    assert below[0] == f"{' ' * 14}> {received.decode()}"
    expected[0] = expected[0].replace("< ", "< (after 0.250 s) ")
    assert [one.strip() for one in below[1:]] == expected
    assert [*LineFormat(full=True).lines(ServerError(number=1, seconds=0.0, text="x"), 0.0)][
        1:
    ] == []


def test_a_line_begins_with_the_outlet_where_there_are_several() -> None:
    entry = ServerError(number=1, seconds=0.0, text="so", sn="0003C44076")
    assert LineFormat(label=lambda one: one.sn[-4:]).line(entry, 0.0).startswith("4076  ")


def test_the_time_of_day_is_that_of_the_clock_as_it_is_set() -> None:
    wall, steady = 1_000_000.0, 50.0
    clock = WallClock(999_990.0, wall=lambda: wall, steady=lambda: steady)
    steady, wall = 60.0, 1_000_010.0
    assert clock.started() == 999_990.0
    steady, wall = 61.0, 1_003_611.0  # set an hour ahead
    assert clock.started() == 1_003_590.0


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


@example(["\x7f"])  # the only one of ASCII that JSON has as it is
@given(st.lists(st.text(st.characters() | st.sampled_from("\0\x1f\x7f\x85\xa0\u202e"))))
def test_lines_of_json_are_printable_whatever_they_say(texts: list[str]) -> None:
    entries = [ServerError(number=1, seconds=0.0, text=text) for text in texts]
    lines = JsonLog().text(entries).splitlines(keepends=True)
    assert all(line[-1] == "\n" and line[:-1].isprintable() for line in lines)
    assert [json.loads(line)["text"] for line in lines] == texts


# Pushes


class Grouped:
    """What becomes of entries, as lines without the time of day."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.grouper = PushGrouper(1_000_000.5)
        self.written: list[str] = []

    def push(
        self, connection: int, recipients: int, packet_id: int = 7, callback: int = 9, **more: Any
    ) -> Exchange:
        """Even connections are WebSockets, the others TCP with a terminator."""
        data = Push.of(SN, packet_id, callback, [1, 0]).encode()
        ws = connection % 2 == 0
        sent = (text_frame(data) if ws else data + b"\r\n",)
        given = {"sent": sent, "done": True, "push_callback": callback, **more}
        transport: Any = "ws" if ws else "tcp"
        push = self.journal.record(
            0.25, transport, connection, None, None, "push", recipients=recipients, **given
        )
        self.written += self.grouper.lines(push)
        return push

    def event(self, text: str) -> None:
        event = self.journal.add(ServerError, 0.25, text=text)
        self.written += self.grouper.lines(event)

    def flush(self) -> None:
        self.written += self.grouper.flush()

    def lines(self) -> list[str]:
        """What has been written, without the time of day."""
        return [one.partition("  ")[2] for one in self.written]


def test_a_push_to_many_connections_is_one_line_over_both_transports() -> None:
    log = Grouped()
    for connection in range(1, 200):
        log.push(connection, 200)
    assert log.grouper.holds
    assert log.lines() == []
    log.push(200, 200)
    assert log.lines() == ["200 clients push 9 outlet status [1,0]"]
    assert not log.grouper.holds


def test_a_push_to_one_connection_is_written_at_once() -> None:
    log = Grouped()
    pushed = log.push(3, 1)
    assert log.lines() == [line(pushed)]


def test_a_push_whose_others_do_not_come_is_written_by_a_flush() -> None:
    log = Grouped()
    for connection in (1, 2):
        log.push(connection, 3)
    log.flush()
    assert log.lines() == ["2 of 3    push 9 outlet status [1,0]"]
    log.flush()
    assert len(log.written) == 1


def test_pushes_of_different_batches_are_different_lines() -> None:
    log = Grouped()
    log.push(1, 3)
    log.push(2, 2)
    assert log.lines() == ["tcp #1    push 9 outlet status [1,0]"]
    log.push(3, 2)
    assert log.lines()[1:] == ["2 clients push 9 outlet status [1,0]"]


def test_a_push_that_waits_is_written_before_the_note_of_what_is_missing() -> None:
    log, text_log = Grouped(), TextLog(1_000_000.5)
    push = log.push(1, 3)
    assert text_log.text([push]) == ""
    waiting, note = text_log.dropped(7, push, push).splitlines()
    assert waiting.endswith("tcp #1    push 9 outlet status [1,0]")
    assert note == "(7 lines dropped: output too slow)"


def test_a_push_that_a_fault_touched_has_a_line_of_its_own() -> None:
    log = Grouped()
    late = (AppliedFault("late", "2 s"),)
    for connection in (1, 2, 3, 4, 5):
        log.push(connection, 5, faults=late if connection in (2, 5) else ())
    assert log.lines() == [
        "3 of 5    push 9 outlet status [1,0]",
        "ws #2     push 9 outlet status [1,0]  fault late (2 s)",
        "tcp #5    push 9 outlet status [1,0]  fault late (2 s)",
    ]


def test_pushes_that_wait_behind_something_are_told_together() -> None:
    log = Grouped()
    waiting: dict[str, Any] = {"sent": (), "done": False}
    for connection in (1, 2, 3, 4):
        log.push(connection, 4, **(waiting if connection > 2 else {}))
    assert log.lines() == ["2 of 4    push 9 outlet status [1,0]", "2 of 4    push 9 outlet status"]


def test_different_pushes_are_different_lines_in_their_order_among_everything_else() -> None:
    log = Grouped()
    log.event("first")
    for packet_id in (7, 8):
        for connection in (1, 2):
            log.push(connection, 2, packet_id)
    for connection in (3, 4):
        log.push(connection, 2, 9, callback=15)
    for connection, packet_id in ((1, 10), (2, 11)):  # not the same one
        log.push(connection, 2, packet_id)
    log.event("last")
    expected = [
        "          error: first",
        "2 clients push 9 outlet status [1,0]",
        "2 clients push 9 outlet status [1,0]",
        "2 clients push 15 ",
        "tcp #1    push 9 outlet status [1,0]",
        "ws #2     push 9 outlet status [1,0]",
        "          error: last",
    ]
    for written, beginning in zip(log.lines(), expected, strict=True):
        assert written.startswith(beginning)
    assert not log.grouper.holds


effects = st.lists(
    st.tuples(
        st.sampled_from(["push", "touched", "waiting", "event", "flush"]),
        st.integers(1, 4),
        st.integers(1, 2),
        st.sampled_from([9, 15]),
        st.integers(1, 4),
    ),
    max_size=30,
)


@given(effects)
def test_no_entry_is_lost_or_told_twice(happening: list[tuple[str, int, int, int, int]]) -> None:
    log = Grouped()
    for kind, connection, packet_id, callback, recipients in happening:
        if kind == "flush":
            log.flush()
        elif kind == "event":
            log.event("event")
        else:
            more: dict[str, dict[str, Any]] = {
                "touched": {"faults": (AppliedFault("late"),)},
                "waiting": {"sent": ()},
            }
            log.push(connection, recipients, packet_id, callback, **more.get(kind, {}))
    log.flush()
    shown = 0
    for one in log.lines():
        number = re.match(r"(?:all )?(\d+)(?: of \d+)? ", one)
        shown += int(number[1]) if number is not None else 1
    assert shown == len(log.journal)
    events = [one for one in log.lines() if "event" in one]
    assert len(events) == len(log.journal.events())


def test_an_outlet_that_does_not_come_back_by_itself_is_followed_by_the_hint() -> None:
    outage: dict[str, Any] = {"number": 1, "seconds": 0.25, "name": "network reset"}
    for_good = OutageStarted(**outage, source="outlet")
    log = TextLog(1_000_000.5, "the hint")
    shown, hint = log.text([for_good]).splitlines()
    assert shown.partition("  ")[2] == line(for_good)
    assert hint == "the hint"
    for other in (
        OutageStarted(**outage, source="outlet", duration=3),
        OutageStarted(**outage, source="fault"),
        OutageEnded(**outage, source="outlet"),
    ):
        assert log.text([other]).count("\n") == 1
    assert TextLog(1_000_000.5).text([for_good]).count("\n") == 1
