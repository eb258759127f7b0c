"""What every fault is: a small frozen struct whose fields are the scenario's keys.

A kind of fault is a subclass of one of the classes below, with a `tag` (its `kind` in a scenario),
a docstring (its manual), an `example` (TOML, tested), `cases` (how clients are tried with it) and
one method (its effect):

- `ReplyFault.rewrite`: packet → packet, `TextFault.corrupt`: bytes → bytes, `FrameFault.reframe`:
  WebSocket frames → frames, `DeliveryFault.reroute`: delivery plan → plan. They act on packets.
- `ConnectionFault.admit`: connection plan → connection plan. It acts on new connections.
- `OutageFault.outage`: what is offline, and for how long. It acts on the outlet as a whole.

Effects are pure: what they need to know is in the `Context`, and their random numbers come from its
generator.
"""

from random import Random
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.delivery import Close, Delivery, HalfClose, Reset, Stall, StartOutage
from invis_sim.faults.outage import Outage
from invis_sim.faults.when import Seconds, When
from invis_sim.protocol.frames import Frame
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.packets import (
    MalformedPacket,
    Packet,
    Request,
    parse_packet,
    read_fields,
)
from invis_sim.protocol.transport import PacketKind, Transport
from invis_sim.schema.build import Checked
from invis_sim.schema.describe import quote

__all__ = [
    "LAYERS",
    "ConnectionFault",
    "Context",
    "DeliveryFault",
    "EarlierReply",
    "Fault",
    "FrameFault",
    "Layer",
    "OutageFault",
    "ReplyFault",
    "Seconds",
    "Target",
    "TextFault",
]

__tracebackhide__ = hide_frames

Layer: TypeAlias = Literal["content", "text", "websocket", "delivery", "connection", "device"]
LAYERS: tuple[Layer, ...] = ("content", "text", "websocket", "delivery", "connection", "device")
"""The order in which faults that match the same packet are applied: from what a packet means
outwards to the outlet, so that each layer acts on what the ones before it made."""

Target: TypeAlias = PacketKind | Literal["connection"]
"""What a fault acts on."""


class EarlierReply(msgspec.Struct, frozen=True, gc=False):
    """An original reply that has left before. Nearly none is ever looked at again, so it is kept as
    its text: that takes a third of the memory, and no work of the garbage collector.

    callback: the callback number of its request. text: the encoded reply.
    """

    callback: int | None
    text: bytes

    @property
    def packet(self) -> Packet:
        """The reply."""
        try:
            return parse_packet(self.text)
        except MalformedPacket:  # that of a real outlet, behind a proxy, which is read leniently
            return Packet(read_fields(self.text) or {})


class Context:
    """What a fault may know about the packet or the connection that it is applied to.

    packet: "reply" or "push"; None for a connection.
    request: what the reply answers; None for a push and for a connection.
    transport: "tcp" or "ws".
    connection: the connection's number, from 1.
    now: simulated seconds since the start of the outlet.
    connections: how many connections are open, a new one included (for connections only).
    earlier_replies: original replies on this connection before this one, the oldest first; at most
    64.
    identity: of the armed fault that is being applied; None where there is none, as in a test.

    What a fault reports through its context: `detail` and `skip`, and `packets_before`, packets to
    send just before this one.
    """

    __slots__ = (
        "_key",
        "_random",
        "connection",
        "connections",
        "details",
        "earlier_replies",
        "identity",
        "now",
        "packet",
        "packets_before",
        "request",
        "skipped",
        "transport",
    )

    def __init__(
        self,
        packet: PacketKind | None,
        request: Request | None,
        transport: Transport,
        connection: int,
        now: float,
        earlier_replies: tuple[EarlierReply, ...] = (),
        connections: int = 1,
    ) -> None:
        self.packet = packet
        self.request = request
        self.transport = transport
        self.connection = connection
        self.now = now
        self.connections = connections
        self.earlier_replies = earlier_replies
        self.packets_before: list[Packet] = []
        self.start_fault("")

    def start_fault(self, key: str, identity: str | None = None) -> None:
        """Prepare the context for the next fault: nothing is reported, and its generator is new.

        key: seeds the generator.
        """
        self._key = key
        # Made when a fault asks for it: seeding costs more than most effects.
        self._random: Random | None = None
        self.identity = identity
        self.details = ""
        self.skipped = False

    def earlier_replies_about(self, callback: int | None) -> list[EarlierReply]:
        """Those of `earlier_replies` that answer a request about this callback."""
        return [reply for reply in self.earlier_replies if reply.callback == callback]

    @property
    def random(self) -> Random:
        """For all random numbers of the fault: the same seed and packet give the same numbers."""
        if self._random is None:
            self._random = Random(self._key)
        return self._random

    def detail(self, detail: str) -> None:
        """Report to the journal what the fault did, where its name does not say it all."""
        self.details = detail

    def skip(self) -> None:
        """Report that there was nothing to do, so that the fault does not count as applied."""
        self.skipped = True


