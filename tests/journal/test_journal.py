"""The journal keeps the newest entries, counts them, tells of them, answers questions about them,
and is written and read as JSON Lines.
"""

import base64
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import Entry, Event, Exchange, Journal, Outcome, describe, encode_entry, tell
from invis_sim.protocol.frames import close_frame, text_frame
from invis_sim.protocol.packets import Note, Push, parse_request
from invis_sim.protocol.transport import Transport

ASK = b'{"packetID": 221040, "payload": {"callbackName": 20}}'


def record(journal: Journal, received: bytes | None = ASK, **more: Any) -> Exchange:
    request = parse_request(received) if received == ASK else None
    given = {"seconds": 0.5, "transport": "tcp", "connection": 1, "outcome": "success", **more}
    return journal.record(received=received, request=request, **given)


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
    journal = Journal(most_entries=most_entries, most_bytes=most_bytes)
    every: list[Entry] = []
    cleared = 0
    exchanges: list[Exchange] = []
    for what, *rest in happening:
        if what == "exchange":
            exchanges.append(record(journal, rest[0], sent=rest[1]))
            every.append(exchanges[-1])
        elif what == "event":
            every.append(journal.event(1.0, "connected"))
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
    journal = Journal(most_entries=1000, most_bytes=most * size)
    for _ in range(count):
        record(journal, bytes(size))
    assert len(journal) == min(count, most)


def test_what_is_sent_for_a_forgotten_exchange_takes_no_room() -> None:
    journal = Journal(most_entries=3, most_bytes=1000)
    forgotten = record(journal)
    for _ in range(3):
        journal.event(0.0, "connected")
    for _ in range(100):
        journal.sent(forgotten, bytes(100))
    kept = [record(journal) for _ in range(3)]
    assert list(journal) == kept


def test_numbers_go_on_over_both_kinds_of_entries_and_after_clear() -> None:
    journal = Journal()
    assert record(journal).number == 1
    assert journal.event(0.0, "connected").number == 2
    journal.clear()
    assert list(journal) == []
    assert record(journal).number == 3


def test_exchanges_and_events_are_told_apart_in_their_order() -> None:
    journal = Journal()
    first = journal.event(0.0, "connected", "127.0.0.1:5000", "tcp", 1)
    second = record(journal)
    third = journal.event(1.0, "closed", "by the client", "tcp", 1)
    assert list(journal) == [first, second, third]
    assert journal.exchanges() == [second]
    assert journal.events() == [first, third]
    assert (first.what, first.detail, first.connection) == ("connected", "127.0.0.1:5000", 1)


def test_listeners_hear_of_each_entry_once_and_of_each_exchange_once_it_is_done() -> None:
    journal = Journal()
    recorded: list[Entry] = []
    finished: list[Exchange] = []
    journal.listen(recorded=recorded.append)
    journal.listen(finished=finished.append)
    journal.listen(recorded=recorded.append, finished=finished.append)
    event = journal.event(0.0, "connected")
    at_once = record(journal, done=True)
    later = record(journal)
    assert recorded == [event, event, at_once, at_once, later, later]
    assert finished == [at_once, at_once]
    journal.sent(later, b"{}")
    journal.finish(later)
    journal.finish(later)
    assert finished == [at_once, at_once, later, later]
    assert later.done


def test_an_exchange_knows_what_was_asked() -> None:
    journal = Journal()
    assert (record(journal).callback, record(journal).packet_id) == (20, 221040)
    broken = record(journal, b"broken", outcome="malformed")
    assert (broken.callback, broken.packet_id) == (None, None)


def shown(entry: Entry) -> dict[str, Any]:
    line = encode_entry(entry)
    assert b"\n" not in line
    plain: dict[str, Any] = json.loads(line)
    return plain


def test_an_exchange_is_shown_with_all_that_is_known() -> None:
    exchange = record(
        Journal(),
        seconds=1.23456789,
        sent=(b'{"PUBACK":0}',),
        faults=(AppliedFault("late", "0.100 s"),),
        notes=(Note("odd", 7), Note("as the scenario says")),
        done=True,
    )
    assert shown(exchange) == {
        "entry": "exchange",
        "number": 1,
        "seconds": 1.234568,
        "transport": "tcp",
        "connection": 1,
        "callback": 20,
        "packetID": 221040,
        "outcome": "success",
        "received": ASK.decode(),
        "sent": ['{"PUBACK":0}'],
        "faults": [{"fault": "late", "detail": "0.100 s"}],
        "notes": [
            {"reason": "odd", "offset": 7},
            {"reason": "as the scenario says", "offset": None},
        ],
    }


