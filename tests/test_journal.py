"""The journal keeps the newest entries, counts them, tells of them, and shows them as JSON."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults.pipeline import Touch
from invis_sim.journal import Entry, Event, Exchange, Journal, encode_entry
from invis_sim.protocol.frames import close_frame, text_frame
from invis_sim.protocol.packets import Note, parse_request

ASK = b'{"packetID": 221040, "payload": {"callbackName": 20}}'


def record(journal: Journal, received: bytes | None = ASK, **more: Any) -> Exchange:
    request = parse_request(received) if received == ASK else None
    given = {"seconds": 0.5, "transport": "tcp", "connection": 1, "outcome": "success", **more}
    return journal.record(received=received, request=request, **given)


def size(journal: Journal) -> int:
    return sum(len(one.received or b"") + sum(map(len, one.sent)) for one in journal.exchanges)


# What happens to a journal: ("exchange", received, sent), ("event",), ("sent", which, bytes) and
# ("clear",).
happenings = st.lists(
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


@given(happenings, st.integers(1, 12), st.integers(0, 300))
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
    assert journal.exchanges == [second]
    assert journal.events == [first, third]
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
        faults=(Touch("late", "0.100 s"),),
        notes=(Note("odd", 7), Note("as the scenario says")),
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
        "faults": [{"fault": "late", "did": "0.100 s"}],
        "notes": [
            {"reason": "odd", "offset": 7},
            {"reason": "as the scenario says", "offset": None},
        ],
    }


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
    faults = (Touch(words, words),)
    journal = Journal()
    shown(record(journal, received, sent=sent, transport=transport, notes=notes, faults=faults))
    assert shown(journal.event(0.0, words, words))["detail"] == words


def test_entries_are_events_or_exchanges() -> None:
    journal = Journal()
    journal.event(0.0, "connected")
    record(journal)
    assert [type(entry) for entry in journal] == [Event, Exchange]
