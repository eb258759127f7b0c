"""Entries have kinds, and know what was asked and what was sent."""

from typing import get_args

from invis_sim.journal import Connected, Event, Exchange, Journal
from invis_sim.journal.entries import ENTRY_KINDS, EVENT_TYPES, EventKind
from invis_sim.protocol.frames import close_frame, text_frame
from invis_sim.protocol.transport import Transport
from tests.cases import for_each
from tests.journal.support import record


def test_an_exchange_knows_what_was_asked() -> None:
    journal = Journal()
    assert (record(journal).callback, record(journal).packet_id) == (20, 221040)
    broken = record(journal, b"broken", outcome="malformed")
    assert (broken.callback, broken.packet_id) == (None, None)


def test_kinds_of_entries_are_those_that_type_checkers_know() -> None:
    tags = {event_type.__struct_config__.tag for event_type in EVENT_TYPES}
    assert tags == set(get_args(EventKind))
    assert {*tags, "exchange"} == ENTRY_KINDS
    assert set(Event.__subclasses__()) == set(EVENT_TYPES)


def test_an_entry_knows_its_kind_and_its_outlet() -> None:
    journal = Journal(sn="0003C44076")
    entries = record(journal), journal.add(Connected, 0.0, peer="127.0.0.1:5000")
    assert [entry.kind for entry in entries] == ["exchange", "connected"]
    assert [entry.sn for entry in entries] == ["0003C44076"] * 2


@for_each(
    ("transport", "sent", "text"),
    [
        ("tcp", (b"{", b"}"), b"{}"),
        ("tcp", (text_frame(b"{}"),), text_frame(b"{}")),
        ("tcp", (), b""),
        ("ws", (text_frame(b"{}"),), b"{}"),
        ("ws", (text_frame(b"{}")[:1], text_frame(b"{}")[1:]), b"{}"),
        ("ws", (text_frame(b"{}"), text_frame(b"[]")), b"{}[]"),
        ("ws", (text_frame(b"{}"), close_frame(1000)), text_frame(b"{}") + close_frame(1000)),
        ("ws", (), b""),
    ],
)
def test_what_was_sent_is_given_without_frames(
    transport: Transport, sent: tuple[bytes, ...], text: bytes
) -> None:
    assert record(Journal(), transport=transport, sent=sent).sent_text == text


def test_entries_are_events_or_exchanges() -> None:
    journal = Journal()
    journal.add(Connected, 0.0, peer="")
    record(journal)
    assert [type(entry) for entry in journal] == [Connected, Exchange]
