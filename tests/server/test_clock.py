"""The clock: timers in order and in time, whatever the speed, paused, advanced and settled, without
holding up other tasks or waking for nothing.
"""

import math
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from invis_sim.commands.command import CommandEffect
from invis_sim.device.effects import Log
from invis_sim.device.schedule import Schedule
from invis_sim.server.clock import Clock
from invis_sim.server.timeline import Timeline
from tests.cases import examples, for_each


class Steps(trio.abc.Instrument):
    """Counts how often any task runs."""

    def __init__(self) -> None:
        self.number = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.number += 1


def nothing() -> None:
    pass


def ignore(effects: Iterable[CommandEffect]) -> None:
    pass


def live(
    use: Callable[[Clock, Timeline], Awaitable[None]],
    speed: float = 1.0,
    apply: Callable[[Iterable[CommandEffect]], None] = ignore,
) -> None:
    """Run a clock with one timeline, on a clock of trio's that jumps, while it is used."""

    async def run() -> None:
        clock = Clock(speed)
        timeline = clock.timeline(Schedule(), apply)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await use(clock, timeline)
            nursery.cancel_scope.cancel()

    trio.run(run, clock=MockClock(autojump_threshold=0))


@settings(max_examples=examples(2))
@given(
    times=st.lists(st.floats(0, 1000) | st.integers(0, 5), max_size=20),
    speed=st.sampled_from((0.5, 1.0, 7.0, 1000.0, math.inf)),
)
def test_timers_run_in_the_order_of_their_times_and_none_too_early(
    times: list[float], speed: float
) -> None:
    happened: list[tuple[float, int]] = []

    async def use(clock: Clock, timeline: Timeline) -> None:
        began = trio.current_time()

        def happen(number: int, seconds: float) -> None:
            assert float(timeline.now()) == seconds
            if speed < math.inf:
                assert (trio.current_time() - began) * speed >= seconds - 1e-3
            happened.append((seconds, number))

        for number, seconds in enumerate(times):
            timeline.at(seconds, partial(happen, number, seconds))
        await trio.sleep(0.0 if speed == math.inf else 1001 / speed)
        await wait_all_tasks_blocked()

    live(use, speed)
    assert happened == sorted((time, number) for number, time in enumerate(times))


@for_each("speed", [3.0, 7.0, 0.3, 49.0, 1e6])
@for_each("seconds", [0.1, 1 / 3, 0.7, 1e-9, 123.456])
def test_a_timer_that_rounding_makes_too_early_runs_once(seconds: float, speed: float) -> None:
    """Time stands still while a task can run, so to look again and again would be for ever."""
    happened: list[float] = []

    async def use(clock: Clock, timeline: Timeline) -> None:
        for number in range(1, 30):
            timeline.at(number * seconds, lambda: happened.append(timeline.now()))
        await trio.sleep(31 * seconds / speed)
        await wait_all_tasks_blocked()

    live(use, speed)
    assert len(happened) == 29


def test_timers_that_are_set_while_it_sleeps_run_in_time() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[str] = []
        timeline.after(100, lambda: happened.append("late"))
        await trio.sleep(10)
        timeline.after(5, lambda: happened.append("early"))
        await trio.sleep(4)
        assert happened == []
        await trio.sleep(2)
        assert happened == ["early"]
        await trio.sleep(85)
        assert happened == ["early", "late"]

    live(use)


def test_the_effects_of_a_timer_are_applied_at_its_time() -> None:
    applied: list[tuple[float, tuple[CommandEffect, ...]]] = []
    timelines: list[Timeline] = []

    async def use(clock: Clock, timeline: Timeline) -> None:
        timelines.append(timeline)
        for seconds in (1, 2, 2):
            timeline.after(seconds, partial(tuple, [Log(f"{seconds}")]))
        await trio.sleep(3)

    live(use, apply=lambda effects: applied.append((timelines[0].now(), tuple(effects))))
    assert applied == [(1, (Log("1"),)), (2, (Log("2"),)), (2, (Log("2"),))]


