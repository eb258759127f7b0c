"""Faults of delivery that end a connection, or its half, around a packet."""

from typing import Annotated, Final

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.delivery import Close, Delivery, HalfClose, Moment, Reset, Stall
from invis_sim.faults.fault import Context, DeliveryFault

__all__ = ["CloseConnection", "HalfCloseConnection", "ResetConnection", "StallConnection"]

_EARLY: Final[tuple[Moment, ...]] = ("before", "middle")
_ALWAYS: Final = Case.each(
    "notice", "moment", _EARLY, "The stream ends each time before the reply is whole."
)
_ONCE: Final = Case.once(
    "moment", _EARLY, "Only the first reply is lost: connect again, or say so."
)
_WHOLE: Final = Case(
    "survive",
    "after",
    "The reply is whole; a connection that ended can be opened again.",
    {"moment": "after"},
)

CloseCode = Annotated[
    int,
    msgspec.Meta(ge=1000, le=4999, description="A WebSocket close code that may be in a frame."),
]


class CloseConnection(DeliveryFault, frozen=True, tag="close"):
    """Closes the connection around the packet.

    What a client sees: the end of the stream (TCP) or a close frame (WebSocket), instead of its
    reply, in the middle of it, or right after it.
    Stands for: an outlet that restarts its server, or runs out of memory for connections.

    moment: "before": the packet is not sent. "middle": half of its bytes are, and the stream ends
    without a close frame. "after": it is sent whole.
    code: the WebSocket close code, 1000-4999, except those that must not be sent (1004-1006, 1015).
    reason: the WebSocket close reason, at most 123 bytes in UTF-8.
    """

    example = """
        kind = "close"
        moment = "middle"
        when = { nth = 2, per = "connection" }
    """
    cases = (
        *_ALWAYS,
        _WHOLE,
        *(
            Case(
                "notice",
                f"before-{code}",
                "The connection ends each time before the reply, whatever the code.",
                {"moment": "before", "code": code},
                transports=("ws",),
            )
            for code in (1000, 1001, 1008, 1012, 4000)
        ),
        *_ONCE,
    )

    moment: Moment = "before"
    code: CloseCode = 1011
    reason: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        # RFC 6455, 7.4: 1015 to 2999 are reserved; 1004 to 1006 must not be in a frame.
        allowed = 1000 <= self.code <= 1014 or 3000 <= self.code <= 4999
        if not allowed or self.code in (1004, 1005, 1006):
            raise ValueError(f"code: {self.code} must not be sent in a close frame (RFC 6455, 7.4)")
        if len(self.reason.encode()) > 123:
            raise ValueError("reason: longer than the 123 bytes that a close frame has for it")

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(self.moment)
        # A close frame in the middle of another frame would be part of that one's payload.
        whole = self.moment != "middle"
        end = Close(self.code, self.reason) if whole else Close(code=None)
        return delivery.interrupted(self.moment, end)


class ResetConnection(DeliveryFault, frozen=True, tag="reset"):
    """Aborts the connection around the packet, with a TCP RST.

    What a client sees: "connection reset by peer", instead of its reply, in the middle of it, or
    right after it; what it has not read by then may be lost.
    Stands for: an outlet that crashed and came back, a middlebox that drops the connection.

    moment: "before": the packet is not sent. "middle": half of its bytes are. "after": it is sent
    whole.
    """

    example = """
        kind = "reset"
        moment = "middle"
        when = { callback = 20, probability = 0.05 }
    """
    cases = (
        *_ALWAYS,
        Case(
            "either",
            "after",
            "The reply was sent, and the reset may have overtaken it.",
            {"moment": "after"},
        ),
        *_ONCE,
    )

    moment: Moment = "before"

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(self.moment)
        return delivery.interrupted(self.moment, Reset())


class HalfCloseConnection(DeliveryFault, frozen=True, tag="half_close"):
    """Ends the outlet's side of the stream around the packet, and keeps reading.

    What a client sees: the end of the stream, while it can still send; there are no more replies.
    On WebSocket: no close frame.
    Stands for: a server whose writing half has died.

    moment: "before": the packet is not sent. "middle": half of its bytes are. "after": it is sent
    whole.
    """

    example = """
        kind = "half_close"
        moment = "after"
    """
    cases = (
        *_ALWAYS,
        _WHOLE,
        *_ONCE,
    )

    moment: Moment = "after"

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(self.moment)
        return delivery.interrupted(self.moment, HalfClose())


class StallConnection(DeliveryFault, frozen=True, tag="stall"):
    """Stops sending for good; the connection stays open.

    What a client sees: no reply, to this request or to any later one, until it gives up on the
    connection; on WebSocket no pongs either.
    Stands for: a task of the firmware that hangs while its network stack lives.

    moment: "before": the packet is not sent. "middle": half of its bytes are. "after": it is sent
    whole.
    """

    example = """
        kind = "stall"
        moment = "middle"
        when = { nth = 5 }
    """
    cases = (
        *Case.each(
            "notice",
            "moment",
            _EARLY,
            "A request needs a time-out, also where half of its reply has come.",
        ),
        Case(
            "either",
            "after",
            "This reply is whole; later ones on this connection never come.",
            {"moment": "after"},
        ),
        *Case.once("moment", _EARLY, "Only the first connection hangs: connect again, or say so."),
    )

    moment: Moment = "before"

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(self.moment)
        return delivery.interrupted(self.moment, Stall())
