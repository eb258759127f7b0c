"""Entries as JSON Lines are read as they were written."""

import base64
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import (
    Closed,
    DeviceLog,
    Entry,
    Journal,
    OutageStarted,
    Outcome,
    encode_entries,
    encode_entry,
)
from invis_sim.journal.entries import EVENT_TYPES
from invis_sim.journal.jsonl import plain_entry
from invis_sim.protocol.frames import close_frame, text_frame
from invis_sim.protocol.packets import Note, encode_json, parse_request
from invis_sim.protocol.transport import Transport
from tests.cases import for_each
from tests.journal.support import REQUEST, an_hour, event_fields, json_values, pushes, record, words


def shown(entry: Entry) -> dict[str, Any]:
    line = encode_entry(entry)
    assert b"\n" not in line
    plain: dict[str, Any] = json.loads(line)
    assert json.loads(encode_json(plain_entry(entry))) == plain
    return plain


def test_an_exchange_is_shown_with_all_that_is_known() -> None:
    exchange = record(
        Journal(sn="0003C44076"),
        seconds=1.23456789,
        sent=(b'{"PUBACK":0}',),
        faults=(AppliedFault("late", "0.100 s"),),
        notes=(Note("odd", 7), Note("as the scenario says")),
        done=True,
    )
    assert shown(exchange) == {
        "entry": "exchange",
        "sn": "0003C44076",
        "number": 1,
        "seconds": 1.234568,
        "transport": "tcp",
        "connection": 1,
        "callback": 20,
        "packetID": 221040,
        "outcome": "success",
        "received": REQUEST.decode(),
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
    event = Journal(sn="0003C44076").add(Closed, 0.12345678, "ws", 3, reason='by "him"\n')
    assert shown(event) == {
        "entry": "event",
        "kind": "closed",
        "sn": "0003C44076",
        "number": 1,
        "seconds": 0.123457,
        "transport": "ws",
        "connection": 3,
        "reason": 'by "him"\n',
    }


def test_the_keys_of_a_line_begin_with_what_it_is_and_of_whom() -> None:
    journal = Journal(sn="0003C44076")
    assert list(shown(journal.add(Closed, 0.0, reason="")))[:4] == [
        *("entry", "kind", "sn", "number")
    ]
    assert list(shown(record(journal)))[:3] == ["entry", "sn", "number"]
    assert json.loads(journal.lines()[0]) == {
        "entry": "journal",
        "sn": "0003C44076",
        "started": 0.0,
    }


def test_a_push_to_many_says_to_how_many() -> None:
    push = record(Journal(), None, outcome="push", push_callback=9, recipients=12)
    assert shown(push)["recipients"] == 12


def test_an_outage_is_shown_with_its_fields() -> None:
    journal = Journal()
    started = journal.add(OutageStarted, 0.0, name="late", source="fault", identity="late#1")
    assert shown(started) == {
        "entry": "event",
        "kind": "outage_started",
        "sn": "",
        "number": 1,
        "seconds": 0.0,
        "transport": None,
        "connection": None,
        "name": "late",
        "source": "fault",
        "identity": "late#1",
        "duration": None,
    }


@for_each("raw", [b"\xff\xfe", b"\xed\xa0\x80", b"half \xc3"])
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
    pushed = record(Journal(), None, outcome="push", push_callback=9, sent=(pushes(9, [1, 0]),))
    assert (pushed.callback, pushed.packet_id, pushed.request) == (9, None, None)
    plain = shown(pushed)
    assert (plain["callback"], plain["packetID"], plain["outcome"]) == (9, None, "push")


@for_each("callback", [9, 0, -1, 10**400])
@for_each("transport", ["tcp", "ws"])
def test_a_push_is_read_as_it_was_written(callback: int, transport: Transport) -> None:
    journal = Journal()
    sent = pushes(9, [1, 0]) if transport == "tcp" else text_frame(pushes(9, [1, 0]))
    given: dict[str, Any] = {"outcome": "push", "transport": transport, "done": True}
    record(journal, None, sent=(sent,), push_callback=callback, **given)
    (read,) = Journal.load(journal.lines()).exchanges(callback=callback)
    assert (read.push_callback, read.callback, read.outcome) == (callback, callback, "push")
    assert (read.received, read.request, read.sent) == (None, None, (sent,))


def test_a_packet_id_of_any_size_is_shown_digit_by_digit() -> None:
    digits = b"8" * 4300
    received = REQUEST.replace(b"221040", digits)
    exchange = Journal().record(0.0, "tcp", 1, received, parse_request(received), "success")
    assert b'"packetID":' + digits + b"," in encode_entry(exchange)


@given(st.text())
def test_a_whole_text_frame_is_shown_as_its_text(text: str) -> None:
    exchange = record(Journal(), transport="ws", sent=(text_frame(text.encode()),))
    assert shown(exchange)["sent"] == [text]


@for_each(
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
    assert shown(journal.add(Closed, 0.0, reason=words))["reason"] == words


transports: st.SearchStrategy[Transport] = st.sampled_from(["tcp", "ws"])


outcomes: st.SearchStrategy[Outcome] = st.sampled_from(get_args(Outcome))


texts = st.text(max_size=20).map(str.encode)


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
    journal = Journal(started=draw(st.floats(0, 2e9)), sn=draw(words))
    for _ in range(draw(st.integers(0, 5))):
        seconds = draw(st.floats(0, 1e6))
        transport, connection = draw(transports), draw(st.integers(1, 9))
        if draw(st.booleans()):
            where: Any = draw(st.sampled_from([(transport, connection), (None, None)]))
            event_type = draw(st.sampled_from(EVENT_TYPES))
            journal.add(event_type, seconds, *where, **draw(event_fields[event_type]))
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
            draw(st.integers(1, 100)) if outcome == "push" else 1,
        )
    return journal


def fields(entry: Entry) -> dict[str, Any]:
    plain = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return {**plain, "kind": type(entry), "seconds": pytest.approx(entry.seconds, abs=6e-7)}


@given(journals())
def test_what_is_written_is_read_as_it_was(journal: Journal) -> None:
    lines = journal.lines()
    read = Journal.load(lines)
    assert (read.started, read.sn) == (journal.started, journal.sn)
    assert [fields(entry) for entry in read] == [fields(entry) for entry in journal]
    assert read.lines() == lines
    # It goes on where the other one was.
    last = max([0, *(one.number for one in journal)])
    assert read.add(DeviceLog, 0.0, text="more").number == last + 1


@given(journals())
def test_many_entries_in_one_go_are_written_as_each_by_itself(journal: Journal) -> None:
    assert encode_entries(journal) == b"".join(encode_entry(entry) + b"\n" for entry in journal)


def test_integers_as_long_as_a_request_may_have_them_are_read() -> None:
    received = REQUEST.replace(b"221040", b"8" * 4300)
    journal = Journal()
    journal.record(0.0, "tcp", 1, received, parse_request(received), "success")
    assert Journal.load(journal.lines()).exchanges()[0].packet_id == int("8" * 4000) * 10**300 + (
        int("8" * 300)
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting"),
        ("[]", "Expected"),
        ("{}", "entry"),
        ('{"entry":"ready"}', "ready"),
        ('{"entry":"event","kind":"closed","number":"1","reason":""}', "number"),
        ('{"entry":"event","kind":"what?","number":1,"seconds":0}', "what"),
        ('{"entry":"event","number":1,"seconds":0}', "kind"),
        ('{"entry":"event","kind":"closed","number":1,"seconds":0}', "reason"),
        ("[" * 100_000, "nested too deep"),
        *(
            (
                f'{{"entry":"event","kind":"error","number":1,"text":"","seconds":{seconds}}}',
                "seconds: expected at most",
            )
            for seconds in ("1e400", "-1e12", "NaN")
        ),
        ('{"entry":"journal","started":1e300}', "started: expected at most"),
        (
            (
                '{"entry":"exchange","number":1,"seconds":0,"transport":"tcp","connection":1,'
                '"outcome":"success","received":"nothing","sent":[],"faults":[],"notes":[]}'
            ),
            "what was received is not a request",
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


def test_a_last_line_that_was_cut_costs_nothing_but_itself(tmp_path: Path) -> None:
    """As when the process that wrote it was killed."""
    journal = Journal(sn="A")
    for number in range(3):
        journal.add(DeviceLog, 0.0, text=f"é{number}")
    path = tmp_path / "journal.jsonl"
    journal.dump(path)
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for end in range(last, len(whole) + 1):
        path.write_bytes(whole[:end])
        kept = 3 if end >= len(whole) - 1 else 2
        assert len(Journal.load(path)) == kept
    # Any other line that is wrong is an error, and so is a last one that has its end.
    for broken in (whole[:last] + b"{\n", b"{" + whole, whole[:last] + b"[]"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="not a line of a journal"):
            Journal.load(path)