def test_an_exchange_of_which_more_may_be_sent_says_so() -> None:
    assert shown(record(Journal()))["done"] is False


def test_an_event_is_shown_with_all_that_is_known() -> None:
    assert shown(Journal().event(0.0, "closed", 'by "him"\n', "ws", 3)) == {
        "entry": "event",
        "number": 1,
        "seconds": 0.0,
        "transport": "ws",
        "connection": 3,
        "what": "closed",
        "detail": 'by "him"\n',
    }


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\xed\xa0\x80", b"half \xc3"])
def test_bytes_that_are_no_utf_8_are_shown_in_base64(raw: bytes) -> None:
    plain = shown(record(Journal(), raw, sent=(raw,), outcome="malformed"))
    assert plain["received"] == {"base64": base64.b64encode(raw).decode()}
    assert plain["sent"] == [plain["received"]]


def test_a_push_was_caused_by_nothing_received() -> None:
    plain = shown(record(Journal(), None, outcome="push", sent=(b"{}",)))
    assert (plain["received"], plain["callback"], plain["packetID"]) == (None, None, None)


def test_a_push_has_the_callback_that_it_is_about_and_no_packet_id_that_anybody_asked_with() -> (
    None
):
    pushed = record(Journal(), None, outcome="push", pushed=9, sent=(pushes(9, [1, 0]),))
    assert (pushed.callback, pushed.packet_id, pushed.request) == (9, None, None)
    plain = shown(pushed)
    assert (plain["callback"], plain["packetID"], plain["outcome"]) == (9, None, "push")


@pytest.mark.parametrize("callback", [9, 0, -1, 10**400])
@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_a_push_is_read_as_it_was_written(callback: int, transport: Transport) -> None:
    journal = Journal()
    sent = pushes(9, [1, 0]) if transport == "tcp" else text_frame(pushes(9, [1, 0]))
    given: dict[str, Any] = {"outcome": "push", "transport": transport, "done": True}
    record(journal, None, sent=(sent,), pushed=callback, **given)
    (read,) = Journal.load(journal.lines()).exchanges(callback=callback)
    assert (read.pushed, read.callback, read.outcome) == (callback, callback, "push")
    assert (read.received, read.request, read.sent) == (None, None, (sent,))


@pytest.mark.parametrize("transport", ["tcp", "ws"])
@pytest.mark.parametrize(
    ("callback", "args", "told"),
    [
        (9, [1, 0], "push 9 outlet status [1,0]"),
        (22, [3, 100], "push 22 update progress [3,100]"),
        (99, {"a": None}, 'push 99 {"a":null}'),
        (18, "x" * 58, f'push 18 color light status "{"x" * 58}"'),
        (18, "x" * 59, f'push 18 color light status "{"x" * 58}…'),
        (11, {"a": ["é"] * 99}, 'push 11 sensor readings {"a":[' + '"é",' * 13 + '"…'),
    ],
)
def test_a_push_is_told_by_its_name_and_with_its_arguments_shortened_where_they_are_long(
    transport: Transport, callback: int, args: Any, told: str
) -> None:
    data = pushes(callback, args)
    sent = (data if transport == "tcp" else text_frame(data),)
    pushed = record(
        Journal(), None, outcome="push", pushed=callback, transport=transport, sent=sent
    )
    where = f"{transport} #1"
    assert describe(pushed) == f"   0.500 s  {where:7}  {told}"


