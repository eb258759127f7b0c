"""Where the outlet listens, on one transport: it can stop, and come back at the same place."""

import socket
from collections.abc import Sequence

import trio

from invis_sim.faults.when import Transport

__all__ = ["Listening", "StartError"]


class StartError(Exception):
    """The outlet cannot listen where it should; the message says where and why."""


class Listening:
    """The listeners of one transport. `open_listening` makes one.

    host, port: the address, the port being the one it has got where any was asked for.
    """

    def __init__(self, transport: Transport, listeners: Sequence[trio.SocketListener]) -> None:
        self.transport: Transport = transport
        self.listeners = tuple(listeners)
        self.host, self.port = self.listeners[0].socket.getsockname()[:2]
        self._placeholders: list[socket.socket] = []

    def pause(self) -> None:
        """From now on connections are refused. The port stays ours: it is bound, but nobody
        listens.

        Raises OSError if somebody else has taken the port in the moment between.
        """
        for listener in self.listeners:
            family, address = listener.socket.family, listener.socket.getsockname()
            listener.socket.close()
            placeholder = socket.socket(family, socket.SOCK_STREAM)
            self._placeholders.append(placeholder)
            placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                placeholder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            placeholder.bind(address)
        self.listeners = ()

    def resume(self) -> None:
        """Listens again at the same place; `listeners` are new ones."""
        placeholders, self._placeholders = self._placeholders, []
        resumed = []
        for placeholder in placeholders:
            placeholder.listen(socket.SOMAXCONN)
            placeholder.setblocking(False)
            resumed.append(trio.SocketListener(trio.socket.from_stdlib_socket(placeholder)))
        self.listeners = tuple(resumed)

    def close(self) -> None:
        """Stops listening for good."""
        for listener in self.listeners:
            listener.socket.close()
        for placeholder in self._placeholders:
            placeholder.close()


async def open_listening(transport: Transport, host: str, port: int) -> Listening:
    """Listens on every address of the host, on the same port of all.

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
        raise StartError(f"cannot listen for {name} on {where}: that is no host name") from None
    return Listening(transport, listeners)
