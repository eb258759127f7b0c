"""The arguments of the commands that steer a running outlet."""

import argparse
from typing import Any, get_args

from invis_sim.cli.argument_types import count, seconds, whole
from invis_sim.protocol.transport import Transport

__all__ = ["add_steering_commands"]


def add_steering_commands(commands: Any) -> None:
    """Add `do`, `tail`, `export`, `clock` and `completion` to the commands of a parser."""
    do = commands.add_parser(
        "do",
        help="carry out commands on a running outlet",
        description=(
            "Carry out commands on an outlet that runs with --control: in their order, all or "
            "none. `invis-sim keys steps` lists them. "
            "Example: invis-sim do 'push = 9' 'set = { sensors = { lux = 3 } }'"
        ),
    )
    do.set_defaults(function="do:do")
    do.add_argument(
        "commands",
        nargs="+",
        metavar="COMMAND=VALUE",
        help="as in a step of a scenario, e.g. faceplate=off",
    )
    _add_server(do, "do it on this outlet alone (default: on every outlet there)")

    tail = commands.add_parser(
        "tail",
        help="print what happens to a running outlet",
        description=(
            "Print every exchange and event of an outlet that runs with --control, as it happens, "
            "until Ctrl-C. When the connection is lost, connect again and continue without a gap. "
            "Exit status 0: stopped by Ctrl-C, SIGTERM, --count or --seconds; 1: the server cannot "
            "be reached at first, or --seconds ended before --count was reached."
        ),
    )
    tail.set_defaults(function="tail:tail")
    tail.add_argument(
        "--kind",
        metavar="KIND[,KIND…]",
        help="only entries of these kinds, e.g. exchange, command, connected, log",
    )
    tail.add_argument("--callback", type=whole, metavar="N", help="only with this callback")
    tail.add_argument("--packet-id", type=whole, metavar="N", help="only with this packetID")
    tail.add_argument("--transport", choices=get_args(Transport), help="only on this transport")
    tail.add_argument("--connection", type=whole, metavar="N", help="only of this connection")
    tail.add_argument("--fault", metavar="NAME", help="only where this fault was applied")
    tail.add_argument(
        "--after",
        type=whole,
        metavar="N",
        help="begin with the kept entries of a higher number; 0: all (default: only new entries)",
    )
    tail.add_argument("--count", type=count, metavar="N", help="stop after this many entries")
    tail.add_argument("--seconds", type=seconds, metavar="S", help="stop after this many seconds")
    tail.add_argument(
        "--log", choices=("text", "json"), default="text", help="the form (default: text)"
    )
    _add_server(tail, "of this outlet alone (default: of every outlet there)")

    clock = commands.add_parser(
        "clock",
        help="show or change the time of a running outlet",
        description=(
            "Show the time of the outlets that run with --control, or change how it passes. "
            "Example: invis-sim clock advance 600"
        ),
    )
    clock.set_defaults(function="clock:clock")
    clock.add_argument(
        "action",
        nargs="?",
        choices=("show", "pause", "resume", "speed", "advance", "settle"),
        default="show",
        metavar="ACTION",
        help=(
            "pause; resume; speed X (100 is 100 times faster, inf skips all waits); advance S "
            "(seconds); settle (until no timer is left but periodic ones); default: show"
        ),
    )
    clock.add_argument("value", nargs="?", metavar="X", help="of speed and advance")
    _add_server(clock, None)

    export = commands.add_parser(
        "export",
        help="print a running outlet as a scenario",
        description=(
            "Print a scenario that makes an outlet as one that runs with --control is now: state, "
            "faults, the steps that are left, and seed. "
            "Example: invis-sim export > bug.toml; invis-sim run bug.toml"
        ),
    )
    export.set_defaults(function="export:export")
    _add_server(export, "which outlet, where there are several")

    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description=(
            "Print a script that completes commands, options and their values in a shell. "
            "Example: source <(invis-sim completion bash)"
        ),
    )
    completion.set_defaults(function="completion:completion")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def _add_server(parser: argparse.ArgumentParser, about_sn: str | None) -> None:
    """Add what says which outlets a command is about.

    about_sn: help for --sn; None: the command is about all outlets there.
    """
    parser.add_argument(
        "--at",
        metavar="URL",
        help=(
            "the address that the outlet printed at its start, or HOST:PORT, or PORT "
            "(default: INVIS_SIM_CONTROL, else http://127.0.0.1:3334)"
        ),
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help="the token, where other machines can reach the server (default: INVIS_SIM_TOKEN)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="time limit of each answer (default: 5)",
    )
    if about_sn is None:
        parser.set_defaults(sn=None)
    else:
        parser.add_argument("--sn", help=about_sn)
