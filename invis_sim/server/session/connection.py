"""One client: its requests go to the outlet, and what the outlet says goes to its outbox.

A packet that no fault touches takes the fast lane: it is written at once, in the task that read the
request. The connection knows nothing of the transport beyond how text becomes bytes (`frame`).
"""

import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import trio

from invis_sim.device.outlet import MUTATING_CALLBACKS, Effect, Outlet
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.delivery import Delivery
from invis_sim.faults.outage import Outage
from invis_sim.faults.pipeline import Pipeline, PlannedDelivery
from invis_sim.journal import Closed, Connected, Event, FaultApplied, Journal, Outcome
from invis_sim.protocol.packets import (
    MalformedPacket,
    Note,
    Push,
    Request,
    parse_request,
)
from invis_sim.protocol.transport import DisconnectMode, Transport
from invis_sim.scenario.model import Protocol
from invis_sim.server.net.client_socket import ClientSocket, WriteTimeout
from invis_sim.server.net.poller import Poller
from invis_sim.server.session.outbox import Outbox
from invis_sim.server.speed import scaled

__all__ = ["Connection", "ServerContext", "serve_client"]

logger = logging.getLogger("invis_sim")

_PREVENTED = Note("a fault keeps the outlet from it")
_AWAY = Note("the outlet is away")
_ENDED = Note("the connection has been ended before")


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What all connections of one simulator share: its parts that do no I/O, and each other.

    websocket_path: where on the WebSocket's port the WebSocket is.
    started: when it started, by trio's clock.
    speed: by how much every injected wait is divided, above 0; may be infinite.
    begin: called when something of the outlet goes away with a packet.
    defect: called with an error of our own that has cost a connection.
    outlet_seconds: the present, in seconds since the start as the outlet counts them.
    stirred: called with what happens in consequence of a request, after its reply.
    opened: called with a connection that is ready for packets.
    requested: called after the answer to each request with its callback; None: nobody wants to
    know.
    hub: listens to many clients at once; None: each task listens for itself.
    connections: those that are open, by their ordinals, the oldest first.
    """

    outlet: Outlet
    faults: Pipeline
    journal: Journal
    protocol: Protocol
    websocket_path: str
    started: float
    speed: float
    begin: Callable[[Outage], None]
    defect: Callable[[Exception], None]
    outlet_seconds: Callable[[], float]
    apply_effects: Callable[[tuple[Effect, ...]], None]
    opened: Callable[["Connection"], None]
    requested: Callable[[int | None], None] | None = None
    hub: Poller | None = None
    connections: dict[int, "Connection"] = field(default_factory=dict)

    def seconds(self) -> float:
        """Seconds since the start, as they pass outside."""
        return trio.current_time() - self.started

    def scenario_seconds(self, seconds: float) -> float:
        """Seconds since the start as the scenario counts them, to which `speed` applies.

        seconds: since the start, as they pass outside, ≥ 0.
        """
        return seconds * self.speed if seconds else 0.0


class Connection:
    """One connected client.

    ordinal: from 1, over both transports.
    nursery: for what runs beside the reading of requests; it ends with the connection.
    outbox: what waits for the client.
    welcome: how the connection begins.
    reading: the scope in which the client is listened to; cancelled when it has been heard enough.
    frame: text of a packet → bytes on the wire. The transport sets it.
    open: whether the client can be told something unasked.
    gone: whether it has been ended from outside, so that nothing it says counts any more.
    farewell: what to send when the simulator stops.
    closed_because: why it ended, in words.
    """

    def __init__(
        self,
        core: ServerContext,
        wire: ClientSocket,
        transport: Transport,
        number: int,
        nursery: trio.Nursery,
    ) -> None:
        self.core = core
        self.wire = wire
        self.transport: Transport = transport
        self.number = number
        self.nursery = nursery
        self.outbox = Outbox(wire, core.journal, nursery, core.speed, self._ended, core.begin)
        self.welcome = ConnectionPlan()
        self.reading = trio.CancelScope()
        self.frame: Callable[[bytes], bytes] = bytes
        self.open = False
        self.gone = False
        self.close_frame = b""
        self.close_reason = "by the client"
        self._lane = core.faults.lane(transport, number)

    # The beginning

    async def begin(self) -> bool:
        """Treats the new connection as its faults have it, and says whether it is to be served."""
        core = self.core
        seconds = core.scenario_seconds(core.seconds())
        reception = self._lane.receive(seconds, len(core.connections))
        if reception is None:
            return True
        welcome = self.welcome = reception.welcome
        for touch in reception.applied:
            self.event(FaultApplied, fault=touch.fault, detail=touch.detail)
        if welcome.wait:
            await self.pass_time(welcome.wait)
        if welcome.greeting:
            try:
                await self.wire.send(welcome.greeting)
            except (WriteTimeout, trio.BrokenResourceError) as error:
                self.close_reason = f"the connection broke: {error}"
                return False
        if welcome.end is None:
            return True
        if welcome.drops_oldest:
            oldest = next(iter(core.connections.values()))
            oldest.cut(welcome.end, "by a fault, in favour of a newer one")
            return oldest is not self
        self._leave()
        self.close_reason = "by a fault, as soon as it came"
        if welcome.end == "reset":
            self.wire.reset()
        return False

    async def pass_time(self, seconds: float) -> None:
        """Lets an injected wait pass.

        seconds: ≥ 0, before `speed` divides it.
        """
        await trio.sleep(scaled(seconds, self.core.speed))

    # What the client says

    async def hear(self, take: Callable[[bytes], bool]) -> None:
        """Hands over what the client says, as `ClientSocket.hear` does.

        A client that has been idle for too long, where a fault sets a limit, is closed, and its
        stream is over then.
        """
        if self.welcome.idle_seconds is None:
            await self.wire.hear(take)
        else:
            while take(await self.receive()):
                pass

    async def receive(self) -> bytes:
        """The next bytes from the client; b"" at the end of its stream, or where it has been idle
        for too long.

        Raises as `ClientSocket.receive`.
        """
        idle = self.welcome.idle_seconds
        if idle is None:
            return await self.wire.receive()
        chunk = b""
        with trio.move_on_after(scaled(idle, self.core.speed)) as patience:
            chunk = await self.wire.receive()
        if not patience.cancelled_caught:
            return chunk
        self.close_reason = f"by a fault: the client was idle for {idle:g} s"
        if not self.outbox.silent:
            self.outbox.discard()
            await self.outbox.close(1001, "idle")
        return b""

    def take(self, document: bytes, notes: tuple[Note, ...] = ()) -> None:
        """A whole request has arrived, or something in its place.

        document: the bytes of one TCP document or one WebSocket message.
        notes: what the transport has to remark on it.
        """
        try:
            request = parse_request(document)
        except MalformedPacket as error:
            self.malformed(document, error.reason, error.offset, notes)
        else:
            self.answer(document, request, notes)

    def answer(self, document: bytes, request: Request, notes: tuple[Note, ...] = ()) -> None:
        """A request has arrived.

        document: its bytes. notes: what the transport has to remark on it.
        """
        core = self.core
        arrived = trio.current_time()
        seconds = arrived - core.started
        outlet = core.outlet
        if outlet.down or self.gone:
            why = _AWAY if outlet.down else _ENDED
            self._record(seconds, document, request, "no reply", (*notes, why))
            return
        if request.callback not in MUTATING_CALLBACKS:
            answer = outlet.handle(request)
        elif self._lane.vetoes(request, core.scenario_seconds(seconds)):
            answer = outlet.refuse(request, _PREVENTED)
        else:
            answer = outlet.handle(request, core.outlet_seconds())
        if answer.notes:
            notes += tuple(note.with_offset(document) for note in answer.notes)
        reply = answer.reply
        if reply is None:
            self._record(seconds, document, request, "no reply", notes)
        else:
            outcome: Outcome = "success" if reply.fields["PUBACK"] else "failure"
            outbox = self.outbox
            plan = self._lane.plan(reply, request, core.scenario_seconds(seconds), self.frame)
            if plan is None and outbox.idle:  # the fast lane
                data = self.frame(reply.encode())
                core.journal.record(
                    seconds,
                    self.transport,
                    self.number,
                    document,
                    request,
                    outcome,
                    (data,),
                    (),
                    notes,
                    True,
                )
                outbox.send_now(data, arrived)
            else:
                if plan is None:
                    plan = PlannedDelivery(Delivery.of(self.frame(reply.encode())), ())
                self._dispatch(plan, arrived, outcome, document, request, notes)
        if answer.mutates:
            self.wire.stop_busy_polling()
            core.apply_effects(answer.effects)
        if core.requested is not None:
            core.requested(request.callback)

    def _record(
        self,
        seconds: float,
        document: bytes,
        request: Request,
        outcome: Outcome,
        notes: tuple[Note, ...],
    ) -> None:
        """A request has arrived that is not answered."""
        self.core.journal.record(
            seconds,
            self.transport,
            self.number,
            document,
            request,
            outcome,
            notes=notes,
            done=True,
        )

    @property
    def takes_push(self) -> bool:
        """Whether a push would be recorded and sent, instead of ignored or too much."""
        outbox = self.outbox
        return self.open and not outbox.silent and not outbox.push_backlog_full

    def push(self, push: Push, framed: dict[Transport, bytes], recipients: int = 1) -> None:
        """Tells the client something unasked. Never raises.

        framed: transport → the packet as it leaves there. What is missing is added, for the next
        connection. recipients: how many connections get it at once.
        """
        try:
            self._push(push, framed, recipients)
        except Exception as error:
            # A defect of ours must cost no more than this connection, and must not go unnoticed.
            logger.error(
                "internal error on %s connection %d", self.transport, self.number, exc_info=error
            )
            self.core.defect(error)
            self.cut("reset", f"an internal error: {error!r}")

    def _push(self, push: Push, framed: dict[Transport, bytes], recipients: int) -> None:
        outbox = self.outbox
        if not self.open or outbox.silent:
            return
        if outbox.push_backlog_full:
            self.cut("reset", "the client reads too slowly: too much waits for it")
            return
        core = self.core
        now = trio.current_time()
        seconds = now - core.started
        plan = self._lane.plan(push, None, core.scenario_seconds(seconds), self.frame)
        if plan is None:
            data = framed.get(self.transport)
            if data is None:
                data = framed[self.transport] = self.frame(push.encode())
            if outbox.idle:
                core.journal.record(
                    seconds,
                    self.transport,
                    self.number,
                    None,
                    None,
                    "push",
                    (data,),
                    done=True,
                    push_callback=push.callback,
                    recipients=recipients,
                )
                outbox.send_now(data, now)
                return
            plan = PlannedDelivery(Delivery.of(data), ())
        self._dispatch(plan, now, "push", push_callback=push.callback, recipients=recipients)

    def _dispatch(
        self,
        plan: PlannedDelivery,
        arrived: float,
        outcome: Outcome,
        document: bytes | None = None,
        request: Request | None = None,
        notes: tuple[Note, ...] = (),
        push_callback: int | None = None,
        recipients: int = 1,
    ) -> None:
        """Sends a packet on its way that waits for something, or that faults touched.

        arrived: when its request did, or it was caused, by trio's clock. The other arguments are
        the fields of the journal's entry.
        """
        core = self.core
        exchange = core.journal.record(
            arrived - core.started,
            self.transport,
            self.number,
            document,
            request,
            outcome,
            (),
            plan.applied,
            notes,
            push_callback=push_callback,
            recipients=recipients,
        )
        self.outbox.dispatch(plan.delivery, exchange, arrived)

    def malformed(self, raw: bytes, reason: str, offset: int, notes: tuple[Note, ...] = ()) -> None:
        """A piece of input has arrived that is no request.

        offset: the byte of `raw` that is wrong. notes: what the transport has to remark on it.
        """
        core = self.core
        core.journal.record(
            core.seconds(),
            self.transport,
            self.number,
            raw,
            None,
            "malformed",
            notes=(*notes, Note(reason, offset)),
            done=True,
        )

    def opened(self) -> None:
        """The transport is ready for packets."""
        self.open = True
        self.core.opened(self)

    # The end

    def event(self, event_type: type[Event], **fields: Any) -> None:
        """Record an event of this connection in the journal."""
        core = self.core
        core.journal.add(event_type, core.seconds(), self.transport, self.number, **fields)

    def cut(self, how: DisconnectMode, why: str) -> None:
        """Ends the connection from outside, at once; with "blackhole" it only falls silent."""
        self.close_reason = why
        self.open = False
        if how == "close_frame":
            self.send_close_frame_now()
        self.outbox.silent = True
        self.outbox.stalled = how == "blackhole"
        self.close_frame = b""
        if how == "reset":
            self.outbox.discard()  # who waits to write need not tell that the connection is gone
            self.wire.reset()
        if how != "blackhole":
            self.gone = True
            self._leave()
            self.nursery.cancel_scope.cancel()

    def send_close_frame_now(self) -> None:
        """Says the last words to the client, if it can hear them at once."""
        if self.close_frame and not self.outbox.silent and not self.wire.lock.locked():
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self.wire.send_now(self.close_frame)

    def _leave(self) -> None:
        """The connection is not among those that are open any more, though its end may take a
        moment.
        """
        self.core.connections.pop(self.number, None)

    def _ended(self, why: str) -> None:
        self.close_reason = why
        self.reading.cancel()


async def serve_client(
    core: ServerContext,
    sock: socket.socket,
    transport: Transport,
    number: int,
    converse: Callable[[Connection], Awaitable[None]],
) -> None:
    """Serves one client from its first byte to the end of the connection. Never raises.

    sock: the connected socket; it is closed at the end.
    converse: the transport's part: reads until there is nothing more to read.
    """
    wire = ClientSocket(sock, core.protocol.write_timeout_seconds, core.hub)
    connection: Connection | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection = core.connections[number] = Connection(
                core, wire, transport, number, nursery
            )
            connection.event(Connected, peer=wire.peer)
            with connection.reading:
                if await connection.begin():
                    await converse(connection)
            connection.open = False
            connection.close_frame = b""
            await connection.outbox.drained()
            nursery.cancel_scope.cancel()
        core.connections.pop(number, None)
        await wire.linger()
    except Exception as error:
        # A defect of ours must cost no more than this connection, and must not go unnoticed.
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        logger.error("internal error on %s connection %d", transport, number, exc_info=error)
        core.defect(error)
        if connection is not None:
            connection.close_reason = f"an internal error: {error!r}"
    except BaseException:  # cancelled, alone or in a group
        if connection is not None:
            connection.close_reason = "the simulator stops"
            connection.send_close_frame_now()
        raise
    finally:
        wire.close()
        core.connections.pop(number, None)
        if connection is not None:
            connection.outbox.finish_pending_entries()
            connection.event(Closed, reason=connection.close_reason)
