"""The clients that are connected."""

import msgspec

from invis_sim.commands.network import Disconnect
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.server.session.connection import Connection
from invis_sim.web.api.commands import Done, carry_out
from invis_sim.web.operation import Operation
from invis_sim.web.problems import HttpProblem
from invis_sim.web.request import Call

__all__ = ["OPERATIONS", "ConnectionView"]


class ConnectionView(msgspec.Struct, frozen=True):
    """A connected client.

    number: from 1, over both transports. peer: its address, `host:port`.
    state: "handshake", "open", "draining", "closing", "half_closed" or "blackholed".
    """

    number: int
    transport: Transport
    peer: str
    state: str


class How(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """how: how the connection ends, as for the command `disconnect`."""

    how: DisconnectMode = "close"


def view(connection: Connection) -> ConnectionView:
    """Return what a connection is at the moment."""
    return ConnectionView(
        connection.number,
        connection.transport,
        connection.socket.peer,
        connection.lifecycle.state.name.lower(),
    )


def list_connections(call: Call) -> list[ConnectionView]:
    """List the open connections, the oldest first."""
    return [view(connection) for connection in call.outlet.connections.values()]


def get_connection(call: Call) -> ConnectionView:
    """Return one connection."""
    return view(_found(call))


def end_connections(call: Call) -> Done:
    """End every connection."""
    return carry_out(call.outlet, Disconnect(how=call.query(How).how))


def end_connection(call: Call) -> Done:
    """End one connection."""
    how = call.query(How).how
    return carry_out(call.outlet, Disconnect(how=how, connection=_found(call).number))


def _found(call: Call) -> Connection:
    number = call.parameter("number")
    for connection in call.outlet.connections.values():
        if str(connection.number) == number:
            return connection
    there = ", ".join(map(str, call.outlet.connections)) or "none"
    raise HttpProblem(404, f"no open connection has the number {number!r}; there are: {there}")


CONNECTIONS = "/api/outlets/{sn}/connections"
CONNECTION = "/api/outlets/{sn}/connections/{number}"

OPERATIONS = (
    Operation(
        method="GET", path=CONNECTIONS, handler=list_connections, answer=list[ConnectionView]
    ),
    Operation(method="DELETE", path=CONNECTIONS, handler=end_connections, query=How, answer=Done),
    Operation(method="GET", path=CONNECTION, handler=get_connection, answer=ConnectionView),
    Operation(method="DELETE", path=CONNECTION, handler=end_connection, query=How, answer=Done),
)
