"""One client: its requests go to the outlet, and what the outlet says leaves as the delivery plans
say.

A packet that no fault touches takes the fast lane: it is written at once, in the task that read the
request. Any other joins the connection's queue, and a courier, a task that lives only while the
queue is not empty, carries out one plan after the other. Only a plan that is not `ordered` gets a
courier of its own.

The connection knows nothing of faults beyond the steps of a plan, and nothing of the transport
beyond how text becomes bytes (`frame`) and how the connection is closed in an orderly way
(`close`).
"""

import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import trio

from invis_sim.device.outlet import Outlet
from invis_sim.faults.delivery import Close, Delivery, Hold, Reset, Stall, Wait, Write
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.when import Transport
from invis_sim.journal import Exchange, Journal, Outcome
from invis_sim.protocol.packets import MalformedPacket, Note, parse_request
from invis_sim.scenario.model import Protocol
from invis_sim.server.wire import ClientStalled, Wire

__all__ = ["Connection", "Core", "serve_client"]

MOST_PENDING_PACKETS = 1024
"""So many packets may wait for a client; then none of its requests is read until one has left."""

MOST_PENDING_BYTES = 2**20
"""So many bytes may wait for a client; then none of its requests is read until some have left."""

logger = logging.getLogger("invis_sim")


@dataclass(frozen=True, slots=True)
class Core:
    """The parts of one simulator that do no I/O, which all its connections share.

    started: when it started, by trio's clock.
    speed: by how much every injected wait is divided.
    """

    outlet: Outlet
    faults: Pipeline
    journal: Journal
    protocol: Protocol
    websocket_path: str
    started: float
    speed: float = 1.0

    def seconds(self) -> float:
        """Seconds since the start."""
        return trio.current_time() - self.started


@dataclass(frozen=True, slots=True, eq=False)
class _Parcel:
    """A packet on its way out.

    exchange: where the journal tells of it; None for the rest of one that is told already.
    arrived: when its request arrived, by trio's clock; a plan's first wait counts from there.
    """

    delivery: Delivery
    exchange: Exchange | None
    arrived: float

    @property
    def size(self) -> int:
        return sum(len(step.data) for step in self.delivery.steps if isinstance(step, Write))


