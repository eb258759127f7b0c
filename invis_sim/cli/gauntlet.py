"""`invis-sim gauntlet`: a client, run through everything that can go wrong."""

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Sequence

import trio

from invis_sim.cli import CliError
from invis_sim.cli.gauntlet_reports import check_paths, write_reports
from invis_sim.cli.output_files import write_output
from invis_sim.cli.signals import STOP_SIGNALS, on_signals
from invis_sim.gauntlet.command import PlaceholderError, check_placeholders, transports_of
from invis_sim.gauntlet.expect import (
    ExpectError,
    KnownFailures,
    compare,
    encode,
    read,
    renew,
)
from invis_sim.gauntlet.options import Options
from invis_sim.gauntlet.plan import make_plan
from invis_sim.gauntlet.planned import Target
from invis_sim.gauntlet.process import CannotStart
from invis_sim.gauntlet.real_device import RealDevice
from invis_sim.gauntlet.report.text import text_list
from invis_sim.gauntlet.result import Report, Status
from invis_sim.gauntlet.run import Progress, run_gauntlet
from invis_sim.gauntlet.selection import SelectionError, select
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.scenario.loading import ScenarioError, load, one_outlet
from invis_sim.server import StartError

__all__ = ["gauntlet"]

EXIT_STATUS: dict[Status, int] = {
    "as expected": 0,
    "not as expected": 1,
    "broken baseline": 3,
    "interrupted": 130,
}

MAX_SPEED = 100
"""Above, a reply that comes an hour late would come before a client gives up."""

JOBS_PER_CORE = 3
"""Clients wait most of the time: for replies that are late, and for their own time-outs."""


def gauntlet(args: argparse.Namespace) -> int:
    """Run the client through the plan, and report. Raises CliError."""
    options = _options(args)
    if args.list:
        print(_list(options), end="")
        return 0
    if not options.command:
        raise CliError(
            "gauntlet: no command; write the client behind --, as in "
            "`invis-sim gauntlet -- my-client {host} {port}`",
            status=2,
        )
    check_paths(args)
    known = KnownFailures() if args.expect is None else _read(args.expect)
    if args.write_expect is not None and os.path.isfile(args.write_expect):
        _read(args.write_expect)  # what cannot be renewed is said before the run
    try:
        report = trio.run(_main, options)
    except (CannotStart, SelectionError) as error:
        raise CliError(str(error), status=2) from None
    except StartError as error:
        raise CliError(str(error)) from None
    # What a client does that fails even undisturbed says nothing about faults.
    if args.write_expect is not None and report.status != "broken baseline":
        known = _renewed(args.write_expect, report, known)
    if args.expect is not None or args.write_expect is not None:
        report = compare(report, known, _every_id(options))
    write_reports(report, args)
    return EXIT_STATUS[report.status]


def _read(path: str) -> KnownFailures:
    try:
        return read(path)
    except ExpectError as error:
        raise CliError(*error.problems, status=2) from None


def _renewed(path: str, report: Report, known: KnownFailures) -> KnownFailures:
    """Write the list of known failures as it is now. Raises CliError."""
    before = _read(path) if not known.cases and os.path.isfile(path) else known
    renewed = renew(report, before)
    try:
        write_output(path, encode(renewed))
    except OSError as error:
        raise CliError(f"--write-expect {path}: {error.strerror}") from None
    return renewed


def _every_id(options: Options) -> set[str]:
    """Return the ids of all cases that there are, for any client."""
    targets: dict[Transport, Target] = {"tcp": Target(), "ws": Target()}
    return {case.id for case in make_plan("all", options.scenario, targets)}


