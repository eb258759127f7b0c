"""One client of a proxy, and its own connection to the device.

    client ─▶ pieces ─▶ requests ─▶ Connection.handle_request ─▶ faults, --read-only ─┬─▶ device
                  └───▶ all else ─────────────────────────────────────────────────────┘
    client ◀─ outbox ◀─ faults ◀─┬─ replies to requests that wait, pushes ◀─ pieces ◀─── device
                       └─────────┴─ all else ◀──────────────────────────────────────┘

Requests, replies and pushes pass through the same `Connection` as those of a simulated outlet, and
so do their faults, delivery and journal. Bytes that no fault changes leave as they came.

Memory is bounded: no more is read of either side while the other one does not take what has come.
A FIN is handed on as a FIN, in its turn, and a RST as a RST.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, Self

import msgspec
import trio

from invis_sim.device.effects import Answer
from invis_sim.protocol.json_stream import Malformed
from invis_sim.protocol.packets import (
    MalformedPacket,
    Note,
    Packet,
    Request,
    parse_common_request,
    parse_packet,
    parse_request,
    read_fields,
)
from invis_sim.protocol.pieces import JsonPieces, Piece
from invis_sim.recording.device import Device, why_withheld
from invis_sim.recording.received import ReceivedPush, ReceivedReply
from invis_sim.recording.unanswered import Unanswered
from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.session.backend import PendingAnswer
from invis_sim.server.session.connection import Connection
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.session.outgoing_push import OutgoingPush
from invis_sim.server.session.tcp import UNFINISHED_SECONDS
from invis_sim.server.session.transport import TransportEnd

__all__ = ["Pieces", "Relay", "serve_tcp"]

MAX_DEVICE_PACKET_BYTES = 2**20
"""The longest packet of a device that faults can act on: far longer than any known one."""

_GIVEN_UP = f"nothing more of it for {UNFINISHED_SECONDS:g} s"
_ENDED = "the connection ended inside it"
_WITHHELD = Note("not sent to the device: not a request, and the proxy is read-only")
_NO_REQUEST_WAITS = Note("a reply that no request waits for")


class Pieces(Protocol):
    """`JsonPieces` or `FramePieces`."""

    @property
    def idle(self) -> bool: ...

    def feed(self, data: bytes) -> list[Piece]: ...

    def give_up(self, reason: str) -> list[Piece]: ...


async def serve_tcp(connection: Connection, device: Device) -> None:
    """Hand everything on between a client and the device, until both have ended."""
    relay = await Relay.connect(connection, device)
    if relay is not None:
        terminator = connection.context.protocol.tcp_terminator.encode()
        connection.mark_open(TransportEnd(lambda text: text + terminator))
        await relay.run()


class Relay:
    """Hands everything on between one client and the device, over TCP."""

    def __init__(self, connection: Connection, device: Device, upstream: ClientSocket) -> None:
        self.connection = connection
        self.device = device
        self.upstream = upstream
        self.ended_by = ""  # who was the first to end the connection, and how
        self.client_ended = self.device_ended = False
        max_bytes = connection.context.protocol.max_packet_bytes
        self.from_client: Pieces = JsonPieces(max_bytes)
        self.from_device: Pieces = JsonPieces(MAX_DEVICE_PACKET_BYTES)
        self._unsent = b""  # what the device has not taken yet
        self._undelivered: deque[Piece] = deque()  # what waits for room in the outbox
        self.unanswered = Unanswered()
        self._last_input = 0.0
        self._watched = False

    @classmethod
    async def connect(cls, connection: Connection, device: Device) -> Self | None:
        """Return a relay that is connected to the device. Where there is no connection, reset that
        of the client, as its own attempt would have failed, and return None.
        """
        context = connection.context
        try:
            sock = await device.connect(connection.transport)
        except OSError as error:
            why = error.strerror or str(error)
            connection.lifecycle.move(ConnectionState.CLOSED, f"no connection to the device: {why}")
            connection.socket.reset()
            return None
        return cls(connection, device, ClientSocket(sock, math.inf, context.poller))

    async def run(self) -> None:
        """Hand everything on until both sides have ended, or one has broken the connection."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run_side, self._from_device, nursery.cancel_scope)
                await self._run_side(self._from_client, nursery.cancel_scope)
        finally:
            self.upstream.close()
            self.unanswered.end()

    async def _run_side(
        self, hand_on: Callable[[], Awaitable[None]], scope: trio.CancelScope
    ) -> None:
        try:
            await hand_on()
        except trio.BrokenResourceError as error:
            self._break_off(error)
        except trio.ClosedResourceError:
            scope.cancel()  # closed by the simulator, which has given the reason

    # From the client to the device

    async def _from_client(self) -> None:
        await self.client_begins()
        while not self.client_ended:
            await self.connection.reader.loop(self.on_client_data)
            if self.connection.lifecycle.closed:  # a fault has called the client idle
                self.connection.stop_reading()
            await self.flush()
            await self.connection.outbox.wait_for_room()
        self.upstream.send_eof()

    async def client_begins(self) -> None:
        """Do what precedes the packets of a client: nothing, on TCP."""

    def on_client_data(self, data: bytes) -> bool:
        """Hand on what the client has sent, and return whether to read on.

        data: b"" is the end of its stream.
        """
        pieces = self.from_client
        if not data:
            self.end_of_client()
            return False
        connection = self.connection
        if pieces.idle and (request := self.common_request(data)) is not None:
            connection.handle_request(data.strip(), request, (), _Forward(self, data, data))
        else:
            for piece in pieces.feed(data):
                self._pass_from_client(piece)
            self._watch_unfinished()
        return not (self._unsent or connection.outbox.backlogged)

    def end_of_client(self) -> None:
        """Hand on what is left where the client has ended its side."""
        for piece in self.from_client.give_up(_ENDED):
            self._pass_from_client(piece)
        self.client_ended = True
        self.ended_by = self.ended_by or "by the client"

    def common_request(self, data: bytes) -> Request | None:
        """Return the request that these bytes are, if they are one of the most common form."""
        return parse_common_request(data)

    def _pass_from_client(self, piece: Piece) -> None:
        document = piece.text
        if document is None:
            self.pass_to_device(piece)
            return
        try:
            request = parse_request(document)
        except MalformedPacket as error:
            self._pass_malformed(piece, Malformed(document, error.reason, error.offset))
        else:
            self.connection.handle_request(
                document, request, (), _Forward(self, piece.raw, document)
            )

    def pass_to_device(self, piece: Piece) -> None:
        """Hand on what is not a request."""
        if piece.problem is not None:
            self._pass_malformed(piece, piece.problem)
        elif not self.device.read_only or piece.blank:
            self.send_to_device(piece.raw)

    def _pass_malformed(self, piece: Piece, problem: Malformed) -> None:
        notes = (_WITHHELD,) if self.device.read_only else ()
        self.connection.record_malformed(problem.raw, problem.reason, problem.offset, notes)
        if not notes and not self.connection.lifecycle.closed:
            self.send_to_device(piece.raw)

    def send_to_device(self, data: bytes) -> None:
        """Send bytes to the device, after those that it has not taken yet. Never raises."""
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self.upstream.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            sent = 0  # `flush` finds that the connection is broken
        if sent < len(data):
            self._unsent = data[sent:]

    async def flush(self) -> None:
        """Return when the device has taken all that was sent to it."""
        unsent, self._unsent = self._unsent, b""
        if unsent:
            await self.upstream.send(unsent)

    # From the device to the client

    async def _from_device(self) -> None:
        connection = self.connection
        await self.device_begins()
        while not self.device_ended:
            await self.upstream.read_loop(self.on_device_data)
            while self._undelivered:
                await connection.outbox.wait_for_room()
                self._deliver()
        await connection.outbox.drained()
        if not self.client_ended:
            # Of this side alone: the client may have more to say, and the device may still read it.
            why = self.ended_by or "by the device"
            if connection.lifecycle.move(ConnectionState.HALF_CLOSED, why):
                connection.socket.send_eof()

    async def device_begins(self) -> None:
        """Do what precedes the packets of a device: nothing, on TCP."""

    def on_device_data(self, data: bytes) -> bool:
        """Hand on what the device has sent, and return whether to read on.

        data: b"" is the end of its stream.
        """
        if not data:
            self._undelivered.extend(self.from_device.give_up(_ENDED))
            self.device_ended = True
        elif not (self.from_device.idle and self.pass_common_packet(data)):
            self._undelivered.extend(self.from_device.feed(data))
            self._watch_unfinished()
        if self._undelivered:
            self._deliver()
        return not (self.device_ended or self._undelivered or self.connection.outbox.backlogged)

    def pass_common_packet(self, data: bytes) -> bool:
        """Hand on these bytes if they are one packet as devices write it, and return whether."""
        text = data.rstrip()
        packet = _read_packet(text) if data[:1] == b"{" else None
        if packet is not None:
            self._pass_packet(packet, Piece(data, text, data[len(text) :]))
        return packet is not None

    def _deliver(self) -> None:
        waiting = self._undelivered
        while waiting and not self.connection.outbox.backlogged:
            self._pass_from_device(waiting.popleft())

    def _pass_from_device(self, piece: Piece) -> None:
        text = piece.text
        if text is None:
            self.pass_to_client(piece)
            return
        packet = _read_packet(text)
        if packet is None:
            try:
                packet = _received(parse_packet(text).fields, text)
            except MalformedPacket as error:
                self.connection.hand_on(piece.raw, Note(f"the device sent no packet: {error}"))
                return
        self._pass_packet(packet, piece)

    def pass_to_client(self, piece: Piece) -> None:
        """Hand on what is not a packet."""
        note = None
        if piece.problem is not None:
            note = Note(f"the device sent no packet: {piece.problem.reason}")
        self.connection.hand_on(piece.raw, note)

    def _pass_packet(self, packet: Packet, piece: Piece) -> None:
        if not self.device.sn_known and packet.sn:
            self.device.learn_sn(packet.sn, self.connection.context)
        if isinstance(packet, ReceivedReply):
            asked = self.unanswered.take(packet.packet_id)
            if asked is not None:
                # First, so that what the reply leads to finds the outlet as the reply shows it.
                self.device.learning.reply(self.connection, asked.request, packet)
                asked.resolve(Answer(packet, encode_frame=piece.encode))
                return
        else:
            self.device.learning.push(self.connection, packet)
        notes = (_NO_REQUEST_WAITS,) if isinstance(packet, ReceivedReply) else ()
        context = self.connection.context
        push = OutgoingPush(context, packet, 1, piece.encode, notes, piece.raw)
        self.connection.push(push)

    # Both

    def _watch_unfinished(self) -> None:
        """Give up what is unfinished, on either side, when nothing more of it comes for a while."""
        if self.from_client.idle and self.from_device.idle:
            return
        self._last_input = trio.current_time()
        if not self._watched:
            self._watched = True
            self.connection.socket.stop_busy_polling()
            self.connection.nursery.start_soon(self._watch)

    async def _watch(self) -> None:
        while not (self.from_client.idle and self.from_device.idle):
            deadline = self._last_input + UNFINISHED_SECONDS
            if trio.current_time() < deadline:
                await trio.sleep_until(deadline)
                continue
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                for piece in self.from_client.give_up(_GIVEN_UP):
                    self._pass_from_client(piece)
                self._undelivered.extend(self.from_device.give_up(_GIVEN_UP))
                self._deliver()
            break
        self._watched = False

    def _break_off(self, error: trio.BrokenResourceError) -> None:
        """Break both connections off, as one of them was."""
        connection = self.connection
        whose = "to the device" if self.upstream.broken else "to the client"
        why = f"the connection {whose} broke: {error}"
        # What came before it goes first, as far as it can leave at once.
        if self.upstream.broken:
            self._undelivered.extend(self.from_device.give_up(_ENDED))
            self._deliver()
        else:
            self.end_of_client()
        connection.lifecycle.move(ConnectionState.CLOSED, why)
        self.upstream.reset()
        connection.socket.reset()
        connection.stop_reading()


class _Forward(msgspec.Struct, frozen=True, gc=False):
    """Has the device answer a request. raw: its bytes as they came. document: those of its JSON."""

    relay: Relay
    raw: bytes
    document: bytes

    def handle(self, request: Request, now: float) -> Answer | PendingAnswer:
        """Send the request to the device, or refuse it. As `Backend.handle`."""
        relay = self.relay
        if relay.device.read_only:
            why = why_withheld(request, self.document)
            if why is not None:
                return relay.connection.context.outlet.reject(request, why)
        asked = relay.unanswered.add(request, self.document)
        relay.send_to_device(self.raw)
        return asked


def _read_packet(text: bytes) -> Packet | None:
    """Read a packet quickly; None: it is none, or needs the strict reader."""
    fields = read_fields(text)
    # The quick reader takes integers that are too long for fractions.
    if fields is None or type(fields.get("packetID")) is not int:
        return None
    return _received(fields, text)


def _received(fields: dict[str, object], text: bytes) -> Packet:
    kind = ReceivedReply if "PUBACK" in fields else ReceivedPush
    return kind(fields, text)