class Connection:
    """One connected client.

    ordinal: from 1, over both transports.
    nursery: for its couriers; it ends with the connection.
    reading: the scope in which the client is listened to; cancelled when it has been heard enough.
    frame: text of a packet → bytes on the wire. The transport sets it.
    close: the transport's orderly end: (WebSocket close code, or None for none; reason). The
    transport sets it.
    farewell: what to send when the simulator stops.
    closed_because: why it ended, in words.
    """

    def __init__(
        self,
        core: Core,
        wire: Wire,
        transport: Transport,
        ordinal: int,
        nursery: trio.Nursery,
    ) -> None:
        self.core = core
        self.wire = wire
        self.transport: Transport = transport
        self.ordinal = ordinal
        self.nursery = nursery
        self.reading = trio.CancelScope()
        self.frame: Callable[[bytes], bytes] = bytes
        self.close: Callable[[int | None, str], Awaitable[None]] = _only_end_the_stream
        self.farewell = b""
        self.closed_because = "by the client"
        self._lane = core.faults.lane(transport, ordinal)
        self._queue: deque[_Parcel] = deque()  # the first one is being carried out
        self._held: list[_Held] = []
        self._pending: set[_Parcel] = set()  # all that have not left, held and overtaking ones too
        self._pending_bytes = 0
        self._silent = False
        self._progress = trio.lowlevel.ParkingLot()

    # What the client says

    def take(self, document: bytes, notes: tuple[Note, ...] = ()) -> None:
        """A whole request has arrived, or something in its place.

        document: the bytes of one TCP document or one WebSocket message.
        notes: what the transport has to remark on it.
        """
        core = self.core
        arrived = trio.current_time()
        seconds = arrived - core.started
        record = partial(core.journal.record, seconds, self.transport, self.ordinal, document)
        try:
            request = parse_request(document)
        except MalformedPacket as error:
            note = Note(error.reason, error.offset)
            record(None, "malformed", notes=(*notes, note), done=True)
            return
        answer = core.outlet.handle(request)
        if answer.notes:
            notes += tuple(note.located(document) for note in answer.notes)
        reply = answer.reply
        if reply is None:
            record(request, "no reply", notes=notes, done=True)
            return
        outcome: Outcome = "success" if reply.fields["PUBACK"] else "failure"
        plan = self._lane.plan(reply, request, seconds, self.frame)
        if plan is not None:
            exchange = record(request, outcome, faults=plan.touches, notes=notes)
            self._dispatch(_Parcel(plan.delivery, exchange, arrived))
            return
        data = self.frame(reply.encode())
        if self._pending or self._silent or self.wire.lock.locked():
            exchange = record(request, outcome, notes=notes)
            self._dispatch(_Parcel(Delivery.of(data), exchange, arrived))
            return
        record(request, outcome, sent=(data,), notes=notes, done=True)
        try:
            sent = self.wire.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._give_up(f"the connection broke: {error}")
            return
        if sent < len(data):
            self._dispatch(_Parcel(Delivery.of(data[sent:]), None, arrived))

    def malformed(self, raw: bytes, reason: str, offset: int) -> None:
        """A piece of input has arrived that is no request.

        offset: the byte of `raw` that is wrong.
        """
        core = self.core
        core.journal.record(
            core.seconds(),
            self.transport,
            self.ordinal,
            raw,
            None,
            "malformed",
            notes=(Note(reason, offset),),
            done=True,
        )

    def event(self, what: str, detail: str = "") -> None:
        """Something befell the connection that the author of its client should know."""
        core = self.core
        core.journal.event(core.seconds(), what, detail, self.transport, self.ordinal)

    @property
    def backlogged(self) -> bool:
        """Whether so much waits for the client that no more of its requests should be read."""
        return (
            len(self._pending) >= MOST_PENDING_PACKETS or self._pending_bytes >= MOST_PENDING_BYTES
        )

    async def room(self) -> None:
        """Returns when there is room for more to wait for the client."""
        while self.backlogged:
            await self._progress.park()

    async def settled(self) -> None:
        """Returns when nothing waits for the client any more. Nothing else may come."""
        held, self._held = self._held, []
        for one in held:
            self._enqueue(one.parcel)
        while self._pending:
            await self._progress.park()

    # What the outlet says

    def _dispatch(self, parcel: _Parcel) -> None:
        """Sends the packet on its way, behind those that are on theirs."""
        self._pending.add(parcel)
        self._pending_bytes += parcel.size
        holds = [step.behind for step in parcel.delivery.steps if isinstance(step, Hold)]
        if holds:
            self._held.append(_Held(parcel, sum(holds)))
            return
        self._enqueue(parcel)
        for held in self._held:
            held.behind -= 1
            if held.behind == 0:
                self._enqueue(held.parcel)
        self._held = [held for held in self._held if held.behind > 0]

    def _enqueue(self, parcel: _Parcel) -> None:
        if not parcel.delivery.ordered:
            self.nursery.start_soon(self._carry_out, parcel)
            return
        self._queue.append(parcel)
        if len(self._queue) == 1:
            self.nursery.start_soon(self._carry_out_all)

    async def _carry_out_all(self) -> None:
        while self._queue:
            await self._carry_out(self._queue[0])
            self._queue.popleft()

    async def _carry_out(self, parcel: _Parcel) -> None:
        """Executes the plan, step by step."""
        lock = self.wire.lock
        mine = False  # the lock, from the first write to the last: a frame may leave in pieces
        since = parcel.arrived
        try:
            for step in parcel.delivery.steps:
                if self._silent:
                    break
                match step:
                    case Wait(seconds):
                        since += seconds / self.core.speed
                        await trio.sleep_until(since)
                    case Write(data):
                        if not mine:
                            await lock.acquire()
                            mine = True
                        if parcel.exchange is not None:
                            self.core.journal.sent(parcel.exchange, data)
                        await self.wire.send(data)
                        since = trio.current_time()
                    case Close(code, reason):
                        if mine:
                            lock.release()
                            mine = False
                        self._silent = True
                        self.closed_because = "by a fault"
                        await self.close(code, reason)
                        self.reading.cancel()
                    case Reset():
                        self._silent = True
                        self.closed_because = "by a fault, with a reset"
                        self.wire.reset()
                        self.reading.cancel()
                    case Stall():
                        self._silent = True
                    case Hold():
                        pass  # it has been held
        except ClientStalled:
            seconds = self.core.protocol.write_timeout_seconds
            self._give_up(f"the client has read nothing for {seconds:g} s")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._give_up(f"the connection broke: {error}")
        finally:
            if mine:
                lock.release()
            self._pending.remove(parcel)
            self._pending_bytes -= parcel.size
            if parcel.exchange is not None:
                self.core.journal.finish(parcel.exchange)
            self._progress.unpark_all()

    def _give_up(self, why: str) -> None:
        """Ends a connection on which nothing can be sent any more."""
        if not self._silent:
            self._silent = True
            self.closed_because = why
            self.wire.reset()
            self.reading.cancel()

    def stop(self) -> None:
        """The last words to the client, if it can hear them at once, when the simulator stops."""
        if self.farewell and not self._silent and not self.wire.lock.locked():
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self.wire.send_now(self.farewell)


@dataclass(slots=True)
class _Held:
    """A packet that lets others go first.

    behind: how many still.
    """

    parcel: _Parcel
    behind: int


async def _only_end_the_stream(code: int | None, reason: str) -> None:
    """For transports that have no way to say goodbye; the end of the stream comes by itself."""


async def serve_client(
    core: Core,
    sock: socket.socket,
    transport: Transport,
    ordinal: int,
    converse: Callable[[Connection], Awaitable[None]],
) -> None:
    """Serves one client from its first byte to the end of the connection. Never raises.

    sock: the connected socket; it is closed at the end.
    converse: the transport's part: reads until there is nothing more to read.
    """
    wire = Wire(sock, core.protocol.write_timeout_seconds)
    connection: Connection | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection = Connection(core, wire, transport, ordinal, nursery)
            connection.event("connected", wire.peer)
            with connection.reading:
                await converse(connection)
            connection.farewell = b""
            await connection.settled()
            nursery.cancel_scope.cancel()
        await wire.linger()
    except trio.Cancelled:
        if connection is not None:
            connection.closed_because = "the simulator stops"
            connection.stop()
        raise
    except Exception as error:
        # A defect of ours must cost no more than this connection, and must not go unnoticed.
        logger.exception("internal error on %s connection %d", transport, ordinal)
        if connection is not None:
            connection.closed_because = f"an internal error: {error!r}"
    finally:
        wire.close()
        if connection is not None:
            connection.event("closed", connection.closed_because)