def test_at_infinite_speed_time_jumps_to_timers_that_are_no_rhythm() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[str] = []
        beats = 0

        def beat() -> None:
            nonlocal beats
            beats += 1
            timeline.after(10, beat, daemon=True)

        timeline.after(10, beat, daemon=True)
        timeline.after(1e6, lambda: happened.append("cancelled")).cancel()

        def go_on() -> None:
            timeline.after(20, lambda: happened.append(f"{timeline.now():g}"))

        timeline.after(35, go_on)
        await trio.sleep(1e6)
        assert (happened, beats) == (["55"], 5)
        assert float(clock.sim()) == 55

    live(use, speed=math.inf)


def test_at_infinite_speed_a_long_wait_does_not_run_a_rhythm_for_years() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        beats: list[float] = []
        schedule = Schedule()
        rhythm = clock.timeline(schedule, ignore)
        schedule.every(0.01, lambda: beats.append(rhythm.now()))
        rhythm.changed()
        await timeline.sleep(1e9)
        assert float(clock.sim()) == 1e9
        assert len(beats) <= 2

    live(use, speed=math.inf)


def test_many_timers_at_once_hold_up_no_other_task() -> None:
    async def run() -> None:
        happened = turns = most = 0

        def happen() -> None:
            nonlocal happened
            happened += 1

        clock = Clock()
        timeline = clock.timeline(Schedule(), ignore)
        for _ in range(1000):
            timeline.after(0, happen)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            while happened < 1000:
                before = happened
                await trio.lowlevel.checkpoint()
                most = max(most, happened - before)
                turns += 1
            nursery.cancel_scope.cancel()
        assert most <= 64
        assert turns >= 1000 / 64

    trio.run(run)


def clock_with_rhythm(speed: float, interval: float | None) -> Clock:
    """A clock with a timer of this interval; None: without any."""
    clock, schedule = Clock(speed), Schedule()
    if interval is not None:
        schedule.every(interval, nothing)
    clock.timeline(schedule, ignore)
    return clock


@pytest.mark.parametrize("speed", [1.0, math.inf])
def test_it_stops_while_it_waits_for_a_timer_or_for_none(speed: float) -> None:
    async def run() -> None:
        for interval in (None, 10):
            clock = clock_with_rhythm(speed, interval)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(clock.run)
                await wait_all_tasks_blocked()
                clock.stop()
            assert not nursery.cancel_scope.cancel_called

    trio.run(run)


def test_it_wakes_for_its_timers_and_for_nothing_else() -> None:
    steps = Steps()

    async def idle(interval: float | None, speed: float, seconds: float) -> int:
        clock = clock_with_rhythm(speed, interval)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await wait_all_tasks_blocked()
            before = steps.number
            await trio.sleep(seconds)
            woken = steps.number - before
            nursery.cancel_scope.cancel()
        return woken

    def steps_of(interval: float | None, speed: float, seconds: float) -> int:
        clock = MockClock(autojump_threshold=0)
        return trio.run(idle, interval, speed, seconds, clock=clock, instruments=[steps])

    assert steps_of(None, 1.0, 1e6) <= 3
    assert steps_of(5, math.inf, 1e6) <= 3
    assert steps_of(5, 1.0, 501) <= 100 + 3  # for a hundred beats


# Steered while it runs


def test_the_speed_can_be_changed_while_something_waits() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[float] = []
        timeline.after(100, lambda: happened.append(trio.current_time() - began))
        began = trio.current_time()
        await trio.sleep(50)
        clock.speed = 10
        assert clock.sim() == pytest.approx(50)
        await trio.sleep(6)
        assert happened == [pytest.approx(55)]
        clock.speed = math.inf
        await timeline.sleep(1e6)
        assert clock.sim() == pytest.approx(1_000_110)
        clock.speed = 2
        await trio.sleep(5)
        assert clock.sim() == pytest.approx(1_000_120)

    live(use)


