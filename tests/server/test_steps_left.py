"""What is left of the steps of an outlet does the same in an outlet that starts now."""

from collections.abc import Sequence

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from invis_sim.commands.command import Command
from invis_sim.device.schedule import Schedule
from invis_sim.scenario.export import step_table
from invis_sim.scenario.from_keys import build_step
from invis_sim.scenario.steps import Step
from invis_sim.server.clock import Clock
from invis_sim.server.step_runner import StepRunner
from tests.cases import examples, for_each

CALLBACKS = (9, 20)


class Steps:
    """Steps with a time of their own, without an outlet, and what they have done so far.

    done: for each command that was carried out, when it was, and which.
    """

    def __init__(self, clock: Clock, steps: Sequence[Step]) -> None:
        self.done: list[tuple[float, str]] = []
        schedule = Schedule()
        self.timeline = clock.timeline(schedule, lambda effects: None)
        self.runner = StepRunner(
            steps, self.timeline, schedule, self._perform, lambda by, text: None
        )

    def _perform(self, commands: Sequence[Command], by: str) -> None:
        now = round(self.timeline.clock.sim(), 6)
        self.done += [(now, command.summary()) for command in commands]

    def left(self) -> list[Step]:
        return [left for handle in self.runner if (left := handle.left) is not None]


def number(step: int) -> dict[str, object]:
    """A command that says which step has given it."""
    return {"push": {"callback": 100 + step, "args": []}}


@st.composite
def some_steps(draw: st.DrawFn) -> list[Step]:
    seconds, periods = st.integers(0, 40), st.integers(1, 15)
    request = st.fixed_dictionaries(
        {"callback": st.sampled_from(CALLBACKS), "nth": st.integers(1, 4)}
    )
    conditions = st.one_of(
        st.fixed_dictionaries({"after_seconds": seconds}),
        st.fixed_dictionaries({"every_seconds": periods}, optional={"after_seconds": seconds}),
        st.fixed_dictionaries({"after_request": request}, optional={"after_seconds": seconds}),
    )
    drawn = draw(st.lists(conditions, max_size=5))
    return [build_step({**one, **number(index)}) for index, one in enumerate(drawn)]


HAPPENS = st.lists(st.integers(1, 20) | st.sampled_from(["9", "20"]), max_size=8)
"""What happens, in order: seconds that pass, and requests that are answered."""


async def happen(clock: Clock, what: Sequence[int | str], *all_steps: Steps) -> None:
    for one in what:
        if isinstance(one, int):
            await clock.advance(one)
        else:
            for steps in all_steps:
                steps.runner.on_request(int(one))


@settings(max_examples=examples(2))
@given(steps=some_steps(), before=HAPPENS, after=HAPPENS)
def test_what_is_left_goes_on_as_if_nothing_had_happened(
    steps: list[Step], before: list[int | str], after: list[int | str]
) -> None:
    async def run() -> None:
        clock = Clock()
        clock.pause()
        original = Steps(clock, steps)
        await happen(clock, before, original)
        left = original.left()
        copy = Steps(clock, left)
        assert copy.left() == left  # as long as no second has passed
        original.done.clear()
        await happen(clock, after, original, copy)
        # Of what is due at once, the order is that of the numbers, which a copy counts anew.
        assert sorted(copy.done) == sorted(original.done)

    trio.run(run, clock=MockClock(autojump_threshold=0))


@for_each(
    ("step", "seconds", "left"),
    [
        ({"after_seconds": 100}, 60, {"after_seconds": 40}),
        ({"after_seconds": 100}, 60.7, {"after_seconds": 40}),
        ({"after_seconds": 2.5}, 0.9, {"after_seconds": 2.5}),
        ({"after_seconds": 100}, 100, None),
        ({"every_seconds": 10}, 63, {"after_seconds": 7, "every_seconds": 10}),
        ({"every_seconds": 10}, 60.5, {"every_seconds": 10}),
        ({"after_seconds": 5, "every_seconds": 10}, 3, {"after_seconds": 2, "every_seconds": 10}),
        ({"after_seconds": 5, "every_seconds": 10}, 5, {"every_seconds": 10}),
        ({"every_seconds": 0.3}, 0.2, {"every_seconds": 0.3}),
    ],
)
def test_whole_seconds_that_have_passed_are_taken_off(
    step: dict[str, float], seconds: float, left: dict[str, float] | None
) -> None:
    async def run() -> list[dict[str, object]]:
        clock = Clock()
        clock.pause()
        steps = Steps(clock, [build_step({**step, "sample": True})])
        await clock.advance(seconds)
        return [step_table(one) for one in steps.left()]

    found = trio.run(run, clock=MockClock(autojump_threshold=0))
    assert found == ([] if left is None else [{**left, "sample": True}])


def test_requests_that_were_answered_are_taken_off_until_counters_are_reset() -> None:
    async def run() -> None:
        clock = Clock()
        clock.pause()
        once = {"after_request": {"callback": 20}, "sample": True}
        third = {"after_request": {"callback": 20, "nth": 3}, "after_seconds": 10, "push": 9}
        steps = Steps(clock, [build_step(once), build_step(third)])

        def left() -> list[dict[str, object]]:
            return [step_table(one) for one in steps.left()]

        steps.runner.on_request(20)
        assert left() == [{**third, "after_request": {"callback": 20, "nth": 2}}]
        await happen(clock, ["20", "20", 4], steps)
        assert left() == [{"after_seconds": 6, "push": 9}]
        await happen(clock, [6], steps)
        assert left() == []
        steps.runner.reset_counts()
        assert left() == [once, third]

    trio.run(run, clock=MockClock(autojump_threshold=0))
