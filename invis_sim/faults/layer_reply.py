"""Faults of content: the outlet answers in valid JSON, and what it says is wrong."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from invis_sim.faults.fault import Context, ReplyFault
from invis_sim.protocol.packets import Packet, Reply

__all__ = ["Fail", "WrongPacketId"]


class Fail(ReplyFault, frozen=True, tag="fail"):
    """Answers `PUBACK` 0, without a payload, whatever was asked.

    What a client sees: its request refused.
    Stands for: an outlet that cannot do what it is asked: no internet for an update check, a busy
    module.
    """

    acts_on = ("reply",)
    example = """
        kind = "fail"
        when = { callback = 20, first = 2 }
    """

    def rewrite(self, packet: Packet, at: Context) -> Packet:
        return Reply({**packet.without_field(("payload",)).fields, "PUBACK": 0})


WrongId: TypeAlias = Literal[
    "other", "previous", "zero", "negative", "string", "float", "huge", "missing"
]


class WrongPacketId(ReplyFault, frozen=True, tag="wrong_packet_id"):
    """Answers under a packetID that nobody asked for.

    What a client sees: an answer that it cannot place; its own request runs into its time-out.
    Stands for: firmware that mixes up two clients, an answer from before a reconnect.

    how: "other": another six-digit number. "previous": that of this connection's request before
    (another number if there was none). "zero", "negative", "huge" (far beyond 64 bits): other
    integers. "string": the digits in quotes. "float": the number and a half. "missing": no packetID
    at all.
    """

    acts_on = ("reply",)
    example = """
        kind = "wrong_packet_id"
        how = "previous"
        when = { probability = 0.1 }
    """

    how: WrongId = "other"

    def rewrite(self, packet: Packet, at: Context) -> Packet:
        path = ("packetID",)
        if self.how == "missing":
            at.did("no packetID")
            return packet.without_field(path)
        assert at.request is not None
        wrong = _WRONG_IDS[self.how](at.request.packet_id, at)
        at.did(f"packetID {_shown(wrong)}")
        return packet.with_field(path, wrong)


def _other(packet_id: int, at: Context) -> int:
    drawn = at.random.randrange(100_000, 999_999)
    return drawn + (drawn >= packet_id) if 100_000 <= packet_id <= 999_999 else drawn


def _previous(packet_id: int, at: Context) -> Any:
    if at.honest:
        previous = at.honest[-1].fields.get("packetID")
        if previous != packet_id:
            return previous
    return _other(packet_id, at)


# Each form differs from the request's packetID, also to languages in which 7 == 7.0. Those that are
# computed from it differ even where numbers beyond 2**53 are rounded.
_WRONG_IDS: dict[str, Callable[[int, Context], Any]] = {
    "other": _other,
    "previous": _previous,
    "zero": lambda packet_id, at: 0 if packet_id != 0 else _other(packet_id, at),
    "negative": lambda packet_id, at: -packet_id if packet_id > 0 else 2 * packet_id - 1,
    "string": lambda packet_id, at: _digits(packet_id),
    "float": lambda packet_id, at: packet_id + 0.5 if abs(packet_id) < 2**50 else 0.5,
    "huge": lambda packet_id, at: 2 * abs(packet_id) + 10**30,
}


def _digits(number: int) -> str:
    """`str(number)` without Python's limit on long ones."""
    return str(Decimal(number))


def _shown(wrong: Any) -> str:
    """A packetID for the journal, shortened where a client made it absurdly long."""
    text = _digits(wrong) if isinstance(wrong, int) else repr(wrong)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"
