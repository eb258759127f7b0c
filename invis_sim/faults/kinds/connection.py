"""Faults of connections: how they begin, and how long they may last.

They act on new connections, not on packets: `when` then counts connections, and its conditions may
be about their transport, their number, the time, and probability.
"""

from typing import Annotated, Literal

import msgspec

from invis_sim.faults.case import Case
from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.fault import ConnectionFault, Context, OutageFault, Seconds
from invis_sim.faults.outage import Outage

__all__ = [
    "AcceptClose",
    "ConnectionLimit",
    "Greeting",
    "IdleClose",
    "Refuse",
    "SlowAccept",
    "Unreachable",
]


class Refuse(OutageFault, frozen=True, tag="refuse"):
    """Refuses new connections for a while; open ones stay.

    What a client sees: connection refused, on both transports.
    Stands for: an outlet whose server has died or is not up yet, while its network is.

    It starts at `from_seconds`, or with a packet that matches if `when` has other conditions than
    time; `until_seconds` is the latest start, and does not end it.

    seconds: for how long, from 0; if omitted, until the fault is switched off.
    """

    layer = "connection"
    example = """
        kind = "refuse"
        seconds = 2
        when = { callback = 20, nth = 3 }
    """
    cases = (
        Case("notice", "always", "The outlet cannot be reached.", at_start=True),
        Case(
            "either",
            "short",
            "The outlet is back after a third of a second: try again, or say so.",
            {"seconds": 0.3},
            at_start=True,
        ),
        Case(
            "either",
            "after-reply",
            "The open connection stays; a client that opens another one tries again, or says so.",
            {"seconds": 0.3},
            when={"times": 1},
        ),
    )

    seconds: Seconds | None = None

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, refuses=True)


class Unreachable(OutageFault, frozen=True, tag="unreachable"):
    """Answers no attempt to connect for a while; open connections stay.

    What a client sees: on both transports, a connect that runs into its time-out. If that is long
    enough, it succeeds a second or more after the outlet is back, when its system tries again.
    Stands for: an outlet that is out of range or without power, a firewall, an address that is not
    in use any more. It needs Linux; other systems may refuse connections instead.

    It starts at `from_seconds`, or with a packet that matches if `when` has other conditions than
    time; `until_seconds` is the latest start, and does not end it.

    seconds: for how long, from 0; if omitted, until the fault is switched off.
    """

    layer = "connection"
    example = """
        kind = "unreachable"
        seconds = 20
        when = { from_seconds = 5 }
    """
    cases = (
        Case(
            "notice",
            "always",
            "The outlet cannot be reached, and nothing but a time-out says so.",
            at_start=True,
        ),
        Case(
            "either",
            "short",
            "An attempt to connect succeeds after a second: wait for it, or say so.",
            {"seconds": 0.3},
            at_start=True,
        ),
        Case(
            "either",
            "after-reply",
            "The open connection stays; a client that opens another one waits, or says so.",
            {"seconds": 0.3},
            when={"times": 1},
        ),
    )

    seconds: Seconds | None = None

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, swallows=True)


class AcceptClose(ConnectionFault, frozen=True, tag="accept_close"):
    """Ends a new connection at once.

    What a client sees: a connection that succeeds and ends before anything is sent; on WebSocket,
    no response to its handshake.
    Stands for: a server that is out of memory, a port forwarding whose other end is down.

    how: "close": the stream ends (FIN). "reset": the connection is aborted (RST).
    """

    layer = "connection"
    example = """
        kind = "accept_close"
        how = "reset"
        when = { probability = 0.2 }
    """
    cases = (
        *Case.each(
            "notice", "how", ("close", "reset"), "Each connection ends before it is of use."
        ),
        *Case.once(
            "how", ("close", "reset"), "Only the first connection ends: connect again, or say so."
        ),
    )

    how: Literal["close", "reset"] = "close"

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(self.how)
        return msgspec.structs.replace(plan, end=self.how, drops_oldest=False)


