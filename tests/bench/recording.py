"""Sections about what works beside a real outlet: a proxy, and a recording that is replayed."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.clients import Target, run_batch
from tests.bench.contest import compare
from tests.bench.cores import pin_client, pin_server
from tests.bench.packets import REQUEST
from tests.bench.report import Goal, heading, table
from tests.bench.servers import (
    ROOT,
    Outlet,
    Server,
    ServerError,
    Transport,
    run_outlet,
    run_simulator,
    stop,
)

__all__ = ["forwarder", "proxy", "proxy_memory", "replay"]

AGAINST_BYTES = Goal(at_least=0.7)
AGAINST_OUTLET = Goal(at_least=0.8)

TRANSPORTS: tuple[Transport, ...] = ("tcp", "ws")

PART, PARTS, CLIENTS = 200_000, 5, 100
WARM_UP = (*[20_000] * 10, PART)
"""Batches of requests, each on new connections. By then the journal is full, and so is what else
has bounds; the garbage collector, which frees what connections leave, has gone through all objects,
which it does after some hundred connections; and one batch has been as large as those that count.
"""

GROWTH = Goal(at_most=512)
"""KiB, in a million requests after that."""


def proxy(connection_counts: Sequence[int], rounds: int, requests: int) -> None:
    """A proxy, and a program that hands bytes on and knows nothing of packets.

    What a proxy adds to the latency is the difference to the device's own row.
    """
    with ExitStack() as running:
        device = running.enter_context(run_outlet("no proxy"))
        pin_client(device.tcp.pid)  # the proxies have the server's core for themselves
        proxied = running.enter_context(run_proxy(device))
        for transport in TRANSPORTS:
            heading(
                f"proxy: invis-sim proxy (journal on), and asyncio streams that hand bytes on "
                f"({transport})"
            )
            with forwarder(device, transport) as bytes_alone:
                servers = [proxied.on(transport), bytes_alone, device.on(transport)]
                for connections in connection_counts:
                    goals = {"asyncio streams": AGAINST_BYTES} if transport == "tcp" else {}
                    compare(servers, goals, connections, rounds, requests)


def proxy_memory() -> None:
    """The memory of a proxy while a million requests pass it, on new connections now and then."""
    heading(f"proxy-memory: {PARTS * PART} requests through a proxy, {CLIENTS} at a time (tcp)")
    with run_outlet("no proxy") as device, run_proxy(device) as proxied:
        pin_client(device.tcp.pid)
        target = Target(proxied.tcp)
        for requests in WARM_UP:
            run_batch(target, CLIENTS, requests)
        first = _memory(proxied.tcp)
        rows = [("requests", "MiB", "KiB more", "goal"), ("0", f"{first / 1024:.1f}", "", "")]
        for part in range(1, PARTS + 1):
            run_batch(target, CLIENTS, PART)
            memory = _memory(proxied.tcp)
            verdict = GROWTH.verdict(memory - first) if part == PARTS else ""
            more = f"{memory - first:.0f}"
            rows.append((str(part * PART), f"{memory / 1024:.1f}", more, verdict))
    table(*rows)


def _memory(server: Server) -> float:
    """The memory that it has in use, in KiB. Raises ServerError."""
    memory = server.resident_mib()
    if memory is None:
        raise ServerError("the system does not say how much memory a process has in use")
    return memory * 1024


def replay(connection_counts: Sequence[int], rounds: int, requests: int) -> None:
    """A recording that is replayed, and the simulated outlet."""
    heading("replay: invis-sim replay, and invis-sim run (tcp)")
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        file = Path(folder, "seen.jsonl")
        with run_outlet("recorded", "", "--journal", str(file)) as recorded:
            ask_once(recorded.tcp)
        with run_simulator("replay", "replay", str(file)) as replayed, run_outlet("run") as outlet:
            for connections in connection_counts:
                servers = [replayed.tcp, outlet.tcp]
                compare(servers, {"run": AGAINST_OUTLET}, connections, rounds, requests)


def ask_once(server: Server) -> None:
    """One request, so that there is something to replay."""
    with socket.create_connection((server.host, server.port)) as client:
        client.sendall(REQUEST)
        client.recv(65536)


@contextmanager
def run_proxy(device: Outlet) -> Iterator[Outlet]:
    """`invis-sim proxy` in front of a simulator."""
    ports = ("--tcp-port", str(device.tcp.port), "--ws-port", str(device.ws.port))
    where = (device.tcp.host, *ports)
    with run_simulator("invis-sim proxy", "proxy", *where, prefix="listen-") as running:
        yield running


@contextmanager
def forwarder(device: Outlet, transport: Transport = "tcp") -> Iterator[Server]:
    """What hands bytes on and knows nothing of packets."""
    port = device.on(transport).port
    command = [sys.executable, "-m", "tests.bench.peers.asyncio_forwarder", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        pin_server(process.pid)
        assert process.stdout is not None
        own = process.stdout.readline().strip()
        if not own.isdigit():
            raise ServerError("the forwarder did not start")
        path = device.on(transport).path
        yield Server("asyncio streams", process.pid, transport, "127.0.0.1", int(own), path)
    finally:
        stop(process)
