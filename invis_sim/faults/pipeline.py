"""From an honest packet to its delivery: which faults apply, and what they make of it.

A `Pipeline` holds the outlet's faults, each armed as a `Rule`, which is the fault with its
counters. Each connection walks its packets through a `Lane` of its own, which knows the transport
and the ordinal and so can tell once, and not for every packet, which rules are worth asking.

The rules of this file:

- Faults that match the same packet are applied layer by layer (`LAYERS`), within a layer in file
  order.
- Where no rule is worth asking, a packet costs one dictionary look-up and `Lane.plan` answers None:
  the fast lane.
- Chance comes from a generator that is seeded with the seed, the rule's identity, the connection's
  ordinal and how many packets of this connection the rule has selected so far. So what is drawn on
  one connection does not depend on what others do, nor on which other faults there are: the same
  seed and the same requests give the same bytes.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from invis_sim.faults.delivery import Delivery
from invis_sim.faults.fault import (
    LAYERS,
    Context,
    DeliveryFault,
    Fault,
    ReplyFault,
    TextFault,
)
from invis_sim.faults.when import PacketKind, Transport
from invis_sim.protocol.packets import Packet, Request

__all__ = ["Lane", "Pipeline", "Plan", "Rule", "Touch"]

HONEST_REPLIES_KEPT = 64
"""How many replies a connection remembers for the faults that repeat old ones."""

CALLBACKS_REMEMBERED = 256
"""For how many callback numbers a connection remembers which rules select them; a client may invent
any number."""


@dataclass(frozen=True, slots=True)
class Touch:
    """That a fault applied to a packet.

    fault: its name.
    did: what it made of the packet, in a few words; "" where the name says it all.
    """

    fault: str
    did: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a packet that faults touched leaves, and which did what."""

    delivery: Delivery
    touches: tuple[Touch, ...]


class Rule:
    """A fault that is armed: with its identity, its switch and its counters.

    name: the fault's name, or its kind.
    enabled: whether it applies; may be switched at any time.
    applied: how often it has applied.
    """

    def __init__(
        self, fault: Fault, identity: str, order: int, changed: Callable[[], None]
    ) -> None:
        self.fault = fault
        self.name = fault.name or fault.kind()
        self.identity = identity
        self.order = (LAYERS.index(fault.layer), order)
        self.applied = 0
        self._selected = 0
        self._enabled = fault.enabled
        self._changed = changed

    @property
    def enabled(self) -> bool:
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value
        self._changed()

    def matches(self, lane: "Lane", seconds: float) -> str | None:
        """Counts a packet that the rule selects.

        Returns what to seed the fault's chance with if the fault applies to this packet, else None.
        """
        when = self.fault.when
        if not when.in_time(seconds):
            return None
        mine = lane.tally(self.identity)
        mine.selected += 1
        self._selected += 1
        per_connection = when.per == "connection"
        if not when.counts(mine.selected if per_connection else self._selected):
            return None
        key = f"{lane.seed}/{self.identity}/{lane.connection}/{mine.selected}"
        if when.probability < 1 and Random(f"{key}/apply").random() >= when.probability:
            return None
        applied = mine.applied if per_connection else self.applied
        if when.times is not None and applied >= when.times:
            return None
        mine.applied += 1
        self.applied += 1
        return key


@dataclass(slots=True)
class Tally:
    """What a rule has counted on one connection."""

    selected: int = 0
    applied: int = 0


