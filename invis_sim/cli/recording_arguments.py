"""The arguments of the commands that work beside a real outlet."""

import argparse
from typing import Any

from invis_sim.cli.argument_types import port, wait_seconds
from invis_sim.cli.outlet_options import add_outlet_options
from invis_sim.client.ports import TCP_PORT, WS_PORT

__all__ = ["add_recording_commands"]

_HOST = "the outlet: a name or an address"


def add_recording_commands(commands: Any) -> None:
    """Add `capture`, `compare`, `proxy` and `replay` to the commands of a parser."""
    capture = commands.add_parser(
        "capture",
        help="save a real outlet as a scenario",
        description=(
            "Read all that can be read of an outlet without changing anything, listen for pushes, "
            "and print a scenario that answers the same. Serial numbers, addresses, names and "
            "passwords are replaced by pseudonyms, wherever they occur. "
            "Example: invis-sim capture 192.168.1.20 -o mine.toml --raw mine.jsonl"
        ),
    )
    capture.set_defaults(function="capture:capture")
    _add_device(capture)
    capture.add_argument("-o", "--output", metavar="FILE.toml", help="write the scenario here")
    capture.add_argument(
        "--raw", metavar="FILE.jsonl", help="write the packets here, as a journal for `replay`"
    )
    capture.add_argument(
        "--listen",
        type=wait_seconds,
        default=6.0,
        metavar="SECONDS",
        help="how long to listen for pushes, on each transport (default: 6)",
    )
    capture.add_argument(
        "--keep-identity", action="store_true", help="write serial numbers, names and so on as is"
    )
    capture.add_argument(
        "--pseudonym-key",
        metavar="TEXT",
        help="the same text gives the same pseudonyms in several captures (default: new ones)",
    )
    capture.add_argument("--yes", action="store_true", help="write without asking")

    compare = commands.add_parser(
        "compare",
        help="show where an outlet and the simulated one differ",
        description=(
            "Show where an outlet and the simulated one differ: in the keys, types and values of "
            "their replies. Exit status 0: in values at most; 1: in more than values. "
            "Example: invis-sim compare 192.168.1.20 pro"
        ),
    )
    compare.set_defaults(function="compare:compare")
    _add_device(compare, "the outlet, or a journal file of it, such as `capture --raw` writes")
    compare.add_argument(
        "scenario",
        nargs="?",
        metavar="SCENARIO",
        help="a file, or the name of a bundled one (default: what `capture` would make of it)",
    )
    compare.add_argument("--json", action="store_true", help="print one JSON document")

    proxy = commands.add_parser(
        "proxy",
        help="stand between clients and a real outlet",
        description=(
            "Stand between clients and a real outlet until Ctrl-C, on both transports: hand on "
            "everything as it is, log it, and let go wrong what a scenario or --fault says. "
            "Example: invis-sim proxy 192.168.1.20 --fault delay:seconds=2 --record seen.jsonl"
        ),
    )
    proxy.set_defaults(function="proxy:proxy")
    _add_ports(proxy, "device_", "of the outlet ")
    proxy.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="its faults and steps: a file, or the name of a bundled one (default: none)",
    )
    proxy.add_argument(
        "--read-only",
        action="store_true",
        help="answer requests that may change something with PUBACK 0, instead of the outlet",
    )
    add_outlet_options(proxy, "listen-")

    replay = commands.add_parser(
        "replay",
        help="answer as a recording shows",
        description=(
            "Answer until Ctrl-C as a recording shows: a journal file of `proxy --record`, of "
            "`run --journal` or of `capture --raw`. Requests are matched by callback and "
            "arguments. Example: invis-sim replay seen.jsonl --latency"
        ),
    )
    replay.set_defaults(function="replay:replay")
    replay.add_argument("recording", metavar="JOURNAL", help="a journal file")
    replay.add_argument(
        "--strict",
        action="store_true",
        help="answer what was not recorded with PUBACK 0 (default: as a simulated outlet)",
    )
    replay.add_argument(
        "--latency", action="store_true", help="reply as late as was recorded (default: at once)"
    )
    add_outlet_options(replay)


def _add_device(parser: argparse.ArgumentParser, about: str = _HOST) -> None:
    _add_ports(parser, about=about)
    parser.add_argument(
        "--pause",
        type=wait_seconds,
        default=0.1,
        metavar="SECONDS",
        help="how long to rest between two requests (default: 0.1)",
    )


def _add_ports(
    parser: argparse.ArgumentParser, prefix: str = "", whose: str = "", about: str = _HOST
) -> None:
    """Add where the outlet is. prefix: of the attributes. whose: ports these are, for the help."""
    parser.add_argument(f"{prefix}host", metavar="HOST", help=about)
    for transport, default in (("tcp", TCP_PORT), ("ws", WS_PORT)):
        parser.add_argument(
            f"--{transport}-port",
            type=port,
            dest=f"{prefix}{transport}_port",
            default=default,
            metavar="N",
            help=f"{whose}(default: {default})",
        )