def _options(args: argparse.Namespace) -> Options:
    command = tuple(args.command)
    if args.speed > MAX_SPEED:
        problem = f"--speed: expected a number above 0, up to {MAX_SPEED}, found {args.speed:g}"
        raise CliError(problem, status=2)
    if args.probe and args.stays:
        raise CliError("--probe and --stays: a client that stays is not run again", status=2)
    if args.jobs is not None and args.jobs < 1:
        raise CliError(f"--jobs: expected a number from 1, found {args.jobs}", status=2)
    if args.seed is not None and not 0 <= args.seed < 2**63:
        found = f"--seed: expected a whole number from 0 to 2**63 - 1, found {args.seed}"
        raise CliError(found, status=2)
    if args.device is not None and args.plan != "faults":
        why = "what a real outlet does of itself cannot be planned"
        raise CliError(f"--plan {args.plan}: does not go with --device: {why}", status=2)
    try:
        scenario = one_outlet(load(args.scenario))
        check_placeholders(command)
    except ScenarioError as error:
        raise CliError(*error.problems, status=2) from None
    except PlaceholderError as error:
        raise CliError(str(error), status=2) from None
    return Options(
        command=command,
        scenario=scenario,
        scenario_name="" if args.scenario == "default" else args.scenario,
        transports=_transports(args.transport, command, scenario),
        plan=args.plan,
        only=tuple(args.only),
        skip=tuple(args.skip),
        jobs=args.jobs or (JOBS_PER_CORE * (os.cpu_count() or 1) if args.device is None else 1),
        timeout=args.timeout,
        seed=secrets.randbelow(2**32) if args.seed is None else args.seed,
        ports=_ports(args),
        callback=args.callback,
        probe=args.probe,
        stays=args.stays,
        speed=args.speed,
        device=_device(args),
    )


def _device(args: argparse.Namespace) -> RealDevice | None:
    """Return the real outlet; None: there is none. Raises CliError."""
    ports = {"tcp": args.device_tcp_port, "ws": args.device_ws_port}
    for name, port in ports.items():
        _check_port(f"--device-{name}-port", port)
    if args.device is None:
        return None
    return RealDevice(args.device, ports["tcp"], ports["ws"])


def _check_port(option: str, port: int) -> None:
    if not 0 < port < 65_536:
        raise CliError(f"{option}: expected a number from 1 to 65535, found {port}", status=2)


def _ports(args: argparse.Namespace) -> dict[Transport, int]:
    """Return the fixed ports. Raises CliError."""
    given: dict[Transport, int | None] = {"tcp": args.tcp_port, "ws": args.ws_port}
    ports = {name: port for name, port in given.items() if port is not None}
    for name, port in ports.items():
        _check_port(f"--{name}-port", port)
    return ports


def _transports(
    asked: str | None, command: Sequence[str], scenario: Scenario
) -> tuple[Transport, ...]:
    wanted = transports_of(command) if asked is None else _TRANSPORTS[asked]
    found = tuple(name for name in wanted if name in scenario.transports)
    if not found:
        raise CliError(f"this scenario has no {' and no '.join(wanted)}", status=2)
    return found


_TRANSPORTS: dict[str, tuple[Transport, ...]] = {
    "tcp": ("tcp",),
    "ws": ("ws",),
    "both": ("tcp", "ws"),
}


def _list(options: Options) -> str:
    targets = {name: Target(options.callback) for name in options.transports}
    try:
        plan = make_plan(options.plan, options.scenario, targets)
        return text_list(select(plan, options.only, options.skip))
    except SelectionError as error:
        raise CliError(str(error), status=2) from None


async def _main(options: Options) -> Report:
    stop = trio.Event()
    show = _progress()
    with on_signals(STOP_SIGNALS, stop.set):
        report = await run_gauntlet(options, on_result=show, stop=stop)
    if show is not _silent:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return report


def _silent(progress: Progress) -> None:
    """Show nothing: stderr is not a terminal."""


def _progress() -> Callable[[Progress], None]:
    """Return what shows how far the run is, on stderr if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        return _silent
    failures = 0

    def show(progress: Progress) -> None:
        nonlocal failures
        failures += progress.result.is_failure
        filled = 30 * progress.done // progress.total
        bar = "█" * filled + "░" * (30 - filled)
        text = f"{bar} {progress.done}/{progress.total}, {failures} not as expected"
        print(f"\r\x1b[K{text}  {progress.result.id}"[:200], end="", file=sys.stderr, flush=True)

    return show
