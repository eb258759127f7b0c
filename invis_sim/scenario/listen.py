"""Where an outlet listens, and how it deals with clients: two tables of a scenario file."""

from typing import Annotated, Literal

import msgspec

from invis_sim.device.requests import PacketIds
from invis_sim.device.state import Device, Quirks
from invis_sim.protocol.address import Host, Port
from invis_sim.protocol.json_stream import MAX_PACKET_BYTES
from invis_sim.protocol.transport import Transport
from invis_sim.schema.build import Checked
from invis_sim.schema.describe import quote

__all__ = ["Listen", "Protocol", "transports_of"]

WebSocketPath = Annotated[
    str,
    msgspec.Meta(
        # "$" alone would let a newline follow. What a client takes for a query or a fragment, or
        # writes in another way, is not here: the client would ask for another path.
        pattern=r"^/[A-Za-z0-9/._~!$&'()*+,;=:@-]*$(?!\n)",
        description="A path: / and then letters, digits and any of /._~!$&'()*+,;=:@-",
    ),
]


class Listen(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the outlet listens.

    host: an address or a name of this machine. The default is reachable from this machine only.
    tcp, ws: whether there is such a transport.
    tcp_port: omitted: 3333 from the command line, as on a real outlet, and any free one from
    Python.
    ws_port: omitted: 8080 from the command line (a real outlet has 80), and any free one from
    Python.
    ws_path: the path of the WebSocket; any other is answered 404.
    mdns: whether it is announced on the network as _invis._tcp.local.; needs python-zeroconf, which
    comes with invis-sim[mdns].
    mdns_port: the port that is announced, which every known client ignores; omitted: that of TCP,
    or of the WebSocket where there is no TCP.
    mdns_hostname: the `hostname` that is announced, whose last four characters an early client
    takes for those of MQTT topics; omitted: the serial number; "": none, without which that client
    fails.
    control: whether the outlet can be steered over HTTP while it runs, on a port of its own; needs
    invis-sim[control].
    control_host: where that port is. Where other machines can reach it, a token is required.
    control_port: omitted: 3334 from the command line, and any free one from Python.
    control_allow_hosts: further names by which clients may call the control server, such as that of
    a proxy in front of it.
    """

    host: Host = "127.0.0.1"
    tcp: bool = True
    tcp_port: Port | None = None
    ws: bool = True
    ws_port: Port | None = None
    ws_path: WebSocketPath = "/ws"
    mdns: bool = False
    control: bool = False
    control_host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    control_port: Port | None = None
    control_allow_hosts: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    mdns_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    mdns_hostname: Annotated[str, msgspec.Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.tcp or self.ws):
            raise ValueError("tcp and ws are both false, so no client could reach the outlet")
        if {".", ".."} & set(self.ws_path.split("/")):  # which clients resolve themselves
            raise ValueError(
                f"ws_path: expected a path without . and .., found {quote(self.ws_path)}"
            )


class Protocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the outlet deals with clients, where real outlets and the documentation differ.

    packet_id: "lenient": any integer is echoed, as real devices do. "six-digits": anything outside
    100000-999999 is answered `PUBACK` 0, as documented.
    tcp_terminator: what follows each packet on TCP; a real outlet sends nothing.
    max_packet_bytes: the longest packet that a client may send; on a longer one the connection is
    closed.
    origins: which web pages may open a WebSocket, as browsers name them in the header `Origin`:
    "any", as real outlets presumably allow; or "none": such a handshake is answered 403. Clients
    other than browsers do not send one, or need not.
    write_timeout_seconds: a client that reads nothing for this long while packets wait for it is
    disconnected.
    """

    packet_id: PacketIds = "lenient"
    tcp_terminator: Annotated[str, msgspec.Meta(max_length=16)] = ""
    max_packet_bytes: Annotated[int, msgspec.Meta(ge=64, le=2**30)] = MAX_PACKET_BYTES
    origins: Literal["any", "none"] = "any"
    write_timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 10.0


def transports_of(listen: Listen, device: Device, quirks: Quirks) -> tuple[Transport, ...]:
    """The transports that an outlet has.

    With `by_revision`, a revB has TCP alone and any other hardware the WebSocket alone.
    """
    by_revision = quirks.transports == "by_revision"
    rev_b = device.hw_rev == "revB"
    offered: dict[Transport, bool] = {
        "tcp": listen.tcp and (rev_b or not by_revision),
        "ws": listen.ws and not (rev_b and by_revision),
    }
    return tuple(transport for transport, is_there in offered.items() if is_there)
