"""The schedule: timers in the order of their time."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.effects import Effect, Log
from invis_sim.device.outlet import Outlet
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.state import OutletState, Timing
from invis_sim.protocol.packets import Push

SECONDS = st.integers(0, 20).map(lambda tenths: tenths / 10)


def nothing() -> None:
    """What a timer may be for."""


def run_all(schedule: Schedule, until: float) -> list[Effect]:
    """Run all that is due by then, and return the effects."""
    effects: list[Effect] = []
    while (ran := schedule.run_due(until)) is not None:
        effects += ran
    return effects


@given(st.lists(st.tuples(SECONDS, st.booleans()), max_size=15), SECONDS)
def test_timers_run_once_by_time_and_then_by_when_they_were_made(
    made: list[tuple[float, bool]], until: float
) -> None:
    schedule, happened = Schedule(), list[tuple[float, int]]()
    timers: list[Timer] = []

    def note(number: int) -> Callable[[], None]:
        return lambda: happened.append((schedule.now, number))

    for number, (seconds, _) in enumerate(made):
        timers.append(schedule.after(seconds, note(number), daemon=number % 2 == 0))
    for timer, (_, cancelled) in zip(timers, made, strict=True):
        if cancelled:
            timer.cancel()
    left = sorted((s, n) for n, (s, cancelled) in enumerate(made) if not cancelled)
    for daemon in (True, False):
        times = [s for s, n in left if daemon or n % 2]
        assert schedule.next_due(daemon=daemon) == min(times, default=None)
    run_all(schedule, until)
    assert happened == [(seconds, number) for seconds, number in left if seconds <= until]
    assert schedule.now == until
    assert schedule.run_due(until) is None
    later = [seconds for seconds, _ in left if seconds > until]
    assert schedule.next_due() == min(later, default=None)


def test_time_does_not_go_back() -> None:
    schedule = Schedule()
    schedule.move_to(5)
    schedule.move_to(3)
    assert schedule.now == 5
    assert schedule.run_due(4) is None
    assert schedule.now == 5
    assert schedule.after(1, nothing).due == 6


def test_a_timer_made_by_a_timer_comes_after_it_and_counts_from_it() -> None:
    schedule, happened = Schedule(), list[str]()

    def first() -> None:
        happened.append("first")
        schedule.after(0, lambda: happened.append("made by the first"))

    schedule.after(1, first)
    schedule.after(1, lambda: happened.append("second"))
    run_all(schedule, 10)
    assert happened == ["first", "second", "made by the first"]


def test_a_timer_that_is_late_runs_at_its_own_time() -> None:
    schedule, times = Schedule(), list[float]()
    schedule.after(1, lambda: times.append(schedule.now))
    schedule.after(2, lambda: times.append(schedule.now))
    assert schedule.run_due(50) == ()
    assert schedule.run_due(50) == ()
    assert times == [1, 2]


@given(
    st.floats(0.1, 10),
    st.lists(st.floats(0, 100), min_size=1, max_size=20).map(sorted),
)
def test_a_repeating_timer_keeps_its_interval_and_makes_nothing_up(
    interval: float, looks: list[float]
) -> None:
    schedule = Schedule()
    beats: list[float] = []
    timer = schedule.every(interval, lambda: beats.append(schedule.now))
    assert timer.interval == interval
    for look in looks:
        before = len(beats)
        run_all(schedule, look)
        assert len(beats) - before <= 2  # one that was missed, and at most one by rounding
        assert schedule.now == look
    for beat in beats:
        assert beat / interval == pytest.approx(round(beat / interval))
    assert timer.due > looks[-1]
    timer.cancel()
    assert schedule.run_due(1e6) is None


@pytest.mark.parametrize("daemon", [False, True])
def test_cancelled_timers_do_not_pile_up(daemon: bool) -> None:
    schedule = Schedule()
    done: list[int] = []
    for number in range(5000):
        schedule.after(100, lambda: done.append(0), daemon=daemon).cancel()
        if number % 1000 == 0:
            schedule.after(50 + number, lambda number=number: done.append(number))  # type: ignore[misc]
    assert len(schedule) < 300
    run_all(schedule, 10_000)
    assert done == [0, 1000, 2000, 3000, 4000]


def test_a_timer_that_is_cancelled_by_another_does_not_run() -> None:
    schedule = Schedule()
    never = schedule.after(1, lambda: pytest.fail("cancelled"))
    assert Schedule().next_due() is None
    schedule.after(0, never.cancel)
    assert schedule.run_due(5) == ()
    assert schedule.run_due(5) is None
    never.cancel()
    assert never.cancelled
    assert schedule.next_due() is None


def test_cancelling_timers_that_have_run_does_not_count_as_waste() -> None:
    schedule = Schedule()
    ran = [schedule.after(0, nothing) for _ in range(1000)]
    run_all(schedule, 1)
    for timer in ran:
        timer.cancel()
    pending = [schedule.after(1, nothing) for _ in range(10)]
    for timer in pending:
        timer.cancel()
    assert len(schedule) == 10  # too few to be removed at once
    assert schedule.next_due() is None
    assert len(schedule) == 0


def test_the_effects_of_an_action_are_returned_in_order() -> None:
    schedule = Schedule()

    def generated() -> Iterable[Effect]:
        yield Log("c")
        yield Log("d")

    schedule.after(1, lambda: [Log("a"), Log("b")])
    schedule.after(1, nothing)
    schedule.after(2, generated)
    assert schedule.run_due(2) == (Log("a"), Log("b"))
    assert schedule.run_due(2) == ()
    assert schedule.run_due(2) == (Log("c"), Log("d"))
    assert schedule.run_due(2) is None


def test_a_schedule_is_shared_with_timers_of_other_code() -> None:
    schedule = Schedule()
    state = OutletState(timing=Timing(sensor_seconds=0))
    outlet = Outlet(state.with_product("pro"), schedule=schedule)
    assert outlet.schedule is schedule
    schedule.after(1, lambda: (Log("by other code"),))
    schedule.after(2, nothing)
    schedule.after(3, lambda: outlet.restart_faceplate(schedule.now))
    schedule.after(9, lambda: (Log("too late"),))
    *others, announced = outlet.advance(8)
    assert others == [
        Log("by other code"),
        Log("the faceplate restarts (3 s)"),
        Log("the faceplate is back"),
    ]
    assert isinstance(announced, Push)
    assert announced.callback == 12
    assert schedule.now == 8
