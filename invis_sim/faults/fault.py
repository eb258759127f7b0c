"""What every fault is: a small frozen struct whose fields are the scenario's keys.

A kind of fault is a subclass of one of the layers below, with a `tag` (its `kind` in a scenario), a
docstring (its manual), an `example` (TOML, tested) and one method (its effect). Effects are pure:
what they need to know comes in the `Context`, and what they draw by chance they draw from its
generator.
"""

from random import Random
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from invis_sim.faults.delivery import Delivery
from invis_sim.faults.when import PacketKind, Transport, When
from invis_sim.protocol.packets import Packet, Request

__all__ = ["Context", "DeliveryFault", "Fault", "Layer", "ReplyFault", "Seconds", "TextFault"]

Layer: TypeAlias = Literal["reply", "text", "frame", "delivery", "connection", "device"]
LAYERS: tuple[Layer, ...] = ("reply", "text", "frame", "delivery", "connection", "device")
"""The order in which faults that match the same packet are applied."""

Seconds = Annotated[float, msgspec.Meta(ge=0, description="Seconds, from 0.")]


class Context:
    """What a fault may know about the packet it touches.

    packet: "reply" or "push".
    request: what the reply answers; None for a push.
    transport: "tcp" or "ws".
    connection: the connection's ordinal, from 1.
    seconds: since the simulator started.
    honest: replies that this connection has had before, before faults touched them, oldest first (a
    bounded number).
    details: what the current fault did, for the journal; see `did`.
    """

    __slots__ = (
        "_key",
        "_random",
        "connection",
        "details",
        "honest",
        "packet",
        "request",
        "seconds",
        "transport",
    )

    def __init__(
        self,
        packet: PacketKind,
        request: Request | None,
        transport: Transport,
        connection: int,
        seconds: float,
        honest: tuple[Packet, ...] = (),
    ) -> None:
        self.packet = packet
        self.request = request
        self.transport = transport
        self.connection = connection
        self.seconds = seconds
        self.honest = honest
        self.begin("")

    def begin(self, key: str) -> None:
        """The next fault's turn: it draws from a generator of its own, seeded with this key."""
        self._key = key
        self._random: Random | None = None
        self.details = ""

    @property
    def random(self) -> Random:
        """For what the fault draws by chance: the same seed and packet, the same numbers."""
        if self._random is None:
            self._random = Random(self._key)
        return self._random

    def did(self, detail: str) -> None:
        """Tells the journal what the fault made of this packet, where its name says too little."""
        self.details = detail


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
    acts_on: ClassVar[tuple[PacketKind, ...]] = ("reply", "push")
    transports: ClassVar[tuple[Transport, ...]] = ("tcp", "ws")

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    enabled: bool = True
    when: When = When()

    def __post_init__(self) -> None:
        if self.when.packet not in ("any", *self.acts_on):
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


class ReplyFault(Fault, frozen=True):
    """Valid JSON with the wrong content."""

    layer = "reply"

    def rewrite(self, packet: Packet, at: Context) -> Packet:
        """What is sent instead of the packet."""
        raise NotImplementedError


class TextFault(Fault, frozen=True):
    """The right content in the wrong bytes. On WebSocket: the text of the message."""

    layer = "text"

    def corrupt(self, text: bytes, at: Context) -> bytes:
        """What is sent instead of the packet's text."""
        raise NotImplementedError


class DeliveryFault(Fault, frozen=True):
    """The right bytes, at the wrong time, in the wrong way, or not at all."""

    layer = "delivery"

    def reroute(self, delivery: Delivery, at: Context) -> Delivery:
        """How the packet leaves instead."""
        raise NotImplementedError


def set_of(fault: Fault) -> dict[str, Any]:
    """The fault's fields that differ from their defaults, by name."""
    return {
        field.name: value
        for field in msgspec.structs.fields(fault)
        if (value := getattr(fault, field.name)) != field.default
    }
