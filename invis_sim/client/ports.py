"""Where an outlet is: a host, and the ports of an outlet whose address names none."""

from typing import Annotated, Any

import msgspec

from invis_sim.protocol.address import Host
from invis_sim.schema.build import check

__all__ = ["TCP_PORT", "WS_PORT", "check_place"]

TCP_PORT, WS_PORT = 3333, 80
"""The protocol's for TCP, that of HTTP for WebSocket."""

_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


def check_place(host: Any, tcp_port: Any, ws_port: Any) -> None:
    """Raise ValueError where this is no place that an outlet can be at."""
    check(Host, host, "host")
    check(_Port, tcp_port, "tcp_port")
    check(_Port, ws_port, "ws_port")
