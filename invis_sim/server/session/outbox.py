"""The packets on their way to one client, and how each of them leaves.

    dispatch ─▶ queue ─▶ sender task ─▶ step after step ─▶ socket
         └─▶ held (until later packets come, or for `max_wait`) ─▶ queue

A packet that no fault touches, with no other before it, is written at once. Any other joins the
queue, and a sender task, which lives only while the queue is not empty, carries out one plan after
the other, step by step. A plan that is not `ordered` gets a sender task of its own.

The outbox knows nothing of faults beyond the steps of a plan. What ends the connection it reports
to its connection, and it sends only while the connection's `Lifecycle` says so.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from invis_sim.device.schedule import Timer
from invis_sim.faults.delivery import (
    Close,
    Delivery,
    HalfClose,
    LetPass,
    MergeWithNext,
    Reset,
    Stall,
    StartOutage,
    Step,
    Wait,
    Write,
)
from invis_sim.journal import Exchange
from invis_sim.server.net.client_socket import ClientSocket, WriteTimeout
from invis_sim.server.session.context import ServerContext
from invis_sim.server.session.lifecycle import ConnectionState
from invis_sim.server.timeline import SimTime

if TYPE_CHECKING:
    from invis_sim.server.session.connection import Connection

__all__ = ["MAX_PENDING_BYTES", "MAX_PENDING_PACKETS", "Outbox"]

MAX_PENDING_PACKETS = 1024
"""How many packets may wait for a client; then none of its requests is read until one has left."""

MAX_PENDING_BYTES = 2**20
"""How many bytes may wait for a client; then none of its requests is read until some have left."""

MAX_PENDING_PUSHES, MAX_PENDING_PUSHED_BYTES = 1024, 2**20
"""How many pushes, and bytes of them, may wait for a client. They come whether it reads or not, so
a client with more is disconnected."""

TRICKLE_SECONDS = 0.05
"""How often a throttled packet sends a piece, where its rate allows for a byte at least: often
enough to look like a slow line, rarely enough not to cost much."""

_SENDING_STEPS = (Wait, Write, LetPass, MergeWithNext)
"""The steps that say how a packet leaves; the others end something."""


class _QueuedPacket(msgspec.Struct, eq=False):
    """A packet on its way out.

    exchange: its entry in the journal; None for what has none, and for the rest of a packet that is
    recorded already.
    arrived: when its request came; the first wait of its plan counts from there.
    packets_to_let_pass: how many later packets still go first.
    merges: whether it waits to leave together with the next packet.
    prefix: bytes of packets that leave together with its first write.
    release: the timer that ends its waiting for later packets.
    started: whether it was sent in part already, and so holds the socket's lock.
    """

    delivery: Delivery
    exchange: Exchange | None
    arrived: SimTime
    packets_to_let_pass: int = 0
    merges: bool = False
    prefix: bytes = b""
    release: Timer | None = None
    started: bool = False

    @property
    def is_push(self) -> bool:
        """Whether the client has not asked for it."""
        return self.exchange is not None and self.exchange.push_callback is not None


class Outbox:
    """What waits for one client.

    connection: whose packets these are. nursery: for sender tasks; it ends with the connection.
    """

    def __init__(
        self,
        connection: "Connection",
        context: ServerContext,
        socket: ClientSocket,
        nursery: trio.Nursery,
    ) -> None:
        self._connection = connection
        self._lifecycle = connection.lifecycle
        self._context = context
        self._timeline = context.timeline
        self._journal = context.journal
        self._socket = socket
        self._nursery = nursery
        self._queue: deque[_QueuedPacket] = deque()  # the first one is being sent
        self._held: list[_QueuedPacket] = []  # those that wait for later packets
        self._pending: set[_QueuedPacket] = set()  # all that have not left
        self._pending_bytes = 0
        self._pushes = 0  # how many of the pending ones are pushes
        self._pushed_bytes = 0
        self._progress = trio.lowlevel.ParkingLot()
        self._closed = False

    @property
    def backlogged(self) -> bool:
        """Whether so much waits for the client that no more of its requests should be read."""
        return len(self._pending) >= MAX_PENDING_PACKETS or self._pending_bytes >= MAX_PENDING_BYTES

    @property
    def idle(self) -> bool:
        """Whether a packet would leave at once."""
        waiting = self._pending or self._closed or not self._lifecycle.sends
        return not waiting and self._socket.lock.value > 0

    @property
    def push_backlog_full(self) -> bool:
        """Whether too many pushes wait for the client to add another."""
        return self._pushes >= MAX_PENDING_PUSHES or self._pushed_bytes >= MAX_PENDING_PUSHED_BYTES

    async def wait_for_room(self) -> None:
        """Return when more may wait for the client."""
        while self.backlogged:
            await self._progress.park()

    async def drained(self) -> None:
        """Return when nothing waits for the client any more. No further packets may come."""
        for packet in tuple(self._held):
            self._release(packet)
        while self._pending and not (self._lifecycle.discards or self._socket.broken):
            await self._progress.park()

    def send_now(self, data: bytes, arrived: SimTime) -> None:
        """Write a packet that the journal has recorded already; only while `idle`."""
        try:
            sent = self._socket.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._give_up(f"the connection broke: {error}")
            return
        if sent < len(data):
            # At once: the task that sends the rest comes later than others that wait to write.
            self._socket.lock.acquire_nowait()
            rest = Delivery.of(data[sent:])
            self._dispatch(_QueuedPacket(rest, None, arrived, started=True))

    def dispatch(self, delivery: Delivery, exchange: Exchange | None, arrived: SimTime) -> None:
        """Send a packet as its plan says, after those that are on their way.

        exchange: its entry in the journal; None: it has none.
        """
        if self._closed:
            if exchange is not None:
                self._journal.finish(exchange)
            return
        packet = _QueuedPacket(delivery, exchange, arrived)
        max_waits = []
        for step in delivery.steps:
            if isinstance(step, LetPass):
                packet.packets_to_let_pass += step.count
                max_waits.append(step.max_wait)
            elif isinstance(step, MergeWithNext):
                packet.merges = True
                max_waits.append(step.max_wait)
        if not max_waits or self._held:  # the later packet that others wait for need not wait too
            self._dispatch(packet)
            return
        self._add(packet)
        self._held.append(packet)
        packet.release = self._timeline.at(arrived + max(max_waits), partial(self._release, packet))

    def close(self) -> None:
        """Send nothing that comes later or is held. To be called before the nursery ends: a timer,
        or a back end that answers late, may still come then.
        """
        self._closed = True
        for packet in self._held:
            if packet.release is not None:
                packet.release.cancel()

    def finish_pending_entries(self) -> None:
        """Mark the journal entries of packets that will not leave as finished."""
        left = [packet.exchange for packet in self._pending if packet.exchange is not None]
        for exchange in sorted(left, key=lambda exchange: exchange.number):
            self._journal.finish(exchange)

    def _dispatch(self, packet: _QueuedPacket) -> None:
        """Queue a packet that need not wait for later ones, and those that waited for it."""
        merging = [one for one in self._held if one.merges and not one.packets_to_let_pass]
        passed = [one for one in self._held if one.packets_to_let_pass]
        self._add(packet)
        if any(isinstance(step, Write) for step in packet.delivery.steps):
            for other in merging:
                self._merge(other, packet)
        self._enqueue(packet)
        for other in passed:
            other.packets_to_let_pass -= 1
            if other.packets_to_let_pass == 0 and not other.merges:
                self._release(other)

    def _merge(self, first: _QueuedPacket, second: _QueuedPacket) -> None:
        """Send the first packet with the first write of the second, and end as it would end."""
        writes = [step.data for step in first.delivery.steps if isinstance(step, Write)]
        second.prefix += b"".join(writes)
        endings = [step for step in first.delivery.steps if not isinstance(step, _SENDING_STEPS)]
        steps = list(second.delivery.steps)
        after = 1 + next(n for n, step in enumerate(steps) if isinstance(step, Write))
        steps[after:after] = endings
        second.delivery = Delivery(tuple(steps), second.delivery.ordered)
        self._unhold(first)
        if first.exchange is not None:
            for data in writes:
                self._journal.sent(first.exchange, data)
        self._done(first)

    def _unhold(self, packet: _QueuedPacket) -> None:
        self._held.remove(packet)
        if packet.release is not None:
            packet.release.cancel()

    def _release(self, packet: _QueuedPacket) -> None:
        """Queue a held packet."""
        if packet in self._held:
            self._unhold(packet)
            self._enqueue(packet)

    def _add(self, packet: _QueuedPacket) -> None:
        size = packet.delivery.size
        self._pending.add(packet)
        self._pending_bytes += size
        if packet.is_push:
            self._pushes += 1
            self._pushed_bytes += size

    def _done(self, packet: _QueuedPacket) -> None:
        size = packet.delivery.size
        self._pending.remove(packet)
        self._pending_bytes -= size
        if packet.is_push:
            self._pushes -= 1
            self._pushed_bytes -= size
        if packet.exchange is not None:
            self._journal.finish(packet.exchange)
        self._progress.unpark_all()

    def _enqueue(self, packet: _QueuedPacket) -> None:
        if not packet.delivery.ordered:
            self._start(self._run_plan, packet)
            return
        self._queue.append(packet)
        if len(self._queue) == 1:
            self._start(self._run_queue)

    def _start(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        self._socket.stop_busy_polling()
        self._nursery.start_soon(function, *args)

    async def _run_queue(self) -> None:
        while self._queue:
            await self._run_plan(self._queue[0])
            self._queue.popleft()

    async def _run_plan(self, packet: _QueuedPacket) -> None:
        """Carry out a plan, step by step, as long as the connection sends."""
        progress = _SendProgress(packet, packet.arrived, packet.started)
        completed = 0
        steps = packet.delivery.steps
        try:
            for step in steps:
                if not self._goes_on(step, progress):
                    break
                await self._execute(step, progress)
                completed += 1
        except WriteTimeout as error:
            self._give_up(str(error))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._give_up(f"the connection broke: {error}")
        finally:
            if progress.locked:
                if any(isinstance(step, Write) for step in steps[completed:]):
                    self._socket.torn = True
                self._socket.lock.release()
            self._done(packet)

    def _goes_on(self, step: Step, progress: "_SendProgress") -> bool:
        """Return whether the next step of a plan is carried out."""
        if self._lifecycle.sends:
            return True
        # Where the connection is closed in an orderly way meanwhile, its close frame comes after
        # the whole of a packet that is partly sent, and not into its middle.
        closing = self._lifecycle.state is ConnectionState.CLOSING
        return closing and progress.locked and isinstance(step, Wait | Write)

    async def _execute(self, step: Step, progress: "_SendProgress") -> None:
        connection = self._connection
        match step:
            case Wait(seconds):
                progress.last_write_at += seconds
                await self._timeline.sleep_until(progress.last_write_at)
            case Write(data, rate):
                if not progress.locked:
                    await self._socket.lock.acquire()
                    progress.locked = True
                exchange = progress.packet.exchange
                if exchange is not None:
                    if not exchange.sent:
                        exchange.latency = self._context.seconds() - exchange.seconds
                    self._journal.sent(exchange, data)
                data, progress.packet.prefix = progress.packet.prefix + data, b""
                if rate is None:
                    await self._socket.send(data)
                    progress.last_write_at = self._timeline.now()
                else:
                    await self._trickle(data, rate, progress)
            case Close(code, reason):
                if progress.locked:  # the close frame wants the lock
                    self._socket.lock.release()
                    progress.locked = False
                if self._lifecycle.move(ConnectionState.CLOSING, "by a fault"):
                    connection.stop_reading()
                    await connection.close_in_order(code, reason)
            case Reset():
                self._lifecycle.move(ConnectionState.CLOSED, "by a fault, with a reset")
                self._socket.reset()
                connection.stop_reading()
            case HalfClose():
                self._lifecycle.move(ConnectionState.HALF_CLOSED)
                self._socket.send_eof()
            case Stall():
                self._lifecycle.move(ConnectionState.BLACKHOLED)
            case StartOutage(outage):
                self._context.owner.start_outage(outage)
            case LetPass() | MergeWithNext():
                pass  # the packet was held for them

    async def _trickle(self, data: bytes, rate: float, progress: "_SendProgress") -> None:
        """Send data in small pieces. rate: bytes per simulated second, above 0."""
        progress.last_write_at = max(progress.last_write_at, self._timeline.now())
        size = max(1, round(rate * TRICKLE_SECONDS))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await self._socket.send(piece)
            progress.last_write_at += len(piece) / rate
            await self._timeline.sleep_until(progress.last_write_at)

    def _give_up(self, why: str) -> None:
        """End a connection on which nothing can be sent any more."""
        if not self._lifecycle.discards:
            self._lifecycle.move(ConnectionState.CLOSED, why)
            self._socket.reset()
            self._connection.stop_reading()


class _SendProgress(msgspec.Struct):
    """How far a plan has been carried out.

    last_write_at: simulated time that the next wait counts from.
    locked: whether it holds the socket's lock: from the first write on, since a frame may leave in
    pieces.
    """

    packet: _QueuedPacket
    last_write_at: float
    locked: bool = False
