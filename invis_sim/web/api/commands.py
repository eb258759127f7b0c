"""Commands, given over HTTP."""

from collections.abc import Mapping
from typing import Any

import msgspec

from invis_sim.commands.command import Command
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


def parse(body: Any) -> tuple[Command, ...]:
    """Return the commands in a body: an object as a step has it, or a list of them, which are
    carried out in the order of the list.

    Raises HttpProblem with every problem.
    """
    tables = body if isinstance(body, list) else [body]
    problems: list[Problem] = []
    commands: list[Command] = []
    for index, table in enumerate(tables):
        path = (index,) if isinstance(body, list) else ()
        built, wrong = validate(table, CommandTable, path)
        problems += wrong
        if not wrong:
            commands += built.commands
            if not built.commands and isinstance(table, Mapping):
                problems.append(Problem(path, "no command; `invis-sim keys steps` lists them"))
    if problems:
        raise invalid(*problems)
    if not commands:
        raise HttpProblem(422, "no command; `invis-sim keys steps` lists them")
    return tuple(commands)


async def give(call: Call) -> Done:
    """Carry out a command, or a list of them in its order: all or none. `{"push": 9}`, or
    `[{"faceplate": "off"}, {"push": 9}]`; several keys of one object are carried out in the order
    of the manual.
    """
    commands = parse(call.json())
    await call.outlet.wait_for_pending_connections()
    do_on_all(call.outlets, commands, BY)
    return done(call.outlet)


async def give_to_all(call: Call) -> dict[str, Done]:
    """Carry out commands on every outlet of the process, or on those that are selected: on all of
    them, or on none. The answer has the serial number of each.
    """
    selection = call.query(Selection)
    commands = parse(call.json())
    await wait_for_pending_connections(selection.of(call.outlets))
    outlets = selection.of(call.outlets)  # which may have changed meanwhile
    if not outlets:
        raise HttpProblem(404, "no outlet is selected; /api/overview says which there are")
    do_on_all(outlets, commands, BY)
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
