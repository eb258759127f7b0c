"""What one client sends, as it arrives; and what becomes of a client that a fault calls idle."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.timeline import Timeline

if TYPE_CHECKING:
    from invis_sim.server.session.connection import Connection

__all__ = ["Reader"]


class Reader:
    """Reads from one client.

    A client that says nothing for the `idle_seconds` in the plan of its connection is disconnected,
    and its stream ends.
    """

    def __init__(self, connection: "Connection", timeline: Timeline, socket: ClientSocket) -> None:
        self._connection = connection
        self._timeline = timeline
        self._socket = socket
        self._wait = trio.CancelScope()

    async def loop(self, on_data: Callable[[bytes], bool]) -> None:
        """Hand over what the client sends, as `ClientSocket.read_loop` does."""
        while True:
            idle = self._connection.plan.idle_seconds
            chunk: bytes | None = None
            # Nothing that has come is lost with it: only the wait for more can be cancelled.
            self._wait = trio.CancelScope()
            if idle is None:
                with self._wait:
                    await self._socket.read_loop(on_data)
                    return
            else:
                with self._wait:
                    chunk = await self._receive(idle)
                if self._wait.cancelled_caught:
                    continue
                if chunk is None:
                    chunk = await self._end_idle(idle)
                if not on_data(chunk):
                    return

    async def receive(self) -> bytes:
        """Return the next bytes from the client; b"" at the end of its stream.

        Raises as `ClientSocket.receive`.
        """
        idle = self._connection.plan.idle_seconds
        if idle is None:
            return await self._socket.receive()
        chunk = await self._receive(idle)
        return await self._end_idle(idle) if chunk is None else chunk

    def look_again(self) -> None:
        """Follow the plan, in which another time counts as idle from now on."""
        self._wait.cancel()

    async def _receive(self, idle: float) -> bytes | None:
        """Return the next bytes from the client; None if nothing comes for this time."""
        chunk: bytes | None = None
        with self._timeline.move_on_after(idle):
            chunk = await self._socket.receive()
        return chunk  # noqa: RET504 - the block may be left early

    async def _end_idle(self, idle: float) -> bytes:
        """End the connection, and return the end of its stream."""
        connection = self._connection
        sends = connection.lifecycle.sends
        connection.lifecycle.move(
            ConnectionState.CLOSING,
            f"by fault {', '.join(connection.plan_faults)}: the client was idle for {idle:g} s",
        )
        if sends:
            await connection.close_in_order(1001, "idle")
        return b""
