"""One client: its requests go to the back end, and what the outlet says goes to its outbox.

    bytes ─ tcp.py, websocket.py ─▶ handle_document ─▶ handle_request ─▶ Backend ─▶ Answer
                                                                                     │
    socket ◀─ outbox ◀─ Delivery ◀─ FaultSession ◀──────────── reply, pushes ◀───────┘

A packet that no fault touches takes the fast path: it is written at once, in the task that read the
request. A connection knows nothing of its transport beyond a `TransportEnd`. Its state is in
`lifecycle.py`, its beginning in `admission.py`, its task in `serve.py`.
"""

import logging
from contextlib import suppress
from functools import partial

import trio

from invis_sim.device.effects import Answer
from invis_sim.device.handlers import MUTATING_CALLBACKS
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.delivery import Delivery
from invis_sim.faults.session import Decision, PlannedConnection, PlannedDelivery
from invis_sim.journal import Exchange, FaultApplied, Outcome
from invis_sim.protocol.packets import MalformedPacket, Note, Request, parse_request
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.server.net.client_socket import ClientSocket
from invis_sim.server.session.awaited import AwaitedIds
from invis_sim.server.session.backend import Backend, PendingAnswer
from invis_sim.server.session.context import ServerContext
from invis_sim.server.session.lifecycle import ConnectionState, Lifecycle
from invis_sim.server.session.long_packets import (
    MAX_EARLY_READ_BYTES,
    note_long_delivery,
    note_long_packet,
)
from invis_sim.server.session.outbox import Outbox
from invis_sim.server.session.outgoing_push import OutgoingPush
from invis_sim.server.session.reader import Reader
from invis_sim.server.session.transport import TransportEnd
from invis_sim.server.timeline import SimTime

__all__ = ["Connection", "logger"]

logger = logging.getLogger("invis_sim")

_VETOED = Note("blocked by a fault")
_OFFLINE = Note("outlet offline")
_SILENT = Note("outlet silent at the beginning of an update")
_CLOSED = Note("connection already closed")


