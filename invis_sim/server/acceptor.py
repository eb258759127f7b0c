"""Accepts the clients of one outlet, and stops doing so while the outlet is offline."""

import errno
import ipaddress
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from contextlib import suppress
from typing import Literal, TypeAlias

import trio

from invis_sim.commands.new_address import NewAddress
from invis_sim.protocol.transport import Transport
from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.net.listeners import (
    ListenerGroup,
    StartError,
    accept,
    listens_at,
    open_listeners_at_once,
)
from invis_sim.server.net.system_errors import explain

__all__ = ["Acceptor", "Reach"]

Reach: TypeAlias = Literal["accept", "refuse", "swallow"]
"""What becomes of attempts to connect: a connection, a refusal, no answer at all."""

MAX_ACCEPTS_PER_TURN = 32
"""How many clients are accepted before other tasks have their turn: many dial at once after a
restart, and a turn may take long where many others are served."""

ACCEPT_RETRY_SECONDS = 0.1
"""How long accepting rests when the machine has no resources for another connection. Trio's own
accept loop does the same."""

_ACCEPT_CAPACITY_ERRNOS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}

_LOST_CLIENT_ERRNOS = {
    *(errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EPROTO),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
    *(errno.ENOPROTOOPT, errno.EOPNOTSUPP),
}
"""What accepting fails with where the client, or the way to it, has gone before. [accept(2)]"""

MAX_UNSENT_BYTES = 2**14
"""How much the system takes from us that it has not sent yet: little, so that we notice early when
a client reads slowly. Trio's own streams do the same."""

MAX_LOOP_TURNS = 10_000
"""For how many turns of the event loop `wait_for_pending` waits for clients to be accepted: a limit
for floods only."""

RESUME_RETRY_SECONDS = 0.2
"""How long (real time) to wait before listening is tried again at a port that another program has
taken: short, as it is often gone within a moment, and one attempt costs next to nothing."""

MAX_ADDRESSES_TO_TRY = 1024
"""How many addresses are tried for one whose ports are free: each may be that of another outlet of
a crowd. An attempt takes some 20 microseconds."""

LOOP_TURNS_TO_OPEN = 4
"""How many turns of the event loop a TCP connection needs from accept to open: the accepting task
starts a task for the connection (1), which opens its nursery (2) and marks it open (3), and one to
spare. `test_pushes.py` notices when it is too few."""


