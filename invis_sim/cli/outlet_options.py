"""The options of the commands that run an outlet: `run`, `replay` and `proxy`."""

import argparse

from invis_sim.cli.argument_types import speed, whole

__all__ = ["add_outlet_options"]


def add_outlet_options(parser: argparse.ArgumentParser, port_prefix: str = "") -> None:
    """Add what says how an outlet runs: where it listens, what goes wrong, what is written.

    port_prefix: what the options of its ports begin with, where `--tcp-port` is another one's.
    """
    parser.set_defaults(port_prefix=port_prefix)
    parser.add_argument("--sn", help="serial number")
    parser.add_argument(
        "--host", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument(
        f"--{port_prefix}tcp-port",
        type=whole,
        dest="tcp_port",
        metavar="N",
        help="TCP port (default: 3333; 0: any free port)",
    )
    parser.add_argument(
        f"--{port_prefix}ws-port",
        type=whole,
        dest="ws_port",
        metavar="N",
        help="WebSocket port (default: 8080; 0: any free port)",
    )
    parser.add_argument("--no-tcp", action="store_true", help="disable TCP")
    parser.add_argument("--no-ws", action="store_true", help="disable WebSocket")
    parser.add_argument(
        "--mdns",
        action="store_true",
        help="announce the outlet on the network as _invis._tcp.local. (needs invis-sim[mdns])",
    )
    parser.add_argument(
        "--control",
        nargs="?",
        const=3334,
        type=whole,
        metavar="PORT",
        help=(
            "steer the outlet in a browser and over HTTP on this port (default: 3334; 0: any free "
            "port; needs invis-sim[control])"
        ),
    )
    parser.add_argument(
        "--control-host",
        metavar="HOST",
        help="address of --control (default: 127.0.0.1; any other requires a token)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        dest="allow_hosts",
        metavar="NAME",
        help="a further name by which --control may be called, e.g. behind a proxy (repeatable)",
    )
    parser.add_argument(
        "--seed", type=whole, metavar="N", help="random seed; reuse it to reproduce a run"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        dest="faults",
        metavar="KIND[:key=value,…]",
        help="inject a fault, e.g. delay:seconds=0.5,when={callback=20} (repeatable)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="set a value of the outlet's state, e.g. sensors.lux=5 (repeatable)",
    )
    parser.add_argument(
        "--do",
        action="append",
        default=[],
        dest="commands",
        metavar="COMMAND=VALUE",
        help=(
            "execute a command at the start, e.g. faceplate=off (repeatable); "
            "`invis-sim keys steps` lists the commands"
        ),
    )
    parser.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="X",
        help="time multiplier: 100 is 100 times faster, inf skips all waits (default: 1)",
    )
    parser.add_argument(
        "--ready-file",
        metavar="PATH",
        help="once ready, atomically write the addresses to this file as JSON",
    )
    parser.add_argument(
        "--exit-with-stdin",
        action="store_true",
        help="exit when stdin reaches EOF, so that the outlet never outlives its parent",
    )
    parser.add_argument(
        *("--journal", "--record"),
        metavar="PATH",
        help="write every exchange and event to this file as JSON Lines, for `replay`",
    )
    parser.add_argument(
        "--log",
        choices=("text", "json", "quiet"),
        default="text",
        help="log format on stdout (default: text)",
    )
