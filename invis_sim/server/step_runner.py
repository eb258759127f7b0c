"""Carries out the steps of a scenario, and those that are added while the outlet runs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from invis_sim.commands.command import MAX_SUMMARY_CHARACTERS, Command
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.scenario.export import step_table
from invis_sim.scenario.steps import Step
from invis_sim.schema.describe import shorten, to_toml_text
from invis_sim.server.timeline import Timeline

__all__ = ["StepHandle", "StepRunner"]

__tracebackhide__ = hide_frames


class _RunningStep:
    """A step with its number and the timers that will carry it out.

    counted: how many requests of its callback had been counted when it was added.
    of_scenario: whether it is one of the scenario's, and was not added later.
    """

    def __init__(self, step: Step, number: int, of_scenario: bool) -> None:
        self.step = step
        self.number = number
        self.of_scenario = of_scenario
        self.counted = 0
        self.timers: list[Timer] = []


class StepRunner:
    """What changes over time, or after a request.

    steps: in file order; of those that are due at once, the first comes first.
    timeline, schedule: where their timers are set.
    perform: carries out commands: (commands, who gives them, in words).
    record: records a change of the steps: (who asks for it, what it is).

    after_requests: the steps that wait for a request, by its callback; empty: none does.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        timeline: Timeline,
        schedule: Schedule,
        perform: Callable[[Sequence[Command], str], None],
        record: Callable[[str, str], None],
    ) -> None:
        self._initial = tuple(steps)
        self._timeline = timeline
        self._schedule = schedule
        self._perform = perform
        self._record = record
        self._requests: Counter[int | None] = Counter()
        self.after_requests: dict[int | None, list[_RunningStep]] = defaultdict(list)
        self._running: dict[int, _RunningStep] = {}
        self._last_number = 0
        self._start()

    def __iter__(self) -> Iterator["StepHandle"]:
        """The steps that are left, by their numbers."""
        return iter([StepHandle(self, running) for running in self._running.values()])

    def _start(self) -> None:
        for step in self._initial:
            self._add(step, of_scenario=True)

    def add(self, step: Step, by: str) -> "StepHandle":
        """Add a step; its times, and the requests that it waits for, count from now.

        by: who asks for it, for the journal.
        """
        text = to_toml_text(step_table(step))
        self._record(
            by, shorten(f"add step {self._last_number + 1} {text}", MAX_SUMMARY_CHARACTERS)
        )
        self._schedule.move_to(self._timeline.now())
        return self._add(step, of_scenario=False)

    def _add(self, step: Step, *, of_scenario: bool) -> "StepHandle":
        """Add a step whose times count from the present of the schedule."""
        self._last_number += 1
        running = _RunningStep(step, self._last_number, of_scenario)
        self._running[self._last_number] = running
        if step.after_request is not None:
            running.counted = self._requests[step.after_request.callback]
            self.after_requests[step.after_request.callback].append(running)
        elif step.after_seconds is not None:
            action = partial(self._on_time, running)
            running.timers.append(self._schedule.after(step.after_seconds, action))
        else:
            self._repeat(running)
        self._timeline.changed()
        return StepHandle(self, running)

    def remove(self, running: _RunningStep, by: str) -> None:
        """Remove a step. One that is not there is no error. by: as in `add`."""
        # By the step itself: after `restart`, another one has its number.
        if self._running.get(running.number) is running:
            self._record(by, f"remove step {running.number}")
            self._remove(running)

    def _remove(self, running: _RunningStep) -> None:
        del self._running[running.number]
        for timer in running.timers:
            timer.cancel()
        after = running.step.after_request
        if after is not None:
            waiting = self.after_requests[after.callback]
            waiting.remove(running)
            if not waiting:
                del self.after_requests[after.callback]

    def left(self, running: _RunningStep) -> Step | None:
        """Return what is left of a step: the step that does the same in an outlet that starts now.
        None: it has been carried out, and can only happen again if requests are counted anew.
        """
        step, after = running.step, running.step.after_request
        timer = next((one for one in running.timers if one.pending), None)
        if timer is not None:
            seconds = timer.due - self._timeline.now()
            return step.when_due_in(seconds, repeats=timer.interval is not None)
        if after is None:
            return None
        return step.when_counted(self._requests[after.callback] - running.counted)

    def reset_counts(self) -> None:
        """Count requests from zero again."""
        self._requests.clear()
        for running in self._running.values():
            running.counted = 0

    def restart(self) -> None:
        """Begin the steps of the scenario again, as at the start of the outlet; added ones go."""
        for running in tuple(self._running.values()):
            self._remove(running)
        self._last_number = 0
        self.reset_counts()
        self._schedule.move_to(self._timeline.now())
        self._start()

    def reload(self, steps: Iterable[Step]) -> None:
        """Have other steps of the scenario: those that both have go on, or are over, as they are;
        the others are removed, and new ones begin now. Added steps stay.
        """
        old, self._initial = list(self._initial), tuple(steps)
        new = []
        for step in self._initial:
            if step in old:
                old.remove(step)
            else:
                new.append(step)
        for running in tuple(self._running.values()):
            if running.of_scenario and running.step in old:
                old.remove(running.step)
                self._remove(running)
        self._schedule.move_to(self._timeline.now())
        for step in new:
            self._add(step, of_scenario=True)

    def on_request(self, callback: int | None) -> None:
        """Carry out the steps that wait for this request, which has been answered.

        callback: its number.
        """
        waiting = self.after_requests.get(callback)
        if waiting is None:
            return
        self._requests[callback] += 1
        for running in tuple(waiting):
            after = running.step.after_request
            if after is None or after.nth != self._requests[callback] - running.counted:
                continue
            if running.step.after_seconds is None:
                self._run(running)
            else:
                action = partial(self._run, running)
                running.timers.append(self._timeline.after(running.step.after_seconds, action))

    def _on_time(self, running: _RunningStep) -> None:
        if running.step.every_seconds is not None:
            # It has begun when its author wants it to, and goes on at that pace.
            self._repeat(running, in_phase=False)
        else:  # it is over, and must not be kept for as long as the outlet runs
            del self._running[running.number]
        self._run(running)

    def _repeat(self, running: _RunningStep, *, in_phase: bool = True) -> None:
        assert running.step.every_seconds is not None
        action = partial(self._run, running)
        timer = self._schedule.every(running.step.every_seconds, action, in_phase=in_phase)
        running.timers.append(timer)

    def _run(self, running: _RunningStep) -> None:
        self._perform(running.step.commands, f"step {running.number}")


class StepHandle:
    """A step of a running outlet. number: its number, from 1. step: what it is."""

    def __init__(self, runner: StepRunner, running: _RunningStep) -> None:
        self._runner = runner
        self._running = running
        self.number = running.number
        self.step = running.step

    @property
    def left(self) -> Step | None:
        """What is left of it: the step that does the same in an outlet that starts now. None: it
        has been carried out, and can only happen again if requests are counted anew.
        """
        return self._runner.left(self._running)

    def remove(self, by: str = "python") -> None:
        """Take the step away. One that is gone already is no error.

        by: who asks for it, for the journal.
        """
        self._runner.remove(self._running, by)
