"""`invis-sim run`: an outlet in the foreground."""

import argparse
import errno
import gc
import ipaddress
import json
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgspec
import trio

from invis_sim.cli import CliError
from invis_sim.cli.color import paint_for
from invis_sim.cli.journal_output import MAX_WAITING_LINES, write_journal
from invis_sim.cli.lines import LineFormat, columns_of
from invis_sim.cli.log import JournalWriter, JsonLog, LogFormat, TextLog
from invis_sim.cli.messages import print_warning, warn
from invis_sim.cli.output_files import (
    check_output_files,
    is_journal,
    is_ready_file,
)
from invis_sim.cli.ready_file import ready_file, remove_stale_ready_file
from invis_sim.cli.signals import STOP_SIGNALS, on_signals
from invis_sim.cli.stdin import watch_stdin
from invis_sim.cli.streams import dup_stdout, write_utf8
from invis_sim.cli.width import text_width, wrap
from invis_sim.commands.command import Command, CommandError
from invis_sim.faults.fault import Fault
from invis_sim.protocol.printable import printable
from invis_sim.scenario.from_keys import parse_commands
from invis_sim.scenario.inline_fault import MAX_SHOWN, parse_fault
from invis_sim.scenario.loading import ScenarioError, load, override, with_faults
from invis_sim.scenario.model import Scenario
from invis_sim.schema.describe import shorten
from invis_sim.schema.inline import parse_inline
from invis_sim.server.mdns import SERVICE_TYPE
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.simulator import Simulator, StartError
from invis_sim.web.opening import open_simulator

__all__ = ["load_scenario", "run", "run_outlet", "with_options"]

TCP_PORT = 3333
"""As on a real outlet."""

WS_PORT = 8080
"""A real outlet has 80, which only root may listen on."""

CONTROL_PORT = 3334
"""Next to that of TCP."""

MAKE_VARIABLES = {"--tcp-port": "TCP_PORT", "--ws-port": "WS_PORT", "--control": "CONTROL_PORT"}
"""Options → what `make run` calls them."""

JOIN_SIGNALS = tuple(one for one in signal.Signals if one.name == "SIGUSR1")
"""The signal that reconnects the outlet after a network reset; Windows does not have it."""


def run(args: argparse.Namespace) -> int:
    """Run the outlet until a signal, or the end of stdin with --exit-with-stdin.

    Raises CliError for options, a scenario or an address that cannot be used.
    """
    beside = None
    if args.watch:
        from invis_sim.cli.reload import prepare_reload  # only those who ask for it wait for it

        beside = prepare_reload(args)
    inputs = {"the scenario": args.scenario}
    return run_outlet(args, load_scenario(args.scenario), inputs, beside=beside)


def run_outlet(
    args: argparse.Namespace,
    scenario: Scenario,
    inputs: Mapping[str, str],
    about: str = "",
    beside: Callable[[Simulator], Awaitable[None]] | None = None,
    **more: Any,
) -> int:
    """Run an outlet as its options say, until a signal, or the end of stdin with --exit-with-stdin.

    args: the options that `add_outlet_options` adds. scenario: what they override.
    inputs: the files that are read, by what to call them; none of them may be written to.
    about: what the log begins with; "": who the outlet is.
    beside: runs beside the outlet until it ends.
    more: further arguments of `open_simulator`.

    Raises CliError.
    """
    scenario = with_options(scenario, args)
    commands = _commands(args)
    check_output_files(
        {
            "--ready-file": (args.ready_file, is_ready_file),
            "--journal": (args.journal, is_journal),
        },
        inputs,
    )
    if args.ready_file is not None:
        remove_stale_ready_file(args.ready_file)
    if args.log == "json":
        write_utf8()
    # The objects of start-up live as long as the process, so the garbage collector can skip them.
    gc.freeze()
    try:
        trio.run(_main, scenario, commands, args, about, beside, more)
    except CommandError as error:
        raise CliError(*error.problems, status=2) from None
    except StartError as error:
        raise CliError(f"{error}{_free_port_hint(error, args.port_prefix)}") from None
    return 0


def _free_port_hint(error: StartError, prefix: str) -> str:
    """Return which option gives a free port, if the port cannot be had; "" otherwise.

    prefix: what the options of ports begin with.
    """
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno not in (errno.EADDRINUSE, errno.EACCES):
        return ""
    options = {
        "for TCP": f"--{prefix}tcp-port",
        "for the WebSocket": f"--{prefix}ws-port",
        "for control": "--control",
    }
    option = next(option for words, option in options.items() if words in str(error))
    if os.environ.get("INVIS_SIM_STARTED_BY") == "make":  # as the Makefile sets it
        return f"; make run {MAKE_VARIABLES[option]}=0 takes a free port"
    return f"; {option} 0 takes a free port"


def load_scenario(source: str) -> Scenario:
    """Load a file or a bundled scenario. Raises CliError."""
    try:
        return load(source)
    except ScenarioError as error:
        raise CliError(*error.problems, status=2) from None


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
    try:
        scenario = override(scenario, **given)
    except ScenarioError as error:
        options = {
            name: f"{args.port_prefix}{name}" if name in ("tcp_port", "ws_port") else name
            for name in given
        }
        problems = [_as_option_problem(problem, options) for problem in error.problems]
        raise CliError(*problems, status=2) from None
    unreachable = ", ".join(dict.fromkeys(scenario.unreachable_faults))
    if unreachable and args.log not in ("text", "full"):  # which shows them as its journal has them
        print_warning(f"with these options, some faults never apply: {unreachable}")
    scenario = _with_faults(scenario, args.faults)
    listen = scenario.listen
    return override(
        scenario,
        tcp_port=TCP_PORT if listen.tcp_port is None else None,
        ws_port=WS_PORT if listen.ws_port is None else None,
        control_port=CONTROL_PORT if listen.control_port is None else None,
    )


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


