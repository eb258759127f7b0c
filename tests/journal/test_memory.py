"""The memory that entries are taken for is about what their contents take."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.journal import CommandGiven, Exchange, Journal
from invis_sim.journal.memory import memory_of
from invis_sim.protocol.packets import parse_request
from tests.support import make_request


def measured(value: Any) -> int:
    """The memory of a JSON value; what several share counts each time."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        size += sum(measured(key) + measured(item) for key, item in value.items())
    elif isinstance(value, list):
        size += sum(map(measured, value))
    return size


def exchange(args: Any, *sent: bytes) -> Exchange:
    received = make_request(99, args)
    return Journal().record(0, "tcp", 1, received, parse_request(received), "failure", sent)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_arguments_take_at_most_twice_what_they_are_taken_for(args: Any) -> None:
    assert measured(args) <= 2 * memory_of(exchange(args)) + 100


@pytest.mark.parametrize(
    "args",
    [
        [[[[]]]] * 9000,
        [{}] * 9000,
        [{"a": {}}] * 9000,
        {str(number): number for number in range(1000, 9000)},
        ["ab"] * 9000,
        [1000] * 9000,
        ["x" * 60_000],
        ["x" * 60_000 + "\U0001f600"],
    ],
    ids=lambda args: json.dumps(args)[:12],
)
def test_what_takes_much_memory_for_its_length_counts_so(args: Any) -> None:
    said = memory_of(exchange(json.loads(json.dumps(args))))
    assert measured(json.loads(json.dumps(args))) / 2 <= said <= 8 * measured(args)


def test_what_was_received_and_sent_counts_as_well() -> None:
    small = memory_of(exchange(["x"]))
    assert memory_of(exchange(["x" * 1001])) >= small + 2000  # the bytes, and the text in them
    assert memory_of(exchange(["x"], b"y" * 500, b"z" * 500)) == small + 1000


def test_the_texts_of_an_event_count() -> None:
    command = "x" * 1000
    assert 1000 <= memory_of(Journal().add(CommandGiven, 0.0, by="step 1", command=command)) < 1100


def test_a_journal_keeps_about_as_much_memory_as_is_said() -> None:
    journal = Journal(max_bytes=2**20)
    received = make_request(99, [[[[]]]] * 1000)
    for _ in range(50):
        journal.record(0, "tcp", 1, received, parse_request(received), "failure")
        journal.add(CommandGiven, 0.0, by="step 1", command="x" * 20_000)
    kept = list(journal)
    assert 2**19 < sum(map(memory_of, kept)) <= 2**20
    args = [entry.request.args for entry in kept if isinstance(entry, Exchange) and entry.request]
    assert sum(map(measured, args)) < 2**20