class Acceptor:
    """The accept loops of one outlet.

    nursery: for the loops and for what serves a client. groups: where to listen.
    serve: serves one client to its end: (socket, transport).
    log_error: records what went wrong, in words.

    reach: what becomes of attempts to connect at the moment.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        groups: Iterable[ListenerGroup],
        serve: Callable[[socket.socket, Transport], Awaitable[None]],
        log_error: Callable[[str], None],
    ) -> None:
        self.reach: Reach = "accept"
        self._accepted: deque[tuple[socket.socket, ListenerGroup]] = deque()
        self._started = False
        self._closed = False
        self._nursery = nursery
        self._groups = {group.transport: group for group in groups}
        self._serve = serve
        self._log_error = log_error

    @property
    def addresses(self) -> dict[Transport, tuple[str, int]]:
        """Host and port of each transport."""
        return {name: (group.host, group.port) for name, group in self._groups.items()}

    @property
    def host(self) -> str:
        """The address of the first transport; the others have the same."""
        return next(iter(self._groups.values())).host

    def start(self) -> None:
        """Accept connections from now on, unless there are none at the moment."""
        self._started = True
        if self.reach == "accept":
            self._start_loops()

    def _start_loops(self) -> None:
        for group in self._groups.values():
            self._start_loops_of(group)

    def _start_loops_of(self, group: ListenerGroup) -> None:
        for sock in group.sockets:
            self._nursery.start_soon(self._accept, group, sock)

    def set_reach(self, reach: Reach) -> None:
        """Accept, refuse or swallow attempts to connect from now on, at the same addresses."""
        if reach == self.reach or self._closed:
            return
        self.reach = reach
        for group in self._groups.values():
            self._follow_reach(group)

    def _follow_reach(self, group: ListenerGroup) -> None:
        if self.reach == "accept":
            self._resume(group)
        else:
            group.pause(swallow=self.reach == "swallow")

    def open_at(self, address: NewAddress) -> tuple[ListenerGroup, ...]:
        """Listen at another address too, without accepting clients there; `move_to` does that.

        Returns the groups of those transports of which the address changes. Raises StartError, and
        has changed nothing then.
        """
        wanted: dict[Transport, tuple[str | None, int]] = {}
        for transport, group in self._groups.items():
            given = {"tcp": address.tcp_port, "ws": address.ws_port}[transport]
            port = group.port if given is None else given
            host = address.host
            if host is not None and listens_at(group, host):
                host = None
            if host is not None or port != group.port:
                wanted[transport] = (host, port)
        try:
            return self._open_all(wanted)
        except StartError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
                raise
        # The outlet itself may have the port, at an address that is part of the new one, or for the
        # other transport. A port that is bound, and not listened at, can be bound again.
        leaving = [self._groups[transport] for transport in wanted]
        for group in leaving:
            group.pause()
        try:
            return self._open_all(wanted)
        except StartError:
            for group in leaving:
                self._follow_reach(group)
            raise

    def _open_all(
        self, wanted: Mapping[Transport, tuple[str | None, int]]
    ) -> tuple[ListenerGroup, ...]:
        opened: list[ListenerGroup] = []
        try:
            for transport, (host, port) in wanted.items():
                old = self._groups[transport]
                opened.append(open_listeners_at_once(transport, host, port, near=old))
        except StartError:
            for group in opened:
                group.close()
            raise
        return tuple(opened)

    def open_at_next_address(self, taken: Container[str] = ()) -> tuple[ListenerGroup, ...]:
        """Do as `open_at`, at the next IP address of this machine at which the ports are free.

        taken: addresses that others have, perhaps at other ports.
        """
        host = ipaddress.ip_address(self.host)
        for _ in range(MAX_ADDRESSES_TO_TRY):
            try:
                host += 1
                if str(host) in taken:
                    continue
                return self.open_at(NewAddress(host=str(host)))
            except StartError:
                continue
            except ipaddress.AddressValueError:  # there is none above the last one
                break
        raise StartError(
            f"cannot change the address: of the {MAX_ADDRESSES_TO_TRY} after {self.host}, this "
            "machine has none at which the ports are free"
        )

    def give_up(self, groups: Iterable[ListenerGroup]) -> None:
        """Close what `open_at` has returned, and go on as before."""
        for group in groups:
            group.close()
            before = self._groups[group.transport]
            if not before.sockets:  # it was in the way
                self._follow_reach(before)

    def move_to(self, groups: Iterable[ListenerGroup]) -> None:
        """Accept clients at these addresses from now on, and no longer where it has until now.

        groups: what `open_at` has returned.
        """
        for group in groups:
            self._groups[group.transport].close()
            self._groups = {**self._groups, group.transport: group}
            if self.reach != "accept":
                self._follow_reach(group)
            elif self._started:
                self._start_loops_of(group)

    def close(self) -> None:
        """Stop listening for good; connections stay."""
        self._closed = True
        for group in self._groups.values():
            group.close()

    @property
    def has_pending(self) -> bool:
        """Whether a client waits to be accepted."""
        return any(group.has_pending_connection for group in self._groups.values())

    async def wait_for_pending(self) -> None:
        """Return when the clients that have connected by now are served."""
        for _ in range(MAX_LOOP_TURNS):
            if not self.has_pending:
                break
            await trio.lowlevel.checkpoint()
        for _ in range(LOOP_TURNS_TO_OPEN):
            await trio.lowlevel.checkpoint()

    def _resume(self, group: ListenerGroup) -> None:
        """Listen again, now or as soon as the port is free."""
        try:
            group.resume()
        except OSError as error:
            place = f"{group.host} port {group.port}"
            self._log_error(f"cannot listen on {place} any more: {error.strerror}, retrying")
            self._nursery.start_soon(self._resume_later, group)
            return
        if self._started:
            self._start_loops_of(group)

    async def _resume_later(self, group: ListenerGroup) -> None:
        while True:
            await trio.sleep(RESUME_RETRY_SECONDS)
            # The next outage may have begun, and may have ended too: then that one tries.
            if self._closed or self.reach != "accept" or group.sockets:
                return
            with suppress(OSError):
                group.resume()
                if self._started:
                    self._start_loops_of(group)
                return

    async def _accept(self, group: ListenerGroup, listening: socket.socket) -> None:
        exhausted = False
        while await _wait_for_client(listening):
            try:
                for _ in range(MAX_ACCEPTS_PER_TURN):
                    self._accepted.append((_accept_client(listening), group))
                    self._nursery.start_soon(self._serve_next)
                    exhausted = False
            except OSError as error:
                if error.errno in _LOST_CLIENT_ERRNOS:
                    continue
                if error.errno not in _ACCEPT_CAPACITY_ERRNOS:
                    raise
                if not exhausted:  # reported once, not ten times a second
                    exhausted = True
                    self._log_error(f"cannot accept connections ({explain(error)}), retrying")
                await trio.sleep(ACCEPT_RETRY_SECONDS)

    async def _serve_next(self) -> None:
        # Trio may start the tasks of one turn in any order. Clients must be numbered in theirs, so
        # each task takes the first that is left.
        sock, group = self._accepted.popleft()
        # Accepted in the last moment before an outage, or at an address that the outlet has left,
        # and known to nothing that ends connections.
        if self.reach != "accept" or self._groups[group.transport] is not group:
            ClientSocket(sock, 0).reset()
        else:
            await self._serve(sock, group.transport)


async def _wait_for_client(listening: socket.socket) -> bool:
    """Return True when a client waits to be accepted, False when the socket is closed."""
    # Other tasks may close it before this one has its first turn, while it waits, and after a
    # client has come until it has its next turn.
    if listening.fileno() >= 0:
        with suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(listening)
    return listening.fileno() >= 0


def _accept_client(listening: socket.socket) -> socket.socket:
    """Accept a client that waits, and set the options of its socket. Raises OSError."""
    sock = accept(listening)
    with suppress(OSError):  # where the client has gone already, some systems refuse options
        # Each packet leaves at once, however short it is and whatever was not acknowledged yet.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, AttributeError):  # not every system has it
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
    return sock
