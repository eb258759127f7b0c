"""What every fault is: a small frozen struct whose fields are the scenario's keys.

A kind of fault is a subclass of one of the classes below, with a `tag` (its `kind` in a scenario),
a docstring (its manual), an `example` (TOML, tested) and one method (its effect):

- `ReplyFault.rewrite`: packet → packet, `TextFault.corrupt`: bytes → bytes, `FrameFault.reframe`:
  WebSocket frames → frames, `DeliveryFault.reroute`: delivery plan → plan. They act on packets.
- `ConnectionFault.admit`: welcome → welcome. It acts on connections as they come.
- `OutageFault.outage`: it says what goes away, and acts on the outlet as a whole.

Effects are pure: what they need to know comes in the `Context`, and what they draw by chance they
draw from its generator.
"""

from random import Random
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.delivery import Close, Delivery, HalfClose, Reset, Stall, StartOutage
from invis_sim.faults.outage import Outage
from invis_sim.faults.when import When
from invis_sim.protocol.frames import Frame
from invis_sim.protocol.packets import Packet, Request
from invis_sim.protocol.transport import PacketKind, Transport

__all__ = [
    "LAYERS",
    "ConnectionFault",
    "Context",
    "DeliveryFault",
    "Fault",
    "FrameFault",
    "Layer",
    "OutageFault",
    "ReplyFault",
    "Seconds",
    "Target",
    "TextFault",
]

Layer: TypeAlias = Literal["content", "text", "websocket", "delivery", "connection", "device"]
LAYERS: tuple[Layer, ...] = ("content", "text", "websocket", "delivery", "connection", "device")
"""The order in which faults that match the same packet are applied."""

Target: TypeAlias = PacketKind | Literal["connection"]
"""What a fault acts on."""

Seconds = Annotated[float, msgspec.Meta(ge=0, description="Seconds.")]


class Context:
    """What a fault may know about what it touches.

    packet: "reply" or "push"; None for a connection.
    request: what the reply answers; None for a push and for a connection.
    transport: "tcp" or "ws".
    connection: the connection's ordinal, from 1.
    seconds: since the simulator started.
    honest: replies that this connection has had before, before faults touched them, oldest first (a
    bounded number). `earlier_replies_about` has those about one callback.
    connections: how many connections are open, a new one included (for connections only).

    What a fault tells by its context: `did` and `did_nothing`, and `before`, packets that leave
    just before.
    """

    __slots__ = (
        "_asked",
        "_key",
        "_random",
        "before",
        "connection",
        "connections",
        "details",
        "earlier_replies",
        "nothing",
        "packet",
        "request",
        "seconds",
        "transport",
    )

    def __init__(
        self,
        packet: PacketKind | None,
        request: Request | None,
        transport: Transport,
        connection: int,
        seconds: float,
        earlier_replies: tuple[Packet, ...] = (),
        connections: int = 1,
        asked: tuple[int | None, ...] = (),
    ) -> None:
        self.packet = packet
        self.request = request
        self.transport = transport
        self.connection = connection
        self.seconds = seconds
        self.earlier_replies = earlier_replies
        self.connections = connections
        self._asked = asked  # the callback of each request that `earlier_replies` has the answer to
        self.before: list[Packet] = []
        self.begin("")

    def begin(self, key: str) -> None:
        """The next fault's turn: it draws from a generator of its own, seeded with this key."""
        self._key = key
        self._random: Random | None = None
        self.details = ""
        self.nothing = False

    def earlier_replies_about(self, callback: int | None) -> list[Packet]:
        """Those of `earlier_replies` that answer a request about this callback."""
        asked = zip(self.earlier_replies, self._asked, strict=True)
        return [reply for reply, about in asked if about == callback]

    @property
    def random(self) -> Random:
        """For what the fault draws by chance: the same seed and packet, the same numbers."""
        if self._random is None:
            self._random = Random(self._key)
        return self._random

    def detail(self, detail: str) -> None:
        """Tells the journal what the fault made of this packet, where its name says too little."""
        self.details = detail

    def skip(self) -> None:
        """Tells that there was nothing to do here, so the fault has not touched the packet."""
        self.nothing = True


class Fault(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """What all kinds have in common.

    name: how to call it, in the journal and from Python; left out: its kind.
    enabled: whether it is on from the start; it can be switched later from Python.
    when: under which conditions it applies.
    """

    layer: ClassVar[Layer]
    example: ClassVar[str]
    acts_on: ClassVar[tuple[Target, ...]] = ("reply", "push")
    transports: ClassVar[tuple[Transport, ...]] = ("tcp", "ws")
    # Whether the outlet does not do what it is asked where the fault applies to the reply.
    vetoes_request: ClassVar[bool] = False

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    enabled: bool = True
    when: When = When()

    def __post_init__(self) -> None:
        if self.acts_on == ("connection",):
            for key in self.when.packet_only_keys:
                raise ValueError(
                    f"{self.kind()} acts on connections as they come, which have no when.{key}"
                )
        elif self.when.packet not in ("any", *self.acts_on):
            raise ValueError(
                f"{self.kind()} acts on {' and '.join(self.acts_on)} packets only, "
                f"so with when.packet = {self.when.packet!r} it never applies"
            )
        if self.when.transport not in (None, *self.transports):
            raise ValueError(
                f"{self.kind()} exists on {' and '.join(self.transports)} only, "
                f"so with when.transport = {self.when.transport!r} it never applies"
            )

    @classmethod
    def kind(cls) -> str:
        """What a scenario calls it."""
        tag = cls.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    @property
    def display_name(self) -> str:
        """Its name, or its kind where it has none."""
        return self.name or self.kind()


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
        """How the packet leaves instead. May raise PlanTooLong; then the fault is passed over."""
        raise NotImplementedError


class ConnectionFault(Fault, frozen=True):
    """A new connection that is not treated as it should be."""

    acts_on = ("connection",)

    def admit(self, welcome: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        """How the connection begins instead."""
        raise NotImplementedError


class OutageFault(Fault, frozen=True):
    """Something of the outlet that is away for a while, for all clients at once."""

    def outage(self) -> Outage:
        """What goes away, and for how long."""
        raise NotImplementedError

    @property
    def starts_at_a_time(self) -> bool:
        """Whether it begins at `from_seconds`, rather than with a packet that matches."""
        return self.when.has_only_times

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        """How a packet leaves with which it begins: once it is sent, and before the connection ends
        with it.
        """
        steps = delivery.steps
        endings = (n for n, step in enumerate(steps) if isinstance(step, _TERMINAL_STEPS))
        end = next(endings, len(steps))
        return delivery.with_steps((*steps[:end], StartOutage(self.outage()), *steps[end:]))


_TERMINAL_STEPS = (Close, HalfClose, Reset, Stall)
"""Steps behind which a connection carries out no others."""
