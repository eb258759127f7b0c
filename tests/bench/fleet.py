"""Section: a thousand outlets in one process, beside one."""

import http.client
import json
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from tests.bench.clients import PATIENCE_SECONDS, LoadError
from tests.bench.contest import compare
from tests.bench.cores import client_core, pin_server
from tests.bench.idle import used_meanwhile
from tests.bench.report import Goal, heading, percentile, table
from tests.bench.servers import (
    ROOT,
    Server,
    firmware,
    outlet_command,
    run_many_outlets,
    stop,
    wait_until_ready,
)
from tests.bench.throughput import FEATURE_COST

__all__ = ["RunningFleet", "fleet", "run_fleet", "seconds_of_pushes"]

OUTLETS = 1000
IDLE_SECONDS = 5.0
STARTS = 3

OPEN = Goal(at_most=2.0)
"""Seconds from the start of the process to the ready file, above those of one outlet."""

MEMORY = Goal(at_most=50.0)
"""MiB, above those of one outlet."""

IDLE = Goal(at_most=2.0)
"""Percent of a core, sampling the readings of a Pro without clients."""

CLOSE = Goal(at_most=1.0)
"""Seconds from SIGTERM to the end of the process, above those of one outlet."""

PUSHES = Goal(at_most=1.0)
"""Seconds from a command for all outlets until the client of the last one has the push."""

COMMAND = b'{"push": {"callback": 99, "args": ["now"]}}'
NEWS = b'"callbackArgs":["now"]}}'


@dataclass(frozen=True, slots=True)
class RunningFleet:
    """Outlets in a process. addresses: of TCP, of each outlet. seconds: from start to ready."""

    server: Server
    process: subprocess.Popen[bytes]
    addresses: tuple[tuple[str, int], ...]
    control_url: str | None
    seconds: float

    @property
    def mebibytes(self) -> float:
        """The memory that the process has."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * 4096 / 2**20

    def close(self) -> float:
        """Ends the process as a user does; the seconds that it takes."""
        began = time.perf_counter()
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        return time.perf_counter() - began


def fleet(rounds: int, requests: int) -> None:
    """What a thousand outlets cost beside one, how many requests they answer, and how soon all have
    pushed.
    """
    heading(f"fleet: {OUTLETS} outlets in one process on both transports, and one")
    many, one = _lives(OUTLETS), _lives(1)
    rows = [("", f"{OUTLETS} outlets", "one outlet", "more", "goal")]
    measured = {
        "s to open": (many.opened, one.opened, OPEN),
        "MiB": (many.mebibytes, one.mebibytes, MEMORY),
        "s to close": (many.closed, one.closed, CLOSE),
    }
    for name, (of_many, of_one, goal) in measured.items():
        more = of_many - of_one
        rows.append((name, f"{of_many:.2f}", f"{of_one:.2f}", f"{more:.2f}", goal.verdict(more)))
    rows.append(
        ("% of a core, idle", f"{many.idle:.2f}", f"{one.idle:.2f}", "", IDLE.verdict(many.idle))
    )
    table(*rows)
    with run_fleet(OUTLETS, "--control", "0") as running:
        taken = seconds_of_pushes(running, rounds)
    shown = (percentile(taken, 0.5), max(taken))
    table(
        ("s until the last client has a push", "p50", "max", "goal"),
        (
            f"{OUTLETS} outlets, a client each",
            *(f"{s:.3f}" for s in shown),
            PUSHES.verdict(shown[1]),
        ),
    )
    with (
        run_many_outlets(f"{OUTLETS} outlets", OUTLETS) as each,
        run_many_outlets("one outlet", 1) as shared,
    ):
        goals = {"one outlet": FEATURE_COST}
        compare([each, shared], goals, OUTLETS, rounds, max(requests, 3 * OUTLETS))


@dataclass(frozen=True, slots=True)
class _Lives:
    """What some starts have shown: seconds, MiB and percent of a core, the median of each."""

    opened: float
    mebibytes: float
    idle: float
    closed: float


def _lives(count: int) -> _Lives:
    opened, mebibytes, idle, closed = [], [], [], []
    for number in range(STARTS):
        with run_fleet(count) as running:
            opened.append(running.seconds)
            mebibytes.append(running.mebibytes)
            if number == STARTS - 1:
                (used,) = used_meanwhile([running.server], IDLE_SECONDS)
                idle.append((used or 0.0) / IDLE_SECONDS * 100)
            closed.append(running.close())
    return _Lives(median(opened), median(mebibytes), median(idle), median(closed))


@contextmanager
def run_fleet(count: int, *options: str) -> Iterator[RunningFleet]:
    """So many outlets of a Pro in one process, on free ports, as a user starts them."""
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        file, ready_file = Path(folder, "scenario.toml"), Path(folder, "ready.json")
        file.write_text(firmware(), encoding="utf-8")
        command = outlet_command(ready_file, str(file), "--count", str(count), *options)
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            pin_server(process.pid)
            wait_until_ready(process, ready_file)
            seconds = time.perf_counter() - began
            ready = json.loads(ready_file.read_text("utf-8"))
            addresses = tuple((one["tcp"]["host"], one["tcp"]["port"]) for one in ready["outlets"])
            server = Server(f"{count} outlets", process.pid, "tcp", *addresses[0])
            control = ready["control"] and ready["control"]["url"]
            yield RunningFleet(server, process, addresses, control, seconds)
        finally:
            stop(process)


def seconds_of_pushes(running: RunningFleet, rounds: int) -> list[float]:
    """Has all outlets push, once in each round; how long each took until the last client had it.

    Raises LoadError where a client gets something else, or not in time.
    """
    with client_core(), ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(one)) for one in running.addresses]
        parts = urlsplit(running.control_url or "")
        assert parts.hostname is not None
        steering = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_SECONDS)
        stack.enter_context(closing(steering))
        return [_push(steering, socks) for _ in range(rounds)]


def _push(steering: http.client.HTTPConnection, socks: list[socket.socket]) -> float:
    waiting = {sock.fileno(): sock for sock in socks}
    received = dict.fromkeys(waiting, b"")
    poller = select.poll()
    for descriptor in waiting:
        poller.register(descriptor, select.POLLIN)
    began = time.perf_counter()
    steering.request("POST", "/api/commands", COMMAND, {"Content-Type": "application/json"})
    while waiting:
        ready = poller.poll(PATIENCE_SECONDS * 1000)
        if not ready:
            raise LoadError(f"{len(waiting)} clients wait for a push in vain")
        for descriptor, _ in ready:
            received[descriptor] += waiting[descriptor].recv(4096)
            if not received[descriptor]:
                raise LoadError("an outlet hung up")
            if received[descriptor].endswith(NEWS):
                del waiting[descriptor]
                poller.unregister(descriptor)
    seconds = time.perf_counter() - began
    answer = steering.getresponse()
    answer.read()
    if answer.status != 200:
        raise LoadError(f"the command was answered {answer.status}")
    return seconds
