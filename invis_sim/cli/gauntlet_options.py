"""The command line of `invis-sim gauntlet`, without an import of the gauntlet: every command would
wait for that.
"""

import argparse
from typing import Any

from invis_sim.cli.argument_types import seconds, speed, whole

__all__ = ["add_gauntlet"]

EPILOG = """\
The command is started once per case, without a shell. It learns where the outlet is from
placeholders in its arguments, {host} {port} {transport} {address} {tcp_port} {ws_port}
{ws_url} {sn} {control_url} {case}, and from the environment: INVIS_HOST and so on. Its exit
status says what came of it. 0: it reached its goal; 77: the case is not for it; any other: it
could not reach its goal, and has noticed that.

Exit status of the gauntlet: 0: all as expected; 1: not; 2: the command line or a file is wrong;
3: the client does not reach its goal even undisturbed; 130: interrupted.
"""


def add_gauntlet(commands: Any) -> None:
    """Add the command to the commands of a parser."""
    parser = commands.add_parser(
        "gauntlet",
        help="run a client through everything that can go wrong",
        usage="invis-sim gauntlet [SCENARIO] [options] -- COMMAND [ARG...]",
        description=(
            "Run a client through everything that can go wrong, and report what it survived."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(function="gauntlet:gauntlet", command=())
    parser.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="the outlet: a scenario file, or the name of a bundled one (default: default)",
    )
    parser.add_argument(
        "--transport",
        choices=("tcp", "ws", "both"),
        help="which transports are tried (default: those that the placeholders are about)",
    )
    parser.add_argument(
        "--plan",
        choices=("faults", "device", "all"),
        default="faults",
        help=(
            "what the client is taken through: everything that can go wrong, what happens to an "
            "outlet in its own life, or both (default: faults)"
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
        "--list", action="store_true", help="list the cases with what is expected, and run none"
    )
    parser.add_argument(
        "--jobs", type=whole, metavar="N", help="how many run at a time (default: 3 per core)"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="end the client after so many seconds (default: 20, or 10 times its undisturbed run)",
    )
    parser.add_argument(
        "--seed", type=whole, metavar="N", help="random seed; reuse it to reproduce a run"
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
        metavar="N",
        help="aim faults at replies about this callback (default: the client's first request)",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="run the client once more when the fault is gone: has it recovered?",
    )
    parser.add_argument(
        "--stays",
        action="store_true",
        help="the client runs on: does it ask and get answers again when the fault is gone?",
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
        help="a list of known failures: only what differs from it is a failure",
    )
    parser.add_argument(
        "--write-expect",
        metavar="FILE",
        help="write what fails to a list of known failures; reasons in it are kept",
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
            help=f"write the report as {title} to a file; -: to stdout, in place of the text",
        )
