"""The packets on their way to one client, and how each of them leaves.

A packet that no fault touches, with none before it, is written at once. Any other joins the queue,
and a courier, a task that lives only while the queue is not empty, carries out one plan after the
other, step by step. A plan that is not `ordered` gets a courier of its own; one with a `LetPass` or
a `MergeWithNext` is put aside until later packets come, or its patience ends.

The outbox knows nothing of faults beyond the steps of a plan. How the connection is closed in an
orderly way is for the transport to say (`close`); what ends with it, for the connection (`ended`).
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

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
from invis_sim.faults.outage import Outage
from invis_sim.journal import Exchange, Journal
from invis_sim.server.net.client_socket import ClientSocket, WriteTimeout
from invis_sim.server.speed import scaled

__all__ = ["MAX_PENDING_BYTES", "MAX_PENDING_PACKETS", "Outbox", "no_close_handshake"]

MAX_PENDING_PACKETS = 1024
"""So many packets may wait for a client; then none of its requests is read until one has left."""

MAX_PENDING_BYTES = 2**20
"""So many bytes may wait for a client; then none of its requests is read until some have left."""

MAX_PENDING_PUSHES, MAX_PENDING_PUSHED_BYTES = 1024, 2**20
"""So many packets that a client has not asked for, and so many bytes of them, may wait for it."""

TRICKLE_SECONDS = 0.05
"""How often a throttled packet sends a piece, where its rate allows for a byte at least."""


_SENDING_STEPS = (Wait, Write, LetPass, MergeWithNext)
"""The steps that say how a packet leaves; the others end something."""


@dataclass(slots=True, eq=False)
class _QueuedPacket:
    """A packet on its way out.

    exchange: where the journal tells of it; None for the rest of one that is told already.
    arrived: when its request arrived, by trio's clock; a plan's first wait counts from there.
    behind: how many packets it still lets go first; 0: it is not put aside for that.
    joins: whether it waits to leave together with the next packet.
    ahead: bytes of packets that leave together with its first write.
    """

    delivery: Delivery
    exchange: Exchange | None
    arrived: float
    behind: int = 0
    joins: bool = False
    ahead: bytes = b""

    @property
    def is_push(self) -> bool:
        """Whether nobody asked for it."""
        return self.exchange is not None and self.exchange.push_callback is not None


async def no_close_handshake(code: int | None, reason: str) -> None:
    """For transports that have no way to say goodbye; the end of the stream comes by itself."""


class Outbox:
    """What waits for one client.

    nursery: for the couriers; it ends with the connection.
    speed: by how much every injected wait is divided, above 0; may be infinite.
    ended: called with why, in words, when nothing more can be said on the connection.
    begin: called when something of the outlet goes away with a packet.
    close: the transport's orderly end: (WebSocket close code, or None for none; reason).
    silent: whether nothing is said on the connection any more.
    stalled: whether that is so while the connection stays open.
    """

    def __init__(
        self,
        wire: ClientSocket,
        journal: Journal,
        nursery: trio.Nursery,
        speed: float,
        ended: Callable[[str], None],
        begin: Callable[[Outage], None],
    ) -> None:
        self.close: Callable[[int | None, str], Awaitable[None]] = no_close_handshake
        self.silent = False
        self.stalled = False
        self._over = False  # whether nothing at all will leave any more
        self._wire = wire
        self._journal = journal
        self._nursery = nursery
        self._speed = speed
        self._ended = ended
        self._begin = begin
        self._queue: deque[_QueuedPacket] = deque()  # the first one is being carried out
        self._aside: list[_QueuedPacket] = []  # those with a Hold or a Join
        self._pending: set[_QueuedPacket] = set()  # all that have not left
        self._pending_bytes = 0
        self._pushes = 0  # how many of those that have not left are pushes
        self._pushed_bytes = 0
        self._progress = trio.lowlevel.ParkingLot()

    @property
    def idle(self) -> bool:
        """Whether a packet would leave at once."""
        return not (self._pending or self.silent or self._wire.lock.locked())

    @property
    def backlogged(self) -> bool:
        """Whether so much waits for the client that no more of its requests should be read."""
        return len(self._pending) >= MAX_PENDING_PACKETS or self._pending_bytes >= MAX_PENDING_BYTES

    @property
    def push_backlog_full(self) -> bool:
        """Whether so many pushes wait for the client that it cannot be told more: they come whether
        it reads or not.
        """
        return self._pushes >= MAX_PENDING_PUSHES or self._pushed_bytes >= MAX_PENDING_PUSHED_BYTES

    async def room(self) -> None:
        """Returns when there is room for more to wait for the client."""
        while self.backlogged:
            await self._progress.park()

    async def drained(self) -> None:
        """Returns when nothing waits for the client any more. No more packets may come."""
        for parcel in tuple(self._aside):
            self._release(parcel)
        while self._pending and not (self._over or self._wire.broken):
            await self._progress.park()

    def send_now(self, data: bytes, arrived: float) -> None:
        """Writes a packet that the journal has told of already; only while `idle`."""
        try:
            sent = self._wire.send_now(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._give_up(f"the connection broke: {error}")
            return
        if sent < len(data):
            self._dispatch(_QueuedPacket(Delivery.of(data[sent:]), None, arrived))

    def dispatch(self, delivery: Delivery, exchange: Exchange, arrived: float) -> None:
        """Sends a packet on its way, behind those that are on theirs."""
        parcel = _QueuedPacket(delivery, exchange, arrived)
        patience = []
        for step in delivery.steps:
            if isinstance(step, LetPass):
                parcel.behind += step.count
                patience.append(step.max_wait)
            elif isinstance(step, MergeWithNext):
                parcel.joins = True
                patience.append(step.max_wait)
        if not patience or self._aside:  # the later packet that others wait for need not wait too
            self._dispatch(parcel)
            return
        self._add(parcel)
        self._aside.append(parcel)
        self._start(self._release_after, parcel, max(patience))

    def discard(self) -> None:
        """Nothing more leaves, and nobody waits for it."""
        self.silent = self._over = True

    def finish_pending_entries(self) -> None:
        """Nothing that still waits will leave; the journal is done with it."""
        left = [parcel.exchange for parcel in self._pending if parcel.exchange is not None]
        for exchange in sorted(left, key=lambda exchange: exchange.number):
            self._journal.finish(exchange)

    def _dispatch(self, parcel: _QueuedPacket) -> None:
        """Enqueues a packet that need not wait for later ones, and those that waited for it."""
        joining = [other for other in self._aside if other.joins and not other.behind]
        passed = [other for other in self._aside if other.behind]
        self._add(parcel)
        if any(isinstance(step, Write) for step in parcel.delivery.steps):
            for other in joining:
                self._join(other, parcel)
        self._enqueue(parcel)
        for other in passed:
            other.behind -= 1
            if other.behind == 0 and not other.joins:
                self._release(other)

    def _join(self, first: _QueuedPacket, second: _QueuedPacket) -> None:
        """Lets the first packet leave with the first write of the second, and end as it would."""
        writes = [step.data for step in first.delivery.steps if isinstance(step, Write)]
        second.ahead += b"".join(writes)
        endings = [step for step in first.delivery.steps if not isinstance(step, _SENDING_STEPS)]
        steps = list(second.delivery.steps)
        behind = 1 + next(n for n, step in enumerate(steps) if isinstance(step, Write))
        steps[behind:behind] = endings
        second.delivery = Delivery(tuple(steps), second.delivery.ordered)
        self._aside.remove(first)
        if first.exchange is not None:
            for data in writes:
                self._journal.sent(first.exchange, data)
        self._settle(first)

    def _release(self, parcel: _QueuedPacket) -> None:
        """The packet has waited enough for later ones."""
        if parcel in self._aside:
            self._aside.remove(parcel)
            self._enqueue(parcel)

    async def _release_after(self, parcel: _QueuedPacket, seconds: float) -> None:
        await trio.sleep_until(parcel.arrived + scaled(seconds, self._speed))
        self._release(parcel)

    def _add(self, parcel: _QueuedPacket) -> None:
        size = parcel.delivery.size
        self._pending.add(parcel)
        self._pending_bytes += size
        if parcel.is_push:
            self._pushes += 1
            self._pushed_bytes += size

    def _settle(self, parcel: _QueuedPacket) -> None:
        size = parcel.delivery.size
        self._pending.remove(parcel)
        self._pending_bytes -= size
        if parcel.is_push:
            self._pushes -= 1
            self._pushed_bytes -= size
        if parcel.exchange is not None:
            self._journal.finish(parcel.exchange)
        self._progress.unpark_all()

    def _enqueue(self, parcel: _QueuedPacket) -> None:
        if not parcel.delivery.ordered:
            self._start(self._carry_out, parcel)
            return
        self._queue.append(parcel)
        if len(self._queue) == 1:
            self._start(self._carry_out_all)

    def _start(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        self._wire.stop_busy_polling()
        self._nursery.start_soon(function, *args)

    async def _carry_out_all(self) -> None:
        while self._queue:
            await self._carry_out(self._queue[0])
            self._queue.popleft()

    async def _carry_out(self, parcel: _QueuedPacket) -> None:
        """Executes a plan."""
        courier = _SendProgress(parcel)
        try:
            for step in parcel.delivery.steps:
                if self.silent:
                    break
                await self._execute(step, courier)
        except WriteTimeout as stalled:
            self._give_up(str(stalled))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._give_up(f"the connection broke: {error}")
        finally:
            if courier.locked:
                self._wire.lock.release()
            self._settle(parcel)

    async def _execute(self, step: Step, courier: "_SendProgress") -> None:
        match step:
            case Wait(seconds):
                courier.since += scaled(seconds, self._speed)
                await trio.sleep_until(courier.since)
            case Write(data, rate):
                if not courier.locked:
                    await self._wire.lock.acquire()
                    courier.locked = True
                if courier.parcel.exchange is not None:
                    self._journal.sent(courier.parcel.exchange, data)
                data, courier.parcel.ahead = courier.parcel.ahead + data, b""
                if rate is None:
                    await self._wire.send(data)
                    courier.since = trio.current_time()
                else:
                    await self._trickle(data, rate, courier)
            case Close(code, reason):
                if courier.locked:
                    self._wire.lock.release()
                    courier.locked = False
                self.silent = True
                self._ended("by a fault")
                await self.close(code, reason)
                self._over = True
            case Reset():
                self.silent = self._over = True
                self._wire.reset()
                self._ended("by a fault, with a reset")
            case HalfClose():
                self.silent = self._over = True
                self._wire.send_eof()
            case Stall():
                self.silent = self._over = self.stalled = True
            case StartOutage(outage):
                self._begin(outage)
            case LetPass() | MergeWithNext():
                pass  # the packet has been put aside for them

    async def _trickle(self, data: bytes, rate: float, courier: "_SendProgress") -> None:
        """Sends so many bytes per second."""
        courier.since = max(courier.since, trio.current_time())
        size = max(1, round(rate * TRICKLE_SECONDS))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await self._wire.send(piece)
            courier.since += scaled(len(piece) / rate, self._speed)
            await trio.sleep_until(courier.since)

    def _give_up(self, why: str) -> None:
        """Ends a connection on which nothing can be sent any more."""
        if not self._over:
            self.silent = self._over = True
            self._wire.reset()
            self._ended(why)


@dataclass(slots=True)
class _SendProgress:
    """How far the execution of a plan has come.

    since: what the next wait counts from, by trio's clock.
    locked: whether the wire's lock is held: from the first write on, for a frame may leave in
    pieces.
    """

    parcel: _QueuedPacket
    since: float = 0.0
    locked: bool = False

    def __post_init__(self) -> None:
        self.since = self.parcel.arrived
