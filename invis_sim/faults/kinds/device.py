"""Faults of the device: all of it, or its faceplate, is away for a while."""

from invis_sim.faults.delivery import Delivery, Moment
from invis_sim.faults.fault import Context, OutageFault, Seconds
from invis_sim.faults.outage import Outage
from invis_sim.protocol.transport import DisconnectMode

__all__ = ["FaceplateOffline", "Reboot"]


class Reboot(OutageFault, frozen=True, tag="reboot"):
    """The outlet drops every connection, is away for a while, and comes back at the same address.

    What a client sees: the end of its connection without a goodbye, then connections refused, then
    an outlet that says who it is (callback 12) and has forgotten the conversation but not its
    settings. An update that was under way is lost.
    Stands for: a power cut, a crash, a watchdog, a firmware update.

    It begins at `from_seconds`, or with a packet that matches if `when` asks for more than a time;
    `until_seconds` is until when it may begin, and does not end it.

    seconds: for how long, from 0.
    how: how connections end. "reset": broken off (RST). "close": the stream ends (FIN).
    "close_frame": with a close frame on WebSocket, as an orderly restart would. "blackhole": as
    when the power is
    cut: nothing is said, and only when the outlet is back the client gets a RST.
    moment: where in the packet that it begins with. "before": the packet is not sent. "middle":
    half of its bytes are. "after": it is sent whole, though a reset may overtake it.
    """

    layer = "device"
    example = """
        kind = "reboot"
        seconds = 3
        when = { from_seconds = 10 }
    """

    seconds: Seconds = 3.0
    how: DisconnectMode = "reset"
    moment: Moment = "after"

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, refuses=True, connections=self.how)

    def reroute(self, delivery: Delivery, ctx: Context) -> Delivery:
        ctx.detail(self.moment)
        return super().reroute(delivery.interrupted(self.moment), ctx)


class FaceplateOffline(OutageFault, frozen=True, tag="faceplate_offline"):
    """The InvisDeco is away for a while, as if taken off the wall.

    What a client sees: answers without their `PM` block, no readings, and `PUBACK` 0 to whatever
    needs the faceplate; connections stay.
    Stands for: a faceplate that is taken off, has a bad contact, or restarts.

    It begins at `from_seconds`, or with a packet that matches if `when` asks for more than a time;
    `until_seconds` is until when it may begin, and does not end it.

    seconds: for how long, from 0; left out: until it is switched off.
    """

    layer = "device"
    example = """
        kind = "faceplate_offline"
        seconds = 15
        when = { from_seconds = 5 }
    """

    seconds: Seconds | None = None

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, faceplate=True)