class Pipeline:
    """The faults of one outlet.

    faults: in file order.
    seed: of everything that they draw by chance.
    """

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self.seed = seed
        self.version = 0  # rises whenever what lanes have worked out may be wrong
        self._rules: list[Rule] = []
        self._armed: dict[str, int] = {}  # how many were ever armed under a name, for identities
        self._orders = 0
        for fault in faults:
            self.arm(fault)

    def arm(self, fault: Fault) -> Rule:
        """Adds a fault, behind those of its layer that are there."""
        name = fault.name or fault.kind()
        nth = self._armed[name] = self._armed.get(name, 0) + 1
        self._orders += 1
        rule = Rule(fault, f"{name}#{nth}", self._orders, self._change)
        self._rules.append(rule)
        self._rules.sort(key=lambda rule: rule.order)
        self._change()
        return rule

    def disarm(self, rule: Rule) -> None:
        """Removes a fault; one that is gone already is no error."""
        if rule in self._rules:
            self._rules.remove(rule)
            self._change()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def __getitem__(self, name: str) -> Rule:
        """The first rule of this name. Raises KeyError that lists the names there are."""
        for rule in self._rules:
            if rule.name == name:
                return rule
        names = ", ".join(sorted({rule.name for rule in self._rules})) or "none"
        raise KeyError(f"no fault is called {name!r}; there are: {names}")

    def lane(self, transport: Transport, connection: int) -> "Lane":
        """The way through the faults for one connection.

        connection: its ordinal, from 1.
        """
        return Lane(self, transport, connection)

    def _change(self) -> None:
        self.version += 1


class Lane:
    """One connection's way through the faults."""

    def __init__(self, pipeline: Pipeline, transport: Transport, connection: int) -> None:
        self.seed = pipeline.seed
        self.transport = transport
        self.connection = connection
        self._tallies: dict[str, Tally] = {}
        self._pipeline = pipeline
        self._version = -1
        self._selecting: dict[tuple[PacketKind, int | None], tuple[Rule, ...]] = {}
        self._honest: deque[Packet] = deque(maxlen=HONEST_REPLIES_KEPT)

    def tally(self, identity: str) -> Tally:
        """What the rule of this identity has counted here."""
        tally = self._tallies.get(identity)
        if tally is None:
            tally = self._tallies[identity] = Tally()
        return tally

    def plan(
        self,
        packet: Packet,
        request: Request | None,
        seconds: float,
        frame: Callable[[bytes], bytes],
    ) -> Plan | None:
        """How this packet leaves; None where no fault touches it.

        packet: the honest packet.
        request: what it answers; None for a push.
        seconds: since the simulator started.
        frame: the packet's text → its bytes on the wire.
        """
        kind: PacketKind = "push" if request is None else "reply"
        callback = packet.callback if request is None else request.callback
        rules = self._rules(kind, callback)
        touched = None
        if rules:
            applying = [
                (rule, key) for rule in rules if (key := rule.matches(self, seconds)) is not None
            ]
            if applying:
                honest = tuple(self._honest)
                at = Context(kind, request, self.transport, self.connection, seconds, honest)
                touched = _apply(applying, packet, at, frame)
        if request is not None:
            self._honest.append(packet)
        return touched

    def _rules(self, kind: PacketKind, callback: int | None) -> tuple[Rule, ...]:
        if self._version != self._pipeline.version:
            self._selecting.clear()
            self._version = self._pipeline.version
        rules = self._selecting.get((kind, callback))
        if rules is None:
            if len(self._selecting) >= CALLBACKS_REMEMBERED:
                self._selecting.clear()
            rules = self._selecting[kind, callback] = tuple(
                rule
                for rule in self._pipeline
                if rule.enabled
                and rule.fault.layer in ("reply", "text", "frame", "delivery")
                and kind in rule.fault.acts_on
                and self.transport in rule.fault.transports
                and rule.fault.when.selects(kind, callback, self.transport, self.connection)
            )
        return rules


F = TypeVar("F", bound=Fault)


def _apply(
    applying: list[tuple[Rule, str]],
    packet: Packet,
    at: Context,
    frame: Callable[[bytes], bytes],
) -> Plan:
    """Takes the packet through the faults that apply to it; they come sorted by layer."""
    touches: list[Touch] = []

    def of_layer(layer: type[F]) -> Iterator[F]:
        for rule, key in applying:
            if isinstance(rule.fault, layer):
                at.begin(key)
                yield rule.fault
                touches.append(Touch(rule.name, at.details))

    for content in of_layer(ReplyFault):
        packet = content.rewrite(packet, at)
    text = packet.encode()
    for corruption in of_layer(TextFault):
        text = corruption.corrupt(text, at)
    delivery = Delivery.of(frame(text))
    for change in of_layer(DeliveryFault):
        delivery = change.reroute(delivery, at)
    return Plan(delivery, tuple(touches))
