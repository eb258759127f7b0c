"""What connection faults ask for, phase by phase: when a client is accepted, in its handshake, and
while it is served.

A `ConnectionPlan` is data; this is the only place that carries it out. `websocket.py` calls the
functions of the handshake, `connection.py` those of the other phases.
"""

import trio

from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.fault import ConnectionFault
from invis_sim.faults.kinds.websocket import corrupt_handshake
from invis_sim.server.net.client_socket import WriteTimeout
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.lifecycle import ConnectionState

__all__ = ["accept", "accept_handshake", "handshake_rejection", "wait_for_earlier_ends"]

MAX_LOOP_TURNS = 100
"""For how many turns of the event loop a new connection waits for others that have ended: about ten
are needed. More would only make it wait for a client that has ended its side and still reads."""


async def wait_for_earlier_ends(connection: Connection) -> None:
    """Return when the connections that their clients have ended by now take no place any more,
    where a fault counts connections: else it would refuse a client that closes one and opens
    another at once.
    """
    context = connection.context
    if not any(isinstance(armed.fault, ConnectionFault) for armed in context.faults):
        return
    for _ in range(MAX_LOOP_TURNS):
        others = (one for one in context.connections.values() if one is not connection)
        if not any(one.socket.peer_ended for one in others):
            return
        await trio.lowlevel.checkpoint()


async def accept(connection: Connection) -> bool:
    """Treat a new connection as its faults want it, and return whether it is to be served."""
    plan = connection.plan
    if plan.wait:
        await connection.context.timeline.sleep(plan.wait)
    if plan.greeting:
        try:
            await connection.socket.send(plan.greeting)
        except (WriteTimeout, trio.BrokenResourceError) as error:
            connection.lifecycle.move(ConnectionState.CLOSED, f"the connection broke: {error}")
            return False
        except trio.ClosedResourceError:
            return False  # closed by the simulator, which has given the reason
    if plan.end is None:
        return True
    if plan.drops_oldest:
        oldest = next(iter(connection.context.connections.values()))
        oldest.disconnect(plan.end, f"{_by(connection)}, in favour of a newer connection")
        return oldest is not connection
    connection.unregister()
    connection.lifecycle.move(ConnectionState.CLOSED, f"{_by(connection)}, when it was accepted")
    if plan.end == "reset":
        connection.socket.reset()
    return False


async def handshake_rejection(connection: Connection) -> tuple[int, str] | None:
    """Wait as long as a fault delays the handshake, and return the HTTP status and body with which
    a fault rejects it; None: it is accepted.
    """
    plan = connection.plan
    if plan.handshake_wait:
        await connection.context.timeline.sleep(plan.handshake_wait)
    if plan.http_rejection is not None:
        status, _ = plan.http_rejection
        connection.lifecycle.move(ConnectionState.CLOSING, f"{_by(connection)}, with HTTP {status}")
    return plan.http_rejection


def accept_handshake(connection: Connection, response: bytes) -> tuple[bytes, bool]:
    """Return the response to the handshake as faults want it, and whether it still makes a
    WebSocket of the connection.

    response: the right one, HTTP 101.
    """
    plan: ConnectionPlan = connection.plan
    is_websocket = plan.handshake_response != "plain_200"
    if not is_websocket:
        connection.lifecycle.move(
            ConnectionState.DRAINING, f"{_by(connection)}: a web page instead of a WebSocket"
        )
    return corrupt_handshake(response, plan.handshake_response), is_websocket


def _by(connection: Connection) -> str:
    """Name the faults that made the plan of the connection."""
    names = ", ".join(connection.plan_faults)
    return f"by fault {names}"
