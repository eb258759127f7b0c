"""Faults of content that act on whose packet it is: its packetID and its serial number."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from invis_sim.faults.case import Case
from invis_sim.faults.details import short_number, short_text
from invis_sim.faults.fault import Context, ReplyFault
from invis_sim.protocol.json_text import encode_int
from invis_sim.protocol.packets import Packet

__all__ = ["WrongPacketId", "WrongSn"]


WrongId: TypeAlias = Literal[
    "other", "previous", "zero", "negative", "string", "float", "huge", "missing"
]


class WrongPacketId(ReplyFault, frozen=True, tag="wrong_packet_id"):
    """Replies with the wrong packetID.

    What a client sees: a reply that matches none of its requests; its own request times out.
    Stands for: firmware that mixes up two clients, a reply from before a reconnect.

    how: "other": another six-digit number. "previous": that of this connection's request before
    (another number if there was none). "zero", "negative", "huge" (far beyond 64 bits): other
    integers. "string": the digits in quotes. "float": the number plus a half. "missing": no
    packetID at all.
    """

    acts_on = ("reply",)
    example = """
        kind = "wrong_packet_id"
        how = "previous"
        when = { probability = 0.1 }
    """
    cases = (
        *Case.each(
            "notice",
            "how",
            ("other", "previous", "zero", "negative", "float", "huge", "missing"),
            "The reply matches no request, so it must not be taken for an answer.",
        ),
        Case(
            "either",
            "string",
            "The digits are right and the type is not: a lenient client takes it.",
            {"how": "string"},
        ),
        Case(
            "either",
            "other-once",
            "Only the first reply matches no request: ask again, or say so.",
            {"how": "other"},
            when={"first": 1},
        ),
    )

    how: WrongId = "other"

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        path = ("packetID",)
        if self.how == "missing":
            ctx.detail("no packetID")
            return packet.without_field(path)
        assert ctx.request is not None
        wrong = _WRONG_IDS[self.how](ctx.request.packet_id, ctx)
        ctx.detail(f"packetID {short_number(wrong)}")
        return packet.with_field(path, wrong)


class WrongSn(ReplyFault, frozen=True, tag="wrong_sn"):
    """Sends the wrong serial number, or none.

    What a client sees: a packet of an outlet that it does not know.
    Stands for: two outlets that got the same address, a replaced outlet, firmware that lost its
    serial number.

    how: "other": another serial number. "lower_case": its own in lower case (another one if that
    is the same). "empty": "". "missing": no sn at all.
    """

    example = """
        kind = "wrong_sn"
        how = "empty"
        when = { packet = "any" }
    """
    cases = (
        Case(
            "notice",
            "other",
            "The reply comes from another outlet than the one that was asked.",
            {"how": "other"},
        ),
        *Case.each(
            "either",
            "how",
            ("lower_case", "empty", "missing"),
            "Some clients compare serial numbers strictly, others ignore them.",
        ),
    )

    how: Literal["other", "lower_case", "empty", "missing"] = "other"

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        if self.how == "missing":
            ctx.detail("no sn")
            return packet.without_field(("sn",))
        sn = sn_of(packet)
        wrong = {"lower_case": sn.lower(), "empty": ""}.get(self.how, sn)
        while wrong == sn:
            wrong = f"{ctx.random.randrange(16**10):010X}"
        ctx.detail(f"sn {short_text(repr(wrong))}")
        return packet.with_field(("sn",), wrong)


def other_id(packet_id: int, ctx: Context) -> int:
    """Return a six-digit packetID that is not this one."""
    # One number fewer than there are, and those from the right one on move up: never the right one.
    number = ctx.random.randrange(100_000, 999_999)
    return number + (number >= packet_id) if 100_000 <= packet_id <= 999_999 else number


def _previous(packet_id: int, ctx: Context) -> Any:
    if ctx.earlier_replies:
        previous = ctx.earlier_replies[-1].packet.fields.get("packetID")
        if previous != packet_id:
            return previous
    return other_id(packet_id, ctx)


# Each form differs from the request's packetID, in languages in which 7 == 7.0 too. Those computed
# from it differ even if the client rounds numbers beyond 2**53 to floats.
_WRONG_IDS: dict[WrongId, Callable[[int, Context], Any]] = {
    "other": other_id,
    "previous": _previous,
    "zero": lambda packet_id, ctx: 0 if packet_id != 0 else other_id(packet_id, ctx),
    "negative": lambda packet_id, ctx: -packet_id if packet_id > 0 else 2 * packet_id - 1,
    "string": lambda packet_id, ctx: encode_int(packet_id),
    "float": lambda packet_id, ctx: packet_id + 0.5 if abs(packet_id) < 2**50 else 0.5,
    "huge": lambda packet_id, ctx: 2 * abs(packet_id) + 10**30,
}


def sn_of(packet: Packet) -> str:
    """Return the packet's serial number; "" if another fault has made it something else."""
    sn = packet.fields.get("sn")
    return sn if isinstance(sn, str) else ""
