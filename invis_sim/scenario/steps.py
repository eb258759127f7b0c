"""A step: conditions and commands. What a scenario changes over time, or after a request.

The commands are those of the registry (`commands/registry.py`): each is a key of a step, with the
type that `annotation` gives it. So a new command needs no line here.
"""

import inspect
import math
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from invis_sim.commands.command import Command
from invis_sim.commands.registry import COMMANDS, annotation, from_value
from invis_sim.schema.build import Checked

__all__ = ["AfterRequest", "CommandTable", "Step"]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
# Shorter than a millisecond, a rhythm would keep a core busy and nothing else.
Interval = Annotated[float, msgspec.Meta(ge=0.001, le=1e9)]


class AfterRequest(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After a request has been answered.

    callback: the request's `callbackName`.
    nth: which of these requests, from 1, over all connections.
    """

    callback: int
    nth: Annotated[int, msgspec.Meta(ge=1)] = 1


WHOLE = 1e-6
"""By how much whole seconds may be missed: simulated time is a float."""


class _HasCommands(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has a key for each command."""

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands that are given, in the order in which they are carried out."""
        return tuple(_commands(self))

    def __post_init__(self) -> None:
        # Here, for it imports this module.
        from invis_sim.scenario.validation import check_struct

        check_struct(self)
        _commands(self)


def _commands(table: Any) -> list[Command]:
    """Return the commands of a table. Raises ValueError for fields that do not fit together."""
    found = []
    for key, command in COMMANDS.items():
        value = getattr(table, key)
        if value is None or value == {}:
            continue
        try:
            one = from_value(command, value)
        except ValueError as error:
            # The key of the short form is the command's own.
            message = str(error).removeprefix(f"{command.short}: ")
            raise ValueError(f"{key}: {message}") from None
        if one is not None:
            found.append(one)
    return found


class _Conditions(_HasCommands, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commands that are executed at a time, periodically, or after a request. They are executed in
    the order of this list; one that fails is logged, and the others are still executed.

    after_seconds: how long after the start; with `after_request`, how long after that request.
    every_seconds: the period; the first time is `after_seconds`, or one period after the start if
    that is omitted. Not with `after_request`.
    after_request: after the reply to a request: { callback = 20, nth = 3 }; with `after_seconds`,
    that long after it.
    """

    after_seconds: Seconds | None = None
    every_seconds: Interval | None = None
    after_request: AfterRequest | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        conditions = ("after_seconds", "every_seconds", "after_request")
        if all(getattr(self, name) is None for name in conditions):
            raise ValueError(
                "a step happens at a time (after_seconds, every_seconds) or after a request "
                "(after_request)"
            )
        if self.every_seconds is not None and self.after_request is not None:
            raise ValueError("every_seconds: does not go with after_request; after_seconds does")
        if not _commands(self):
            raise ValueError(f"step has no action; expected one of {', '.join(COMMANDS)}")

    def when_due_in(self, seconds: float, *, repeats: bool) -> Self:
        """Return the step that does the same in an outlet that starts when this one is due in so
        many seconds. Only whole seconds count as passed, so that the same is returned for a while.

        repeats: whether what it waits for is its next period.
        """
        whole = self.every_seconds if repeats else self.after_seconds
        assert whole is not None
        left = whole - max(0, math.floor(whole - seconds + WHOLE))
        if repeats and left == whole:
            return msgspec.structs.replace(self, after_seconds=None)
        return msgspec.structs.replace(self, after_seconds=left, after_request=None)

    def when_counted(self, requests: int) -> Self | None:
        """Return the step that does the same in an outlet that starts when so many of the requests
        that this one waits for have been answered; None: it waits for none any more.
        """
        after = self.after_request
        if after is None or requests >= after.nth:
            return None
        left = AfterRequest(callback=after.callback, nth=after.nth - requests)
        return msgspec.structs.replace(self, after_request=left)


def _fields() -> list[tuple[str, Any, Any]]:
    """Return a field for each command: optional, or a switch that is off."""
    fields: list[tuple[str, Any, Any]] = []
    for key, command in COMMANDS.items():
        form = annotation(command)
        fields.append((key, form, False) if form is bool else (key, form | None, None))
    return fields


def _manual(conditions: type[msgspec.Struct]) -> str | None:
    """Return the docstring of a table with conditions and commands: a part for each key. None where
    Python has stripped those it is made of.
    """
    if conditions.__doc__ is None:
        return None
    parts = [inspect.cleandoc(conditions.__doc__ or "")]
    for key, command in COMMANDS.items():
        summary = inspect.cleandoc(command.__doc__ or "").partition("\n\n")[0]
        parts.append(f"{key}: {summary}")
    return "\n".join(parts)


if TYPE_CHECKING:
    # To type checkers the commands are keyword arguments of any type: their types are known at
    # run time only, from the registry.
    class CommandTable(_HasCommands, frozen=True):
        """A key for each command."""

        def __init__(self, **commands: Any) -> None: ...

    class Step(_Conditions, frozen=True):
        """Conditions, and a key for each command."""

        def __init__(
            self,
            *,
            after_seconds: float | None = None,
            every_seconds: float | None = None,
            after_request: AfterRequest | None = None,
            **commands: Any,
        ) -> None: ...

else:
    CommandTable = msgspec.defstruct(
        "CommandTable",
        _fields(),
        bases=(_HasCommands,),
        namespace={"__doc__": _manual(_HasCommands)},
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    Step = msgspec.defstruct(
        "Step",
        _fields(),
        bases=(_Conditions,),
        namespace={"__doc__": _manual(_Conditions)},
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