def test_a_paused_clock_stands_still_until_it_is_resumed() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[float] = []
        timeline.after(10, lambda: happened.append(timeline.now()))
        await trio.sleep(4)
        clock.pause()
        assert clock.paused
        await trio.sleep(1000)
        assert (float(clock.sim()), happened) == (4.0, [])
        clock.resume()
        await trio.sleep(5)
        assert happened == []
        await trio.sleep(2)
        assert happened == [10]

    live(use)


@for_each("speed", [1.0, math.inf])
@for_each("paused", [False, True])
def test_advance_returns_when_all_that_falls_due_has_happened(speed: float, paused: bool) -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[str] = []

        async def chain() -> None:
            for number in range(3):  # each wait begins when the one before it has ended
                await timeline.sleep(10)
                happened.append(f"{number} at {timeline.now():g}")

        if paused:
            clock.pause()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chain)
            await wait_all_tasks_blocked()
            began = clock.sim()
            if paused:
                assert float(began) == 0
                await clock.advance(25)
                assert happened == ["0 at 10", "1 at 20"]
                assert float(clock.sim()) == 25
            await clock.advance(100)
            assert happened == ["0 at 10", "1 at 20", "2 at 30"]
            assert clock.sim() >= began + 100

    live(use, speed)


def test_advance_makes_up_for_each_beat_of_a_rhythm() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        beats: list[float] = []
        schedule = Schedule()
        schedule.every(5, lambda: beats.append(schedule.now))
        clock.timeline(schedule, ignore)
        clock.pause()
        await clock.advance(20)
        assert beats == [5, 10, 15, 20]

    live(use)


@pytest.mark.parametrize("speed", [1e4, 1e9, 1e300])
def test_however_fast_time_is_a_rhythm_leaves_real_time_for_everything_else(speed: float) -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        beats: list[float] = []
        schedule = Schedule()
        schedule.every(5, lambda: beats.append(schedule.now))
        clock.timeline(schedule, ignore)
        # Other timers are due all the time, as those of delays are, and do not make it run.
        for _ in range(200):
            await timeline.sleep(speed / 200)
        assert 90 <= len(beats) <= 101

    live(use, speed)


@for_each("seconds", [-1, math.inf, math.nan, "2", None])
def test_advance_takes_a_number_from_0(seconds: float) -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        with pytest.raises(ValueError, match="seconds: expected a number from 0 to 1e9, found"):
            await clock.advance(seconds)

    live(use)


@pytest.mark.parametrize("paused", [False, True])
def test_settle_goes_on_until_only_rhythms_are_left(paused: bool) -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[float] = []

        async def chain() -> None:
            for seconds in (10, 1000, 0.5):
                await timeline.sleep(seconds)
                happened.append(timeline.now())

        timeline.after(1e9, nothing, daemon=True)
        if paused:
            clock.pause()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chain)
            await clock.settle()
            assert happened == [10, 1010, 1010.5]
            assert float(clock.sim()) == 1010.5
            await clock.settle()  # nothing is left
            assert float(clock.sim()) == 1010.5

    live(use)


def test_settle_says_so_where_it_comes_to_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invis_sim.server.clock.MAX_TIMERS_TO_SETTLE", 50)

    async def use(clock: Clock, timeline: Timeline) -> None:
        def again() -> None:
            timeline.after(1, again)

        again()
        with pytest.raises(RuntimeError, match="after 50 timers there are still more"):
            await clock.settle()

    live(use)


@for_each("speed", [0, -1, math.nan, "2", None, True])
def test_a_speed_is_a_number_above_0(speed: float) -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        with pytest.raises(ValueError, match="speed: expected a number above 0, or inf, found"):
            Clock(speed)
        with pytest.raises(ValueError, match="speed: expected a number above 0, or inf, found"):
            clock.speed = speed
        assert clock.speed == 1

    live(use)


