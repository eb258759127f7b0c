"""`python -m tests.bench`: measures, and prints tables."""

import argparse
import platform
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import NoReturn

from tests.bench import recording, throughput
from tests.bench.clients import LoadError, raise_file_limit
from tests.bench.control import control
from tests.bench.cores import PLACEMENTS, place
from tests.bench.delays import delays
from tests.bench.fleet import fleet
from tests.bench.framer import framer
from tests.bench.idle import idle
from tests.bench.plugin import plugin
from tests.bench.pushes import pushes
from tests.bench.servers import ServerError
from tests.bench.starts import starts
from tests.bench.startup import startup

BURSTS = 2

EXPLANATION = """\
Python {}, {} rounds of {} requests.
ratio: req/s of the first row by req/s of this one, the median of the rounds (and their range).
cpu us: processor time of the server for a request, in microseconds.
by cpu: the ratio as it would be if nothing but the server's processor time counted. On a machine
that does other things as well it is the steadier of the two."""


def main() -> int:
    """The status: 0, also where a goal is missed; 1 where something could not be measured."""
    chosen = _options()
    load = (chosen.connections, chosen.rounds, chosen.requests)
    sections: dict[str, Callable[[], None]] = {
        "tcp": partial(throughput.transport, "tcp", *load),
        "ws": partial(throughput.transport, "ws", *load),
        "startup": partial(startup, chosen.rounds),
        "starts": partial(starts, chosen.rounds),
        "plugin": partial(plugin, chosen.rounds),
        "rules": partial(throughput.rules, *load),
        "outlets": partial(throughput.outlets, *load),
        "fleet": partial(fleet, chosen.rounds, chosen.requests),
        "journal": partial(throughput.journal, *load),
        "control": partial(control, *load),
        "delays": partial(delays, BURSTS),
        "pushes": partial(pushes, chosen.rounds),
        "proxy": partial(recording.proxy, *load),
        "proxy-memory": recording.proxy_memory,
        "replay": partial(recording.replay, *load),
        "idle": idle,
        "framer": framer,
    }
    signal.signal(signal.SIGTERM, _end)
    raise_file_limit()
    place(chosen.placement)
    started = time.monotonic()
    print(EXPLANATION.format(platform.python_version(), chosen.rounds, chosen.requests))
    try:
        for name in chosen.only or SECTIONS:
            sections[name]()
    except (LoadError, ServerError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\n{time.monotonic() - started:.0f} s in all")
    return 0


SECTIONS = (
    "tcp",
    "ws",
    "startup",
    "starts",
    "plugin",
    "rules",
    "outlets",
    "fleet",
    "journal",
    "control",
    "delays",
    "pushes",
    "proxy",
    "replay",
    "idle",
    "framer",
)

SLOW_SECTIONS = ("proxy-memory",)
"""Those that take minutes, and are measured only if they are named."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    choices = (*SECTIONS, *SLOW_SECTIONS)
    parser.add_argument(
        "--only", nargs="+", choices=choices, metavar="SECTION", help=", ".join(choices)
    )
    parser.add_argument("--rounds", type=_positive, default=9, metavar="N")
    parser.add_argument(
        "--requests",
        type=_positive,
        default=3000,
        metavar="N",
        help="in a round, over all connections",
    )
    parser.add_argument("--connections", type=_positive, nargs="+", default=[1, 100], metavar="N")
    parser.add_argument(
        "--placement",
        choices=PLACEMENTS,
        default="apart",
        help="client and server on two cores (the default), on one, or as the system likes",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Ends by an exception, so that the servers are stopped on the way out."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
