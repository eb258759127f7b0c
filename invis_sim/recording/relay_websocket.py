"""One WebSocket client of a proxy, and its own connection to the device.

The handshake, and each frame, is that of the client and of the device: the proxy reads along, and
does nothing itself that a WebSocket must do. So pings, close codes, protocol errors and refused
handshakes are theirs too.
"""

from contextlib import suppress

import trio

from invis_sim.protocol.frames import CLOSE, PING, close_frame, text_frame
from invis_sim.protocol.packets import Request
from invis_sim.protocol.pieces import FramePieces, Piece, RawPieces
from invis_sim.recording.device import Device
from invis_sim.recording.relay import MAX_DEVICE_PACKET_BYTES, Relay
from invis_sim.server.net.client_socket import ClientSocket, WriteTimeout
from invis_sim.server.net.http import (
    HEAD_END,
    MAX_HEAD_BYTES,
    UPGRADE,
    http_response,
    phrase,
)
from invis_sim.server.session.admission import accept_handshake, handshake_rejection
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.session.transport import TransportEnd

__all__ = ["serve_websocket"]

_SWITCHING = b"HTTP/1.1 101"


async def serve_websocket(connection: Connection, device: Device) -> None:
    """Hand everything on between a client and the device, until both have ended."""
    relay = await WebSocketRelay.connect(connection, device)
    if relay is not None:
        await relay.run()


class WebSocketRelay(Relay):
    """Hands everything on between one client and the device, over WebSocket."""

    def __init__(self, connection: Connection, device: Device, upstream: ClientSocket) -> None:
        super().__init__(connection, device, upstream)
        self._head = b""  # of the client's handshake
        self._answered = trio.Event()  # set when the device has answered that
        self.from_client = self.from_device = RawPieces()

    # The handshake

    async def client_begins(self) -> None:
        """Hand on the client's handshake, and wait for the device's answer to it."""
        plan = self.connection.plan
        judged = self.device.read_only or plan.handshake_wait or plan.http_rejection is not None
        received, sent, end = b"", 0, None
        while end is None and len(received) <= MAX_HEAD_BYTES:
            chunk = await self.connection.reader.receive()
            if not chunk:
                break
            received += chunk
            end = HEAD_END.search(received)
            self._head = received if end is None else received[: end.end()]
            if not judged:  # what is no handshake may have no end
                self.send_to_device(self._head[sent:])
                sent = len(self._head)
                await self.flush()
        if judged:
            if await self._refused():
                await self._stop()
            self.send_to_device(self._head)
            await self.flush()
        if end is None and len(received) <= MAX_HEAD_BYTES:
            self.end_of_client()
            return
        await self._answered.wait()
        rest = received[len(self._head) :]
        if rest:
            self.on_client_data(rest)
            await self.flush()

    async def _stop(self) -> None:
        """Hand on nothing more, in either direction; what waits for the client still leaves."""
        self.connection.stop_reading()
        await trio.sleep_forever()  # which is cancelled by now

    async def _refused(self) -> bool:
        """Refuse the handshake where a fault does, or where the proxy must; return whether."""
        rejection = await handshake_rejection(self.connection)
        if rejection is None and self.device.read_only and UPGRADE.search(self._head) is None:
            rejection = 403, "This proxy is read-only: it hands on WebSocket handshakes alone.\n"
            self.connection.lifecycle.move(ConnectionState.CLOSING, "refused with HTTP 403")
        if rejection is None:
            return False
        status, body = rejection
        with suppress(WriteTimeout, trio.BrokenResourceError, trio.ClosedResourceError):
            answer = http_response(f"{status} {phrase(status)}", body)
            await self.connection.socket.send(answer)
        return True

    async def device_begins(self) -> None:
        """Hand on the device's answer to the handshake, as faults want it."""
        connection = self.connection
        received = b""
        while (end := HEAD_END.search(received)) is None and _may_switch(received):
            chunk = await self.upstream.receive()
            if not chunk:
                self.device_ended = True
                break
            received += chunk
        if end is None or not _may_switch(received):
            status = received.partition(b"\r\n")[0][:80].decode("latin-1")
            how = f"answered with {status!r}" if received else "ended the connection"
            connection.record_malformed(self._head, f"no handshake: the device {how}", 0)
            connection.hand_on(received)
            self._answered.set()
            return
        head, is_websocket = accept_handshake(connection, received[: end.end()])
        connection.hand_on(head)
        if not is_websocket:
            await self._stop()
        self.from_client = FramePieces(connection.context.protocol.max_packet_bytes)
        self.from_device = FramePieces(MAX_DEVICE_PACKET_BYTES)
        connection.mark_open(
            TransportEnd(text_frame, self._close, close_frame(1001, "the simulator stops"))
        )
        self._answered.set()
        rest = received[end.end() :]
        if rest:
            self.on_device_data(rest)

    # Frames

    def common_request(self, data: bytes) -> Request | None:
        """Return None: frames are told apart first."""
        return None

    def pass_common_packet(self, data: bytes) -> bool:
        """Return False: frames are told apart first."""
        return False

    def pass_to_device(self, piece: Piece) -> None:
        """Hand on what is not a request: control frames, broken ones, plain HTTP."""
        connection = self.connection
        if piece.opcode == PING:
            answers = connection.plan.answers_pings and not connection.context.outlet.silent
            if answers and connection.lifecycle.sends:
                self.send_to_device(piece.raw)
        elif piece.opcode is not None and piece.opcode & 0x08:
            if piece.opcode == CLOSE:
                self._note_close("by the client", piece)
            self.send_to_device(piece.raw)
        else:
            super().pass_to_device(piece)

    def pass_to_client(self, piece: Piece) -> None:
        """Hand on what is not a packet: control frames, broken ones, plain HTTP."""
        if piece.opcode == CLOSE:
            self._note_close("by the device", piece)
        super().pass_to_client(piece)

    def _note_close(self, who: str, piece: Piece) -> None:
        code = int.from_bytes(piece.payload[:2], "big")
        how = f"code {code}" if code else "no code"
        self.ended_by = self.ended_by or f"{who}, with {how}"

    async def _close(self, code: int | None, reason: str) -> None:
        """Close the WebSocket towards the client, as a fault wants it."""
        socket = self.connection.socket
        if code is not None:
            async with socket.lock:
                if not socket.torn:
                    with suppress(WriteTimeout, trio.BrokenResourceError, trio.ClosedResourceError):
                        await socket.send(close_frame(code, reason))


def _may_switch(received: bytes) -> bool:
    """Whether these bytes begin a response that accepts a handshake, as far as they have come."""
    if len(received) > MAX_HEAD_BYTES:
        return False
    return received.startswith(_SWITCHING[: len(received)])
