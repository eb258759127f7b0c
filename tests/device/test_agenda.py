"""The agenda: what is to be done, in the order of its time."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.agenda import Agenda, Appointment

SECONDS = st.integers(0, 20).map(lambda tenths: tenths / 10)


def nothing() -> None:
    """What an appointment may be for."""


@given(st.lists(st.tuples(SECONDS, st.booleans()), max_size=15), SECONDS)
def test_what_is_due_happens_once_in_the_order_of_time_and_then_of_making(
    made: list[tuple[float, bool]], until: float
) -> None:
    agenda, happened = Agenda(), list[tuple[float, int]]()
    appointments: list[Appointment] = []

    def note(number: int) -> Callable[[], None]:
        return lambda: happened.append((agenda.now, number))

    for number, (seconds, _) in enumerate(made):
        appointments.append(agenda.after(seconds, note(number), background=number % 2 == 0))
    for appointment, (_, cancelled) in zip(appointments, made, strict=True):
        if cancelled:
            appointment.cancel()
    left = sorted((s, n) for n, (s, cancelled) in enumerate(made) if not cancelled)
    for background in (True, False):
        times = [s for s, n in left if background or n % 2]
        assert agenda.due(background=background) == min(times, default=None)
    while agenda.run_next(until):
        pass
    assert happened == [(seconds, number) for seconds, number in left if seconds <= until]
    assert agenda.now == until
    assert not agenda.run_next(until)
    later = [seconds for seconds, _ in left if seconds > until]
    assert agenda.due() == min(later, default=None)


def test_time_does_not_go_back() -> None:
    agenda = Agenda()
    agenda.now = 5
    agenda.now = 3
    assert agenda.now == 5
    assert not agenda.run_next(4)
    assert agenda.now == 5
    assert agenda.after(1, nothing).due == 6


def test_what_an_appointment_makes_comes_after_it_and_counts_from_it() -> None:
    agenda, happened = Agenda(), list[str]()

    def first() -> None:
        happened.append("first")
        agenda.after(0, lambda: happened.append("made by the first"))

    agenda.after(1, first)
    agenda.after(1, lambda: happened.append("second"))
    while agenda.run_next(10):
        pass
    assert happened == ["first", "second", "made by the first"]


def test_an_appointment_that_is_late_is_kept_at_its_time() -> None:
    agenda, times = Agenda(), list[float]()
    agenda.after(1, lambda: times.append(agenda.now))
    agenda.after(2, lambda: times.append(agenda.now))
    assert agenda.run_next(50)
    assert agenda.run_next(50)
    assert times == [1, 2]


@given(
    st.floats(0.1, 10),
    st.lists(st.floats(0, 100), min_size=1, max_size=20).map(sorted),
)
def test_a_rhythm_is_kept_however_late_somebody_looks_and_nothing_is_made_up_for(
    every: float, looks: list[float]
) -> None:
    agenda = Agenda()
    beats: list[float] = []
    rhythm = agenda.every(every, lambda: beats.append(agenda.now))
    for look in looks:
        before = len(beats)
        while agenda.run_next(look):
            pass
        assert len(beats) - before <= 2  # one that was missed, and at most one by rounding
        assert agenda.now == look
    for beat in beats:
        assert beat / every == pytest.approx(round(beat / every))
    assert rhythm.due > looks[-1]
    rhythm.cancel()
    assert not agenda.run_next(1e6)


@pytest.mark.parametrize("background", [False, True])
def test_cancelled_appointments_do_not_pile_up(background: bool) -> None:
    agenda = Agenda()
    done: list[int] = []
    for number in range(5000):
        agenda.after(100, lambda: done.append(0), background=background).cancel()
        if number % 1000 == 0:
            agenda.after(50 + number, lambda number=number: done.append(number))  # type: ignore[misc]
    assert len(agenda) < 300
    while agenda.run_next(10_000):
        pass
    assert done == [0, 1000, 2000, 3000, 4000]


def test_one_that_is_cancelled_by_another_does_not_happen() -> None:
    agenda = Agenda()
    never = agenda.after(1, lambda: pytest.fail("cancelled"))
    agenda_order = Agenda()
    assert agenda_order.due() is None
    agenda.after(0, never.cancel)
    assert agenda.run_next(5)
    assert not agenda.run_next(5)
    never.cancel()
    assert agenda.due() is None
