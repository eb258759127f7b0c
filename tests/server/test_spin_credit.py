"""Polling without waiting: as long as it pays off, and hardly ever where it does not."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.server.net.spin_credit import COST, MAX_CREDIT, MAX_PAUSE, MIN_PAUSE, SpinCredit


def chances(credit: SpinCredit, pays_off: list[bool]) -> list[bool]:
    """Return which of the chances were taken, where each would pay off or not."""
    taken = []
    for paid_off in pays_off:
        taken.append(credit.take_chance())
        if taken[-1]:
            credit.record(paid_off)
    return taken


def test_every_chance_is_taken_as_long_as_two_of_three_pay_off() -> None:
    assert all(chances(SpinCredit(), [False, True, True] * 1000))


def test_what_never_pays_off_is_tried_ever_more_rarely() -> None:
    taken = chances(SpinCredit(), [False] * 100_000)
    tries = [at for at, spun in enumerate(taken) if spun]
    first = MAX_CREDIT // COST
    assert tries[:first] == list(range(first))
    pauses = [later - earlier - 1 for earlier, later in pairwise(tries)]
    assert pauses[first - 1 :][:3] == [MIN_PAUSE, 2 * MIN_PAUSE, 4 * MIN_PAUSE]
    assert pauses[-1] == max(pauses) == MAX_PAUSE


def test_one_that_pays_off_after_a_pause_ends_the_pauses() -> None:
    credit = SpinCredit()
    chances(credit, [False] * 10_000)
    while not credit.take_chance():
        pass
    credit.record(True)
    assert all(chances(credit, [True] * 1000))


@given(st.lists(st.booleans(), max_size=200))
def test_no_past_keeps_it_from_coming_back(past: list[bool]) -> None:
    credit = SpinCredit()
    chances(credit, past)
    taken = chances(credit, [True] * (MAX_PAUSE + 100))
    assert all(taken[MAX_PAUSE:])


@given(st.lists(st.booleans(), max_size=200))
def test_no_past_makes_it_spin_on_in_vain(past: list[bool]) -> None:
    credit = SpinCredit()
    chances(credit, past)
    taken = chances(credit, [False] * 1000)
    assert sum(taken) <= MAX_CREDIT // COST + 6  # pauses of 16, 32, … have gone by