class Connection:
    """One connected client.

    number: from 1, over both transports.
    nursery: for what runs beside the reading of requests; it ends with the connection.
    lifecycle: its state, and why it ends.
    outbox: what waits for the client. awaited: the requests that the client waits for.
    reader: reads what the client sends.
    plan, plan_faults: how faults want it treated, and their names.
    read_scope: the scope in which requests are read; cancelled to stop reading.
    """

    def __init__(
        self,
        context: ServerContext,
        socket: ClientSocket,
        transport: Transport,
        number: int,
        nursery: trio.Nursery,
    ) -> None:
        self.context = context
        self.socket = socket
        self.transport: Transport = transport
        self.number = number
        self.nursery = nursery
        self.lifecycle = Lifecycle()
        self.read_scope = trio.CancelScope()
        self.plan = ConnectionPlan()
        self.plan_faults: tuple[str, ...] = ()
        self.outbox = Outbox(self, context, socket, nursery)
        self.reader = Reader(self, context.timeline, socket)
        self.awaited = AwaitedIds()
        # What `trio.current_time` looks up in three calls: this is asked for each request.
        self._real_time = trio.lowlevel.current_clock().current_time
        self._end = TransportEnd()
        self._encode_frame = self._end.encode_frame
        self._admitted = False  # whether connection faults were decided
        self._fault_session = context.faults.session(transport, number)

    # Its beginning

    def apply_connection_faults(self) -> None:
        """Decide how faults treat the connection, and record which did."""
        now, connections = self.context.timeline.now(), len(self.context.connections)
        self._admitted = True
        self._follow_plan(self._fault_session.admit(now, connections))

    def follow_faults(self, now: float) -> None:
        """Treat the connection as the faults that last want it at this time."""
        if self._admitted:  # else they are looked at soon, with all others
            idle_before = self.plan.idle_seconds
            self._follow_plan(self._fault_session.follow(now))
            if self.plan.idle_seconds != idle_before:
                self.reader.look_again()

    def _follow_plan(self, planned: PlannedConnection | None) -> None:
        if planned is None:
            return
        self.plan, self.plan_faults = planned.plan, planned.faults
        for one in planned.applied:
            self.context.journal.add(
                FaultApplied,
                self.context.seconds(),
                self.transport,
                self.number,
                fault=one.fault,
                detail=one.detail,
            )

    def mark_open(self, end: TransportEnd) -> None:
        """Exchange packets from now on, over this end of the transport."""
        self._end = end
        self._encode_frame = end.encode_frame
        if self.lifecycle.move(ConnectionState.OPEN):
            self.context.owner.connection_opened(self)

    # What the client sends

    def handle_document(self, document: bytes, notes: tuple[Note, ...] = ()) -> None:
        """Parse one document and answer it, or record it as malformed. Never raises.

        document: the bytes of one TCP document or one WebSocket message.
        notes: remarks of the transport on it.
        """
        try:
            try:
                request = parse_request(document)
            except MalformedPacket as error:
                self.record_malformed(document, error.reason, error.offset, notes)
            else:
                self.handle_request(document, request, notes)
        except Exception as error:
            # An error of ours must cost no more than this connection, and must not go unnoticed.
            self.fail_internally(error)

    def handle_request(
        self,
        document: bytes,
        request: Request,
        notes: tuple[Note, ...] = (),
        backend: Backend | None = None,
    ) -> None:
        """Answer a request.

        document: its bytes. notes: remarks of the transport on it.
        backend: who answers it; None: the outlet's.
        """
        context = self.context
        arrived = self._real_time()
        outlet = context.outlet
        if not outlet.speaks or self.lifecycle.closed:
            why = _OFFLINE if outlet.offline else _SILENT if outlet.silent else _CLOSED
            self._record_unanswered(arrived - context.started, document, request, (*notes, why))
            return
        now = context.timeline.at_real(arrived)
        decision = None
        # A request that only reads is answered all the same: its fault acts on the reply, and what
        # it would have been is what a stale reply repeats later.
        if request.callback in MUTATING_CALLBACKS:
            decision = self._fault_session.decide(request, now)
        if decision is not None and decision.vetoes:
            answer = outlet.reject(request, _VETOED)
        else:
            handled = (backend or context.backend).handle(request, now)
            if isinstance(handled, PendingAnswer):
                self.awaited.add(request.packet_id)
                handled.then(
                    partial(self._respond_late, document, request, notes, arrived, now, decision)
                )
                if backend is None:  # the outlet's may have set a timer
                    self.socket.stop_busy_polling()
                    context.timeline.changed()
                return
            answer = handled
        self._respond(document, request, notes, arrived, now, decision, answer)

    def _respond_late(
        self,
        document: bytes,
        request: Request,
        notes: tuple[Note, ...],
        arrived: float,
        now: SimTime,
        decision: Decision | None,
        answer: Answer,
    ) -> None:
        """Respond with an answer that has come later, unless the connection is over by now."""
        self.awaited.pop(request.packet_id, None)  # unless its reply does not leave now either
        if self.lifecycle.closed:
            seconds = arrived - self.context.started
            self._record_unanswered(seconds, document, request, (*notes, _CLOSED))
        else:
            latency = self._real_time() - arrived
            self._respond(document, request, notes, arrived, now, decision, answer, latency)

    def _respond(
        self,
        document: bytes,
        request: Request,
        notes: tuple[Note, ...],
        arrived: float,
        now: SimTime,
        decision: Decision | None,
        answer: Answer,
        latency: float = 0.0,
    ) -> None:
        """Send and record the answer to a request, and carry out what comes of it.

        arrived, now: when the request came, in real and in simulated time.
        latency: how many real seconds ago that is; 0 where it is answered at once.
        """
        context = self.context
        if answer.notes:
            notes += tuple(note.with_offset(document) for note in answer.notes)
        reply = answer.reply
        if answer.before:
            self.awaited.add(request.packet_id)  # by now, no push may bear it
            context.owner.apply_effects(answer.before, None if answer.to_sender else self)
        if reply is None:
            self._record_unanswered(arrived - context.started, document, request, notes)
        else:
            outcome: Outcome = "success" if reply.fields["PUBACK"] == 1 else "failure"
            outbox = self.outbox
            encode_frame = answer.encode_frame or self._encode_frame
            text = reply.encode()
            plan = self._fault_session.plan(reply, text, request, now, encode_frame, decision)
            if plan is None and outbox.idle:  # the fast path
                if len(text) > MAX_EARLY_READ_BYTES:
                    notes += note_long_packet(len(text))
                data = encode_frame(text)
                exchange = Exchange(
                    0,
                    arrived - context.started,
                    self.transport,
                    self.number,
                    document,
                    request,
                    outcome,
                    (data,),
                    (),
                    notes,
                    True,
                    None,
                    "",
                    1,
                    latency,
                )
                context.journal.append(exchange)
                outbox.send_now(data, now)
            else:
                if plan is None:
                    plan = PlannedDelivery(Delivery.of(encode_frame(text)), ())
                self.awaited.add(request.packet_id)
                notes += note_long_delivery(plan.delivery)
                where = arrived - context.started, self.transport, self.number
                exchange = context.journal.record(
                    *where, document, request, outcome, (), plan.applied, notes
                )
                outbox.dispatch(plan.delivery, exchange, now)
        if answer.mutates:
            self.socket.stop_busy_polling()  # timers and other connections may have work now
            context.owner.apply_effects(answer.effects, None if answer.to_sender else self)
        context.owner.request_answered(request.callback)

    def _record_unanswered(
        self, seconds: float, document: bytes, request: Request, notes: tuple[Note, ...]
    ) -> None:
        self.awaited.add(request.packet_id)
        where = self.transport, self.number
        self.context.journal.record(
            seconds, *where, document, request, "no reply", notes=notes, done=True
        )

    def record_malformed(
        self, raw: bytes, reason: str, offset: int, notes: tuple[Note, ...] = ()
    ) -> None:
        """Record a piece of input that is not a request.

        offset: the byte of `raw` that is wrong. notes: further remarks of the transport.
        """
        where = self.context.seconds(), self.transport, self.number
        notes = (*notes, Note(reason, offset))
        self.context.journal.record(*where, raw, None, "malformed", notes=notes, done=True)

    # What it gets unasked

    def push(self, push: OutgoingPush) -> None:
        """Send the client an update that it has not asked for. Never raises."""
        try:
            self._push(push)
        except Exception as error:
            self.fail_internally(error)

    def _push(self, push: OutgoingPush) -> None:
        if not self.lifecycle.accepts_pushes:
            return
        outbox, journal = self.outbox, self.context.journal
        idle = outbox.idle
        if not idle and outbox.push_backlog_full:
            self.disconnect("reset", "the client reads too slowly: too much waits for it")
            return
        encode_frame = push.encode_frame or self._encode_frame
        plan = None
        if self._fault_session.may_act_on_push(push.callback):
            plan = self._fault_session.plan(push.packet, push.text, None, push.now, encode_frame)
        if plan is None:
            sent, notes = push.unchanged(self.transport, encode_frame)
            if idle:  # the fast path
                journal.append(push.exchange(self.transport, self.number, notes, sent))
                outbox.send_now(sent[0], push.now)
                return
            plan = PlannedDelivery(Delivery.of(*sent), ())
        else:
            notes = push.notes + note_long_delivery(plan.delivery)
        exchange = push.exchange(self.transport, self.number, notes, faults=plan.applied)
        journal.append(exchange)
        outbox.dispatch(plan.delivery, exchange, push.now)

    def hand_on(self, data: bytes, note: Note | None = None) -> None:
        """Send, in its turn, what another outlet has sent and what is no packet.

        note: what it is, for the journal; None: it is not recorded.
        """
        if not self.lifecycle.sends:
            return
        context, outbox = self.context, self.outbox
        now = context.timeline.now()
        at_once = (data,) if outbox.idle else ()
        exchange = None
        if note is not None:
            where = context.seconds(), self.transport, self.number
            exchange = context.journal.record(
                *where, None, None, "push", at_once, notes=(note,), done=bool(at_once)
            )
        if at_once:
            outbox.send_now(data, now)
        else:
            outbox.dispatch(Delivery.of(data), exchange, now)

    # Its end

    def disconnect(self, how: DisconnectMode, why: str) -> None:
        """End the connection from outside, at once; with "blackhole" it only falls silent.

        why: for the journal.
        """
        if how == "close_frame":
            self.send_stop_frame_now()
        if how == "blackhole":
            self.lifecycle.move(ConnectionState.BLACKHOLED, why)
            return
        self.lifecycle.move(ConnectionState.CLOSED, why)
        if how == "reset":
            self.socket.reset()
        self.unregister()
        self.nursery.cancel_scope.cancel()

    async def close_in_order(self, code: int | None, reason: str) -> None:
        """End the connection as its transport does in an orderly way. It is CLOSING by now.

        code: of the WebSocket close frame; None: no close frame.
        """
        await self._end.close(code, reason)
        self.lifecycle.move(ConnectionState.CLOSED)

    def stop_reading(self) -> None:
        """Read no more requests; what is queued for the client still leaves."""
        self.read_scope.cancel()

    def send_stop_frame_now(self) -> None:
        """Send the close frame, if the connection is open and the client can take it at once."""
        # A packet that is partly sent holds the lock, or has torn the stream: nothing may come into
        # its middle.
        can_send = not (self.socket.locked or self.socket.torn)
        if can_send and self._end.stop_frame and self.lifecycle.state is ConnectionState.OPEN:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self.socket.send_now(self._end.stop_frame)

    def unregister(self) -> None:
        """Remove the connection from the open ones; closing may still be in progress."""
        self.context.connections.pop(self.number, None)

    def forget_packets(self) -> None:
        """Forget what passed, as the connection is over."""
        self.awaited.clear()
        self._fault_session.end()

    def fail_internally(self, error: Exception) -> None:
        """Log and report an error of our own, and end this connection."""
        logger.error(
            "internal error on %s connection %d", self.transport, self.number, exc_info=error
        )
        self.context.owner.report_internal_error(error)
        self.disconnect("reset", f"internal error: {error!r}")
