"""The command `invis-sim`: its arguments.

Each command is a function in one of the modules here, which is loaded when the command is used.

Status: 0 all is well, 1 it did not work, 2 the command line or a scenario is wrong. What is wrong
stands on stderr, one line a problem; no traceback.
"""

import argparse
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from invis_sim import __version__
from invis_sim.client.errors import AddressError, ClientError

__all__ = ["CommandError", "main"]


_ADDRESS = "HOST[:PORT] for TCP (port 3333), or ws://HOST[:PORT]/ws"


class CommandError(Exception):
    """A command cannot do what it should.

    problems: one line each. status: what the process ends with.
    """

    def __init__(self, *problems: str, status: int = 1) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.status = status


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments (default: the process's) name; returns its status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the locale knows only ASCII
    try:
        args = _parser().parse_args(arguments)
        module, _, function = args.function.partition(":")
        command = getattr(importlib.import_module(f"invis_sim.cli.{module}"), function)
        status: int = command(args)
        if sys.stdout is not None:  # as it is where the descriptor is closed
            sys.stdout.flush()
        return status
    except CommandError as error:
        for problem in error.problems:
            print(f"invis-sim: {problem}", file=sys.stderr)
        return error.status
    except ClientError as error:
        print(f"invis-sim: {error}", file=sys.stderr)
        return 2 if isinstance(error, AddressError) else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        # Python must not stumble over it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # whoever read our output has seen enough
        print(f"invis-sim: {error.strerror or error}", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="invis-sim",
        description="A simulated InvisOutlet: its JSON protocol over TCP and WebSocket.",
        epilog="invis-sim COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"invis-sim {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    run = commands.add_parser(
        "run",
        help="run an outlet until Ctrl-C",
        description=(
            "Runs an outlet until Ctrl-C or SIGTERM. Options override the scenario. "
            "After a network reset (callback 6), SIGUSR1 lets it join the network again."
        ),
    )
    run.set_defaults(function="run:run")
    run.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="a scenario file, or the name of a shipped one (see invis-sim scenarios)",
    )
    run.add_argument("--sn", help="the serial number")
    run.add_argument("--host", help="where to listen (127.0.0.1: this machine only)")
    run.add_argument(
        "--tcp-port",
        type=_whole,
        metavar="N",
        help="port of the TCP transport (3333; 0: a free one)",
    )
    run.add_argument(
        "--ws-port", type=_whole, metavar="N", help="port of the WebSocket (8080; 0: a free one)"
    )
    run.add_argument("--no-tcp", action="store_true", help="without the TCP transport")
    run.add_argument("--no-ws", action="store_true", help="without the WebSocket")
    run.add_argument(
        "--mdns",
        action="store_true",
        help="announce it on the network as _invis._tcp.local. (needs invis-sim[mdns])",
    )
    run.add_argument(
        "--seed", type=_whole, metavar="N", help="of everything drawn by chance, to repeat a run"
    )
    run.add_argument(
        "--fault",
        action="append",
        default=[],
        dest="faults",
        metavar="KIND[:key=value,…]",
        help="one more fault, such as delay:seconds=0.5,when={callback=20} (may be repeated)",
    )
    run.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="divides every wait (1; 100 is fast, inf waits for nothing)",
    )
    run.add_argument(
        "--ready-file",
        metavar="PATH",
        help="a file to write, whole, once the outlet listens: where it does, as one JSON object",
    )
    run.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="end when standard input ends, so as not to outlive whoever holds its other end",
    )
    run.add_argument(
        "--journal",
        metavar="PATH",
        help="a file to write everything that happens to, as JSON Lines",
    )
    run.add_argument(
        "--log",
        choices=("text", "json", "quiet"),
        default="text",
        help="how to tell on stdout what happens (text)",
    )

    check = commands.add_parser("check", help="tell every problem of scenario files")
    check.set_defaults(function="info:check")
    check.add_argument("scenarios", nargs="+", metavar="SCENARIO", help="a file, or a shipped name")

    faults = commands.add_parser("faults", help="show what can go wrong")
    faults.set_defaults(function="info:faults")
    faults.add_argument("kind", nargs="?", metavar="KIND", help="the manual of this kind")

    scenarios = commands.add_parser("scenarios", help="list the scenarios that ship with this")
    scenarios.set_defaults(function="info:scenarios")

    keys = commands.add_parser("keys", help="show what a scenario file can say")
    keys.set_defaults(function="keys:keys")
    keys.add_argument("table", nargs="?", metavar="TABLE", help="the keys of this table")

    schema = commands.add_parser("schema", help="print the JSON Schema of scenario files")
    schema.set_defaults(function="info:schema")

    send = commands.add_parser(
        "send",
        help="send one request and print the reply",
        description="Sends one request and prints the reply. Status 0: PUBACK 1, otherwise 1.",
    )
    send.set_defaults(function="send:send")
    send.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    send.add_argument(
        "callback", type=_whole, metavar="CALLBACK", help="the callbackName, such as 20"
    )
    send.add_argument("args", nargs="?", metavar="ARGS", help="the callbackArgs, in JSON")
    send.add_argument("--packet-id", type=_whole, metavar="N", help="the packetID (a random one)")
    send.add_argument(
        "--timeout",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to wait for the reply (5)",
    )

    watch = commands.add_parser(
        "watch",
        help="print what an outlet tells its clients",
        description=(
            "Connects, and prints every packet that the outlet sends, one JSON line each; what is "
            "no JSON goes to stderr. Status 0: Ctrl-C, SIGTERM or --seconds ended it; 1: the "
            "outlet ended the connection, or there was none."
        ),
    )
    watch.set_defaults(function="watch:watch")
    watch.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    watch.add_argument(
        "--reconnect",
        action="store_true",
        help="connect again when the connection ends, as with a restart",
    )
    watch.add_argument(
        "--callback",
        type=_whole,
        action="append",
        default=[],
        dest="callbacks",
        metavar="N",
        help="only packets with this callbackName, such as 22 (may be repeated)",
    )
    watch.add_argument("--seconds", type=_seconds, metavar="S", help="end after so long")
    return parser


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def _speed(text: str) -> float:
    return _above_zero(text, "a number above 0, or inf")


def _seconds(text: str) -> float:
    return _above_zero(text, "a number of seconds above 0")


def _above_zero(text: str, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")
    return number
