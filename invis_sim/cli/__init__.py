"""The command `invis-sim`: its arguments.

Each command is a function in one of the modules here, which is imported when the command is used,
so that a quick command does not wait for imports that it does not need.

Exit status: 0 success, 1 failure, 2 the command line or a scenario is wrong. Problems are printed
on stderr, one per line; never a traceback.
"""

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from invis_sim import __version__
from invis_sim.cli.argument_types import seconds, whole
from invis_sim.cli.gauntlet_options import add_gauntlet
from invis_sim.cli.journal_options import add_journal
from invis_sim.cli.messages import print_message
from invis_sim.cli.outlet_options import add_outlet_options
from invis_sim.cli.recording_arguments import add_recording_commands
from invis_sim.cli.steer_arguments import add_steering_commands
from invis_sim.cli.streams import wait_for_slow_readers
from invis_sim.client.errors import AddressError, ClientError
from invis_sim.schema.manual import NO_MANUALS, has_manuals

__all__ = ["CliError", "main"]


_ADDRESS = "HOST[:PORT] for TCP (port 3333), PORT on this machine, or ws://HOST[:PORT]/ws"


class CliError(Exception):
    """A command failed.

    problems: one line each, for stderr. status: the exit status of the process.
    """

    def __init__(self, *problems: str, status: int = 1) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), self.problems, self.__dict__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named by the arguments (default: the process's); return its exit status."""
    wait_for_slow_readers()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # In an ASCII locale, "…" would otherwise end the command with a UnicodeEncodeError.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        given, behind = _split(sys.argv[1:] if arguments is None else arguments)
        args = _parser().parse_args(given)
        args.words = given
        if behind is not None:
            args.command = behind
        module, _, function = args.function.partition(":")
        command = getattr(importlib.import_module(f"invis_sim.cli.{module}"), function)
        status: int = command(args)
        if sys.stdout is not None:  # it is None if the descriptor is closed
            sys.stdout.flush()
        return status
    except CliError as error:
        for problem in error.problems:
            print_message(f"invis-sim: {problem}")
        return error.status
    except ClientError as error:
        print_message(f"invis-sim: {error}")
        return 2 if isinstance(error, AddressError) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        from invis_sim.server.net.system_errors import OUT_OF_DESCRIPTORS, explain

        if error.errno not in OUT_OF_DESCRIPTORS:
            # Otherwise Python would flush stdout again at exit, and print the error as a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # the reader has seen enough, as with `| head`
        print_message(f"invis-sim: {explain(error)}")
        return 1


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """Return the arguments of the gauntlet and, behind `--`, the command that it runs; for any
    other command all arguments, and None.

    argparse would take the command for a scenario, and its options for our own.
    """
    if [*arguments[:1]] != ["gauntlet"] or "--" not in arguments:
        return [*arguments], None
    place = arguments.index("--")
    return [*arguments[:place]], [*arguments[place + 1 :]]


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="invis-sim",
        description="A simulated InvisOutlet: its JSON protocol over TCP and WebSocket.",
        epilog="Run `invis-sim COMMAND --help` for details."
        + ("" if has_manuals() else f" {NO_MANUALS}"),
    )
    parser.add_argument("-V", "--version", action="version", version=f"invis-sim {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Parser
    )

    run = commands.add_parser(
        "run",
        help="run an outlet until Ctrl-C",
        description=(
            "Run an outlet until Ctrl-C or SIGTERM. Options override the scenario. "
            "After a network reset (callback 6), send SIGUSR1 to reconnect the outlet."
        ),
    )
    run.set_defaults(function="run:run")
    run.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="a scenario file, or the name of a bundled one (default: default)",
    )
    run.add_argument(
        "--watch",
        action="store_true",
        help="when SCENARIO is saved, change the running outlet (needs invis-sim[control])",
    )
    add_outlet_options(run)

    check = commands.add_parser(
        "check",
        help="validate scenario files and list every problem",
        description=(
            "Validate scenario files and list every problem. "
            "Exit status 0: all are valid; 2: there are problems."
        ),
    )
    check.set_defaults(function="info:check")
    check.add_argument(
        "scenarios", nargs="+", metavar="SCENARIO", help="a file, or the name of a bundled one"
    )

    faults = commands.add_parser(
        "faults",
        help="list the fault kinds, or show one in detail",
        description="List the fault kinds with an example of each, or show one kind in detail.",
    )
    faults.set_defaults(function="info:faults")
    faults.add_argument(
        "kind", nargs="?", metavar="KIND", help="show this kind in detail, e.g. delay"
    )

    scenarios = commands.add_parser(
        "scenarios",
        help="list the bundled scenarios",
        description="List the bundled scenarios, which `run` and `check` accept by name.",
    )
    scenarios.set_defaults(function="info:scenarios")

    guide = commands.add_parser(
        "guide",
        help="list the guides, or print one",
        description="List the guides, the manual of invis-sim by subject, or print one.",
    )
    guide.set_defaults(function="guide:guide")
    guide.add_argument("name", nargs="?", metavar="GUIDE", help="e.g. first-steps")

    keys = commands.add_parser(
        "keys",
        help="show the keys a scenario file accepts",
        description="Show the tables that a scenario file accepts, or the keys of one table.",
    )
    keys.set_defaults(function="keys:keys")
    keys.add_argument("table", nargs="?", metavar="TABLE", help="e.g. sensors, updates.IM, steps")

    callbacks = commands.add_parser(
        "callbacks",
        help="show what each callback takes and returns",
        description=(
            "List the callbacks of the protocol, or show what one takes and returns, with an "
            "example."
        ),
    )
    callbacks.set_defaults(function="callbacks:callbacks")
    callbacks.add_argument(
        "callback", nargs="?", type=whole, metavar="N", help="show this one in detail, e.g. 20"
    )

    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of scenario files",
        description="Print the JSON Schema of scenario files, for editors that validate TOML.",
    )
    schema.set_defaults(function="info:schema")

    send = commands.add_parser(
        "send",
        help="send one request and print the reply",
        description=(
            "Send one request and print the reply. Exit status 0: the reply has PUBACK 1; "
            "1: another PUBACK, no reply or no connection."
        ),
    )
    send.set_defaults(function="send:send")
    send.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    send.add_argument("callback", type=whole, metavar="CALLBACK", help="callbackName, e.g. 20")
    send.add_argument("args", nargs="?", metavar="ARGS", help="callbackArgs as JSON")
    send.add_argument("--packet-id", type=whole, metavar="N", help="packetID (default: random)")
    send.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="time limit of the connection, and then of the reply (default: 5)",
    )

    watch = commands.add_parser(
        "watch",
        help="print every packet an outlet sends",
        description=(
            "Connect, and print every packet that the outlet sends, one JSON line each; anything "
            "else that it sends goes to stderr. Exit status 0: stopped by Ctrl-C, SIGTERM or "
            "--seconds; 1: the connection was closed by the outlet, or not established."
        ),
    )
    watch.set_defaults(function="watch:watch")
    watch.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    watch.add_argument(
        "--reconnect",
        action="store_true",
        help="reconnect when the connection ends, e.g. after a restart",
    )
    watch.add_argument(
        "--callback",
        type=whole,
        action="append",
        default=[],
        dest="callbacks",
        metavar="N",
        help="print only packets with this callbackName, e.g. 22 (repeatable)",
    )
    watch.add_argument("--seconds", type=seconds, metavar="S", help="stop after this many seconds")

    add_gauntlet(commands)
    add_journal(commands)
    add_recording_commands(commands)
    add_steering_commands(commands)
    return parser
