"""From an honest packet to its delivery: which faults apply, and what they make of it.

A `Pipeline` holds the outlet's faults, each armed as a `ArmedFault`, which is the fault with its
switch and counters. Each connection has a `FaultSession` of its own through them, which knows the
transport and the ordinal and so can tell once, and not for every packet, which rules are worth
asking.

The rules of this file:

- Faults that match the same packet are applied layer by layer (`LAYERS`), within a layer in file
  order.
- Where no rule is worth asking, a packet costs one dictionary look-up and `FaultSession.plan`
  answers None: the fast lane.
- The same seed and the same requests give the same bytes (`rule.py` has the how).
- Whatever the combination of faults, a plan has at most `MAX_STEPS` steps and a text
  `MAX_TEXT_BYTES`; a fault that would go beyond is passed over, and says so in the journal.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from invis_sim.faults.armed import ArmedFault, Counts
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.delivery import Delivery, PlanTooLong
from invis_sim.faults.fault import (
    ConnectionFault,
    Context,
    DeliveryFault,
    Fault,
    FrameFault,
    OutageFault,
    ReplyFault,
    TextFault,
)
from invis_sim.protocol.frames import FIN, TEXT, Frame
from invis_sim.protocol.packets import Packet, Request
from invis_sim.protocol.transport import PacketKind, Transport

__all__ = ["AppliedFault", "FaultSession", "Pipeline", "PlannedConnection", "PlannedDelivery"]

MAX_REMEMBERED_REPLIES = 64
"""How many replies a connection remembers for the faults that repeat old ones."""

MAX_REMEMBERED_CALLBACKS = 256
"""For how many callback numbers a connection remembers which rules select them; a client may invent
any number."""

MAX_TEXT_BYTES = 16 * 2**20
"""How long faults may make the text of a packet."""


@dataclass(frozen=True, slots=True)
class AppliedFault:
    """That a fault applied.

    fault: its name.
    did: what it did, in a few words; "" where the name says it all.
    """

    fault: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """How a packet that faults touched leaves, and which did what."""

    delivery: Delivery
    applied: tuple[AppliedFault, ...]


@dataclass(frozen=True, slots=True)
class PlannedConnection:
    """How a connection that faults touched begins, and which did what."""

    welcome: ConnectionPlan
    applied: tuple[AppliedFault, ...]


class Pipeline:
    """The faults of one outlet.

    faults: in file order.
    seed: of everything that they draw by chance.
    on_change: called after any change of what is armed or enabled.
    """

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self.seed = seed
        self.version = 0  # rises whenever what lanes have worked out may be wrong
        self.on_change: Callable[[], None] = lambda: None
        self._rules: list[ArmedFault] = []
        self._armed: dict[str, int] = {}  # how many were ever armed under a name, for identities
        self._orders = 0
        for fault in faults:
            self.arm(fault)

    def arm(self, fault: Fault) -> ArmedFault:
        """Adds a fault, behind those of its layer that are there.

        Raises ValueError for one with a value out of range, which only Python can build.
        """
        # What a scenario file says is checked as it is read; what Python says, here.
        fault = msgspec.convert(_finite(msgspec.to_builtins(fault)), type(fault))
        name = fault.display_name
        nth = self._armed[name] = self._armed.get(name, 0) + 1
        self._orders += 1
        rule = ArmedFault(fault, f"{name}#{nth}", self._orders, self._change)
        self._rules.append(rule)
        self._rules.sort(key=lambda rule: rule.order)
        self._change()
        return rule

    def disarm(self, rule: ArmedFault) -> None:
        """Removes a fault; one that is gone already is no error."""
        if rule in self._rules:
            self._rules.remove(rule)
            self._change()

    def __iter__(self) -> Iterator[ArmedFault]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, name: str) -> ArmedFault:
        """The first rule of this name. Raises KeyError that lists the names there are."""
        for rule in self._rules:
            if rule.name == name:
                return rule
        names = ", ".join(sorted({rule.name for rule in self._rules})) or "none"
        raise KeyError(f"no fault is called {name!r}; there are: {names}")

    def lane(self, transport: Transport, connection: int) -> "FaultSession":
        """The way through the faults for one connection.

        connection: its ordinal, from 1.
        """
        return FaultSession(self, transport, connection)

    @property
    def timed_outages(self) -> list[tuple[ArmedFault, OutageFault]]:
        """The enabled faults that begin at a time of their own, not with a packet."""
        return [
            (rule, rule.fault)
            for rule in self._rules
            if rule.enabled and isinstance(rule.fault, OutageFault) and rule.fault.starts_at_a_time
        ]

    def is_enabled(self, name: str) -> bool:
        """Whether there is a fault of this name that is enabled."""
        return any(rule.enabled for rule in self._rules if rule.name == name)

    def _change(self) -> None:
        self.version += 1
        self.on_change()


F = TypeVar("F", bound=Fault)


class FaultSession:
    """One connection's way through the faults."""

    def __init__(self, pipeline: Pipeline, transport: Transport, connection: int) -> None:
        self._pipeline = pipeline
        self._transport: Transport = transport
        self._connection = connection
        self._tallies: dict[str, Counts] = {}
        self._version = -1
        self._selecting: dict[tuple[PacketKind, int | None], tuple[ArmedFault, ...]] = {}
        self._honest: deque[Packet] = deque(maxlen=MAX_REMEMBERED_REPLIES)
        self._asked: deque[int | None] = deque(maxlen=MAX_REMEMBERED_REPLIES)  # their callbacks
        # What `prevents` has found out about a request, for the plan of the reply: a rule's
        # identity → what its chance is seeded with, or None where it does not apply.
        self._decided: dict[str, str | None] = {}
        self._decided_for: Request | None = None

    def plan(
        self,
        packet: Packet,
        request: Request | None,
        seconds: float,
        frame: Callable[[bytes], bytes],
    ) -> PlannedDelivery | None:
        """How this packet leaves; None where no fault touches it.

        packet: the honest packet.
        request: what it answers; None for a push.
        seconds: since the simulator started.
        frame: the packet's text → its bytes on the wire.
        """
        kind: PacketKind = "push" if request is None else "reply"
        callback = packet.callback if request is None else request.callback
        rules = self._rules(kind, callback)
        plan = None
        if rules:
            applying = self._applying(rules, seconds, request)
            if applying:
                ctx = Context(
                    kind,
                    request,
                    self._transport,
                    self._connection,
                    seconds,
                    tuple(self._honest),
                    asked=tuple(self._asked),
                )
                plan = self._apply(applying, packet, ctx, frame)
        if request is not None:
            self._honest.append(packet)
            self._asked.append(callback)
        return plan

    def vetoes(self, request: Request, seconds: float) -> bool:
        """Whether a fault keeps the outlet from doing what it is asked. To be asked before the
        outlet is, and at most once; the plan for the reply follows.

        seconds: since the simulator started.
        """
        rules = [
            rule for rule in self._rules("reply", request.callback) if rule.fault.vetoes_request
        ]
        if not rules:
            return False
        self._decided = {rule.identity: self._key(rule, seconds) for rule in rules}
        self._decided_for = request
        return any(key is not None for key in self._decided.values())

    def receive(self, seconds: float, connections: int) -> PlannedConnection | None:
        """How the connection begins; None where no fault touches it. To be asked once.

        connections: how many are open, this one included.
        """
        rules = [
            rule
            for rule in self._pipeline
            if rule.enabled
            and isinstance(rule.fault, ConnectionFault)
            and self._transport in rule.fault.transports
            and rule.fault.when.selects_connection(self._transport, self._connection)
        ]
        applying = self._applying(rules, seconds)
        if not applying:
            return None
        ctx = Context(
            None, None, self._transport, self._connection, seconds, connections=connections
        )
        applied: list[AppliedFault] = []
        welcome = ConnectionPlan()
        for fault in self._turns(applying, ConnectionFault, ctx, applied):
            welcome = fault.admit(welcome, ctx)
        return PlannedConnection(welcome, tuple(applied)) if applied else None

    def _applying(
        self, rules: Iterable[ArmedFault], seconds: float, request: Request | None = None
    ) -> list[tuple[ArmedFault, str]]:
        """Counts for these rules, and returns those that apply, with the keys to their chance.

        request: what the packet answers.
        """
        decided: dict[str, str | None] = {}
        if request is not None and request is self._decided_for:
            decided, self._decided_for = self._decided, None
        keys = (
            (rule, decided[rule.identity] if rule.identity in decided else self._key(rule, seconds))
            for rule in rules
        )
        return [(rule, key) for rule, key in keys if key is not None]

    def _key(self, rule: ArmedFault, seconds: float) -> str | None:
        """CountNumbers for the rule. What seeds its chance if it applies, else None."""
        seed, connection = self._pipeline.seed, self._connection
        return rule.matches(self._tally(rule), seed, connection, seconds)

    def _tally(self, rule: ArmedFault) -> Counts:
        tally = self._tallies.get(rule.identity)
        if tally is None:
            tally = self._tallies[rule.identity] = Counts()
        return tally

    def _rules(self, kind: PacketKind, callback: int | None) -> tuple[ArmedFault, ...]:
        """Those that are worth asking about a packet like this."""
        if self._version != self._pipeline.version:
            self._selecting.clear()
            self._version = self._pipeline.version
        rules = self._selecting.get((kind, callback))
        if rules is None:
            if len(self._selecting) >= MAX_REMEMBERED_CALLBACKS:
                self._selecting.clear()
            rules = self._selecting[kind, callback] = tuple(
                rule
                for rule in self._pipeline
                if rule.enabled
                and kind in rule.fault.acts_on
                and self._transport in rule.fault.transports
                and rule.fault.when.matches_packet(
                    kind, callback, self._transport, self._connection
                )
                and not (isinstance(rule.fault, OutageFault) and rule.fault.starts_at_a_time)
            )
        return rules

    def _turns(
        self,
        applying: list[tuple[ArmedFault, str]],
        base: type[F],
        ctx: Context,
        applied: list[AppliedFault],
    ) -> Iterator[F]:
        """The faults of one base class in order; after the turn of each, what it did is noted."""
        for rule, key in applying:
            if not isinstance(rule.fault, base):
                continue
            ctx.begin(key)
            yield rule.fault
            if ctx.nothing:
                rule.undo_count(self._tally(rule))
            else:
                applied.append(AppliedFault(rule.name, ctx.details))

    def _apply(
        self,
        applying: list[tuple[ArmedFault, str]],
        packet: Packet,
        ctx: Context,
        frame: Callable[[bytes], bytes],
    ) -> PlannedDelivery | None:
        """Takes the packet through the faults that apply to it; they come sorted by layer."""
        applied: list[AppliedFault] = []
        for content in self._turns(applying, ReplyFault, ctx, applied):
            packet = content.rewrite(packet, ctx)
        text = packet.encode()
        for corruption in self._turns(applying, TextFault, ctx, applied):
            corrupt = corruption.corrupt(text, ctx)
            if len(corrupt) > MAX_TEXT_BYTES:
                ctx.detail(f"passed over: the text would be longer than {MAX_TEXT_BYTES} bytes")
            else:
                text = corrupt
        frames: tuple[Frame, ...] = (Frame(FIN | TEXT, text),)
        odd = False
        for oddity in self._turns(applying, FrameFault, ctx, applied):
            frames = oddity.reframe(frames, ctx)
            odd = True
        data = b"".join(one.encode() for one in frames) if odd else frame(text)
        before = (frame(packet.encode()) for packet in ctx.before)
        delivery = Delivery.of(*before, data)
        for change in self._turns(applying, DeliveryFault, ctx, applied):
            delivery = _rerouted(change, delivery, ctx)
        for outage in self._turns(applying, OutageFault, ctx, applied):
            delivery = _rerouted(outage, delivery, ctx)
        return PlannedDelivery(delivery, tuple(applied)) if applied else None


def _finite(fault: dict[str, Any]) -> dict[str, Any]:
    """The fault's fields as they are. Raises ValueError where one is no finite number."""
    for name, value in fault.items():
        if isinstance(value, dict):
            _finite(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name}: expected a finite number, found {value}")
    return fault


def _rerouted(change: DeliveryFault | OutageFault, delivery: Delivery, ctx: Context) -> Delivery:
    try:
        return change.reroute(delivery, ctx)
    except PlanTooLong as error:
        ctx.detail(f"passed over: {error}")
        return delivery