@pytest.mark.parametrize(
    "sent",
    [(), (b"",), (b"{",), (b"[]",), (b"\xff",), (b'{"payload":3}',), (b"[" * 100_000,)],
)
def test_a_push_of_which_a_fault_has_left_little_is_told_without_arguments(
    sent: tuple[bytes, ...],
) -> None:
    for transport in ("tcp", "ws"):
        given: dict[str, Any] = {"outcome": "push", "transport": transport, "sent": sent}
        pushed = record(Journal(), None, pushed=9, faults=(AppliedFault("broken"),), **given)
        assert describe(pushed).endswith("push 9 outlet status  fault broken")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("[1, 1]", "callback 10 control outlet [1,1]"),
        ("null", "callback 10 control outlet null"),
        ('{"a": "x\\ny"}', 'callback 10 control outlet {"a":"x\\ny"}'),
        ('"Küche \u2028\u009b\x7f\U000e0001"', None),
        (f'"{"x" * 58}"', f'callback 10 control outlet "{"x" * 58}"'),
        (f'"{"x" * 59}"', f'callback 10 control outlet "{"x" * 58}…'),
        ("8" * 6000, f"callback 10 control outlet {'8' * 59}…"),
        ('["\\ud800"]', 'callback 10 control outlet ["\\ud800"]'),
        ("1e999", "callback 10 control outlet null"),
    ],
)
def test_a_request_is_told_with_its_arguments_shortened_where_they_are_long(
    args: str, told: str | None
) -> None:
    if told is None:  # what would do something to a terminal is written as JSON can write it
        told = r'callback 10 control outlet "Küche \u2028\u009b\u007f\udb40\udc01"'
    words = describe(asked_with(args))
    assert words == f"   0.000 s  tcp #1   {told}  packetID 7  PUBACK 0"


def asked_with(args: str) -> Exchange:
    received = f'{{"packetID":7,"payload":{{"callbackName":10,"callbackArgs":{args}}}}}'.encode()
    return Journal().record(0.0, "tcp", 1, received, parse_request(received), "failure")


def test_a_request_without_a_usable_callback_is_told_with_its_arguments() -> None:
    received = b'{"packetID":7,"payload":{"callbackName":"x","callbackArgs":[1]}}'
    exchange = Journal().record(0.0, "tcp", 1, received, parse_request(received), "failure")
    assert "callback ? [1]  packetID 7" in describe(exchange)


def test_a_push_in_two_writes_is_told_with_its_arguments() -> None:
    data = pushes(9, [0, 1])
    pushed = record(Journal(), None, outcome="push", pushed=9, sent=(data[:7], data[7:]))
    assert describe(pushed).endswith("push 9 outlet status [0,1]")


def pushes(callback: int, args: Any) -> bytes:
    """A push as an outlet sends it."""
    return Push.of("0003C44076", 839379, callback, args).encode()


def an_hour_with_pushes() -> Journal:
    """Two clients who both hear of a change that one of them has asked for."""
    journal = Journal()
    reply, push, readings = b'{"PUBACK":1}', pushes(9, [1, 0]), pushes(11, [1, {}])
    record_as(journal, 0.1, "tcp", 1, asked(101, 9), "success", (reply,), ())
    late = (AppliedFault("late", "2 s"),)
    for callback, data in ((9, push), (11, readings)):
        given: dict[str, Any] = {"outcome": "push", "pushed": callback, "done": True}
        record(journal, None, connection=1, sent=(data,), **given)
        faults = late if callback == 11 else ()
        ws: dict[str, Any] = {"transport": "ws", "connection": 2, "sent": (text_frame(data),)}
        record(journal, None, faults=faults, **given, **ws)
    # A fault has kept this one back.
    journal.record(0.3, "tcp", 1, None, None, "push", done=True, pushed=9)
    return journal


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [9, 9, 11, 11]),
        ({"callback": 9}, [9, 9]),
        ({"callback": 11, "transport": "ws"}, [11]),
        ({"connection": 1}, [9, 11]),
        ({"transport": "tcp"}, [9, 11]),
        ({"fault": "late"}, [11]),
        ({"callback": 15}, []),
    ],
)
def test_pushes_are_asked_for_by_the_same_filters_and_given_as_they_left(
    filters: dict[str, Any], expected: list[int]
) -> None:
    told = an_hour_with_pushes().pushes(**filters)
    assert told == [pushes(9, [1, 0]) if one == 9 else pushes(11, [1, {}]) for one in expected]


