"""Faults of the device: all of it, or its faceplate, is offline for a while."""

from typing import get_args

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.delivery import Delivery, Moment
from invis_sim.faults.fault import Context, OutageFault, Seconds
from invis_sim.faults.outage import Outage
from invis_sim.protocol.address import is_ip_address
from invis_sim.protocol.transport import DisconnectMode
from invis_sim.schema.describe import quote

__all__ = ["FaceplateOffline", "Readdress", "Reboot"]


class _Restart(OutageFault, frozen=True):
    """What restarts the outlet.

    seconds: how long the outlet is offline, from 0.
    how: how connections end. "reset": aborted (RST). "close": the stream ends (FIN). "close_frame":
    with a close frame on WebSocket, as in an orderly restart. "blackhole": as in a power cut:
    nothing is sent, and only when the outlet is back does the client get a RST.
    moment: when it starts with a packet, where in that packet. "before": the packet is not sent.
    "middle": half of its bytes are. "after": it is sent whole, though a reset may overtake it.
    """

    layer = "device"

    seconds: Seconds = 3.0
    how: DisconnectMode = "reset"
    moment: Moment = "after"

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, refuses=True, connections=self.how)

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(self.moment)
        return super().reroute(delivery.interrupted(self.moment), ctx)


class Reboot(_Restart, frozen=True, tag="reboot"):
    """Drops every connection and restarts the outlet.

    What a client sees: the end of its connection without a close frame, then connections refused,
    then, at the same address, an outlet that sends who it is (callback 12) and has kept its
    settings. An update that was in progress is lost.
    Stands for: a power cut, a crash, a watchdog, a firmware update.

    It starts at `from_seconds`, or with a packet that matches if `when` has other conditions than
    time; `until_seconds` is the latest start, and does not end it.
    """

    example = """
        kind = "reboot"
        seconds = 3
        when = { from_seconds = 10 }
    """
    cases = (
        Case("notice", "hour", "The outlet cannot be reached.", {"seconds": 3600}, at_start=True),
        *(
            Case(
                "either",
                f"{how}-{moment}",
                "The outlet is back after a third of a second: connect again, or say so.",
                {"how": how, "moment": moment, "seconds": 0.3},
                when={"times": 1},
            )
            for how in get_args(DisconnectMode)
            for moment in get_args(Moment)
        ),
        Case(
            "notice",
            "blackhole-hour",
            "A request needs a time-out, also where the outlet has lost its power.",
            {"how": "blackhole", "moment": "middle", "seconds": 3600},
            when={"times": 1},
        ),
    )


class Readdress(_Restart, frozen=True, tag="readdress"):
    """Drops every connection, and comes back at another address.

    What a client sees: the end of its connection, and then connections refused at this address for
    good. At the new one, where mDNS announces it, is the same outlet with the same serial number,
    which sends who it is (callback 12) and has kept its settings. An update that was in progress is
    lost.
    Stands for: a router that gives the outlet another lease after a power cut.

    It starts at `from_seconds`, or with a packet that matches if `when` has other conditions than
    time; `until_seconds` is the latest start, and does not end it. Where the new address
    cannot be used, the journal says why, and the outlet comes back at the old one. Removing the
    fault does not move it back; `set = { listen = { host = "127.0.0.1" } }` does.

    address: the new IP address, one of this machine; omitted: the next one that no other outlet has
    and at which the ports are free, so after 127.0.0.1 it is 127.0.0.2, and with each time one
    further. The ports stay the same.
    """

    example = """
        kind = "readdress"
        address = "127.0.0.2"
        seconds = 3
        when = { from_seconds = 10 }
    """
    cases = tuple(
        case
        for key, values in (("how", get_args(DisconnectMode)), ("moment", ("before", "middle")))
        for case in Case.each(
            "either",
            key,
            values,
            "The outlet is at another address after a third of a second: find it, or say so.",
            keys={"seconds": 0.3},
            when={"times": 1},
        )
    )

    address: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address is not None and not is_ip_address(self.address):
            raise ValueError(f"address: expected an IP address, found {quote(self.address)}")

    def outage(self) -> Outage:
        return msgspec.structs.replace(super().outage(), moves=True, address=self.address)


class FaceplateOffline(OutageFault, frozen=True, tag="faceplate_offline"):
    """Takes the faceplate offline for a while.

    What a client sees: replies without their `PM` block, no readings, and `PUBACK` 0 to every
    request that needs the faceplate; connections stay.
    Stands for: an InvisDeco that is taken off the wall, has a bad contact, or restarts.

    It starts at `from_seconds`, or with a packet that matches if `when` has other conditions than
    time; `until_seconds` is the latest start, and does not end it.

    seconds: for how long, from 0; if omitted, until the fault is switched off.
    """

    layer = "device"
    example = """
        kind = "faceplate_offline"
        seconds = 15
        when = { from_seconds = 5 }
    """
    cases = (
        Case(
            "either",
            "always",
            "Without its faceplate the outlet answers less, or nothing about it.",
            at_start=True,
        ),
        Case(
            "either",
            "short",
            "The faceplate is back after a third of a second.",
            {"seconds": 0.3},
            at_start=True,
        ),
        Case(
            "either",
            "after-reply",
            "The faceplate goes away while the client is connected.",
            {"seconds": 0.3},
            when={"times": 1},
        ),
    )

    seconds: Seconds | None = None

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, faceplate=True)
