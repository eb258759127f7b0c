"""The agenda: what is to be done, in the order of its time."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.schedule import Schedule, Timer

SECONDS = st.integers(0, 20).map(lambda tenths: tenths / 10)


def nothing() -> None:
    """What an appointment may be for."""


@given(st.lists(st.tuples(SECONDS, st.booleans()), max_size=15), SECONDS)
def test_what_is_due_happens_once_in_the_order_of_time_and_then_of_making(
    made: list[tuple[float, bool]], until: float
) -> None:
    schedule, happened = Schedule(), list[tuple[float, int]]()
    timers: list[Timer] = []

    def note(number: int) -> Callable[[], None]:
        return lambda: happened.append((schedule.now, number))

    for number, (seconds, _) in enumerate(made):
        timers.append(schedule.after(seconds, note(number), background=number % 2 == 0))
    for timer, (_, cancelled) in zip(timers, made, strict=True):
        if cancelled:
            timer.cancel()
    left = sorted((s, n) for n, (s, cancelled) in enumerate(made) if not cancelled)
    for background in (True, False):
        times = [s for s, n in left if background or n % 2]
        assert schedule.due(background=background) == min(times, default=None)
    while schedule.run_next(until):
        pass
    assert happened == [(seconds, number) for seconds, number in left if seconds <= until]
    assert schedule.now == until
    assert not schedule.run_next(until)
    later = [seconds for seconds, _ in left if seconds > until]
    assert schedule.due() == min(later, default=None)


def test_time_does_not_go_back() -> None:
    schedule = Schedule()
    schedule.now = 5
    schedule.now = 3
    assert schedule.now == 5
    assert not schedule.run_next(4)
    assert schedule.now == 5
    assert schedule.after(1, nothing).due == 6


def test_what_an_appointment_makes_comes_after_it_and_counts_from_it() -> None:
    schedule, happened = Schedule(), list[str]()

    def first() -> None:
        happened.append("first")
        schedule.after(0, lambda: happened.append("made by the first"))

    schedule.after(1, first)
    schedule.after(1, lambda: happened.append("second"))
    while schedule.run_next(10):
        pass
    assert happened == ["first", "second", "made by the first"]


def test_an_appointment_that_is_late_is_kept_at_its_time() -> None:
    schedule, times = Schedule(), list[float]()
    schedule.after(1, lambda: times.append(schedule.now))
    schedule.after(2, lambda: times.append(schedule.now))
    assert schedule.run_next(50)
    assert schedule.run_next(50)
    assert times == [1, 2]


@given(
    st.floats(0.1, 10),
    st.lists(st.floats(0, 100), min_size=1, max_size=20).map(sorted),
)
def test_a_rhythm_is_kept_however_late_somebody_looks_and_nothing_is_made_up_for(
    every: float, looks: list[float]
) -> None:
    schedule = Schedule()
    beats: list[float] = []
    rhythm = schedule.every(every, lambda: beats.append(schedule.now))
    for look in looks:
        before = len(beats)
        while schedule.run_next(look):
            pass
        assert len(beats) - before <= 2  # one that was missed, and at most one by rounding
        assert schedule.now == look
    for beat in beats:
        assert beat / every == pytest.approx(round(beat / every))
    assert rhythm.due > looks[-1]
    rhythm.cancel()
    assert not schedule.run_next(1e6)


@pytest.mark.parametrize("background", [False, True])
def test_cancelled_appointments_do_not_pile_up(background: bool) -> None:
    schedule = Schedule()
    done: list[int] = []
    for number in range(5000):
        schedule.after(100, lambda: done.append(0), background=background).cancel()
        if number % 1000 == 0:
            schedule.after(50 + number, lambda number=number: done.append(number))  # type: ignore[misc]
    assert len(schedule) < 300
    while schedule.run_next(10_000):
        pass
    assert done == [0, 1000, 2000, 3000, 4000]


def test_one_that_is_cancelled_by_another_does_not_happen() -> None:
    schedule = Schedule()
    never = schedule.after(1, lambda: pytest.fail("cancelled"))
    agenda_order = Schedule()
    assert agenda_order.due() is None
    schedule.after(0, never.cancel)
    assert schedule.run_next(5)
    assert not schedule.run_next(5)
    never.cancel()
    assert schedule.due() is None