def test_exchanges_of_a_callback_are_requests_for_it_and_pushes_of_it() -> None:
    journal = an_hour_with_pushes()
    found = journal.exchanges(callback=9)
    assert [one.outcome for one in found] == ["success", "push", "push", "push"]
    assert [one.outcome for one in journal.exchanges(callback=11)] == ["push", "push"]


def test_a_push_is_neither_a_request_nor_a_reply() -> None:
    journal = an_hour_with_pushes()
    assert [one.callback for one in journal.requests()] == [9]
    assert journal.replies() == journal.replies(callback=9) == [b'{"PUBACK":1}']
    journal.assert_received(callback=9, times=1)
    journal.assert_not_received(callback=11)
    with pytest.raises(AssertionError, match="there was none") as caught:
        journal.assert_received(callback=11)
    assert "push" not in str(caught.value)


def test_a_packet_id_of_any_size_is_shown_digit_by_digit() -> None:
    digits = b"8" * 6000
    received = ASK.replace(b"221040", digits)
    exchange = Journal().record(0.0, "tcp", 1, received, parse_request(received), "success")
    assert b'"packetID":' + digits + b"," in encode_entry(exchange)


@given(st.text())
def test_a_whole_text_frame_is_shown_as_its_text(text: str) -> None:
    exchange = record(Journal(), transport="ws", sent=(text_frame(text.encode()),))
    assert shown(exchange)["sent"] == [text]


@pytest.mark.parametrize(
    "written",
    [
        text_frame(b'{"PUBACK":1}')[:5],
        text_frame(b'{"PUBACK":1}')[5:],
        text_frame(b"\xff"),
        text_frame(b"{}") * 2,
        close_frame(1001, "bye"),
        b"",
    ],
    ids=["its beginning", "its end", "no UTF-8", "two", "a close frame", "nothing"],
)
def test_whatever_else_is_written_to_a_websocket_is_shown_in_base64_as_it_was(
    written: bytes,
) -> None:
    exchange = record(Journal(), transport="ws", sent=(written,))
    assert shown(exchange)["sent"] == [{"base64": base64.b64encode(written).decode()}]


@given(
    st.none() | st.binary(max_size=50),
    st.lists(st.binary(max_size=50), max_size=3).map(tuple),
    st.sampled_from(["tcp", "ws"]),
    st.text(),
)
def test_every_entry_is_one_line_of_json(
    received: bytes | None, sent: tuple[bytes, ...], transport: str, words: str
) -> None:
    notes = (Note(words, 0),)
    faults = (AppliedFault(words, words),)
    journal = Journal()
    shown(record(journal, received, sent=sent, transport=transport, notes=notes, faults=faults))
    assert shown(journal.event(0.0, words, words))["detail"] == words


def test_entries_are_events_or_exchanges() -> None:
    journal = Journal()
    journal.event(0.0, "connected")
    record(journal)
    assert [type(entry) for entry in journal] == [Event, Exchange]


# Questions


def asked(packet_id: int, callback: int = 20) -> bytes:
    return b'{"packetID": %d, "payload": {"callbackName": %d}}' % (packet_id, callback)


def an_hour() -> Journal:
    """Two clients, three callbacks, a fault, a push, and something malformed."""
    journal = Journal()
    journal.event(0.0, "connected", "127.0.0.1:5001", "tcp", 1)
    journal.event(0.1, "connected", "127.0.0.1:5002", "ws", 2)
    sent = (b'{"PUBACK":1}',)
    late = (AppliedFault("late", "2 s"),)
    for seconds, transport, connection, received, said, faults in (
        (0.2, "tcp", 1, asked(101), sent, ()),
        (0.3, "ws", 2, asked(102), tuple(map(text_frame, sent)), late),
        (0.4, "tcp", 1, asked(103, 7), (b'{"PUBACK', b'":0}'), ()),
        (0.5, "ws", 2, asked(102, 99), (), late),
    ):
        request = parse_request(received)
        outcome = "success" if request.callback == 20 else "failure"
        record_as(journal, seconds, transport, connection, received, outcome, said, faults)
    record_as(journal, 0.6, "tcp", 1, b"broken", "malformed", (), ())
    record_as(journal, 0.7, "ws", 2, None, "push", (text_frame(b"{}"),), ())
    journal.event(0.8, "closed", "by the client", "tcp", 1)
    return journal


