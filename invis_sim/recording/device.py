"""The outlet behind a proxy: where it is, and what is sent to it."""

import socket
from contextlib import suppress

import trio

from invis_sim.client.ports import TCP_PORT, WS_PORT, check_place
from invis_sim.device.handlers import HANDLERS, MUTATING_CALLBACKS
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Request, read_fields
from invis_sim.protocol.transport import Transport
from invis_sim.recording.learning import Learning
from invis_sim.schema.build import check
from invis_sim.server.session.context import ServerContext

__all__ = ["Device", "why_withheld"]

CONNECT_SECONDS = 10.0
"""How long (real time) a connection to the device may take: clients give up at about that time."""

_READING_CALLBACKS = frozenset(HANDLERS) - MUTATING_CALLBACKS

_MQTT_STATE = 0
"""What callback 27 is asked for where a device only reads: with other numbers it tells the broker
something, which a simulated outlet does not have. [documentation of callback 27]"""


class Device:
    """An outlet in the network.

    host: its name or address. tcp_port, ws_port: where it listens.
    read_only: whether it gets only requests that are known to change nothing.
    sn_known: whether its serial number is known.
    learning: takes what passes for what the outlet is.

    Raises ValueError for arguments that cannot be.
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
        check_place(host, tcp_port, ws_port)
        check(bool, read_only, "read_only")
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
            try:
                stream = await trio.open_tcp_stream(self.host, port)
            except RuntimeError as error:  # of a tool that blocks sockets for a test
                raise OSError(str(error)) from error
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


_PLAIN_KEYS = frozenset({"sn", "packetID", "payload"}), frozenset({"callbackName", "callbackArgs"})
"""The members of a request and of its payload that clients write."""


def why_withheld(request: Request, document: bytes) -> Note | None:
    """Return why a request is kept from a device that is only read; None: it may be sent.

    document: its bytes. A device may read what is odd in another way than we do, so that only what
    is plain is sent: the JSON parser of many takes `callbackname` for `callbackName`.
    """
    is_mqtt = request.callback == Callback.MQTT
    if request.callback not in _READING_CALLBACKS or (is_mqtt and request.args != [_MQTT_STATE]):
        return Note("not sent to the device: it may change something, and the proxy is read-only")
    if request.problem is not None or request.notes or not _has_plain_keys(document):
        return Note("not sent to the device: it is not plain, and the proxy is read-only")
    return None


def _has_plain_keys(document: bytes) -> bool:
    keys, payload_keys = _PLAIN_KEYS
    fields = read_fields(document) or {}
    payload = fields.get("payload")
    return (
        isinstance(payload, dict) and keys.issuperset(fields) and payload_keys.issuperset(payload)
    )
