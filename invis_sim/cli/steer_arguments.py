"""The arguments of the commands that steer a running outlet."""

import argparse
from typing import Any, get_args

from invis_sim.cli.argument_types import count, seconds, whole
from invis_sim.cli.parser import add_command
from invis_sim.protocol.transport import Transport

__all__ = ["add_steering_commands"]


def add_steering_commands(commands: Any) -> None:
    """Add `do`, `tail`, `export`, `clock` and `completion` to the commands of a parser."""
    do = add_command(
        commands,
        "do",
        "do:do",
        help="change a running outlet: set, push, inject, ...",
        description=(
            "Carry out commands on an outlet that runs with --control, in their order: all of "
            "them, or none if one is wrong; of several outlets, on all or on none. "
            "`invis-sim keys steps` lists the commands."
        ),
        examples=(
            "invis-sim do 'push = 9'",
            "invis-sim do 'set = { sensors = { lux = 3 } }' 'sample = true'",
            "invis-sim do 'inject = { kind = \"delay\", seconds = 2 }'",
            "invis-sim do --sn 0003C400001,0003C400002 'reboot = true'",
        ),
    )
    do.add_argument(
        "commands",
        nargs="+",
        metavar="COMMAND=VALUE",
        help="as a step of a scenario has it, e.g. faceplate=off",
    )
    do.add_argument(
        "--search",
        metavar="TEXT",
        help="change only outlets with this in the serial number, a name or the description",
    )
    _add_server(do, "change only this outlet, or these, with commas (default: every outlet there)")

    tail = add_command(
        commands,
        "tail",
        "tail:tail",
        help="print what happens to a running outlet",
        description=(
            "Print every exchange and event of an outlet that runs with --control, as it happens, "
            "until Ctrl-C. When the connection is lost, connect again and go on without a gap. "
            "Exit status 0: stopped by Ctrl-C, SIGTERM, --count or --seconds; 1: the outlet cannot "
            "be reached at first, or --seconds ended before --count was reached."
        ),
        examples=(
            "invis-sim tail",
            "invis-sim tail --kind exchange --callback 20 --count 1 --seconds 30",
        ),
    )
    tail.add_argument(
        "--kind",
        metavar="ENTRY[,ENTRY…]",
        help="only entries of these kinds, e.g. exchange,command,connected",
    )
    tail.add_argument("--callback", type=whole, metavar="CALLBACK", help="only with this callback")
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
        *("--log",),
        choices=("text", "json"),
        default="text",
        help="how to print an entry: as a line to read, or as JSON (default: text)",
    )
    _add_server(tail, "only of this outlet (default: of every outlet there)")

    clock = add_command(
        commands,
        "clock",
        "clock:clock",
        help="show or change the time of a running outlet",
        description=(
            "Show the time of the outlets that run with --control, or change how it passes."
        ),
        examples=("invis-sim clock", "invis-sim clock pause", "invis-sim clock advance 600"),
    )
    clock.add_argument(
        "action",
        nargs="?",
        choices=("show", "pause", "resume", "speed", "advance", "settle"),
        default="show",
        metavar="ACTION",
        help=(
            "pause; resume; speed X (10: ten times as fast; inf: skip all waits); advance X "
            "(by so many seconds, at once); settle (advance until only periodic timers are left); "
            "default: show"
        ),
    )
    clock.add_argument("value", nargs="?", metavar="X", help="the number for speed and advance")
    _add_server(clock, None)

    export = add_command(
        commands,
        "export",
        "export:export",
        help="print a running outlet as a scenario",
        description=(
            "Print the outlet that runs with --control as a scenario that starts from where it is "
            "now: state, faults, the steps that are left, and seed."
        ),
        examples=("invis-sim export > bug.toml", "invis-sim run bug.toml"),
    )
    _add_server(export, "which outlet, where there are several")

    completion = add_command(
        commands,
        "completion",
        "completion:completion",
        help="print a script that completes commands in a shell",
        description=(
            "Print a script that completes commands, options and their values in a shell."
        ),
        examples=(
            "source <(invis-sim completion bash)",
            'invis-sim completion zsh > "${fpath[1]}/_invis-sim"',
            "invis-sim completion fish > ~/.config/fish/completions/invis-sim.fish",
        ),
    )
    completion.add_argument(
        "shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish"
    )


def _add_server(parser: argparse.ArgumentParser, about_sn: str | None) -> None:
    """Add what says which outlets a command is about.

    about_sn: help for --sn; None: the command is about all outlets there.
    """
    parser.add_argument(
        "--at",
        metavar="URL",
        help=(
            "the control address that the outlet printed when it started, or HOST:PORT, or PORT "
            "(default: INVIS_SIM_CONTROL, else http://127.0.0.1:3334)"
        ),
    )
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help="the token that it printed, if --control-host is given (default: INVIS_SIM_TOKEN)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to wait for each answer (default: 5)",
    )
    if about_sn is None:
        parser.set_defaults(sn=None)
    else:
        parser.add_argument("--sn", help=about_sn)