def record_as(
    journal: Journal,
    seconds: float,
    transport: Any,
    connection: int,
    received: bytes | None,
    outcome: Any,
    sent: tuple[bytes, ...],
    faults: tuple[AppliedFault, ...],
) -> None:
    request = None if received is None or outcome == "malformed" else parse_request(received)
    journal.record(
        seconds, transport, connection, received, request, outcome, sent, faults, done=True
    )


@pytest.mark.parametrize(
    ("filters", "packet_ids"),
    [
        ({}, [101, 102, 103, 102]),
        ({"callback": 20}, [101, 102]),
        ({"callback": 7}, [103]),
        ({"callback": 0}, []),
        ({"transport": "ws"}, [102, 102]),
        ({"connection": 1}, [101, 103]),
        ({"packet_id": 102}, [102, 102]),
        ({"fault": "late"}, [102, 102]),
        ({"fault": "lat"}, []),
        ({"callback": 20, "fault": "late", "transport": "ws", "connection": 2}, [102]),
        ({"callback": 20, "connection": 2, "transport": "tcp"}, []),
    ],
)
def test_requests_exchanges_and_assertions_take_the_same_filters(
    filters: dict[str, Any], packet_ids: list[int]
) -> None:
    journal = an_hour()
    assert [one.packet_id for one in journal.requests(**filters)] == packet_ids
    exchanges = [one for one in journal.exchanges(**filters) if one.request is not None]
    assert [one.packet_id for one in exchanges] == packet_ids
    journal.assert_received(times=len(packet_ids), **filters)
    with pytest.raises(AssertionError):
        journal.assert_received(times=len(packet_ids) + 1, **filters)
    if packet_ids:
        journal.assert_received(**filters)
        with pytest.raises(AssertionError):
            journal.assert_not_received(**filters)
    else:
        journal.assert_not_received(**filters)
        with pytest.raises(AssertionError):
            journal.assert_received(**filters)


def test_exchanges_are_also_what_was_malformed_and_pushes() -> None:
    found = an_hour().exchanges()
    assert [one.outcome for one in found] == [
        *("success", "success", "failure", "failure", "malformed", "push")
    ]
    assert [one.number for one in found] == [3, 4, 5, 6, 7, 8]


def test_events_are_filtered_by_what_and_where() -> None:
    journal = an_hour()
    assert [one.number for one in journal.events()] == [1, 2, 9]
    assert [one.number for one in journal.events(what="connected")] == [1, 2]
    assert [one.number for one in journal.events(transport="ws")] == [2]
    assert [one.number for one in journal.events(connection=1, what="closed")] == [9]
    assert journal.events(what="closed", transport="ws") == []


def test_replies_are_what_was_sent_for_each_request_without_frames() -> None:
    journal = an_hour()
    assert journal.replies() == [b'{"PUBACK":1}', b'{"PUBACK":1}', b'{"PUBACK":0}']
    assert journal.replies(transport="ws") == [b'{"PUBACK":1}']
    assert journal.replies(callback=99) == []


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ((text_frame(b"{}")[:2], text_frame(b"{}")[2:]), b"{}"),
        ((text_frame(b"{}"), text_frame(b"[]")), b"{}[]"),
        ((close_frame(1001),), close_frame(1001)),
        ((text_frame(b"{}"), b"?"), text_frame(b"{}") + b"?"),
    ],
    ids=["in pieces", "twice", "no message", "a message and something else"],
)
def test_replies_on_websocket_are_text_where_they_can_be(
    sent: tuple[bytes, ...], said: bytes
) -> None:
    journal = Journal()
    record(journal, transport="ws", sent=sent)
    assert journal.replies() == [said]


def failure(check: Callable[[], None]) -> str:
    with pytest.raises(AssertionError) as caught:
        check()
    return str(caught.value)


