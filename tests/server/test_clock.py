"""The outlet's clock: appointments in order, in time, without holding others up or waking for
nothing.
"""

import math
from collections.abc import Callable

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState, Timing
from invis_sim.server.clock import Clock

SILENT = OutletState(timing=Timing(sensor_seconds=0))


class Steps(trio.abc.Instrument):
    """CountNumbers how often any task runs."""

    def __init__(self) -> None:
        self.number = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.number += 1


def nothing(effects: object = ()) -> None:
    pass


def kept(
    use: Callable[[Outlet, Clock], None],
    until: Callable[[], bool],
    speed: float = 1.0,
    seconds: float = 0.0,
) -> None:
    """Lets a clock run that is used, by a clock of trio's that jumps.

    until: for so many `seconds` it runs before this is asked, which must be true then.
    """

    async def live() -> None:
        outlet = Outlet(SILENT)
        clock = Clock(outlet, trio.current_time(), speed, nothing)
        use(outlet, clock)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await wait_all_tasks_blocked()
            await trio.sleep(seconds)
            await wait_all_tasks_blocked()
            assert until()
            nursery.cancel_scope.cancel()

    trio.run(live, clock=MockClock(autojump_threshold=0))


@settings(max_examples=50)
@given(
    times=st.lists(st.floats(0, 1000) | st.integers(0, 5), max_size=20),
    speed=st.sampled_from((0.5, 1.0, 7.0, 1000.0, math.inf)),
)
def test_appointments_are_kept_in_the_order_of_their_times_and_none_too_early(
    times: list[float], speed: float
) -> None:
    happened: list[tuple[float, int]] = []
    began: list[float] = []

    def use(outlet: Outlet, clock: Clock) -> None:
        began.append(trio.current_time())
        for number, seconds in enumerate(times):

            def happen(number: int = number, seconds: float = seconds) -> None:
                assert outlet.schedule.now >= seconds
                if speed < math.inf:
                    assert (trio.current_time() - began[0]) * speed >= seconds - 1e-3
                happened.append((seconds, number))

            outlet.schedule.after(seconds, happen)

    def until() -> bool:
        return happened == sorted((time, number) for number, time in enumerate(times))

    kept(use, until, speed, 0.0 if speed == math.inf else 1001 / speed)


def test_what_rounding_makes_too_early_is_kept_once_all_the_same() -> None:
    """Time stands still while a task can run, so to look again and again would be for ever."""
    for seconds in (0.1, 1 / 3, 0.7, 1e-9, 123.456):
        for speed in (3.0, 7.0, 0.3, 49.0, 1e6):
            happened: list[float] = []

            def use(outlet: Outlet, clock: Clock) -> None:
                for number in range(1, 30):
                    due = number * seconds  # noqa: B023
                    outlet.schedule.after(due, lambda: happened.append(clock.seconds()))  # noqa: B023

            kept(use, lambda: len(happened) == 29, speed, 31 * seconds / speed)  # noqa: B023


def test_what_is_due_later_is_not_kept_yet() -> None:
    happened: list[int] = []

    def use(outlet: Outlet, clock: Clock) -> None:
        outlet.schedule.after(99, lambda: happened.append(1))
        outlet.schedule.after(101, lambda: happened.append(2))

    kept(use, lambda: happened == [1], speed=10, seconds=10)


def test_appointments_that_are_made_while_it_sleeps_are_kept_once_it_is_told() -> None:
    happened: list[str] = []

    async def live() -> None:
        outlet = Outlet(SILENT)
        clock = Clock(outlet, trio.current_time(), 1.0, nothing)
        outlet.schedule.after(100, lambda: happened.append("late"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await trio.sleep(10)
            outlet.schedule.move_to(clock.seconds())
            outlet.schedule.after(5, lambda: happened.append("early"))
            clock.changed()
            await trio.sleep(4)
            assert happened == []
            await trio.sleep(2)
            assert happened == ["early"]
            await trio.sleep(85)
            assert happened == ["early", "late"]
            nursery.cancel_scope.cancel()

    trio.run(live, clock=MockClock(autojump_threshold=0))


def test_after_each_appointment_its_owner_is_told() -> None:
    told: list[float] = []

    async def live() -> None:
        outlet = Outlet(SILENT)
        clock = Clock(outlet, trio.current_time(), 1.0, lambda _: told.append(outlet.schedule.now))
        for seconds in (1, 2, 2):
            outlet.schedule.after(seconds, nothing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await trio.sleep(3)
            nursery.cancel_scope.cancel()

    trio.run(live, clock=MockClock(autojump_threshold=0))
    assert told == [1, 2, 2]


def test_at_infinite_speed_time_jumps_to_what_is_no_rhythm_and_stands_still_then() -> None:
    happened: list[str] = []
    beats = 0

    def use(outlet: Outlet, clock: Clock) -> None:
        def beat() -> None:
            nonlocal beats
            beats += 1
            outlet.schedule.after(10, beat, daemon=True)

        outlet.schedule.after(10, beat, daemon=True)
        outlet.schedule.after(1e6, lambda: happened.append("last")).cancel()

        def go_on() -> None:
            outlet.schedule.after(20, lambda: happened.append(f"{clock.seconds():g}"))

        outlet.schedule.after(35, go_on)

    kept(use, lambda: happened == ["55"] and beats == 5, speed=math.inf, seconds=1e6)


def test_many_that_are_due_at_once_hold_up_nobody() -> None:
    happened = turns = 0
    most = 0

    async def live() -> None:
        nonlocal turns, most
        outlet = Outlet(SILENT)
        clock = Clock(outlet, trio.current_time(), 1.0, nothing)

        def happen() -> None:
            nonlocal happened
            happened += 1

        for _ in range(1000):
            outlet.schedule.after(0, happen)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            while happened < 1000:
                before = happened
                await trio.lowlevel.checkpoint()
                most = max(most, happened - before)
                turns += 1
            nursery.cancel_scope.cancel()

    trio.run(live)
    assert most <= 2
    assert turns >= 500


def test_it_wakes_for_its_appointments_and_for_nothing_else() -> None:
    steps = Steps()
    rhythm = OutletState(timing=Timing(sensor_seconds=5))

    async def idle(state: OutletState, speed: float, seconds: float) -> int:
        outlet = Outlet(state.with_product("pro"))
        clock = Clock(outlet, trio.current_time(), speed, nothing)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await wait_all_tasks_blocked()
            before = steps.number
            await trio.sleep(seconds)
            woken = steps.number - before
            nursery.cancel_scope.cancel()
        return woken

    def steps_of(state: OutletState, speed: float, seconds: float) -> int:
        clock = MockClock(autojump_threshold=0)
        return trio.run(idle, state, speed, seconds, clock=clock, instruments=[steps])

    assert steps_of(SILENT, 1.0, 1e6) <= 3
    assert steps_of(rhythm, math.inf, 1e6) <= 3
    assert steps_of(rhythm, 1.0, 501) <= 100 * 4  # for a hundred beats
