"""`invis-sim run`: an outlet in the foreground."""

import argparse
import errno
import gc
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from typing import Any

import trio

from invis_sim.cli import CliError
from invis_sim.cli.color import paint_for
from invis_sim.cli.introduction import (
    Running,
    banner,
    follow_moves,
    outlets_of,
    ready_content,
    ready_text,
    warn_if_exposed,
)
from invis_sim.cli.journal_output import MAX_WAITING_LINES, write_journal
from invis_sim.cli.lines import LineFormat, columns_of
from invis_sim.cli.log import JsonLog, LogFormat, TextLog
from invis_sim.cli.messages import print_warning, warn
from invis_sim.cli.output_files import (
    check_output_files,
    is_journal,
    is_ready_file,
)
from invis_sim.cli.ready_file import ready_file, remove_stale_ready_file
from invis_sim.cli.scenario_options import given_commands, with_options
from invis_sim.cli.signals import STOP_SIGNALS, on_signals
from invis_sim.cli.stdin import watch_stdin
from invis_sim.cli.streams import dup_stdout, write_utf8
from invis_sim.cli.writers import JournalWriter
from invis_sim.commands.command import Command, CommandError
from invis_sim.journal import Entry, subscribe_to_all
from invis_sim.scenario.fleet_check import fleet_notes
from invis_sim.scenario.loading import ScenarioError, load, one_outlet
from invis_sim.scenario.model import Scenario
from invis_sim.server.nursery import open_cancelled_nursery
from invis_sim.server.simulator import Simulator, StartError
from invis_sim.web.opening import open_simulator

__all__ = ["load_scenario", "run", "run_outlet"]

MAKE_VARIABLES = {"--tcp-port": "TCP_PORT", "--ws-port": "WS_PORT", "--control": "CONTROL_PORT"}
"""Options → what `make run` calls them."""

MIN_SHOWN_DIGITS = 4
"""How much of a serial number a line of the log has at least, where there are several."""

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
    beside: Callable[[Running], Awaitable[None]] | None = None,
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
    commands = given_commands(args)
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
    except (CommandError, ScenarioError) as error:
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


def load_scenario(source: str, *, one: bool = False) -> Scenario:
    """Load a file or a bundled scenario. one: of a single outlet. Raises CliError."""
    try:
        scenario = load(source)
        return one_outlet(scenario) if one else scenario
    except ScenarioError as error:
        raise CliError(*error.problems, status=2) from None


async def _main(
    scenario: Scenario,
    commands: list[Command],
    args: argparse.Namespace,
    about: str,
    beside: Callable[[Running], Awaitable[None]] | None,
    more: dict[str, Any],
) -> None:
    ended = trio.Event()

    def join() -> None:
        if not ended.is_set():  # a signal may arrive while the outlet stops
            running.do(join_network=True, by="signal")

    with on_signals(STOP_SIGNALS, ended.set), ExitStack() as after:
        async with _opened(
            scenario, speed=args.speed, owns_loop=True, commands=commands, by="command line", **more
        ) as running:
            if args.journal is not None:
                write_journal(running, args, after)
            with ExitStack() as during:
                during.enter_context(on_signals(JOIN_SIGNALS, join))
                update: Callable[[str], None] = _no_update
                if args.ready_file is not None:
                    update = during.enter_context(
                        ready_file(args.ready_file, ready_text(running), print_warning)
                    )
                if args.log not in ("text", "full"):  # whose banner has them
                    for note in fleet_notes(running.scenario, running.seed):
                        print_warning(note)
                if args.log != "quiet" and sys.stdout is not None:
                    _log_to_stdout(running, args.log, about, after)
                warn_if_exposed(running)
                if args.exit_with_stdin:
                    watch_stdin(ended)
                async with open_cancelled_nursery() as nursery:
                    nursery.start_soon(follow_moves, running, update)
                    if beside is not None:
                        nursery.start_soon(beside, running)
                    await ended.wait()


def _no_update(text: str) -> None:
    """Stand in for a ready file where there is none."""


def _opened(scenario: Scenario, **more: Any) -> AbstractAsyncContextManager[Running]:
    """Return what runs the outlet of a scenario, or its fleet, for the time of a block."""
    if scenario.fleet is None:
        return open_simulator(scenario, **more)
    from invis_sim.web.fleet_opening import open_fleet  # only those who run several wait for it

    return open_fleet(scenario=scenario, **more)


def _short_sns(outlets: Sequence[Simulator]) -> Callable[[Entry], str]:
    """Return what says which outlet a line is about: the end of its serial number, as short as
    tells those of several outlets apart.
    """
    if len(outlets) == 1:
        return lambda entry: ""
    sns = {outlet.sn for outlet in outlets}
    longest = max(map(len, sns))
    size = next(n for n in range(MIN_SHOWN_DIGITS, longest + 1) if _are_distinct(sns, n))
    return lambda entry: entry.sn[-size:]


def _are_distinct(sns: Collection[str], size: int) -> bool:
    return len({sn[-size:] for sn in sns}) == len(sns)


def _log_to_stdout(running: Running, log: str, about: str, stack: ExitStack) -> None:
    """Write the banner and then what happens to stdout, from a thread, until the stack ends."""
    outlets = outlets_of(running)
    log_format: LogFormat
    if log == "json":
        first = json.dumps({"entry": "ready", **ready_content(running)})
        log_format = JsonLog()
    else:
        hint = f"To reconnect it to the network: kill -USR1 {os.getpid()}" if JOIN_SIGNALS else ""
        first = banner(running, about)
        lines = LineFormat(
            paint_for(sys.stdout),
            columns_of(sys.stdout),
            full=log == "full",
            label=_short_sns(outlets),
        )
        log_format = TextLog(outlets[0].journal.started, hint, lines)
    # From the first entry on: commands and outages of the start are logged as well.
    subscription = subscribe_to_all(
        [outlet.journal for outlet in outlets],
        after=0,
        done=log == "full",  # then with all that was sent
        max_waiting=MAX_WAITING_LINES,
        on_loss=partial(warn, "stdout is read too slowly, so lines are missing"),
    )
    writer = JournalWriter(dup_stdout(), subscription, log_format, first)
    stack.callback(writer.close)