def test_outlets_that_share_a_clock_have_their_own_start() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        await trio.sleep(10)
        happened: list[str] = []
        second = clock.timeline(Schedule(), ignore)
        assert (float(timeline.now()), float(second.now())) == (10.0, 0.0)
        second.after(5, lambda: happened.append(f"second {second.now():g}"))
        timeline.after(6, lambda: happened.append(f"first {timeline.now():g}"))
        await trio.sleep(7)
        assert happened == ["second 5", "first 16"]
        second.after(1, lambda: happened.append("never"))
        second.close()
        await trio.sleep(2)
        assert len(happened) == 2

    live(use)


def test_a_block_can_be_left_after_some_simulated_time() -> None:
    ended: list[bool] = []

    async def block(timeline: Timeline, seconds: float) -> None:
        with timeline.move_on_after(60) as scope:
            await trio.sleep(seconds)
        ended.append(scope.cancelled_caught)

    async def use(clock: Clock, timeline: Timeline) -> None:
        await block(timeline, math.inf)
        assert trio.current_time() == pytest.approx(60 / 4)
        await block(timeline, 1)
        await trio.sleep(100)  # the timer of the block is gone

    live(use, speed=4)
    assert ended == [True, False]


# What must not go on for ever, or stay for ever


def test_the_timers_of_a_closed_timeline_never_run() -> None:
    """Its connections and its author still leave while it is closed, and may set timers."""

    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[str] = []
        closed = clock.timeline(Schedule(), ignore)
        closed.after(5, lambda: happened.append("before"))
        closed.close()
        closed.after(6, lambda: happened.append("after"))
        closed.changed()
        await trio.sleep(20)
        await clock.advance(20)
        await clock.settle()
        assert happened == []

    live(use)


def test_timers_that_are_set_and_pass_leave_nothing_in_the_clock() -> None:
    """One far in the future must not be noted again after each that comes before it."""

    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[float] = []
        timeline.after(1e9, lambda: happened.append(timeline.now()))
        for _ in range(300):
            timeline.after(1, nothing)
            await trio.sleep(2)
        assert len(clock._heap) < 200
        await clock.settle()
        assert happened == [1e9]

    live(use)


def test_all_timelines_stay_in_time_after_a_clearance() -> None:
    async def use(clock: Clock, timeline: Timeline) -> None:
        happened: list[int] = []
        for number in range(30):
            one = clock.timeline(Schedule(), ignore)
            one.after(1000 + number, partial(happened.append, number))
            for _ in range(10):
                one.after(1, nothing)
                await trio.sleep(1)
        await trio.sleep(2000)
        assert sorted(happened) == list(range(30))

    live(use)


@pytest.mark.parametrize("act", ["advance", "settle", "run", "infinite"])
def test_a_timer_that_is_always_due_again_holds_up_nothing_for_ever(
    act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invis_sim.server.clock.MAX_TIMERS_TO_SETTLE", 20)

    async def use(clock: Clock, timeline: Timeline) -> None:
        def again() -> None:
            timeline.after(0, again)

        if act in ("advance", "settle"):
            clock.pause()  # else `run` keeps trio's mocked time from passing
        again()
        if act in ("advance", "settle"):
            with pytest.raises(RuntimeError, match="after 20 timers there are still more"):
                await (clock.advance(1) if act == "advance" else clock.settle())
        elif act == "infinite":
            clock.speed = math.inf
            await clock.settle_at_infinite_speed()  # which must return
        for _ in range(20):  # other tasks have their turn
            await trio.lowlevel.checkpoint()

    live(use)


def test_advance_goes_as_far_as_a_scenario_can_say() -> None:
    """Much further, a timer of some seconds would change nothing, and be due for ever."""

    async def use(clock: Clock, timeline: Timeline) -> None:
        await clock.advance(1e9)
        with pytest.raises(ValueError, match="seconds: expected a number from 0 to 1e9, found"):
            await clock.advance(1.1e9)
        assert float(clock.sim()) == 1e9

    live(use)
