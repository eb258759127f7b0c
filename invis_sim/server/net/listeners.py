"""The listening sockets of one transport: they can stop, and come back at the same address."""

import errno
import os
import select
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, TypeAlias

import trio

from invis_sim.protocol.address import is_ip_address
from invis_sim.protocol.printable import printable
from invis_sim.protocol.transport import Transport
from invis_sim.server.net.forks import close_in_children
from invis_sim.server.net.system_errors import explain
from invis_sim.server.threads import run_in_thread

__all__ = [
    "ListenerGroup",
    "StartError",
    "accept",
    "has_address",
    "host_in",
    "listens_at",
    "open_listeners",
    "open_listeners_at_once",
]


BACKLOG = 0xFFFF
"""How many clients the system holds until they are accepted: as many as it can, and it takes less
where it can hold less. It is the most that all systems understand."""

MAX_ATTEMPTS_TO_FIND_A_PORT = 10
"""How often to look for a port that is free on all addresses of a host, such as 127.0.0.1 and ::1
of localhost. One that is free on the first is rarely taken on the others."""

_Address: TypeAlias = tuple[int, Any]
"""The family, and the address as the functions of sockets have it."""


_LOOPBACK: tuple[_Address, ...] = (
    (socket.AF_INET, ("127.0.0.1", 0)),
    (socket.AF_INET6, ("::1", 0, 0, 0)),
)
"""The addresses of localhost, the one that every client tries first."""

MAX_KNOWN_HOSTS = 64
"""How many hosts are remembered: a test suite starts its outlets on few."""

_NUMERIC = socket.AI_PASSIVE | socket.AI_NUMERICHOST
"""For an address to listen at that is written in numbers."""


class StartError(Exception):
    """The outlet cannot listen where it should; the message says where and why."""


