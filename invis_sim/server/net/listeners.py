"""The listening sockets of one transport: they can stop, and come back at the same address."""

import select
import socket
from collections.abc import Sequence
from typing import Any

import trio

from invis_sim.protocol.transport import Transport

__all__ = ["ListenerGroup", "StartError"]


class StartError(Exception):
    """The outlet cannot listen where it should; the message says where and why."""


class ListenerGroup:
    """The listeners of one transport. `open_listeners` makes one.

    host, port: the address; where any port was asked for, the one that the system gave.
    """

    def __init__(self, transport: Transport, listeners: Sequence[trio.SocketListener]) -> None:
        self.transport: Transport = transport
        self.listeners = tuple(listeners)
        self.host, self.port = self.listeners[0].socket.getsockname()[:2]
        self._paused: list[tuple[int, Any, socket.socket | None]] = []

    @property
    def has_pending_connection(self) -> bool:
        """Whether a connection has not been accepted yet."""
        if not hasattr(select, "poll"):
            return False
        waiting = select.poll()
        for listener in self.listeners:
            if listener.socket.fileno() >= 0:  # else it is closed
                waiting.register(listener.socket.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def pause(self) -> None:
        """Refuse connections from now on. The port stays ours: it is bound, without listening."""
        for listener in self.listeners:
            family, address = listener.socket.family, listener.socket.getsockname()
            listener.socket.close()
            try:
                placeholder = _bound(family, address)
            except OSError:  # taken in between, by a program that may be gone when we come back
                placeholder = None
            self._paused.append((family, address, placeholder))
        self.listeners = ()

    def resume(self) -> None:
        """Listen again at the same address; `listeners` are new ones.

        Raises OSError where another program has taken the port meanwhile, and goes on refusing
        then; it may be called again.
        """
        sockets: list[socket.socket] = []
        try:
            for index, (family, address, held) in enumerate(self._paused):
                sockets.append(held or _bound(family, address))
                # From here on it is in one list only, so that it is closed once.
                self._paused[index] = (family, address, None)
                # May fail too: a port that is bound and not listened at can be taken by a program
                # that reuses addresses.
                sockets[-1].listen(socket.SOMAXCONN)
                sockets[-1].setblocking(False)
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        self._paused.clear()
        self.listeners = tuple(
            trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in sockets
        )

    def close(self) -> None:
        """Stop listening for good. Idempotent; what comes later than this does nothing."""
        for listener in self.listeners:
            listener.socket.close()
        for _, _, placeholder in self._paused:
            if placeholder is not None:
                placeholder.close()
        # A restart may still begin or end while everything else is being stopped.
        self.listeners = ()
        self._paused.clear()


def _bound(family: int, address: Any) -> socket.socket:
    """Return a socket that is bound to the address and does not listen."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


async def open_listeners(transport: Transport, host: str, port: int) -> ListenerGroup:
    """Listen on every address of the host, on the same port of all.

    port: 0-65535; 0: any free one.

    Raises StartError.
    """
    where = f"host {host}, port {port}"
    name = {"tcp": "TCP", "ws": "the WebSocket"}[transport]
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
        for attempts_left in reversed(range(10)):
            ports = {listener.socket.getsockname()[1] for listener in listeners}
            if len(ports) == 1:
                break
            for listener in listeners:
                listener.socket.close()
            try:
                listeners = await trio.open_tcp_listeners(min(ports), host=host)
            except OSError:  # free on one address, taken on another
                if not attempts_left:
                    raise
                listeners = await trio.open_tcp_listeners(0, host=host)
    except OSError as error:
        why = error.strerror or str(error)
        raise StartError(f"cannot listen for {name} on {where}: {why}") from error
    except UnicodeError:  # what Python makes of "a..b"
        raise StartError(f"cannot listen for {name} on {where}: that is not a host name") from None
    return ListenerGroup(transport, listeners)
