"""Entries in words are one short line each."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import (
    Closed,
    CommandGiven,
    Connected,
    DeviceLog,
    Event,
    Exchange,
    FaultApplied,
    FaultNote,
    Journal,
    OutageEnded,
    OutageStarted,
    ServerError,
    format_entries,
    format_entry,
)
from invis_sim.journal.entries import EVENT_TYPES
from invis_sim.journal.text import summary
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import parse_request
from invis_sim.protocol.transport import Transport
from tests.cases import for_each
from tests.journal.support import REQUEST, an_hour, event_fields, json_values, pushes, record


@for_each("transport", ["tcp", "ws"])
@for_each(
    ("callback", "args", "shown"),
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
    transport: Transport, callback: int, args: Any, shown: str
) -> None:
    data = pushes(callback, args)
    sent = (data if transport == "tcp" else text_frame(data),)
    pushed = record(
        Journal(), None, outcome="push", push_callback=callback, transport=transport, sent=sent
    )
    where = f"{transport} #1"
    assert format_entry(pushed) == f"   0.500 s  {where:7}  {shown}"


@for_each(
    "sent",
    [(), (b"",), (b"{",), (b"[]",), (b"\xff",), (b'{"payload":3}',), (b"[" * 100_000,)],
)
def test_a_push_of_which_a_fault_has_left_little_is_told_without_arguments(
    sent: tuple[bytes, ...],
) -> None:
    for transport in ("tcp", "ws"):
        given: dict[str, Any] = {"outcome": "push", "transport": transport, "sent": sent}
        pushed = record(Journal(), None, push_callback=9, faults=(AppliedFault("broken"),), **given)
        assert format_entry(pushed).endswith("push 9 outlet status  fault broken")


@for_each(
    ("args", "shown"),
    [
        ("[1, 1]", "10 control outlet [1,1]"),
        ("null", "10 control outlet null"),
        ('{"a": "x\\ny"}', '10 control outlet {"a":"x\\ny"}'),
        ('"Küche \u2028\u009b\x7f\U000e0001"', None),
        (f'"{"x" * 58}"', f'10 control outlet "{"x" * 58}"'),
        (f'"{"x" * 59}"', f'10 control outlet "{"x" * 58}…'),
        ("8" * 4300, f"10 control outlet {'8' * 59}…"),
        ('["\\ud800"]', '10 control outlet ["\\ud800"]'),
        ("1e999", "10 control outlet null"),
    ],
)
def test_a_request_is_told_with_its_arguments_shortened_where_they_are_long(
    args: str, shown: str | None
) -> None:
    if shown is None:  # what would do something to a terminal is written as JSON can write it
        shown = r'10 control outlet "Küche \u2028\u009b\u007f\udb40\udc01"'
    words = format_entry(asked_with(args))
    assert words == f"   0.000 s  tcp #1   {shown} -> PUBACK 0  packetID 7"


def asked_with(args: str) -> Exchange:
    received = f'{{"packetID":7,"payload":{{"callbackName":10,"callbackArgs":{args}}}}}'.encode()
    return Journal().record(0.0, "tcp", 1, received, parse_request(received), "failure")


def test_a_request_without_a_usable_callback_is_told_with_its_arguments() -> None:
    received = b'{"packetID":7,"payload":{"callbackName":"x","callbackArgs":[1]}}'
    exchange = Journal().record(0.0, "tcp", 1, received, parse_request(received), "failure")
    assert "callback ? [1] -> PUBACK 0  packetID 7" in format_entry(exchange)


def test_a_push_in_two_writes_is_told_with_its_arguments() -> None:
    data = pushes(9, [0, 1])
    pushed = record(Journal(), None, outcome="push", push_callback=9, sent=(data[:7], data[7:]))
    assert format_entry(pushed).endswith("push 9 outlet status [0,1]")


def test_of_many_entries_the_newest_are_told() -> None:
    journal = Journal()
    for number in range(1, 8):
        journal.add(Closed, 0.0, reason=f"number {number}")
    lines = format_entries(journal, max_lines=2).splitlines()
    assert lines[0] == "  … 5 earlier entries omitted"
    assert [line[-8:] for line in lines[1:]] == ["number 6", "number 7"]
    assert len(format_entries(journal, max_lines=7).splitlines()) == 7


def test_a_journal_as_text_is_its_newest_entries_in_words() -> None:
    journal = an_hour()
    assert str(journal) == format_entries(journal)
    assert str(journal).splitlines()[2] == (
        "     0.200 s  tcp #1   20 available updates -> PUBACK 1  packetID 101"
    )
    for number in range(100):
        journal.add(Closed, 1.0, reason=f"number {number}")
    assert str(journal).splitlines()[0] == "  … 59 earlier entries omitted"
    assert str(journal).endswith("closed: number 99")
    assert str(Journal()) == ""


def test_what_is_told_of_an_entry_is_one_short_line_whatever_came() -> None:
    huge = REQUEST.replace(b"221040", b"8" * 4300).replace(b"20}}", b"9" * 4300 + b"}}")
    exchange = Journal().record(0.0, "tcp", 1, huge, parse_request(huge), "failure")
    assert len(format_entry(exchange)) < 200
    broken = record(Journal(), b"\n\x1b[0m" * 5000, outcome="malformed")
    assert len(format_entry(broken)) < 200
    assert format_entry(broken).isprintable()


@given(json_values | st.text(alphabet=st.characters(categories=None)).map(lambda text: [text]))
def test_what_is_told_of_arguments_is_one_short_line_whatever_they_are(args: Any) -> None:
    for escaped in (True, False):
        text = json.dumps(args, ensure_ascii=escaped)
        try:
            text.encode()
        except UnicodeEncodeError:
            continue  # half of a surrogate pair can only come escaped
        shown = format_entry(asked_with(text))
        assert shown.isprintable()
        assert len(shown) < 180  # notes included
        pushed = b'{"payload":{"callbackArgs":%b}}' % text.encode()
        given: dict[str, Any] = {"outcome": "push", "push_callback": 9, "sent": (pushed,)}
        shown = format_entry(record(Journal(), None, **given))
        assert shown.isprintable()
        assert len(shown) < 120


OUTAGE: dict[str, Any] = {"name": "reboot", "identity": "reboot#1"}


@for_each(
    ("event_type", "fields", "words"),
    [
        (Connected, {"peer": "127.0.0.1:5000"}, "connected from 127.0.0.1:5000"),
        (Closed, {"reason": "by fault accept_close"}, "closed by fault accept_close"),
        (FaultApplied, {"fault": "late", "detail": "2 s"}, "fault late (2 s)"),
        (FaultApplied, {"fault": "late"}, "fault late"),
        (FaultNote, {"fault": "late", "text": "never applies"}, "fault late: never applies"),
        (OutageStarted, {**OUTAGE, "source": "outlet", "duration": 3}, "reboot: offline for 3 s"),
        (
            OutageStarted,
            {**OUTAGE, "source": "outlet"},
            "reboot: offline until it joins the network",
        ),
        (OutageEnded, {**OUTAGE, "source": "outlet"}, "reboot: back online"),
        (
            OutageStarted,
            {**OUTAGE, "source": "fault", "duration": 0.25},
            "fault reboot: in effect for 0.25 s",
        ),
        (
            OutageStarted,
            {**OUTAGE, "source": "fault"},
            "fault reboot: in effect until switched off",
        ),
        (OutageEnded, {**OUTAGE, "source": "fault"}, "fault reboot: ended"),
        (CommandGiven, {"by": "step 2", "command": "sample"}, "step 2: sample"),
        (
            CommandGiven,
            {"by": "step 2", "command": "update IM", "error": "in progress"},
            "step 2: update IM failed: in progress",
        ),
        (DeviceLog, {"text": "calibrated"}, "outlet: calibrated"),
        (ServerError, {"text": "no mDNS"}, "error: no mDNS"),
    ],
)
def test_an_event_in_words(event_type: type[Event], fields: dict[str, Any], words: str) -> None:
    assert summary(Journal().add(event_type, 0.0, **fields)) == words


@given(st.data())
def test_every_kind_of_event_has_words(data: st.DataObject) -> None:
    for event_type in EVENT_TYPES:
        fields = data.draw(event_fields[event_type])
        assert summary(Journal().add(event_type, 0.0, **fields))
