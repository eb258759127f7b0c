"""Commands, given over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from invis_sim.commands.command import Command, CommandError
from invis_sim.scenario.steps import CommandTable
from invis_sim.scenario.validation import validate
from invis_sim.schema.build import Problem
from invis_sim.server.several import do_on_all, wait_for_pending_connections
from invis_sim.server.simulator import Simulator
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem, invalid
from invis_sim.web.request import Call
from invis_sim.web.selection import Selection

__all__ = ["BY", "OPERATIONS", "Done", "carry_out", "done"]

BY = "API"
"""Who gives the commands, in the journal."""


class Done(msgspec.Struct, frozen=True):
    """Everything was carried out.

    after: the number of the newest journal entry then. Entries with a higher number came after it:
    it can be given as `after` to the journal, the events and `wait`.
    """

    after: int


def done(outlet: Simulator) -> Done:
    """Return what is answered when everything was carried out."""
    return Done(outlet.journal.last_number)


def carry_out(outlet: Simulator, *commands: Command) -> Done:
    """Carry out commands, all or none. Raises CommandError."""
    outlet.do(*commands, by=BY)
    return done(outlet)


class Given(msgspec.Struct, frozen=True):
    """The commands of a body, in order.

    indexes: of each, the index of its object in the list; None: the body is no list.
    """

    commands: tuple[Command, ...]
    indexes: tuple[int | None, ...]

    def do_on_all(self, outlets: Sequence[Simulator]) -> None:
        """Carry them out on every outlet: on all of them, or on none. Raises CommandError, with the
        path into the body.
        """
        try:
            do_on_all(outlets, self.commands, BY)
        except CommandError as error:
            place = 0 if len(self.commands) == 1 else error.place
            index = None if place is None else self.indexes[place]
            if index is None:
                raise
            raise CommandError(*(f"[{index}].{one}" for one in error.problems)) from None


def parse(body: Any) -> Given:
    """Return the commands in a body: an object as a step has it, or a list of them, which are
    carried out in the order of the list.

    Raises HttpProblem with every problem.
    """
    tables = body if isinstance(body, list) else [body]
    problems: list[Problem] = []
    commands: list[Command] = []
    indexes: list[int | None] = []
    for index, table in enumerate(tables):
        path = (index,) if isinstance(body, list) else ()
        built, wrong = validate(table, CommandTable, path)
        problems += wrong
        if not wrong:
            commands += built.commands
            indexes += [index if path else None] * len(built.commands)
            if not built.commands and isinstance(table, Mapping):
                problems.append(Problem(path, "no command; `invis-sim keys steps` lists them"))
    if problems:
        raise invalid(*problems)
    if not commands:
        raise HttpProblem(422, "no command; `invis-sim keys steps` lists them")
    return Given(tuple(commands), tuple(indexes))


async def give(call: Call) -> Done:
    """Carry out a command, or a list of them in its order: all or none. `{"push": 9}`, or
    `[{"faceplate": "off"}, {"push": 9}]`; several keys of one object are carried out in the order
    of the manual.
    """
    given = parse(call.json())
    await call.outlet.wait_for_pending_connections()
    given.do_on_all(call.outlets)
    return done(call.outlet)


async def give_to_all(call: Call) -> dict[str, Done]:
    """Carry out commands on every outlet of the process, or on those that are selected: on all of
    them, or on none. The answer has the serial number of each.
    """
    selection = call.query(Selection)
    given = parse(call.json())
    await wait_for_pending_connections(selection.of(call.outlets))
    outlets = selection.of(call.outlets)  # which may have changed meanwhile
    if not outlets:
        raise HttpProblem(404, "no outlet is selected; /api/overview says which there are")
    given.do_on_all(outlets)
    return {outlet.sn: done(outlet) for outlet in outlets}


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/outlets/{sn}/commands",
        handler=give,
        body=CommandTable | list[CommandTable],
        answer=Done,
    ),
    Operation(
        method="POST",
        path="/api/commands",
        handler=give_to_all,
        query=Selection,
        body=CommandTable | list[CommandTable],
        answer=dict[str, Done],
    ),
)