class Fault(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all kinds have in common.

    name: its name in the journal and from Python; its kind if omitted.
    enabled: whether it is on from the start; it can be switched later from Python.
    when: under which conditions it applies.
    """

    layer: ClassVar[Layer]
    example: ClassVar[str]
    # How clients are tried with it (`case.py`); at least one.
    cases: ClassVar[tuple[Case, ...]]
    acts_on: ClassVar[tuple[Target, ...]] = ("reply", "push")
    transports: ClassVar[tuple[Transport, ...]] = ("tcp", "ws")
    # Whether the outlet does not do what it is asked if the fault applies to the reply. Such a
    # fault is asked before the outlet is (`FaultSession.decide`).
    vetoes_request: ClassVar[bool] = False

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    enabled: bool = True
    when: When = When()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.acts_on == ("connection",):
            for key in self.when.packet_only_keys:
                raise ValueError(
                    f"when.{key}: {self.kind()} acts on new connections, which have none"
                )
        elif self.when.packet not in ("any", *self.acts_on):
            raise ValueError(
                f"when.packet: {self.kind()} acts on {' and '.join(self.acts_on)} packets only, "
                f"so with {quote(self.when.packet)} it never applies"
            )
        if self.when.transport not in (None, *self.transports):
            raise ValueError(
                f"when.transport: {self.kind()} exists on {' and '.join(self.transports)} only, "
                f"so with {quote(str(self.when.transport))} it never applies"
            )

    @classmethod
    def kind(cls) -> str:
        """Its `kind` in a scenario."""
        tag = cls.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    @property
    def display_name(self) -> str:
        """Its name, or its kind where it has none."""
        return self.name or self.kind()

    def same_but_switch(self, other: "Fault") -> bool:
        """Whether another fault is the same, be it enabled or not."""
        return self == msgspec.structs.replace(other, enabled=self.enabled)

    @property
    def starts_at_a_time(self) -> bool:
        """Whether it starts at `from_seconds`, rather than with a packet that matches."""
        return False


class ReplyFault(Fault, frozen=True):
    """Valid JSON with the wrong content."""

    layer = "content"

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        """What is sent instead of the packet."""
        raise NotImplementedError


class TextFault(Fault, frozen=True):
    """The right content in the wrong bytes. On WebSocket: the text of the message."""

    layer = "text"

    def corrupt(self, text: bytes, ctx: Context) -> bytes:
        """What is sent instead of the packet's text."""
        raise NotImplementedError


class FrameFault(Fault, frozen=True):
    """The right text in odd or forbidden WebSocket frames."""

    layer = "websocket"
    transports = ("ws",)

    def reframe(self, frames: tuple[Frame, ...], ctx: Context) -> tuple[Frame, ...]:
        """What is sent instead of the packet's frames, of which there is at least one."""
        raise NotImplementedError


class DeliveryFault(Fault, frozen=True):
    """The right bytes, at the wrong time, in the wrong way, or not at all."""

    layer = "delivery"

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        """How the packet leaves instead. May raise PlanTooLong; then the fault is skipped."""
        raise NotImplementedError


class ConnectionFault(Fault, frozen=True):
    """A new connection that is not treated as it should be, from accept to close."""

    acts_on = ("connection",)
    # Whether it also acts on connections that exist already when it is armed, and on each only for
    # as long as it is in force.
    lasts: ClassVar[bool] = False

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        """How the connection begins instead."""
        raise NotImplementedError


class OutageFault(Fault, frozen=True):
    """A part of the outlet that is offline for a while, for all clients at once."""

    def outage(self) -> Outage:
        """What is offline, and for how long. Without the identity of the armed fault."""
        raise NotImplementedError

    @property
    def starts_at_a_time(self) -> bool:
        return self.when.has_only_times

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        """The plan of a packet with which the outage starts: once the packet is sent, and before
        the connection ends with it. The outage has the identity of the context.

        May raise PlanTooLong; then the fault is skipped.
        """
        steps = delivery.steps
        terminal = (n for n, step in enumerate(steps) if isinstance(step, _TERMINAL_STEPS))
        end = next(terminal, len(steps))
        outage = msgspec.structs.replace(self.outage(), identity=ctx.identity)
        return delivery.with_steps((*steps[:end], StartOutage(outage), *steps[end:]))


_TERMINAL_STEPS = (Close, HalfClose, Reset, Stall)
"""Steps after which a connection carries out no others."""
