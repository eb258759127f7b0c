"""The command line of `invis-sim gauntlet`, without an import of the gauntlet: every command would
wait for that.
"""

from typing import Any

from invis_sim.cli.argument_types import host, seconds, speed, whole
from invis_sim.cli.parser import add_command
from invis_sim.client.ports import TCP_PORT, WS_PORT

__all__ = ["add_gauntlet"]

EPILOG = """\
The command is started once for each case, without a shell. It gets the address of the outlet by
placeholders in its arguments, {host} {port} {transport} {address} {tcp_port} {ws_port}
{ws_url} {sn} {control_url} {case}, or by environment variables: INVIS_HOST and so on.

Exit status of the command: 0: it reached its goal; 77: the case is not for it; any other: it
noticed that it cannot reach its goal.

Exit status of the gauntlet: 0: every case ended as expected; 1: some did not; 2: the command line
or a file is wrong; 3: the client fails even when nothing goes wrong; 130: interrupted.
"""


def add_gauntlet(commands: Any) -> None:
    """Add the command to the commands of a parser."""
    parser = add_command(
        commands,
        "gauntlet",
        "gauntlet:gauntlet",
        help="run a client through everything that can go wrong",
        usage="%(prog)s [OPTION...] [SCENARIO] -- COMMAND [ARG...]",
        description=(
            "Run a client once for each thing that can go wrong, and report what it survived. The "
            "client is any command that asks an outlet something and ends."
        ),
        epilog=EPILOG,
        examples=(
            "invis-sim gauntlet -- my-client --host {host} --port {port}",
            "invis-sim gauntlet --only 'close/*' --html out.html -- my-client {address}",
            "invis-sim gauntlet --list",
        ),
    )
    parser.set_defaults(command=())
    parser.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="the outlet: a scenario file, or the name of a bundled scenario (default: default)",
    )
    parser.add_argument(
        "--device",
        type=host,
        metavar="HOST",
        help=(
            "a real outlet: each case has a proxy in front of it, with the faults and steps of the "
            "scenario; what the client sets, stays set"
        ),
    )
    for transport, name, usual in (("tcp", "TCP", TCP_PORT), ("ws", "WebSocket", WS_PORT)):
        parser.add_argument(
            f"--device-{transport}-port",
            type=whole,
            default=usual,
            metavar="N",
            help=f"the {name} port of the real outlet (default: {usual})",
        )
    parser.add_argument(
        "--transport",
        choices=("tcp", "ws", "both"),
        help="which transports to try (default: those that the placeholders name)",
    )
    parser.add_argument(
        "--plan",
        choices=("faults", "device", "all"),
        default="faults",
        help=(
            "what to try: faults; device: what a sound outlet does, such as restarts and updates; "
            "all: both (default: faults)"
        ),
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="run these cases, e.g. malformed_json, 'close/*/tcp' (repeatable)",
    )
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        metavar="PATTERN",
        help="do not run these cases (repeatable)",
    )
    parser.add_argument(
        "--list", action="store_true", help="list the cases and what is expected; run nothing"
    )
    parser.add_argument(
        "--jobs",
        type=whole,
        metavar="N",
        help="how many cases run at a time (default: 3 per core; 1 with --device)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="stop the client after this many seconds (default: 20, or 10 times its first run)",
    )
    parser.add_argument(
        "--seed",
        type=whole,
        metavar="N",
        help="the seed of random numbers; reuse it to repeat a run",
    )
    for transport, name in (("tcp", "TCP"), ("ws", "WebSocket")):
        parser.add_argument(
            f"--{transport}-port",
            type=whole,
            metavar="N",
            help=(
                f"the {name} port of every outlet, for clients that know no other; each outlet "
                "then has an address of its own, such as 127.4.5.6 (default: a free port)"
            ),
        )
    parser.add_argument(
        "--callback",
        type=whole,
        metavar="CALLBACK",
        help="aim faults at replies about this callback (default: the client's first request)",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="run the client again when the fault is gone, to see whether it has recovered",
    )
    parser.add_argument(
        "--stays",
        action="store_true",
        help="for a client that does not end: see whether it is answered again after the fault",
    )
    parser.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="X",
        help="divide the waits of faults by this number, up to 100 (default: 1)",
    )
    parser.add_argument(
        "--expect",
        metavar="FILE",
        help="a list of known failures: fail only where the result differs from it",
    )
    parser.add_argument(
        "--write-expect",
        metavar="FILE",
        help="write the failures to such a list; the reasons in it are kept",
    )
    for form, title in (
        ("json", "JSON"),
        ("junit", "JUnit XML"),
        ("markdown", "Markdown"),
        ("html", "HTML"),
    ):
        parser.add_argument(
            f"--{form}",
            metavar="FILE",
            help=f"write the report as {title} to a file; -: to stdout, instead of the text",
        )
