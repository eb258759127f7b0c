"""Two scenarios → the command that makes a running outlet of the one an outlet of the other."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from invis_sim.commands.command import CommandError
from invis_sim.commands.reload import ReloadScenario
from invis_sim.commands.set_state import SetState
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Scenario
from invis_sim.schema.differences import differences

__all__ = ["Difference", "Reloaded", "changes_between"]

_FIXED = ("seed", "listen", "protocol")
"""What a reload does not change: how an outlet deals with clients, its seed, and its sockets, for
connections stay. The command `set` can move it to another address."""


class Reloaded(msgspec.Struct, frozen=True):
    """What has come of a reload.

    changed: what has changed, in a few words each; none: the scenarios are the same.
    fixed: the keys that differ and that a reload does not change.
    """

    changed: tuple[str, ...]
    fixed: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True):
    """What differs between two scenarios.

    command: makes the difference; None: there is none.
    scenario: the new one, but for what cannot change.
    changed, fixed: as in `Reloaded`.
    """

    command: ReloadScenario | None
    scenario: Scenario
    changed: tuple[str, ...]
    fixed: tuple[str, ...]


def changes_between(old: Scenario, new: Scenario) -> Difference:
    """Return what is to be done so that an outlet that began with the old scenario goes on with the
    new one.

    Raises CommandError where the new one does not go together with what cannot change.
    """
    fixed = {key: getattr(old, key) for key in _FIXED}
    try:
        scenario = msgspec.structs.replace(new, **fixed)
    except ValueError as error:
        raise CommandError(f"not possible while the outlet runs: {error}") from None
    changes = differences(new.state.with_product(), old.state.with_product(), with_none=True)
    changed = (
        *map(_state_text, changes.items()),
        *_fault_texts(old.faults, new.faults),
        *_step_texts(old, new),
    )
    command = None
    if changed or old.faults != new.faults:
        command = ReloadScenario(new.state, changes, new.faults, new.steps, changed)
    return Difference(command, scenario, changed, tuple(_fixed(old, new)))


def _state_text(change: tuple[str, Any]) -> str:
    text = SetState(dict([change])).summary().removeprefix("set ")
    return text.replace(" = None", " as usual")


def _fault_texts(old: Iterable[Fault], new: Iterable[Fault]) -> Iterator[str]:
    gone, unchanged = list(old), []
    came = []
    for fault in new:
        same = next((one for one in gone if one.same_but_switch(fault)), None)
        if same is None:
            came.append(fault)
        else:
            gone.remove(same)
            unchanged.append((same, fault))
    names = {fault.display_name for fault in gone}
    for before, after in unchanged:
        if before.enabled != after.enabled:
            yield f"fault {after.display_name} {'enabled' if after.enabled else 'disabled'}"
    for fault in came:
        name = fault.display_name
        yield f"fault {name} {'changed' if name in names else 'added'}"
        names.discard(name)
    yield from (f"fault {name} removed" for name in sorted(names))


def _step_texts(old: Scenario, new: Scenario) -> Iterator[str]:
    gone = list(old.steps)
    came = 0
    for step in new.steps:
        if step in gone:
            gone.remove(step)
        else:
            came += 1
    for number, word in ((came, "added"), (len(gone), "removed")):
        if number:
            yield f"{number} step{'s' if number > 1 else ''} {word}"


def _fixed(old: Scenario, new: Scenario) -> Iterator[str]:
    """The keys that differ and cannot change."""
    if old.seed != new.seed and new.seed is not None:
        yield "seed"
    for table in ("listen", "protocol"):
        said = differences(getattr(new, table))  # what the new one does not mention, it leaves open
        differing = differences(getattr(new, table), getattr(old, table), with_none=True)
        yield from (f"{table}.{key}" for key in differing if key in said)
