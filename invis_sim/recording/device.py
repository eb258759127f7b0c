"""The outlet behind a proxy: where it is, and what is sent to it."""

import socket
from contextlib import suppress

import trio

from invis_sim.client.ports import TCP_PORT, WS_PORT
from invis_sim.device.handlers import HANDLERS, MUTATING_CALLBACKS
from invis_sim.protocol.packets import Note, Request
from invis_sim.protocol.transport import Transport
from invis_sim.recording.learning import Learning
from invis_sim.server.session.context import ServerContext

__all__ = ["Device", "why_withheld"]

CONNECT_SECONDS = 10.0
"""How long (real time) a connection to the device may take: clients give up at about that time."""

_READING_CALLBACKS = frozenset(HANDLERS) - MUTATING_CALLBACKS


class Device:
    """An outlet in the network.

    host: its name or address. tcp_port, ws_port: where it listens.
    read_only: whether it gets only requests that are known to change nothing.
    sn_known: whether its serial number is known.
    learning: takes what passes for what the outlet is.
    """

    def __init__(
        self,
        host: str,
        tcp_port: int = TCP_PORT,
        ws_port: int = WS_PORT,
        *,
        read_only: bool = False,
        sn_known: bool = False,
    ) -> None:
        self.host = host
        self.tcp_port = tcp_port
        self.ws_port = ws_port
        self.read_only = read_only
        self.sn_known = sn_known
        self.learning = Learning()

    async def connect(self, transport: Transport) -> socket.socket:
        """Return a new connection. Raises OSError."""
        port = self.tcp_port if transport == "tcp" else self.ws_port
        with trio.move_on_after(CONNECT_SECONDS):
            stream = await trio.open_tcp_stream(self.host, port)
            # Trio's own streams wake a task for each piece that comes; see `net/poller.py`.
            return socket.socket(fileno=stream.socket.detach())
        raise TimeoutError(f"no connection within {CONNECT_SECONDS:g} s")

    def learn_sn(self, sn: str, context: ServerContext) -> None:
        """Take this for the serial number of the outlet, if it can be one: replies that the proxy
        makes bear it, and entries of the journal.
        """
        with suppress(ValueError):
            context.outlet.set({"device": {"sn": sn}}, context.timeline.now())
            context.journal.sn = context.outlet.sn
            self.sn_known = True


def why_withheld(request: Request) -> Note | None:
    """Return why a request is kept from a device that is only read; None: it may be sent.

    A device may read what is odd in another way than we do, so that only what is plain is sent.
    """
    if request.callback not in _READING_CALLBACKS:
        return Note("not sent to the device: it may change something, and the proxy is read-only")
    if request.problem is not None or request.notes:
        return Note("not sent to the device: it is not plain, and the proxy is read-only")
    return None
