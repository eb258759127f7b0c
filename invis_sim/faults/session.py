"""One connection's way through the faults: from an original packet to its delivery.

    original packet
      │ ReplyFault.rewrite      content     packet → packet
      ▼ encode
    text
      │ TextFault.corrupt       text        bytes → bytes
      ▼ encode_frame
    frames
      │ FrameFault.reframe      websocket   frames → frames
      ▼
    delivery (a plan of steps)
      │ DeliveryFault.reroute   delivery    plan → plan
      │ OutageFault.reroute     connection and device: plan → plan that also starts an outage
      ▼
    PlannedDelivery

A new connection goes through `ConnectionFault.admit` instead: `ConnectionPlan` → `ConnectionPlan`.
When faults that last come or go, an open one goes through it again (`follow`).

The rules of this file:

- Where no fault can apply, a packet costs one dictionary look-up and `FaultSession.plan` returns
  None: the fast path. A push goes to many, so `may_act_on_push` answers that more cheaply.
- Each match is counted once. Where a request may change something, a fault that may veto it is
  asked before the outlet is (`decide`), and its decision is passed on to the plan of the reply.
- The same seed and the same requests give the same bytes (`armed.py` says how).
- Whatever the combination of faults, a plan has at most `MAX_STEPS` steps and a text at most
  `MAX_TEXT_BYTES`; a fault that would go beyond is skipped, and the journal says so.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from invis_sim.faults.admission import Admission, AppliedFault, PlannedConnection
from invis_sim.faults.armed import ArmedFault, Counts
from invis_sim.faults.delivery import Delivery, PlanTooLong
from invis_sim.faults.fault import (
    Context,
    DeliveryFault,
    EarlierReply,
    Fault,
    FrameFault,
    OutageFault,
    ReplyFault,
    TextFault,
)
from invis_sim.protocol.frames import FIN, TEXT, Frame
from invis_sim.protocol.packets import Packet, Request
from invis_sim.protocol.transport import PacketKind, Transport

if TYPE_CHECKING:  # a pipeline makes sessions, so that module imports this one
    from invis_sim.faults.pipeline import Pipeline

__all__ = ["AppliedFault", "Decision", "FaultSession", "PlannedConnection", "PlannedDelivery"]

MAX_REMEMBERED_REPLIES = 64
"""How many replies a connection remembers for the faults that repeat old ones: as many as `stale`
may go back."""

MAX_REMEMBERED_BYTES = 16_384
"""How long a reply may be to be remembered: ten times the longest known one. A device behind a
proxy may send a megabyte each time."""

MAX_REMEMBERED_CALLBACKS = 256
"""For how many callback numbers a connection remembers which faults match them. The protocol has
fewer; a client may invent any number, and must not fill the memory with them."""

MAX_TEXT_BYTES = 16 * 2**20
"""How long faults may make the text of a packet: twice what `pad` can ask for, so that a second
fault can act on such a packet too, but a hundred together cannot use up the memory."""


class PlannedDelivery(msgspec.Struct, frozen=True):
    """How a packet leaves that faults were applied to, and what each did."""

    delivery: Delivery
    applied: tuple[AppliedFault, ...]


class Decision(msgspec.Struct, frozen=True):
    """Which of the faults that may veto a request apply to it. Pass it on to the reply's plan.

    keys: of each fault that was asked, the key of its random generator; None: it does not apply.
    """

    keys: Mapping[ArmedFault, str | None]

    @property
    def vetoes(self) -> bool:
        """Whether the outlet must not do what it is asked."""
        return any(key is not None for key in self.keys.values())


Selection: TypeAlias = tuple[ArmedFault, ...]
"""Armed faults in the order in which they apply."""

F = TypeVar("F", bound=Fault)


class FaultSession:
    """One connection's way through the faults.

    pipeline: the faults.
    transport: of the connection.
    number: the connection's, from 1.
    """

    def __init__(self, pipeline: "Pipeline", transport: Transport, number: int) -> None:
        self._pipeline = pipeline
        self._transport: Transport = transport
        self._number = number
        self._version = pipeline.version
        self._counters_version = pipeline.counters_version
        self._counts: dict[ArmedFault, Counts] = {}
        # By callback number: the faults that may apply to a reply, veto a request, apply to a push.
        self._for_reply: dict[int | None, Selection] = {}
        self._for_veto: dict[int | None, Selection] = {}
        self._for_push: dict[int | None, Selection] = {}
        self._admission = Admission(
            pipeline, transport, number, self._count_and_match, self._undo_count
        )
        # Original replies, the oldest first.
        self._replies: deque[EarlierReply] = deque(maxlen=MAX_REMEMBERED_REPLIES)

    def decide(self, request: Request, now: float) -> Decision | None:
        """Find out whether a fault vetoes a request. Call it once, before the outlet acts; only
        where it may change something, as nothing else need be kept from it.

        now: simulated seconds since the start of the outlet.

        Returns None if no fault may veto this request.
        """
        if self._version != self._pipeline.version:
            self._refresh()
        selection = self._for_veto.get(request.callback)
        if selection is None:
            selection = self._select_for_veto(request.callback)
        if not selection:
            return None
        return Decision({armed: self._count_and_match(armed, now) for armed in selection})

    def may_act_on_push(self, callback: int | None) -> bool:
        """Return whether a fault may apply to a push of this callback; if not, `plan` would return
        None.
        """
        if self._version != self._pipeline.version:
            self._refresh()
        selection = self._for_push.get(callback)
        if selection is None:
            selection = self._select(self._for_push, "push", callback)
        return bool(selection)

    def plan(
        self,
        packet: Packet,
        text: bytes,
        request: Request | None,
        now: float,
        encode_frame: Callable[[bytes], bytes],
        decision: Decision | None = None,
    ) -> PlannedDelivery | None:
        """Plan how a packet leaves. Call it once for each packet.

        packet: the original packet. text: its encoded form.
        request: what it answers; None for a push.
        now: simulated seconds since the start of the outlet.
        encode_frame: the packet's text → its bytes on the wire.
        decision: what `decide` returned for the request; the faults in it are not counted again.

        Returns None if no fault applies: the packet leaves as it is.
        """
        # Nearly all packets pass here without a fault. So each kind of packet has its own
        # dictionary: a key made of both would have to be built for every packet.
        if request is None:
            callback = packet.callback
            if not self.may_act_on_push(callback):
                return None
            return self._apply(self._for_push[callback], packet, text, None, now, encode_frame)
        if self._version != self._pipeline.version:
            self._refresh()
        callback = request.callback
        selection = self._for_reply.get(callback)
        if selection is None:
            selection = self._select(self._for_reply, "reply", callback)
        plan = None
        if selection:
            plan = self._apply(selection, packet, text, request, now, encode_frame, decision)
        # After the plan: a fault that repeats old replies must not find this one.
        if len(text) <= MAX_REMEMBERED_BYTES:
            self._replies.append(EarlierReply(callback, text))
        return plan

    def admit(self, now: float, connections: int) -> PlannedConnection | None:
        """Plan how the connection begins; see `Admission.admit`."""
        if self._version != self._pipeline.version:
            self._refresh()
        return self._admission.admit(now, connections)

    def follow(self, now: float) -> PlannedConnection | None:
        """Plan anew how the connection is treated; see `Admission.follow`."""
        if self._version != self._pipeline.version:
            self._refresh()
        return self._admission.follow(now)

    def end(self) -> None:
        """Forget the replies: the connection is over. It is garbage in a cycle of references, which
        may stay for a long time, and a thousand of them should not take much memory.
        """
        self._replies.clear()

    # Which faults apply

    def _refresh(self) -> None:
        """Forget what has been worked out about the faults: there are others, or other switches."""
        pipeline = self._pipeline
        self._version = pipeline.version
        self._for_reply.clear()
        self._for_veto.clear()
        self._for_push.clear()
        if self._counters_version != pipeline.counters_version:
            self._counters_version = pipeline.counters_version
            self._counts.clear()
        else:
            # Counters of removed faults would pile up where a test injects one after another.
            self._counts = {
                armed: self._counts[armed] for armed in pipeline if armed in self._counts
            }

    def _select(
        self, cache: dict[int | None, Selection], kind: PacketKind, callback: int | None
    ) -> Selection:
        """Find, and remember in `cache`, the faults that may apply to packets like this."""
        transport, number = self._transport, self._number
        selection = tuple(
            armed
            for armed in self._pipeline
            if armed.enabled
            and kind in armed.fault.acts_on
            and transport in armed.fault.transports
            and armed.fault.when.matches_packet(kind, callback, transport, number)
            # A timed outage matches every packet, since nothing but a time is asked for.
            and not armed.fault.starts_at_a_time
        )
        return _remember(cache, callback, selection)

    def _select_for_veto(self, callback: int | None) -> Selection:
        replies = self._for_reply.get(callback)
        if replies is None:
            replies = self._select(self._for_reply, "reply", callback)
        vetoing = tuple(armed for armed in replies if armed.fault.vetoes_request)
        return _remember(self._for_veto, callback, vetoing)

    def _applying(
        self, selection: Iterable[ArmedFault], now: float, decision: Decision | None = None
    ) -> list[tuple[ArmedFault, str]]:
        """Count for these faults. Returns those that apply, with the keys of their generators."""
        decided: Mapping[ArmedFault, str | None] = {} if decision is None else decision.keys
        keys = (
            (armed, decided[armed] if armed in decided else self._count_and_match(armed, now))
            for armed in selection
        )
        return [(armed, key) for armed, key in keys if key is not None]

    def _count_and_match(self, armed: ArmedFault, now: float) -> str | None:
        pipeline = self._pipeline
        number = self._number - pipeline.connection_base
        return armed.count_and_match(self._counts_of(armed), pipeline.seed, number, now)

    def _undo_count(self, armed: ArmedFault) -> None:
        armed.undo_count(self._counts_of(armed))

    def _counts_of(self, armed: ArmedFault) -> Counts:
        counts = self._counts.get(armed)
        if counts is None:
            counts = self._counts[armed] = Counts()
        return counts

    # What those that apply do

    def _apply(
        self,
        selection: Selection,
        packet: Packet,
        text: bytes,
        request: Request | None,
        now: float,
        encode_frame: Callable[[bytes], bytes],
        decision: Decision | None = None,
    ) -> PlannedDelivery | None:
        """Take the packet through those of the faults that apply to it, layer by layer."""
        applying = self._applying(selection, now, decision)
        if not applying:
            return None
        ctx = Context(
            "push" if request is None else "reply",
            request,
            self._transport,
            self._number,
            now,
            tuple(self._replies),
        )
        applied: list[AppliedFault] = []
        original = packet
        for content in self._run_layer(applying, ReplyFault, ctx, applied):
            packet = content.rewrite(packet, ctx)
        if packet is not original:
            text = packet.encode()
        for corruption in self._run_layer(applying, TextFault, ctx, applied):
            corrupt = corruption.corrupt(text, ctx)
            if len(corrupt) > MAX_TEXT_BYTES:
                ctx.detail(f"skipped: the text would be longer than {MAX_TEXT_BYTES} bytes")
            else:
                text = corrupt
        data = self._frame(applying, text, ctx, applied, encode_frame)
        before = (encode_frame(earlier.encode()) for earlier in ctx.packets_before)
        delivery = Delivery.of(*before, data)
        for change in self._run_layer(applying, DeliveryFault, ctx, applied):
            delivery = _rerouted(change, delivery, ctx)
        # Last, so that an outage starts once, however often a packet is duplicated.
        for outage in self._run_layer(applying, OutageFault, ctx, applied):
            delivery = _rerouted(outage, delivery, ctx)
        return PlannedDelivery(delivery, tuple(applied)) if applied else None

    def _frame(
        self,
        applying: list[tuple[ArmedFault, str]],
        text: bytes,
        ctx: Context,
        applied: list[AppliedFault],
        encode_frame: Callable[[bytes], bytes],
    ) -> bytes:
        """The text's bytes on the wire, in the frames that faults make of it."""
        frames: tuple[Frame, ...] = (Frame(FIN | TEXT, text),)
        reframed = False
        for fault in self._run_layer(applying, FrameFault, ctx, applied):
            frames = fault.reframe(frames, ctx)
            reframed = True
        return b"".join(one.encode() for one in frames) if reframed else encode_frame(text)

    def _run_layer(
        self,
        applying: list[tuple[ArmedFault, str]],
        base: type[F],
        ctx: Context,
        applied: list[AppliedFault],
    ) -> Iterator[F]:
        """Yield the faults of one base class in order, and add to `applied` what each has done.

        The context is the yielded fault's until the next one is asked for.
        """
        for armed, key in applying:
            if not isinstance(armed.fault, base):
                continue
            ctx.start_fault(key, armed.identity)
            yield armed.fault
            if ctx.skipped:
                self._undo_count(armed)
            else:
                applied.append(AppliedFault(armed.name, ctx.details))


def _remember(
    cache: dict[int | None, Selection], callback: int | None, selection: Selection
) -> Selection:
    if len(cache) >= MAX_REMEMBERED_CALLBACKS:
        cache.clear()  # rarely, and cheaper than knowing which entry is the oldest
    cache[callback] = selection
    return selection


def _rerouted(change: DeliveryFault | OutageFault, delivery: Delivery, ctx: Context) -> Delivery:
    try:
        return change.reroute(delivery, ctx)
    except PlanTooLong as error:
        ctx.detail(f"skipped: {error}")
        return delivery