def test_what_was_received_instead_is_told() -> None:
    journal = an_hour()
    received = [
        "received:",
        "     0.200 s  tcp #1   callback 20 available updates  packetID 101  PUBACK 1",
        (
            "     0.300 s  ws #2    callback 20 available updates  packetID 102  PUBACK 1"
            "  fault late (2 s)"
        ),
        "     0.400 s  tcp #1   callback 7 factory reset  packetID 103  PUBACK 0",
        "     0.500 s  ws #2    callback 99  packetID 102  PUBACK 0  fault late (2 s)",
        "     0.600 s  tcp #1   malformed  'broken'",
    ]
    for check, first in (
        (
            lambda: journal.assert_received(callback=20, times=3),
            "expected a request for callback 20 (available updates), 3 times; it came 2 times",
        ),
        (
            lambda: journal.assert_received(callback=98, connection=1),
            "expected a request for callback 98 on connection #1; there was none",
        ),
        (
            lambda: journal.assert_received(packet_id=101, transport="tcp", times=0),
            "expected a request with packetID 101 on tcp, 0 times; it came once",
        ),
        (
            lambda: journal.assert_not_received(fault="late", transport="ws", connection=2),
            "expected no request on ws connection #2 touched by 'late'; it came 2 times",
        ),
        (lambda: journal.assert_received(times=1), "expected a request, once; it came 4 times"),
    ):
        assert failure(check).splitlines() == [first, *received]


def test_that_nothing_at_all_was_received_is_told() -> None:
    journal = Journal()
    journal.event(0.0, "connected", "127.0.0.1:5001", "tcp", 1)
    assert failure(journal.assert_received) == (
        "expected a request; there was none\nnothing at all was received"
    )


def test_of_many_entries_the_newest_are_told() -> None:
    journal = Journal()
    for number in range(1, 8):
        journal.event(0.0, "closed", f"number {number}")
    lines = tell(journal, most=2).splitlines()
    assert lines[0] == "  … 5 earlier ones left out"
    assert [line[-8:] for line in lines[1:]] == ["number 6", "number 7"]
    assert len(tell(journal, most=7).splitlines()) == 7


def test_a_journal_as_text_is_its_newest_entries_in_words() -> None:
    journal = an_hour()
    assert str(journal) == tell(journal)
    assert str(journal).splitlines()[2] == (
        "     0.200 s  tcp #1   callback 20 available updates  packetID 101  PUBACK 1"
    )
    for number in range(100):
        journal.event(1.0, "closed", f"number {number}")
    assert str(journal).splitlines()[0] == "  … 59 earlier ones left out"
    assert str(journal).endswith("closed number 99")
    assert str(Journal()) == ""


def test_what_is_told_of_an_entry_is_one_short_line_whatever_came() -> None:
    huge = ASK.replace(b"221040", b"8" * 6000).replace(b"20}}", b"9" * 6000 + b"}}")
    exchange = Journal().record(0.0, "tcp", 1, huge, parse_request(huge), "failure")
    assert len(describe(exchange)) < 200
    broken = record(Journal(), b"\n\x1b[0m" * 5000, outcome="malformed")
    assert len(describe(broken)) < 200
    assert describe(broken).isprintable()


# From several threads


def test_it_may_be_read_while_another_thread_records() -> None:
    journal = Journal(most_entries=2)

    def record_all() -> None:
        for _ in range(5000):
            journal.event(0.0, "connected")
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
    journal = Journal(most_entries=1)
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


# Written and read

words = st.text(max_size=10)
transports: st.SearchStrategy[Transport] = st.sampled_from(["tcp", "ws"])
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(get_args(Outcome))
texts = st.text(max_size=20).map(str.encode)
json_values = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


@given(json_values | st.text(alphabet=st.characters(categories=None)).map(lambda text: [text]))
def test_what_is_told_of_arguments_is_one_short_line_whatever_they_are(args: Any) -> None:
    for escaped in (True, False):
        text = json.dumps(args, ensure_ascii=escaped)
        try:
            text.encode()
        except UnicodeEncodeError:
            continue  # half of a surrogate pair can only come escaped
        told = describe(asked_with(text))
        assert told.isprintable()
        assert len(told) < 180  # notes included
        pushed = b'{"payload":{"callbackArgs":%b}}' % text.encode()
        given: dict[str, Any] = {"outcome": "push", "pushed": 9, "sent": (pushed,)}
        told = describe(record(Journal(), None, **given))
        assert told.isprintable()
        assert len(told) < 120


