"""The arguments of the commands that work beside a real outlet."""

import argparse
from collections.abc import Callable
from typing import Any

from invis_sim.cli.argument_types import host, port, wait_seconds
from invis_sim.cli.outlet_options import add_outlet_options
from invis_sim.cli.parser import add_command
from invis_sim.client.ports import TCP_PORT, WS_PORT

__all__ = ["add_recording_commands"]

_HOST = "the outlet: a name or an address"


def add_recording_commands(commands: Any) -> None:
    """Add `capture`, `compare`, `proxy` and `replay` to the commands of a parser."""
    capture = add_command(
        commands,
        "capture",
        "capture:capture",
        help="save a real outlet as a scenario",
        description=(
            "Read all that can be read of an outlet without changing anything, listen for pushes, "
            "and print a scenario that answers the same. Serial numbers, addresses, names and "
            "passwords are replaced by pseudonyms, wherever they occur."
        ),
        examples=(
            "invis-sim capture 192.168.1.20",
            "invis-sim capture 192.168.1.20 -o mine.toml --raw mine.jsonl",
        ),
    )
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

    compare = add_command(
        commands,
        "compare",
        "compare:compare",
        help="show where an outlet and the simulated one differ",
        description=(
            "Show where an outlet and the simulated one differ: in the keys, types and values of "
            "their replies. Exit status 0: at most values differ; 1: keys or types differ."
        ),
        examples=(
            "invis-sim compare 192.168.1.20 pro",
            "invis-sim compare mine.jsonl --json",
        ),
    )
    about = "the outlet, or a journal file of it, such as `capture --raw` writes"
    _add_device(compare, about, parse=str)  # which of both it is shows later
    compare.add_argument(
        "scenario",
        nargs="?",
        metavar="SCENARIO",
        help=(
            "a scenario file, or the name of a bundled scenario (default: the one that `capture` "
            "would write)"
        ),
    )
    compare.add_argument("--json", action="store_true", help="print one JSON document")

    proxy = add_command(
        commands,
        "proxy",
        "proxy:proxy",
        help="relay between clients and a real outlet, with faults",
        description=(
            "Relay between clients and a real outlet until Ctrl-C, on both transports: pass on "
            "every byte, log it, and apply the faults of a scenario and of --fault."
        ),
        examples=(
            "invis-sim proxy 192.168.1.20 --record seen.jsonl",
            "invis-sim proxy 192.168.1.20 --fault delay:seconds=2 --read-only",
        ),
    )
    _add_ports(proxy, "device_", "of the outlet ")
    proxy.add_argument(
        "scenario",
        nargs="?",
        default="default",
        metavar="SCENARIO",
        help="its faults and steps: a file, or the name of a bundled scenario (default: none)",
    )
    proxy.add_argument(
        "--read-only",
        action="store_true",
        help="answer requests that may change something with PUBACK 0, instead of the outlet",
    )
    add_outlet_options(proxy, "listen-")

    replay = add_command(
        commands,
        "replay",
        "replay:replay",
        help="run an outlet that answers as a recorded one did",
        description=(
            "Run an outlet until Ctrl-C that answers as the recorded one did. A recording is a "
            "journal file of `proxy --record`, of `run --journal` or of `capture --raw`. Requests "
            "are matched by callback and arguments."
        ),
        examples=("invis-sim replay seen.jsonl", "invis-sim replay seen.jsonl --latency"),
    )
    replay.add_argument("recording", metavar="JOURNAL", help="the recording: a journal file")
    replay.add_argument(
        "--strict",
        action="store_true",
        help="answer what was not recorded with PUBACK 0 (default: as a simulated outlet)",
    )
    replay.add_argument(
        "--latency", action="store_true", help="reply after the recorded time (default: at once)"
    )
    add_outlet_options(replay)


def _add_device(
    parser: argparse.ArgumentParser, about: str = _HOST, parse: Callable[[str], str] = host
) -> None:
    _add_ports(parser, about=about, parse=parse)
    parser.add_argument(
        "--pause",
        type=wait_seconds,
        default=0.1,
        metavar="SECONDS",
        help="how long to wait between two requests (default: 0.1)",
    )


def _add_ports(
    parser: argparse.ArgumentParser,
    prefix: str = "",
    whose: str = "",
    about: str = _HOST,
    parse: Callable[[str], str] = host,
) -> None:
    """Add where the outlet is.

    prefix: of the attributes. whose: ports these are, for the help.
    about: the help of HOST. parse: what HOST is parsed with.
    """
    parser.add_argument(f"{prefix}host", type=parse, metavar="HOST", help=about)
    for transport, name, default in (("tcp", "TCP", TCP_PORT), ("ws", "WebSocket", WS_PORT)):
        parser.add_argument(
            f"--{transport}-port",
            type=port,
            dest=f"{prefix}{transport}_port",
            default=default,
            metavar="N",
            help=f"the {name} port {whose}(default: {default})",
        )
