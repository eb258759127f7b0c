"""The options of the commands that run an outlet: `run`, `replay` and `proxy`."""

import argparse

from invis_sim.cli.argument_types import control_port, speed, whole

__all__ = ["LOGS", "add_fleet_options", "add_outlet_options"]

LOGS = ("text", "full", "json", "quiet")
"""The values of --log."""


def add_outlet_options(parser: argparse.ArgumentParser, port_prefix: str = "") -> None:
    """Add what says how an outlet runs: where it listens, what goes wrong, what is written.

    port_prefix: what the options of its ports begin with, where `--tcp-port` is another one's.
    """
    parser.set_defaults(port_prefix=port_prefix, count=None, first=None, address=None)
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="exit when stdin ends, so that the outlet never outlives the process that started it",
    )
    _add_behavior(parser)
    _add_listening(parser, port_prefix)
    _add_control(parser)
    _add_output(parser)


def add_fleet_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how many outlets run, and how they differ."""
    group = parser.add_argument_group("many outlets in place of one")
    group.add_argument("--count", type=whole, metavar="N", help="run this many outlets")
    group.add_argument(
        "--first",
        type=whole,
        metavar="N",
        help="the number of the first one, the n in its serial number (default: 1)",
    )
    group.add_argument(
        "--address",
        help=(
            "the address of the first one; each next one has the next (default: 127.0.1.1; with "
            "--tcp-port 0 --ws-port 0 all are at --host)"
        ),
    )


def _add_behavior(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the outlet is and does")
    group.add_argument(
        "--sn",
        help="its serial number; of many outlets a pattern with their numbers, 0003C4{n:05X}",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help=(
            "set a value of its state, e.g. sensors.lux=5 (repeatable); `invis-sim keys` lists the "
            "keys"
        ),
    )
    group.add_argument(
        "--do",
        action="append",
        default=[],
        dest="commands",
        metavar="COMMAND=VALUE",
        help=(
            "execute a command at the start, e.g. faceplate=off (repeatable); `invis-sim keys "
            "steps` lists the commands"
        ),
    )
    group.add_argument(
        "--fault",
        action="append",
        default=[],
        dest="faults",
        metavar="KIND[:key=value,…]",
        help=(
            "inject a fault, e.g. drop, or delay:seconds=0.5,when={callback=20} (repeatable); "
            "`invis-sim faults` lists the kinds"
        ),
    )
    group.add_argument(
        "--seed",
        type=whole,
        metavar="N",
        help="the seed of its random numbers; reuse it to repeat a run",
    )
    group.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="X",
        help="how fast its time passes: 10 is ten times as fast, inf skips all waits (default: 1)",
    )


def _add_listening(parser: argparse.ArgumentParser, port_prefix: str) -> None:
    group = parser.add_argument_group("where it listens")
    group.add_argument(
        "--host", help="the address to listen on (default: 127.0.0.1, for this machine only)"
    )
    group.add_argument(
        f"--{port_prefix}tcp-port",
        type=whole,
        dest="tcp_port",
        metavar="N",
        help="the TCP port (default: 3333; 0: any free port)",
    )
    group.add_argument(
        f"--{port_prefix}ws-port",
        type=whole,
        dest="ws_port",
        metavar="N",
        help="the WebSocket port (default: 8080; 0: any free port)",
    )
    group.add_argument("--no-tcp", action="store_true", help="disable TCP")
    group.add_argument("--no-ws", action="store_true", help="disable WebSocket")
    group.add_argument(
        "--mdns",
        action="store_true",
        help="announce the outlet on the network as _invis._tcp.local. (needs invis-sim[mdns])",
    )


def _add_control(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is steered")
    group.add_argument(
        "--control",
        nargs="?",
        const=3334,
        type=control_port,
        metavar="PORT",
        help=(
            "serve a page and an HTTP API that steer the outlet, also for `invis-sim do` and "
            "`tail` (default: 3334; 0: any free port; needs invis-sim[control])"
        ),
    )
    group.add_argument(
        "--control-host",
        metavar="HOST",
        help="the address of --control (default: 127.0.0.1; any other requires a token)",
    )
    group.add_argument(
        "--allow-host",
        action="append",
        default=[],
        dest="allow_hosts",
        metavar="NAME",
        help="accept this host name for --control as well, e.g. behind a proxy (repeatable)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what it prints and writes")
    group.add_argument(
        "--log",
        choices=LOGS,
        default="text",
        metavar="FORMAT",
        help=(
            "text: a line for each exchange and event (default); full: also the bytes that were "
            "received and sent, when all are sent; json: as --journal writes it; quiet: nothing"
        ),
    )
    group.add_argument(
        *("--journal", "--record"),
        metavar="PATH",
        help=(
            "write every exchange and event to this file as JSON Lines, for `invis-sim journal` "
            "and `replay`"
        ),
    )
    group.add_argument(
        "--ready-file",
        metavar="PATH",
        help="once clients can connect, write the addresses to this file as JSON, in one piece",
    )