class ListenerGroup:
    """The listening sockets of one transport. `open_listeners` makes one.

    sockets: they listen; ownership passes to this object. Empty while it is paused.

    host, port: the address; where any port was asked for, the one that the system gave.
    """

    def __init__(self, transport: Transport, sockets: Sequence[socket.socket]) -> None:
        self.transport: Transport = transport
        self.sockets = tuple(sockets)
        address = self.sockets[0].getsockname()
        self.host, self.port = host_in(address), address[1]
        self._paused: list[_Paused] = []
        # Not looked up again: a tool that blocks network access for a test puts another class in
        # the place of `socket.socket`, which only raises, and this outlet may serve many tests.
        self._socket_class = type(self.sockets[0])

    @property
    def addresses(self) -> list[_Address]:
        """Where it listens, or will when it is not paused any more."""
        paused = [(one.family, one.address) for one in self._paused]
        return paused + [(sock.family, sock.getsockname()) for sock in self.sockets]

    @property
    def has_pending_connection(self) -> bool:
        """Whether a connection has not been accepted yet."""
        if not hasattr(select, "poll"):
            return False
        waiting = select.poll()
        for sock in self.sockets:
            waiting.register(sock.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def pause(self, *, swallow: bool = False) -> None:
        """Accept no connections from now on. The port stays ours: it is bound.

        swallow: whether attempts to connect get no answer, instead of a refusal.
        """
        held = self.addresses
        for paused in self._paused:
            paused.close()
        for sock in self.sockets:
            _close(sock)
        self.sockets = ()
        self._paused = [
            _Paused(self._socket_class, family, address, swallow=swallow)
            for family, address in held
        ]

    def resume(self) -> None:
        """Listen again at the same address; `sockets` are new ones.

        Raises OSError where another program has taken the port meanwhile, and goes on refusing
        then; it may be called again.
        """
        sockets: list[socket.socket] = []
        try:
            for paused in self._paused:
                # From here on it is in one list only, so that it is closed once.
                sockets.append(paused.release())
                # May fail too: a port that is bound and not listened at can be taken by a program
                # that reuses addresses.
                _listen(sockets[-1])
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        self._paused.clear()
        self.sockets = tuple(sockets)

    def close(self) -> None:
        """Stop listening for good. Idempotent; what comes later than this does nothing."""
        for sock in self.sockets:
            _close(sock)
        for paused in self._paused:
            paused.close()
        # A restart may still begin or end while everything else is being stopped.
        self.sockets = ()
        self._paused.clear()


class _Paused:
    """One address of a group that is paused.

    swallow: whether attempts to connect get no answer. A system drops them where a socket listens
    whose queue of connections is full; so its only place is taken, by a connection of our own.
    """

    def __init__(
        self, socket_class: type[socket.socket], family: int, address: Any, *, swallow: bool
    ) -> None:
        self.family = family
        self.address = address
        self._socket_class = socket_class
        self._in_queue: socket.socket | None = None
        self._held: socket.socket | None = None
        try:
            self._held = _bound(family, address, socket_class)
            if swallow:
                self._fill_queue(self._held)
        except OSError:  # taken in between, by a program that may be gone when we come back
            self.close()

    def release(self) -> socket.socket:
        """Return the socket, bound and with an empty queue. Raises OSError if it has to be bound
        again and another program has taken the port.
        """
        if self._held is None:
            return _bound(self.family, self.address, self._socket_class)
        sock, self._held = self._held, None
        if self._in_queue is not None:
            with suppress(OSError):
                accept(sock).close()
        self.close()
        return sock

    def close(self) -> None:
        for sock in (self._held, self._in_queue):
            if sock is not None:
                sock.close()
        self._held = self._in_queue = None

    def _fill_queue(self, held: socket.socket) -> None:
        held.listen(0)
        held.setblocking(False)
        self._in_queue = self._socket_class(self.family, socket.SOCK_STREAM)
        close_in_children(self._in_queue)
        self._in_queue.setblocking(False)
        self._in_queue.connect_ex(held.getsockname())


def accept(listening: socket.socket) -> socket.socket:
    """Accept a client that waits. Raises OSError."""
    # As `accept` does, but with the class of the listening socket: a tool that blocks network
    # access for a test makes `accept` raise when the client is connected already, and lose it.
    descriptor, _ = listening._accept()  # type: ignore[attr-defined]
    return type(listening)(listening.family, listening.type, listening.proto, fileno=descriptor)


def host_in(address: Any) -> str:
    """Return the host in an address of a socket, with the interface of an IPv6 address that means
    nothing without it: `fe80::1%eth0`.
    """
    host: str = address[0]
    scope = address[3] if len(address) > 3 else 0
    return f"{host}%{socket.if_indextoname(scope)}" if scope else host


def _close(sock: socket.socket) -> None:
    """Close a socket that a task may be waiting for: the task gets trio.ClosedResourceError."""
    trio.lowlevel.notify_closing(sock)
    with suppress(OSError):  # not every system can shut down a socket that listens
        # So that the port is closed also while another process has a copy of the socket.
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def _bound(
    family: int, address: Any, socket_class: type[socket.socket] | None = None
) -> socket.socket:
    """Return a socket that is bound to the address and does not listen.

    socket_class: None: that of the system.
    """
    sock = (socket_class or socket.socket)(family, socket.SOCK_STREAM)
    close_in_children(sock)
    try:
        # Elsewhere it means that a port can be had again soon after its last connection; on
        # Windows, that two programs can have it at once.
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _listen(sock: socket.socket) -> None:
    sock.listen(BACKLOG)
    sock.setblocking(False)


async def open_listeners(transport: Transport, host: str, port: int) -> ListenerGroup:
    """Listen on every address of the host, on the same port of all.

    port: 0-65535; 0: any free one.

    Raises StartError.
    """
    with _explained(transport, host, port):
        addresses = _addresses_known_here(host) or await run_in_thread(
            _resolve, host, socket.AI_PASSIVE, abandon_on_cancel=True
        )
        return ListenerGroup(transport, _listen_on_all(_supported(addresses), port))


def open_listeners_at_once(
    transport: Transport, host: str | None, port: int, near: ListenerGroup
) -> ListenerGroup:
    """Do as `open_listeners`, without asking a name server.

    host: an IP address, or localhost; None: the addresses of `near`, for another port there.
    """
    with _explained(transport, host or near.host, port):
        addresses = near.addresses if host is None else _addresses_known_here(host)
        return ListenerGroup(transport, _listen_on_all(addresses, port))


def listens_at(group: ListenerGroup, host: str) -> bool:
    """Return whether a group listens at this address, or at those of localhost, and no other."""
    return _without_ports(group.addresses) == _without_ports(_addresses_known_here(host))


def _without_ports(addresses: Sequence[_Address]) -> set[_Address]:
    return {(family, (host, *rest)) for family, (host, _, *rest) in addresses}


def has_address(host: str) -> bool:
    """Return whether this machine has an IP address, or one of those of localhost."""
    return any(map(_exists, _addresses_known_here(host)))


@contextmanager
def _explained(transport: Transport, host: str, port: int) -> Iterator[None]:
    """Raise StartError, which says why, where the block cannot listen."""
    where = f"host {printable(host)}, port {port}"
    name = {"tcp": "TCP", "ws": "the WebSocket"}[transport]
    try:
        yield
    except OSError as error:
        why = explain(error, port)
        raise StartError(f"cannot listen for {name} on {where}: {why}") from error
    except UnicodeError:  # what Python makes of "a..b"
        raise StartError(f"cannot listen for {name} on {where}: that is not a host name") from None


def _addresses_known_here(host: str) -> list[_Address]:
    """Return the addresses of localhost, or of a host in numbers; [] for another name."""
    if host.rstrip(".").lower() == "localhost":
        # The same everywhere [RFC 6761, 6.3], and so frequent that it needs no thread.
        found = [address for address in _LOOPBACK if _exists(address)]
        if found:
            return found
    try:
        return list(_of_ip_address(host)) or _resolve(host, _NUMERIC)
    except socket.gaierror:
        return []


@lru_cache(MAX_KNOWN_HOSTS)
def _of_ip_address(host: str) -> tuple[_Address, ...]:
    """Return the address of a host that is an IP address; () for all else, also for one with a
    network interface, such as fe80::1%eth0: that may get another number.
    """
    return tuple(_resolve(host, _NUMERIC)) if "%" not in host and is_ip_address(host) else ()


def _exists(address: _Address) -> bool:
    """Return whether this machine has the address."""
    try:
        _bound(*address).close()
    except OSError:
        return False
    return True


def _resolve(host: str, flags: int) -> list[_Address]:
    infos = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in infos]


