"""The options of the commands that run an outlet → the scenario, and the commands at the start."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from invis_sim.cli import CliError
from invis_sim.cli.messages import print_warning
from invis_sim.commands.command import Command, CommandError
from invis_sim.faults.fault import Fault
from invis_sim.scenario.from_keys import parse_commands
from invis_sim.scenario.inline_fault import MAX_SHOWN, parse_fault
from invis_sim.scenario.loading import ScenarioError, override, with_faults
from invis_sim.scenario.model import Scenario
from invis_sim.schema.describe import shorten
from invis_sim.schema.inline import parse_inline

__all__ = ["given_commands", "with_options"]

TCP_PORT = 3333
"""As on a real outlet."""

WS_PORT = 8080
"""A real outlet has 80, which only root may listen on."""

CONTROL_PORT = 3334
"""Next to that of TCP."""


def with_options(scenario: Scenario, args: argparse.Namespace) -> Scenario:
    """Return the scenario as the options override it. Raises CliError."""
    given: dict[str, Any] = {
        "sn": args.sn,
        "seed": args.seed,
        "host": args.host,
        "tcp": False if args.no_tcp else None,
        "ws": False if args.no_ws else None,
        "tcp_port": args.tcp_port,
        "ws_port": args.ws_port,
        "mdns": True if args.mdns else None,
        "control": True if args.control is not None else None,
        "control_port": args.control,
        "control_host": args.control_host,
        "control_allow_hosts": args.allow_hosts or None,
    }
    of_fleet = {name: getattr(args, name) for name in ("count", "first", "address")}
    options = {
        name: f"{args.port_prefix}{name}" if name in ("tcp_port", "ws_port") else name
        for name in (*given, *of_fleet)
    }
    with _as_option_problems(options):
        if scenario.fleet is not None or any(value is not None for value in of_fleet.values()):
            from invis_sim.scenario.fleet_loading import with_fleet  # one outlet needs none of it

            # Of several it is the pattern of all serial numbers.
            scenario = with_fleet(scenario, sn=given.pop("sn"), **of_fleet)
        before, scenario = scenario, override(scenario, **given)
    if scenario.quirks != before.quirks:
        off, on = ("TCP", "WebSocket") if args.no_tcp else ("WebSocket", "TCP")
        print_warning(
            f"with these options, quirks.transports does not apply: a {scenario.device.hw_rev} has "
            f"no {on}, and {off} is switched off; it has {on} all the same"
        )
    for option, value in (
        ("--control-host", args.control_host),
        ("--allow-host", args.allow_hosts),
    ):
        if value and not scenario.listen.control:
            raise CliError(f"{option}: has no effect without --control", status=2)
    unreachable = ", ".join(dict.fromkeys(scenario.unreachable_faults))
    if unreachable and args.log not in ("text", "full"):  # which shows them as its journal has them
        print_warning(f"with these options, some faults never apply: {unreachable}")
    scenario = _with_faults(scenario, args.faults)
    listen = scenario.listen
    with _as_option_problems(options):
        return override(
            scenario,
            tcp_port=TCP_PORT if listen.tcp_port is None else None,
            ws_port=WS_PORT if listen.ws_port is None else None,
            control_port=CONTROL_PORT if listen.control_port is None else None,
        )


@contextmanager
def _as_option_problems(options: Mapping[str, str]) -> Iterator[None]:
    """Raise CliError where the block raises ScenarioError; options: as for `_as_option_problem`."""
    try:
        yield
    except ScenarioError as error:
        problems = [_as_option_problem(problem, options) for problem in error.problems]
        raise CliError(*problems, status=2) from None


def _with_faults(scenario: Scenario, texts: Iterable[str]) -> Scenario:
    """Return the scenario with these faults after its own. Raises CliError."""
    faults: list[Fault] = []
    problems: list[str] = []
    for text in texts:
        try:
            faults.append(parse_fault(text))
        except ScenarioError as error:
            problems += (f"--fault {problem}" for problem in error.problems)
    try:
        more = with_faults(scenario, faults)
    except ScenarioError as error:
        problems += (f"--fault: {problem}" for problem in error.problems)
    if problems:
        raise CliError(*problems, status=2)
    return more


def _as_option_problem(problem: str, options: Mapping[str, str]) -> str:
    """Return a problem of an override as a problem of the command line.

    options: override → option, without its dashes.
    """
    name, colon, rest = problem.partition(":")
    if name in options:
        return f"--{options[name].replace('_', '-')}{colon}{rest}"
    return f"with these options, {problem}"  # its cause is several options, or the scenario as well


def given_commands(args: argparse.Namespace) -> list[Command]:
    """Return the commands of --set and --do, in that order. Raises CliError."""
    commands: list[Command] = []
    problems: list[str] = []
    given = [("--set", text) for text in args.settings] + [("--do", text) for text in args.commands]
    for option, text in given:
        shown = shorten(repr(text), MAX_SHOWN)
        try:
            keys = parse_inline(text)
            commands += parse_commands({"set": keys} if option == "--set" else keys)
        except CommandError as error:
            # The author of --set has not written `set`.
            problems += (f"{option} {shown}: {one.removeprefix('set.')}" for one in error.problems)
        except ValueError as error:
            problems.append(f"{option} {shown}: {error}")
    if problems:
        raise CliError(*problems, status=2)
    return commands
