"""The task of one connection, from its first byte to its end."""

import socket

import trio

from invis_sim.journal import Closed, Connected
from invis_sim.protocol.transport import Transport
from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.nursery import single_error
from invis_sim.server.session.admission import accept, wait_for_earlier_ends
from invis_sim.server.session.connection import Connection, logger
from invis_sim.server.session.context import ServerContext, Servers
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.session.tcp import serve_tcp
from invis_sim.server.session.websocket import serve_websocket

__all__ = ["OUTLET_SERVERS", "serve_client"]

OUTLET_SERVERS: Servers = {"tcp": serve_tcp, "ws": serve_websocket}
"""What serves the clients of a simulated outlet."""


async def serve_client(
    context: ServerContext, sock: socket.socket, transport: Transport, number: int
) -> None:
    """Serve one client from its first byte to the end of the connection. Never raises, except that
    it is cancelled.

    sock: the connected socket; it is closed at the end.
    """
    client = ClientSocket(sock, context.protocol.write_timeout_seconds, context.poller)
    connection: Connection | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection = context.connections[number] = Connection(
                context, client, transport, number, nursery
            )
            context.journal.add(Connected, context.seconds(), transport, number, peer=client.peer)
            try:
                with connection.read_scope:
                    await context.silence.over()
                    await wait_for_earlier_ends(connection)
                    connection.apply_connection_faults()
                    if await accept(connection):
                        await context.servers[transport](connection)
                connection.lifecycle.move(ConnectionState.DRAINING)
                await connection.outbox.drained()
                nursery.cancel_scope.cancel()
            finally:
                connection.outbox.close()
        connection.unregister()
        await client.linger()
    except Exception as error:
        _report(context, connection, transport, number, error)
    except BaseExceptionGroup as group:
        # The simulator stops while something goes wrong: cancellations and errors together.
        cancelled, rest = group.split(trio.Cancelled)
        _end_for_stop(connection)
        if isinstance(rest, ExceptionGroup):
            _report(context, connection, transport, number, rest)
        elif rest is not None:
            raise  # such as KeyboardInterrupt, which is for others to handle
        if cancelled is not None:
            raise cancelled from None
    except BaseException:  # cancelled
        _end_for_stop(connection)
        raise
    finally:
        client.close()
        context.connections.pop(number, None)
        if connection is not None:
            connection.outbox.finish_pending_entries()
            connection.forget_packets()
            connection.lifecycle.move(ConnectionState.CLOSED)
            context.journal.add(
                Closed, context.seconds(), transport, number, reason=connection.lifecycle.reason
            )


def _report(
    context: ServerContext,
    connection: Connection | None,
    transport: Transport,
    number: int,
    error: BaseException,
) -> None:
    """Report an error of our own. It must cost no more than this connection, and must not go
    unnoticed.
    """
    if isinstance(error, BaseExceptionGroup):
        error = single_error(error)
    logger.error("internal error on %s connection %d", transport, number, exc_info=error)
    if isinstance(error, Exception):
        context.owner.report_internal_error(error)
    if connection is not None:
        connection.lifecycle.move(ConnectionState.CLOSED, f"internal error: {error!r}")


def _end_for_stop(connection: Connection | None) -> None:
    """End a connection because the simulator stops."""
    if connection is not None:
        connection.send_stop_frame_now()
        connection.lifecycle.move(ConnectionState.CLOSED, "the simulator stops")
