"""Carries out the steps of a scenario."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from invis_sim.device.outlet import Outlet
from invis_sim.faults.pipeline import Pipeline
from invis_sim.protocol.transport import DisconnectMode
from invis_sim.scenario.steps import Step, StepPush, StepReboot
from invis_sim.schema.describe import format_path, to_toml_text

__all__ = ["StepRunner"]

MAX_CHARACTERS = 100
"""So long are the words for what a step sets at the most."""


class StepRunner:
    """What a scenario changes over time, or after a request.

    steps: in file order; of those that are due at once, the first comes first.
    outlet, faults: what they change.
    reboot: called with (seconds or None, how or None) for the outlet to restart.
    join_network: called when it is to be back after a network reset.
    tell: called with the fields of a CommandGiven: what a step does, or why it could not.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        outlet: Outlet,
        faults: Pipeline,
        reboot: Callable[[float | None, DisconnectMode | None], None],
        join_network: Callable[[], None],
        tell: Callable[..., None],
    ) -> None:
        self._outlet = outlet
        self._faults = faults
        self._reboot = reboot
        self._join_network = join_network
        self._tell = tell
        self._asked: Counter[int | None] = Counter()
        self._after_requests: dict[int | None, list[tuple[int, Step, int]]] = defaultdict(list)
        for number, step in enumerate(steps, 1):
            if step.after_request is not None:
                after = step.after_request
                self._after_requests[after.callback].append((after.nth, step, number))
            elif step.after_seconds is not None:
                outlet.schedule.after(step.after_seconds, partial(self._on_time, step, number))
            else:
                assert step.every_seconds is not None
                outlet.schedule.every(step.every_seconds, partial(self._perform, step, number))

    @property
    def counts_requests(self) -> bool:
        """Whether it wants to know of requests."""
        return bool(self._after_requests)

    def requested(self, callback: int | None) -> None:
        """A request has been answered.

        callback: its number.
        """
        waiting = self._after_requests.get(callback)
        if waiting is None:
            return
        self._asked[callback] += 1
        for nth, step, number in waiting:
            if nth != self._asked[callback]:
                continue
            if step.after_seconds is None:
                self._perform(step, number)
            else:
                later = partial(self._perform, step, number)
                self._outlet.schedule.after(step.after_seconds, later)

    def _on_time(self, step: Step, number: int) -> None:
        if step.every_seconds is not None:
            self._outlet.schedule.every(step.every_seconds, partial(self._perform, step, number))
        self._perform(step, number)

    def _perform(self, step: Step, number: int) -> None:
        """Does what the step says, in the order of its fields.

        number: of the step, from 1.
        """
        actions: list[tuple[str, Callable[[], None]]] = []
        if step.set is not None:
            actions.append((f"set {_said(step.set)}", partial(self._outlet.change, **step.set)))
        if step.faceplate is not None:
            there = {"attached": step.faceplate == "on"}
            change = partial(self._outlet.change, faceplate=there)
            actions.append((f"faceplate {step.faceplate}", change))
        for key, names in step.fault_names.items():
            for name in names:
                switch = partial(self._switch, name, key == "enable")
                actions.append((f"{key} {name}", switch))
        if step.push is not None:
            push = step.push if isinstance(step.push, StepPush) else StepPush(callback=step.push)
            tell = partial(self._outlet.push, push.callback, push.args)
            actions.append((f"push {push.callback}", tell))
        if step.sample:
            actions.append(("sample", self._outlet.sample))
        if step.update is not None:
            start = partial(self._outlet.start_update, step.update)
            actions.append((f"update {step.update}", start))
        if step.reboot:
            how = step.reboot if isinstance(step.reboot, StepReboot) else StepReboot()
            actions.append(("reboot", partial(self._reboot, how.seconds, how.how)))
        if step.join_network:
            actions.append(("join the network", self._join_network))
        for words, action in actions:
            self._tell(by=f"step {number}", command=words)
            try:
                action()
            except (ValueError, TypeError) as error:
                self._tell(by=f"step {number}", command=words, error=str(error))

    def _switch(self, name: str, enabled: bool) -> None:
        for rule in self._faults:
            if rule.name == name:
                rule.enabled = enabled


def _said(changes: Mapping[str, Any]) -> str:
    """What a step sets, shortened where it is long."""
    words = ", ".join(_settings(changes))
    return words if len(words) <= MAX_CHARACTERS else f"{words[: MAX_CHARACTERS - 1]}…"


def _settings(changes: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in changes.items():
        here = (*path, key)
        if isinstance(value, Mapping) and value:
            yield from _settings(value, here)
        else:
            yield f"{format_path(here)} = {to_toml_text(value)}"