def _supported(addresses: list[_Address]) -> list[_Address]:
    """Return the addresses that the system supports: a name may have one of IPv6 on a system
    without it. If that is all it has, binding to it says why that cannot be.
    """
    if len(addresses) == 1:
        return addresses
    return [one for one in addresses if _is_supported(one[0])] or addresses


def _is_supported(family: int) -> bool:
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except OSError as error:
        return error.errno != errno.EAFNOSUPPORT
    return True


def _listen_on_all(addresses: Sequence[_Address], port: int) -> list[socket.socket]:
    """Return sockets that listen on the same port of all addresses.

    port: 0: one that is free on all of them.

    Raises OSError.
    """
    attempts_left = MAX_ATTEMPTS_TO_FIND_A_PORT
    while True:
        attempts_left -= 1
        try:
            return _listen_on_port(addresses, port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE or not attempts_left:
                raise


def _listen_on_port(addresses: Sequence[_Address], port: int) -> list[socket.socket]:
    """Do as `_listen_on_all`; port 0: one that is free on the first address."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    if not addresses:  # localhost, on a machine without a loopback interface
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    try:
        for family, (host, _, *rest) in addresses:
            try:
                sockets.append(_bound(family, (host, port, *rest)))
            except OSError as error:
                # A name may have an address that this machine has not, such as ::1 where IPv6 is
                # switched off.
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                missing = error
                continue
            _listen(sockets[-1])
            port = sockets[0].getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    if missing is not None and not sockets:
        raise missing
    return sockets
