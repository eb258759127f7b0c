"""Section: what the control server costs, and how soon it answers."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.bench.clients import Target
from tests.bench.contest import compare
from tests.bench.cores import client_core, pin_client
from tests.bench.report import Goal, heading, percentile, table
from tests.bench.servers import ROOT, Outlet, ServerError, run_outlet

__all__ = ["control", "event_reader", "event_readers", "latencies", "request_latencies"]

COST = Goal(at_least=0.8)
"""Requests per second with control and an event stream, by those without."""

POLL_GOAL = Goal(at_most=5.0)
"""Milliseconds, in the middle, from a client's request until the long poll for it is answered."""

SAMPLES = 30
"""How many commands and long polls are measured in a round."""

BEGIN_SECONDS = 0.005
"""How long a long poll may take to begin to wait: what came before it would be answered at once."""

PATIENCE_SECONDS = 10.0

STREAMS = 1000
"""How many event streams are open at a time."""

CALM_GOAL = Goal(at_most=5.0)
"""Milliseconds until 99 of 100 requests are answered while that many streams get every event."""

PAUSE_SECONDS = 0.002
"""Between two requests, so that it is not the load that is measured."""

COMMAND = {"set": {"mqtt": {"connected": True}}}
"""A command of which no client is told."""


def control(connection_counts: Sequence[int], rounds: int, requests: int) -> None:
    """The load with control and without, and how long a command and a long poll take."""
    heading("control: with --control and a reader of all events, and without (tcp)")
    with (
        run_outlet("--control, events read", "", "--control", "0") as steered,
        run_outlet("without") as free,
    ):
        for connections in connection_counts:
            with event_reader(steered):
                servers = [steered.tcp, free.tcp]
                compare(servers, {"without": COST}, connections, rounds, requests)
        commands, polls = latencies(steered, rounds * SAMPLES)
        alone = request_latencies(steered, rounds * SAMPLES)
        with event_readers(steered, STREAMS):
            watched = request_latencies(steered, rounds * SAMPLES)
    rows = [("over HTTP", "p50 ms", "p99 ms", "goal")]
    for name, goal, taken in (
        ("a command", Goal(), commands),
        ("a long poll, from the request that it waits for", POLL_GOAL, polls),
    ):
        middle, worst = percentile(taken, 0.5), percentile(taken, 0.99)
        rows.append((name, f"{middle:.2f}", f"{worst:.2f}", goal.verdict(middle)))
    table(*rows)
    calm = [("callback 20 (tcp)", "p50 ms", "p99 ms", "max ms", "goal for p99")]
    for name, goal, taken in (
        ("no event stream", Goal(), alone),
        (f"{STREAMS} event streams", CALM_GOAL, watched),
    ):
        worst = percentile(taken, 0.99)
        middle, slowest = percentile(taken, 0.5), max(taken)
        figures = (f"{middle:.2f}", f"{worst:.2f}", f"{slowest:.2f}")
        calm.append((name, *figures, goal.verdict(worst)))
    table(*calm)


@contextmanager
def event_reader(outlet: Outlet) -> Iterator[None]:
    """Read every event for the time of the block, in another process, as a page does.

    Raises ServerError where the stream has ended by the end of the block.
    """
    with _connected(outlet) as client:
        client.request("GET", "/api/events")
        client.sock.settimeout(None)  # with a time-out it would not block, which `cat` expects
        reader = subprocess.Popen(["cat"], stdin=client.sock.fileno(), stdout=subprocess.DEVNULL)
    try:
        pin_client(reader.pid)
        yield
        if reader.poll() is not None:  # it was too slow, and what was measured is something else
            raise ServerError("the stream of events has ended early")
    finally:
        reader.kill()
        reader.wait()


@contextmanager
def event_readers(outlet: Outlet, number: int) -> Iterator[None]:
    """Read as many event streams for the time of the block, in another process.

    Raises ServerError where not all of them begin, or some have ended by the end of the block.
    """
    command = [sys.executable, "-m", "tests.bench.readers", _address(outlet), str(number)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as reader:
        try:
            pin_client(reader.pid)
            assert reader.stdout is not None
            if not reader.stdout.readline():
                raise ServerError(f"{number} event streams did not begin")
            yield
            if reader.poll() is not None:
                raise ServerError("an event stream has ended early")
        finally:
            reader.kill()


def request_latencies(outlet: Outlet, number: int) -> list[float]:
    """Return how many milliseconds requests took, with a pause between them."""
    taken = []
    target = Target(outlet.tcp)
    with client_core(), target.connect() as sock:
        for _ in range(number):
            began = time.perf_counter()
            sock.sendall(target.request)
            sock.recv(len(target.reply))
            taken.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE_SECONDS)
    return taken


def latencies(outlet: Outlet, number: int) -> tuple[list[float], list[float]]:
    """Return how many milliseconds commands took, and long polls from the request they wait for."""
    commands, polls = [], []
    target = Target(outlet.tcp)
    with client_core(), _connected(outlet) as client, target.connect() as sock:
        client.request("GET", "/api/outlets")
        url = f"/api/outlets/{_read(client)[0]['sn']}"
        for _ in range(number):
            began = time.perf_counter()
            after = _answer(client, "POST", f"{url}/commands", COMMAND)["after"]
            commands.append((time.perf_counter() - began) * 1000)
            path = f"{url}/wait?for=request&callback=20&after={after}&timeout={PATIENCE_SECONDS:g}"
            client.request("GET", path)
            time.sleep(BEGIN_SECONDS)
            began = time.perf_counter()
            sock.sendall(target.request)
            _read(client)
            polls.append((time.perf_counter() - began) * 1000)
            sock.recv(len(target.reply))  # or replies would wait for us
    return commands, polls


@contextmanager
def _connected(outlet: Outlet) -> Iterator[http.client.HTTPConnection]:
    address = _address(outlet)
    with closing(http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)) as client:
        client.connect()
        yield client


def _address(outlet: Outlet) -> str:
    if outlet.control_url is None:
        raise ServerError("the outlet has no control server")
    return urlsplit(outlet.control_url).netloc


def _answer(client: http.client.HTTPConnection, method: str, path: str, body: Any) -> Any:
    headers = {"content-type": "application/json"}
    client.request(method, path, json.dumps(body), headers)
    return _read(client)


def _read(client: http.client.HTTPConnection) -> Any:
    response = client.getresponse()
    data = response.read()
    if response.status != 200:
        raise ServerError(f"the control server answers {response.status}: {data!r}")
    return json.loads(data)
