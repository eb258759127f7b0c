"""The journal answers questions, and asserts."""

from collections.abc import Callable
from typing import Any

import pytest

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import Closed, Connected, Journal
from invis_sim.protocol.frames import close_frame, text_frame
from tests.cases import for_each
from tests.journal.support import an_hour, pushes, record, record_as
from tests.support import make_request


def an_hour_with_pushes() -> Journal:
    """Two clients who both hear of a change that one of them has asked for."""
    journal = Journal()
    reply, push, readings = b'{"PUBACK":1}', pushes(9, [1, 0]), pushes(11, [1, {}])
    record_as(journal, 0.1, "tcp", 1, make_request(9, packet_id=101), "success", (reply,), ())
    late = (AppliedFault("late", "2 s"),)
    for callback, data in ((9, push), (11, readings)):
        given: dict[str, Any] = {"outcome": "push", "push_callback": callback, "done": True}
        record(journal, None, connection=1, sent=(data,), **given)
        faults = late if callback == 11 else ()
        ws: dict[str, Any] = {"transport": "ws", "connection": 2, "sent": (text_frame(data),)}
        record(journal, None, faults=faults, **given, **ws)
    # A fault has kept this one back.
    journal.record(0.3, "tcp", 1, None, None, "push", done=True, push_callback=9)
    return journal


@for_each(
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
    found = an_hour_with_pushes().pushes(**filters)
    assert found == [pushes(9, [1, 0]) if one == 9 else pushes(11, [1, {}]) for one in expected]


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
    with pytest.raises(AssertionError, match="received none") as caught:
        journal.assert_received(callback=11)
    assert "push" not in str(caught.value)


@for_each(
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


def test_exchanges_and_events_are_told_apart_in_their_order() -> None:
    journal = Journal()
    first = journal.add(Connected, 0.0, "tcp", 1, peer="127.0.0.1:5000")
    second = record(journal)
    third = journal.add(Closed, 1.0, "tcp", 1, reason="by the client")
    assert list(journal) == [first, second, third]
    assert journal.exchanges() == [second]
    assert journal.events() == [first, third]
    assert (first.kind, first.peer, first.connection) == ("connected", "127.0.0.1:5000", 1)


def test_a_kind_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'kind: expected one of .*"closed".*, found "what"'):
        an_hour().events(kind="what")  # type: ignore[arg-type]


def test_events_are_filtered_by_kind_and_place() -> None:
    journal = an_hour()
    assert [one.number for one in journal.events()] == [1, 2, 9]
    assert [one.number for one in journal.events(kind="connected")] == [1, 2]
    assert [one.number for one in journal.events(transport="ws")] == [2]
    assert [one.number for one in journal.events(connection=1, kind="closed")] == [9]
    assert journal.events(kind="closed", transport="ws") == []


def test_replies_are_what_was_sent_for_each_request_without_frames() -> None:
    journal = an_hour()
    assert journal.replies() == [b'{"PUBACK":1}', b'{"PUBACK":1}', b'{"PUBACK":0}']
    assert journal.replies(transport="ws") == [b'{"PUBACK":1}']
    assert journal.replies(callback=99) == []


@for_each(
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
        "     0.200 s  tcp #1   20 available updates -> PUBACK 1  packetID 101",
        ("     0.300 s  ws #2    20 available updates -> PUBACK 1  fault late (2 s)  packetID 102"),
        "     0.400 s  tcp #1   7 factory reset -> PUBACK 0  packetID 103",
        "     0.500 s  ws #2    callback 99 -> PUBACK 0  fault late (2 s)  packetID 102",
        "     0.600 s  tcp #1   malformed  'broken'",
    ]
    for check, first in (
        (
            lambda: journal.assert_received(callback=20, times=3),
            "expected a request for callback 20 (available updates), 3 times; received 2 times",
        ),
        (
            lambda: journal.assert_received(callback=98, connection=1),
            "expected a request for callback 98 on connection #1; received none",
        ),
        (
            lambda: journal.assert_received(packet_id=101, transport="tcp", times=0),
            "expected a request with packetID 101 on tcp, 0 times; received once",
        ),
        (
            lambda: journal.assert_not_received(fault="late", transport="ws", connection=2),
            "expected no request on ws connection #2 touched by 'late'; received 2 times",
        ),
        (lambda: journal.assert_received(times=1), "expected a request, once; received 4 times"),
    ):
        lines = failure(check).splitlines()
        assert (lines[0], lines[-len(received) :]) == (first, received)


def test_that_nothing_at_all_was_received_is_told() -> None:
    journal = Journal()
    journal.add(Connected, 0.0, "tcp", 1, peer="127.0.0.1:5001")
    assert failure(journal.assert_received) == (
        "expected a request; received none\nnothing was received"
    )