class SlowAccept(ConnectionFault, frozen=True, tag="slow_accept"):
    """Delays serving a new connection.

    What a client sees: a connection at once, but no response to its first request, or its
    handshake, for a while.
    Stands for: an outlet with one thread, which is busy with another client.

    seconds: how long, from 0.
    """

    layer = "connection"
    example = """
        kind = "slow_accept"
        seconds = 1.5
        when = { first = 3 }
    """
    cases = (
        Case("survive", "short", "A third of a second is within any time-out.", {"seconds": 0.3}),
        Case("notice", "hour", "A request needs a time-out.", {"seconds": 3600}),
        Case(
            "either",
            "hour-once",
            "Only the first connection is never served: connect again, or say so.",
            {"seconds": 3600},
            when={"first": 1},
        ),
    )

    seconds: Seconds

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(f"{self.seconds:g} s")
        return msgspec.structs.replace(plan, wait=plan.wait + self.seconds)


class Greeting(ConnectionFault, frozen=True, tag="greeting"):
    """Sends a greeting before anything else.

    What a client sees: on TCP, text in front of the first reply; on WebSocket, bytes that are not
    HTTP in front of the response to its handshake.
    Stands for: a debug console left on, a serial-to-network bridge, the wrong port.

    text: what is sent, in UTF-8.
    """

    layer = "connection"
    example = """
        kind = "greeting"
        text = "InvisOutlet console v1\\r\\n> "
        when = { transport = "tcp" }
    """
    cases = (
        *(
            Case(
                "either",
                label,
                "Skip what is not a packet, or say that it cannot be an outlet.",
                keys,
                transports=("tcp",),
            )
            for label, keys in (
                ("text", {}),
                ("4096-bytes", {"text": "x" * 4096}),
                ("json", {"text": '{"console": 1}\n'}),
            )
        ),
        Case(
            "notice",
            "text",
            "What answers is not a WebSocket server (RFC 6455, 4.1).",
            transports=("ws",),
        ),
    )

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)] = "InvisOutlet\r\n> "

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        return msgspec.structs.replace(plan, greeting=plan.greeting + self.text.encode())


class ConnectionLimit(ConnectionFault, frozen=True, tag="connection_limit"):
    """Limits the number of open connections.

    What a client sees: its connection ends at once while other clients keep theirs; or its own ends
    when another client connects.
    Stands for: small hardware, which has memory for a handful of sockets.

    connections: how many may be open, over both transports, from 1.
    how: "close" or "reset": the new one ends, with FIN or RST. "drop_oldest": the oldest ends, with
    RST.
    """

    layer = "connection"
    example = """
        kind = "connection_limit"
        connections = 4
    """
    cases = (
        *Case.each(
            "notice",
            "how",
            ("close", "reset"),
            "Another client has the only place, so each connection ends at once.",
            keys={"connections": 1},
            others=1,
        ),
        Case(
            "survive",
            "drop_oldest",
            "Another client loses its place, and this one gets it.",
            {"connections": 1, "how": "drop_oldest"},
            others=1,
        ),
    )

    connections: Annotated[int, msgspec.Meta(ge=1)] = 4
    how: Literal["close", "reset", "drop_oldest"] = "close"

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        # This connection ends by another fault, so it takes no place.
        ends_anyway = plan.end is not None and not plan.drops_oldest
        if ctx.connections <= self.connections or ends_anyway:
            ctx.skip()
            return plan
        ctx.detail(f"{self.how}, {ctx.connections} were open")
        if self.how == "drop_oldest":
            return msgspec.structs.replace(plan, end="reset", drops_oldest=True)
        return msgspec.structs.replace(plan, end=self.how, drops_oldest=False)


class IdleClose(ConnectionFault, frozen=True, tag="idle_close"):
    """Closes the connection when the client has been silent for a while.

    What a client sees: the end of the stream, on WebSocket with a close frame, while no request of
    its own waits for a reply.
    Stands for: firmware that frees sockets which seem unused, a router that forgets connections.

    seconds: how long the client may be silent, from 0; on a connection that is open when the fault
    is injected, from then on.
    """

    layer = "connection"
    lasts = True
    example = """
        kind = "idle_close"
        seconds = 30
    """
    cases = (
        Case(
            "survive",
            "short",
            "A connection that was not in use has ended: open another one.",
            {"seconds": 0.2},
        ),
    )

    seconds: Seconds

    def admit(self, plan: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(f"after {self.seconds:g} s")
        other = self.seconds if plan.idle_seconds is None else plan.idle_seconds
        return msgspec.structs.replace(plan, idle_seconds=min(self.seconds, other))