def _commands(args: argparse.Namespace) -> list[Command]:
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


async def _main(
    scenario: Scenario,
    commands: list[Command],
    args: argparse.Namespace,
    about: str,
    beside: Callable[[Simulator], Awaitable[None]] | None,
    more: dict[str, Any],
) -> None:
    ended = trio.Event()

    def join() -> None:
        if not ended.is_set():  # a signal may arrive while the outlet stops
            simulator.do(join_network=True, by="signal")

    with on_signals(STOP_SIGNALS, ended.set), ExitStack() as after:
        async with open_simulator(
            scenario, speed=args.speed, owns_loop=True, commands=commands, by="command line", **more
        ) as simulator:
            if args.journal is not None:
                write_journal(simulator, args, after)
            with ExitStack() as during:
                during.enter_context(on_signals(JOIN_SIGNALS, join))
                if args.ready_file is not None:
                    text = json.dumps(_ready(simulator)) + "\n"
                    during.enter_context(ready_file(args.ready_file, text, print_warning))
                if args.log != "quiet" and sys.stdout is not None:
                    _log_to_stdout(simulator, args.log, about, after)
                _warn_if_exposed(simulator)
                if args.exit_with_stdin:
                    watch_stdin(ended)
                async with open_cancelled_nursery() as nursery:
                    if beside is not None:
                        nursery.start_soon(beside, simulator)
                    await ended.wait()


def _log_to_stdout(simulator: Simulator, log: str, about: str, stack: ExitStack) -> None:
    """Write the banner and then the journal to stdout, from a thread, until the stack ends."""
    log_format: LogFormat
    if log == "json":
        first = json.dumps({"entry": "ready", **_ready(simulator)})
        log_format = JsonLog()
    else:
        hint = f"To reconnect it to the network: kill -USR1 {os.getpid()}" if JOIN_SIGNALS else ""
        first = _banner(simulator, about)
        lines = LineFormat(paint_for(sys.stdout), columns_of(sys.stdout), full=log == "full")
        log_format = TextLog(simulator.journal.started, hint, lines)
    # From the first entry on: commands and outages of the start are logged as well.
    subscription = simulator.journal.subscribe(
        after=0,
        done=log == "full",  # then with all that was sent
        max_waiting=MAX_WAITING_LINES,
        on_loss=partial(warn, "stdout is read too slowly, so lines are missing"),
    )
    writer = JournalWriter(dup_stdout(), subscription, log_format, first)
    stack.callback(writer.close)


def _banner(simulator: Simulator, about: str) -> str:
    """Return what the log begins with: which outlet it is, its addresses and its faults."""
    scenario = simulator.scenario
    about = about or f"InvisOutlet {simulator.sn} ({_product(scenario)})"
    lines = [f"{about}, seed {simulator.seed}"]
    control = simulator.runtime.control
    if control is not None:
        key = "" if control.token is None else f"?token={control.token}"
        lines.insert(0, f"Steer it in a browser: {control.url}{key}")
    if scenario.description:
        lines += wrap(scenario.description, text_width(), "  ", "  ")
    if simulator.has("tcp"):
        lines.append(f"  TCP        {_host_and_port(*simulator.tcp_address)}")
    if simulator.has("ws"):
        lines.append(f"  WebSocket  {simulator.ws_url}")
    if scenario.listen.mdns:
        lines.append(f"  mDNS       {simulator.sn}.{SERVICE_TYPE}")
    for title, enabled in (("Faults", True), ("Disabled", False)):
        if names := [fault.name for fault in simulator.faults if fault.enabled is enabled]:
            lines.append(f"  {title:9}  {', '.join(names)}")
    tcp = simulator.has("tcp")
    address = _host_and_port(*simulator.tcp_address) if tcp else simulator.ws_url
    lines.append(f"Press Ctrl-C to stop. Try: {_command_name()} send {address} 20")
    return "\n".join(map(printable, lines))


def _product(scenario: Scenario) -> str:
    """Return the hardware revision and the faceplate, as `revA, InvisDeco Pro`."""
    product = scenario.product
    faceplate = "no InvisDeco" if product == "bare" else f"InvisDeco {product.capitalize()}"
    return f"{scenario.device.hw_rev}, {faceplate}"


def _command_name() -> str:
    """Return how a user can run this command from the current directory."""
    if shutil.which("invis-sim") is not None:
        return "invis-sim"
    try:
        started_as = os.path.relpath(sys.argv[0])
    except OSError:  # the current directory has been deleted
        started_as = sys.argv[0]
    return started_as if os.access(started_as, os.X_OK) else "python -m invis_sim"


def _warn_if_exposed(simulator: Simulator) -> None:
    """Warn if other machines can reach the outlet."""
    exposed = [
        f"{transport} on {host}"
        for transport, (host, _) in simulator.addresses.items()
        if not ipaddress.ip_address(host).is_loopback
    ]
    if exposed:
        print_warning(
            f"other machines can reach this outlet ({', '.join(exposed)}); it has no password"
        )


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _ready(simulator: Simulator) -> dict[str, Any]:
    """Return what the ready file and the first line of `--log json` contain."""
    ready: dict[str, Any] = {"sn": simulator.sn, "tcp": None, "ws": None}
    if simulator.has("tcp"):
        host, port = simulator.tcp_address
        ready["tcp"] = {"host": host, "port": port}
    if simulator.has("ws"):
        ready["ws"] = {"url": simulator.ws_url}
    control = simulator.runtime.control
    ready["control"] = None if control is None else msgspec.structs.asdict(control)
    return {**ready, "pid": os.getpid(), "seed": simulator.seed}
