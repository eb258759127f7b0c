"""Filters say which entries are meant."""

import re
from typing import Any

import pytest

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import (
    Connected,
    EntryFilter,
    ExchangeFilter,
    FaultApplied,
    Journal,
    OutageEnded,
    OutageStarted,
)
from invis_sim.protocol.packets import parse_request
from tests.cases import for_each
from tests.journal.support import record
from tests.support import make_request


def a_journal() -> Journal:
    journal = Journal(sn="A")
    journal.add(Connected, 0.0, "tcp", 1, peer="")
    record(journal, faults=(AppliedFault("late"),), connection=1)
    record(journal, None, outcome="push", push_callback=9, transport="ws", connection=2)
    journal.add(FaultApplied, 0.0, "ws", 2, fault="late")
    journal.add(OutageStarted, 0.0, name="late", source="fault")
    journal.add(OutageEnded, 0.0, name="late", source="outlet")
    return journal


@for_each(
    ("wanted", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"kinds": ("exchange",)}, [2, 3]),
        ({"kinds": ("connected", "fault")}, [1, 4]),
        ({"kinds": ()}, []),
        ({"callback": 20}, [2]),
        ({"callback": 9}, [3]),
        ({"packet_id": 221040}, [2]),
        ({"transport": "ws"}, [3, 4]),
        ({"connection": 1}, [1, 2]),
        ({"fault": "late"}, [2, 4, 5]),
        ({"fault": "other"}, []),
        ({"sn": "A"}, [1, 2, 3, 4, 5, 6]),
        ({"sn": "B"}, []),
        ({"fault": "late", "transport": "ws"}, [4]),
    ],
)
def test_a_filter_matches_by_all_that_it_names(wanted: dict[str, Any], numbers: list[int]) -> None:
    entry_filter = EntryFilter(**wanted)
    found = [entry.number for entry in a_journal() if entry_filter.matches(entry)]
    assert found == numbers


def test_a_kind_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"kinds\[1\]: expected .*did you mean 'connected'"):
        EntryFilter(kinds=("closed", "conected"))  # type: ignore[arg-type]


@for_each("kind", [EntryFilter, ExchangeFilter])
@for_each(
    ("wanted", "message"),
    [
        ({"callback": "20"}, 'callback: expected a whole number, found "20"'),
        ({"transport": "udp"}, 'transport: expected one of "tcp", "ws", found "udp"'),
        ({"connection": 0}, "connection: expected a whole number from 1, found 0"),
        ({"packet_id": True}, "packet_id: expected a whole number, found true"),
        ({"fault": 5}, "fault: expected text, found 5"),
    ],
)
def test_a_filter_that_could_match_nothing_is_an_error(
    kind: type[EntryFilter | ExchangeFilter], wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        kind(**wanted)


@for_each(
    ("asked", "wanted", "matches"),
    [
        ([1, 0], (1, 0), True),
        ([1, 0], [0, 1], False),
        ([1], [True], False),
        ([True], [True], True),
        ({"a": [0]}, {"a": [False]}, False),
        ({"a": 1, "b": None}, {"b": None, "a": 1}, True),
        (None, None, True),
        ([1.0], [1], True),
    ],
)
def test_arguments_are_compared_as_json(asked: Any, wanted: Any, matches: bool) -> None:
    journal = Journal()
    received = make_request(10, asked)
    journal.record(0.5, "tcp", 1, received, parse_request(received), "success")
    assert bool(journal.exchanges(args=wanted)) == matches


def test_a_request_without_arguments_matches_no_arguments() -> None:
    journal = Journal()
    record(journal)
    assert journal.exchanges(args=[]) == []
    assert len(journal.exchanges()) == 1
