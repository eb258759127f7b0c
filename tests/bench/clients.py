"""The load: many connections, each of which asks, waits for the reply, and asks again.

It is as cheap as Python allows, so that it is the server that is measured: one thread, bytes made
beforehand, and a reply is good when its bytes are those of the first one, which was looked at
closely.
"""

import gc
import resource
import select
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter_ns

from tests.bench.cores import client_core
from tests.bench.packets import CLOSE_FRAME, REPLY, REQUEST, accepts, frame, handshake, parse_reply
from tests.bench.servers import Server

__all__ = ["PATIENCE_SECONDS", "Batch", "LoadError", "Target", "raise_file_limit", "run_batch"]

PATIENCE_SECONDS = 10


class LoadError(Exception):
    """A server did not do what it should; its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run of the load has shown.

    seconds: from the first request to the last reply.
    latencies: of each request, in nanoseconds, in the order of the replies.
    cpu_seconds: what the server used; None where that cannot be told.
    """

    seconds: float
    latencies: list[int]
    cpu_seconds: float | None

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


class Target:
    """A server that has answered one request well.

    request: a request as bytes on the wire.
    reply: what every reply must be, as bytes on the wire.

    Raises LoadError.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._ports = cycle((server.port, *server.more_ports))
        self.request = self.framed(REQUEST)
        with _connected(self, 1) as [sock]:
            sock.sendall(self.request)
            self.reply = self._first_reply(sock)

    def framed(self, packet: bytes) -> bytes:
        """A request as bytes on the wire."""
        return packet + b"\n" if self.server.transport == "tcp" else frame(packet)

    def connect(self) -> socket.socket:
        """A new connection, after the handshake where there is one. Raises LoadError."""
        server = self.server
        sock = socket.create_connection((server.host, next(self._ports)), PATIENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.transport == "ws":
            sock.sendall(handshake(server.host, server.port, server.path))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                chunk = sock.recv(4096)
                head += chunk
                if not chunk:
                    break
            if not accepts(head):
                raise self.error(f"refused the handshake: {head!r}")
        return sock

    def farewell(self, sock: socket.socket) -> None:
        """Says that nothing more will be asked."""
        if self.server.transport == "ws":
            sock.sendall(CLOSE_FRAME)
        else:
            sock.shutdown(socket.SHUT_WR)

    def rest(self, sock: socket.socket) -> bytes:
        """What comes unasked until the end of the connection, beside a WebSocket's close frame."""
        sock.settimeout(PATIENCE_SECONDS)
        received = b""
        while chunk := sock.recv(4096):
            received += chunk
        if self.server.transport == "ws" and received[:1] == b"\x88":
            return received[2 + received[1] :]
        return received

    def error(self, what: str) -> LoadError:
        """For what this server has done."""
        return LoadError(f"{self.server.name} on {self.server.transport}: {what}")

    def _first_reply(self, sock: socket.socket) -> bytes:
        received, header = b"", 4 if self.server.transport == "ws" else 0
        while chunk := sock.recv(4096):
            received += chunk
            reply = parse_reply(received[header:])
            if reply == REPLY:
                return received
            if reply is not None:
                break
        raise self.error(f"answered {received!r}")


@contextmanager
def _connected(target: Target, connections: int) -> Iterator[list[socket.socket]]:
    """So many connections; at the end of the block all are over, and nothing unasked has come."""
    with ExitStack() as closing:
        socks = [closing.enter_context(target.connect()) for _ in range(connections)]
        yield socks
        for sock in socks:
            target.farewell(sock)
        for sock in socks:
            rest = target.rest(sock)
            if rest:
                raise target.error(f"said what nobody had asked for: {rest!r}")


def run_batch(target: Target, connections: int, requests: int) -> Batch:
    """Loads the server with so many requests in all, shared out evenly.

    Each connection asks once more before that, which is not measured.

    Raises LoadError where a connection does not get exactly the replies to its requests.
    """
    each = max(1, requests // connections)
    with client_core(), _connected(target, connections) as socks:
        for sock in socks:
            sock.setblocking(False)
        _exchange(target, socks, 1)  # until then, some wait to be accepted
        cpu_before = target.server.cpu_seconds()
        gc.disable()
        try:
            seconds, latencies = _exchange(target, socks, each)
        finally:
            gc.enable()
        cpu_after = target.server.cpu_seconds()
    used = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    return Batch(seconds, latencies, used)


def _exchange(target: Target, socks: list[socket.socket], each: int) -> tuple[float, list[int]]:
    """Asks `each` times on every connection. Returns the seconds and the latencies."""
    request, expected, clock = target.request, target.reply, perf_counter_ns
    poll, patience = _poller(socks)
    receive = {sock.fileno(): sock.recv for sock in socks}
    send = {sock.fileno(): sock.send for sock in socks}
    left = dict.fromkeys(receive, each)
    asked = dict.fromkeys(receive, 0)
    pieces: dict[int, bytes] = {}
    latencies: list[int] = []
    busy = len(socks)
    started = clock()
    for fd in receive:
        asked[fd] = clock()
        send[fd](request)
    while busy:
        ready = poll(patience)
        if not ready:
            raise target.error(f"{busy} connections wait for a reply in vain")
        for fd, _ in ready:
            data = receive[fd](65536)
            now = clock()
            if data != expected:
                if not data:
                    raise target.error("hung up")
                data = pieces.pop(fd, b"") + data
                if not expected.startswith(data):
                    raise target.error(f"answered {data!r} instead of {expected!r}")
                if data != expected:
                    pieces[fd] = data
                    continue
            latencies.append(now - asked[fd])
            left[fd] -= 1
            if left[fd]:
                asked[fd] = clock()
                send[fd](request)
            else:
                busy -= 1
    seconds = (clock() - started) / 1e9
    if pieces or any(left.values()) or len(latencies) != each * len(socks):
        raise target.error("answered some requests too often and others too rarely")
    return seconds, latencies


def _poller(
    socks: list[socket.socket],
) -> tuple[Callable[[float], list[tuple[int, int]]], float]:
    """What tells which of the sockets have something to read, and its longest wait in its units."""
    poller: select.epoll | select.poll
    if sys.platform == "linux":
        poller, patience = select.epoll(), PATIENCE_SECONDS
    else:
        poller, patience = select.poll(), PATIENCE_SECONDS * 1000
    for sock in socks:
        poller.register(sock, 1)  # POLLIN and EPOLLIN alike
    return poller.poll, patience


def raise_file_limit() -> None:
    """Lets this process and those that it starts have as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where "as many as you like" is too many after all
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
