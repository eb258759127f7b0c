"""Section: a change, and how long it takes until the last of a thousand clients knows of it."""

import select
import socket
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from time import perf_counter

from tests.bench.clients import PATIENCE_SECONDS, Target
from tests.bench.cores import client_core
from tests.bench.report import Goal, heading, percentile, table
from tests.bench.servers import Transport, run_outlet

__all__ = ["Telling", "pushes", "run_telling"]

CONNECTIONS = 1000
GOAL = Goal(at_most=1000)
"""Milliseconds until the last one has it, the longest of all rounds."""

PATIENT = """
[protocol]
write_timeout_seconds = 600
"""

END = b"}}"
"""What every push ends with, and no reply to what is asked here."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What one round has shown.

    seconds: from the request to change something until the last client has the push.
    cpu_seconds: what the server used for it; None where that cannot be told.
    """

    seconds: float
    cpu_seconds: float | None


def pushes(rounds: int) -> None:
    """The time until the last client has a push, with and without a client that does not read."""
    heading(f"pushes: from a request for a change until the last of {CONNECTIONS} clients knows")
    rows = []
    transports: tuple[Transport, ...] = ("tcp", "ws")
    for transport in transports:
        for deaf in (False, True):
            with run_outlet("", PATIENT) as outlet:
                changes = run_telling(Target(outlet.on(transport)), CONNECTIONS, rounds, deaf)
            milliseconds = [one.seconds * 1000 for one in changes]
            used = [one.cpu_seconds * 1000 for one in changes if one.cpu_seconds is not None]
            rows.append(
                (
                    f"{transport}{', one does not read' if deaf else ''}",
                    f"{percentile(milliseconds, 0.5):.1f}",
                    f"{max(milliseconds):.1f}",
                    f"{percentile(used, 0.5):.1f}" if used else "",
                    GOAL.verdict(max(milliseconds)),
                )
            )
    table(("", "p50 ms", "max ms", "cpu ms", "goal"), *rows)


def run_telling(target: Target, connections: int, rounds: int, deaf: bool) -> list[Telling]:
    """Lets something be changed, once in each round, and waits until all clients know.

    deaf: whether one more client is there that does not read, and for which much waits.

    Raises LoadError where a client is told anything but the change, or not in time.
    """
    with client_core(), ExitStack() as closing:
        if deaf:
            closing.enter_context(_deaf(target))
        asking = closing.enter_context(target.connect())
        socks = [closing.enter_context(target.connect()) for _ in range(connections)]
        for sock in socks:  # until it is answered, one may wait to be accepted
            sock.sendall(target.request)
            received = b""
            while received != target.reply:
                if not target.reply.startswith(received):
                    raise target.error(f"answered {received!r}")
                received += sock.recv(4096)
        return [_tell(target, asking, socks, 1 - number % 2) for number in range(rounds)]


def _tell(target: Target, asking: socket.socket, socks: list[socket.socket], state: int) -> Telling:
    packet = (
        b'{"packetID": 221040, "payload": {"callbackName": 10, "callbackArgs": [1, %d]}}' % state
    )
    news = b'"payload":{"callbackName":9,"callbackArgs":[%d,0]}}' % state
    waiting = {sock.fileno(): sock for sock in (asking, *socks)}
    received = dict.fromkeys(waiting, b"")
    poller: select.epoll | select.poll
    if sys.platform == "linux":
        poller, patience = select.epoll(), PATIENCE_SECONDS
    else:
        poller, patience = select.poll(), PATIENCE_SECONDS * 1000
    for descriptor in waiting:
        poller.register(descriptor, 1)  # POLLIN and EPOLLIN alike
    cpu_before = target.server.cpu_seconds()
    began = perf_counter()
    asking.sendall(target.framed(packet))
    while waiting:
        ready = poller.poll(patience)
        if not ready:
            raise target.error(f"{len(waiting)} clients wait for a push in vain")
        for descriptor, _ in ready:
            received[descriptor] += waiting[descriptor].recv(4096)
            if received[descriptor].endswith(END):
                del waiting[descriptor]
                poller.unregister(descriptor)
            elif not received[descriptor]:
                raise target.error("hung up")
    seconds = perf_counter() - began
    cpu_after = target.server.cpu_seconds()
    for data in received.values():
        if not data.endswith(news):
            raise target.error(f"told {data!r} instead of {news!r}")
    used = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    return Telling(seconds, used)


def _deaf(target: Target) -> socket.socket:
    """A client that has asked for more than the system keeps for it, and reads nothing."""
    sock = target.connect()
    sock.settimeout(0.5)
    with suppress(TimeoutError):
        while True:  # until the server does not read any more, for too much waits for the client
            sock.sendall(target.request * 1000)
    return sock
