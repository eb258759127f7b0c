"""Filters say which entries are meant."""

from typing import Any

import pytest

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import (
    Connected,
    EntryFilter,
    FaultApplied,
    Journal,
    OutageEnded,
    OutageStarted,
)
from tests.journal.support import record


def a_journal() -> Journal:
    journal = Journal(sn="A")
    journal.add(Connected, 0.0, "tcp", 1, peer="")
    record(journal, faults=(AppliedFault("late"),), connection=1)
    record(journal, None, outcome="push", push_callback=9, transport="ws", connection=2)
    journal.add(FaultApplied, 0.0, "ws", 2, fault="late")
    journal.add(OutageStarted, 0.0, name="late", source="fault")
    journal.add(OutageEnded, 0.0, name="late", source="outlet")
    return journal


@pytest.mark.parametrize(
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


def test_a_kind_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"kind: expected one of .*, found 'conected'"):
        EntryFilter(kinds=("closed", "conected"))  # type: ignore[arg-type]
