"""What is expected in a journal, and the near misses."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.journal import Journal
from invis_sim.journal.expected import Expected, format_near_misses, near_misses
from invis_sim.journal.filter import ExchangeFilter
from tests.cases import for_each
from tests.journal.support import an_hour


def expected(what: str = "request", **conditions: object) -> Expected:
    return Expected(what, ExchangeFilter(**conditions))  # type: ignore[arg-type]


@for_each(
    ("wanted", "failed"),
    [
        (expected(callback=21), "callback: expected 21, found 20 available updates"),
        (expected(callback=20, transport="ws"), "transport: expected ws, found tcp"),
        (expected(callback=20, connection=3), "connection: expected 3, found 2"),
        (expected(callback=7, packet_id=1), "packetID: expected 1, found 103"),
        (expected(callback=7, args=[1]), "callbackArgs: expected [1], found none"),
        (expected(callback=20, fault="lost"), "fault: expected lost, found late"),
        (expected("reply", callback=99), "no reply was sent"),
    ],
)
def test_a_near_miss_says_which_condition_it_fails(wanted: Expected, failed: str) -> None:
    found = near_misses(wanted, an_hour(), most=20)
    assert failed in [condition for one in found for condition in one.failed]


def test_the_nearest_comes_first_and_of_equals_the_newest() -> None:
    found = near_misses(expected(callback=20, connection=1, packet_id=9), an_hour(), most=20)
    assert [len(one.failed) for one in found] == sorted(len(one.failed) for one in found)
    assert found[0].failed == ("packetID: expected 9, found 101",)
    near = near_misses(expected(packet_id=5), an_hour(), most=20)
    numbers = [one.entry.number for one in near if len(one.failed) == 1]
    assert numbers == sorted(numbers, reverse=True)


def test_what_a_call_has_returned_is_a_near_miss_too() -> None:
    journal = an_hour()
    numbers = {entry.number for entry in journal}
    (first, *_) = near_misses(expected(callback=7), journal, consumed=numbers)
    assert first.failed == ("an earlier call has returned it",)


def test_the_text_for_humans_is_short() -> None:
    lines = format_near_misses(expected(callback=1), an_hour()).splitlines()
    assert (lines[0], len(lines)) == ("nearest:", 4)
    assert format_near_misses(expected(callback=1), Journal()) == ""
    assert format_near_misses(expected("disconnect", connection=1), an_hour()) == ""


FILTERS = st.builds(
    ExchangeFilter,
    callback=st.sampled_from([None, 7, 20, 99]),
    connection=st.sampled_from([None, 1, 2]),
    transport=st.sampled_from([None, "tcp", "ws"]),
    packet_id=st.sampled_from([None, 101, 102]),
    fault=st.sampled_from([None, "late"]),
    args=st.just(msgspec.UNSET),
)


@given(FILTERS)
def test_what_fails_no_condition_is_what_the_filter_selects(wanted: ExchangeFilter) -> None:
    journal = an_hour()
    selected = [one for one in journal.exchanges() if one.request and wanted.matches(one)]
    assert [one for one in journal if Expected("request", wanted).matches(one)] == selected