documents = st.fixed_dictionaries(
    {"packetID": st.integers()},
    optional={
        "payload": st.fixed_dictionaries(
            {}, optional={"callbackName": st.integers() | words, "callbackArgs": json_values}
        ),
        "more": json_values,
    },
).map(lambda document: json.dumps(document).encode())


@st.composite
def journals(draw: st.DrawFn) -> Journal:
    """Any journal that a simulator could have."""
    journal = Journal(started=draw(st.floats(0, 2e9)))
    for _ in range(draw(st.integers(0, 5))):
        seconds = draw(st.floats(0, 1e6))
        transport, connection = draw(transports), draw(st.integers(1, 9))
        if draw(st.booleans()):
            where: Any = draw(st.sampled_from([(transport, connection), (None, None)]))
            journal.event(seconds, draw(words), draw(words), *where)
            continue
        outcome: Any = draw(
            st.sampled_from(["success", "failure", "no reply", "malformed", "push"])
        )
        received = request = None
        if outcome == "malformed":
            received = draw(st.binary(max_size=20))
        elif outcome != "push":
            received = draw(documents)
            request = parse_request(received)
        written = st.binary(max_size=20) | texts | texts.map(text_frame)
        journal.record(
            seconds,
            transport,
            connection,
            received,
            request,
            outcome,
            tuple(draw(st.lists(written, max_size=3))),
            tuple(draw(st.lists(st.builds(AppliedFault, words, words), max_size=2))),
            tuple(draw(st.lists(st.builds(Note, words, st.none() | st.integers(0)), max_size=2))),
            draw(st.booleans()),
            draw(st.none() | st.integers()) if outcome == "push" else None,
        )
    return journal


def fields(entry: Entry) -> dict[str, Any]:
    plain = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return {**plain, "kind": type(entry), "seconds": round(entry.seconds, 6)}


@given(journals())
def test_what_is_written_is_read_as_it_was(journal: Journal) -> None:
    lines = journal.lines()
    read = Journal.load(lines)
    assert read.started == journal.started
    assert [fields(entry) for entry in read] == [fields(entry) for entry in journal]
    assert read.lines() == lines
    # It goes on where the other one was.
    assert read.event(0.0, "more").number == max([0, *(one.number for one in journal)]) + 1


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
    line = encode_entry(record(Journal(), b" " * 2000 + ASK)).decode()
    lines = [line.replace('"number":1,', f'"number":{n},') for n in range(1, 12_001)]
    read = Journal.load(lines)
    assert len(read) == 12_000
    read.event(0.0, "more")
    assert len(read) == 12_000  # which is its bound now


def test_what_integers_python_will_not_read_the_journal_does() -> None:
    received = ASK.replace(b"221040", b"8" * 6000)
    journal = Journal()
    journal.record(0.0, "tcp", 1, received, parse_request(received), "success")
    assert Journal.load(journal.lines()).exchanges()[0].packet_id == int("8" * 4000) * 10**2000 + (
        int("8" * 2000)
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting"),
        ("[]", "Expected"),
        ("{}", "entry"),
        ('{"entry":"ready"}', "ready"),
        ('{"entry":"event","number":"1"}', "number"),
        ("[" * 100_000, "nested too deep"),
        (
            (
                '{"entry":"exchange","number":1,"seconds":0,"transport":"tcp","connection":1,'
                '"outcome":"success","received":"nothing","sent":[],"faults":[],"notes":[]}'
            ),
            "what was received is no request",
        ),
        (
            (
                '{"entry":"exchange","number":1,"seconds":0,"transport":"tcp","connection":1,'
                '"outcome":"malformed","received":{"base64":"?"},"sent":[],"faults":[],"notes":[]}'
            ),
            "not base64",
        ),
    ],
)
def test_a_line_that_is_none_of_a_journal_is_an_error_that_names_file_and_line(
    tmp_path: Path, line: str, problem: str
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f"{an_hour().lines()[0]}\n\n{line}\n", encoding="utf-8")
    expected = rf"^{re.escape(str(path))}:3: not a line of a journal: .*{problem}"
    with pytest.raises(ValueError, match=expected):
        Journal.load(path)
    with pytest.raises(ValueError, match=rf"^1: not a line of a journal: .*{problem}"):
        Journal.load([line])
