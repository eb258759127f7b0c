"""`invis-sim do`: commands, carried out on a running outlet."""

import argparse
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from invis_sim.cli import CliError
from invis_sim.cli.control_client import ControlClient, ControlProblem
from invis_sim.schema.inline import parse_inline

__all__ = ["do"]

MAX_SHOWN = 200
"""How many characters of a command are shown in front of its problem: more than most have."""

_PLACE = re.compile(r"\[(\d+)\]\.?(.*)", re.DOTALL)
"""The path of a problem in the list of commands: which command, and where in it."""


def do(args: argparse.Namespace) -> int:
    """Carry out the commands on the outlets that are selected: in their order, all or none, and on
    all of them or on none. Raises CliError.
    """
    tables = _tables(args.commands)
    with ControlClient(args) as server:
        try:
            server.send("POST", _path(args), tables)
        except ControlProblem as problem:
            if not problem.found:
                raise
            further = problem.problems[len(problem.found) :]
            lines = (*_as_typed(problem.found, args.commands), *further)
            raise CliError(*lines, status=problem.status) from None
    return 0


def _path(args: argparse.Namespace) -> str:
    """Return the path of commands for the outlets that are selected."""
    selection = {"sn": args.sn, "search": args.search}
    given = {key: value for key, value in selection.items() if value is not None}
    return f"/api/commands{'?' if given else ''}{urlencode(given)}"


def _tables(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the commands as plain data. Raises CliError."""
    tables: list[dict[str, Any]] = []
    problems: list[str] = []
    for text in texts:
        try:
            tables.append({key: _as_json(one) for key, one in parse_inline(text).items()})
        except ValueError as error:
            problems.append(f"{_shown(text)}: {error}")
    if problems:
        raise CliError(*problems, status=2)
    return tables


def _as_json(value: Any) -> Any:
    """Return a value of TOML in the form that JSON has for it. Raises ValueError."""
    match value:
        case dict():
            return {key: _as_json(one) for key, one in value.items()}
        case list():
            return [_as_json(one) for one in value]
        case float() if not math.isfinite(value):
            return str(value)  # "inf": as a scenario may say it too
        case str() | int() | float():
            return value
    raise ValueError(f"expected no date or time, found {value}")


def _as_typed(found: Sequence[tuple[str, str]], texts: Sequence[str]) -> Iterator[str]:
    """Return the problems, each behind the command as it was typed."""
    for path, message in found:
        place = _PLACE.fullmatch(path)
        if place is None or int(place[1]) >= len(texts):
            yield ": ".join(filter(None, (path, message)))
        else:
            yield ": ".join(filter(None, (_shown(texts[int(place[1])]), place[2], message)))


def _shown(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
