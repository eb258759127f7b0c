"""Faults of connections: how they come about, and how long they may last.

They act on connections as they come, not on packets: `when` then counts connections and may ask for
their transport, ordinal and time, and for chance.
"""

from typing import Annotated, Literal

import msgspec

from invis_sim.faults.connection_plan import ConnectionPlan
from invis_sim.faults.fault import ConnectionFault, Context, OutageFault, Seconds
from invis_sim.faults.outage import Outage

__all__ = ["AcceptClose", "ConnectionLimit", "Greeting", "IdleClose", "Refuse", "SlowAccept"]


class Refuse(OutageFault, frozen=True, tag="refuse"):
    """Nobody listens for a while; connections that are open stay.

    What a client sees: connection refused, on both transports.
    Stands for: an outlet whose server has died or is not up yet, while its network is.

    It begins at `from_seconds`, or with a packet that matches if `when` asks for more than a time;
    `until_seconds` is until when it may begin, and does not end it.

    seconds: for how long, from 0; left out: until it is switched off.
    """

    layer = "connection"
    example = """
        kind = "refuse"
        seconds = 2
        when = { callback = 20, nth = 3 }
    """

    seconds: Seconds | None = None

    def outage(self) -> Outage:
        return Outage(self.display_name, self.seconds, refuses=True)


class AcceptClose(ConnectionFault, frozen=True, tag="accept_close"):
    """Ends the connection as soon as it is there.

    What a client sees: a connection that succeeds and ends before anything is said; on WebSocket,
    no answer to its handshake.
    Stands for: a server that is out of memory, a port forwarding whose other end is down.

    how: "close": the stream ends (FIN). "reset": it is broken off (RST).
    """

    layer = "connection"
    example = """
        kind = "accept_close"
        how = "reset"
        when = { probability = 0.2 }
    """

    how: Literal["close", "reset"] = "close"

    def admit(self, welcome: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(self.how)
        return msgspec.structs.replace(welcome, end=self.how, drops_oldest=False)


class SlowAccept(ConnectionFault, frozen=True, tag="slow_accept"):
    """Leaves a new connection alone for a while before it is served.

    What a client sees: a connection at once, but no answer to its first request, or its handshake,
    for a while.
    Stands for: an outlet with one thread, which is busy with somebody else.

    seconds: how long, from 0.
    """

    layer = "connection"
    example = """
        kind = "slow_accept"
        seconds = 1.5
        when = { first = 3 }
    """

    seconds: Seconds

    def admit(self, welcome: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(f"{self.seconds:g} s")
        return msgspec.structs.replace(welcome, wait=welcome.wait + self.seconds)


class Greeting(ConnectionFault, frozen=True, tag="greeting"):
    """Sends bytes that nobody asked for, before anything else.

    What a client sees: on TCP, text in front of the first reply; on WebSocket, something else than
    HTTP in front of the answer to its handshake.
    Stands for: a debug console left on, a serial-to-network bridge, the wrong port.

    text: what is sent, in UTF-8.
    """

    layer = "connection"
    example = """
        kind = "greeting"
        text = "InvisOutlet console v1\\r\\n> "
        when = { transport = "tcp" }
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)] = "InvisOutlet\r\n> "

    def admit(self, welcome: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        return msgspec.structs.replace(welcome, greeting=welcome.greeting + self.text.encode())


class ConnectionLimit(ConnectionFault, frozen=True, tag="connection_limit"):
    """Serves only so many connections at once.

    What a client sees: its connection ends at once while others have theirs; or its own ends when
    another one comes.
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

    connections: Annotated[int, msgspec.Meta(ge=1)] = 4
    how: Literal["close", "reset", "drop_oldest"] = "close"

    def admit(self, welcome: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ends_anyway = welcome.end is not None and not welcome.drops_oldest
        if ctx.connections <= self.connections or ends_anyway:
            ctx.skip()
            return welcome
        ctx.detail(f"{self.how}, {ctx.connections} were open")
        if self.how == "drop_oldest":
            return msgspec.structs.replace(welcome, end="reset", drops_oldest=True)
        return msgspec.structs.replace(welcome, end=self.how, drops_oldest=False)


class IdleClose(ConnectionFault, frozen=True, tag="idle_close"):
    """Closes the connection when the client has said nothing for a while.

    What a client sees: the end of the stream, on WebSocket with a close frame, at a time when it
    asked nothing.
    Stands for: firmware that frees sockets which seem unused, a router that forgets connections.

    seconds: how long it may be silent, from 0.
    """

    layer = "connection"
    example = """
        kind = "idle_close"
        seconds = 30
    """

    seconds: Seconds

    def admit(self, welcome: ConnectionPlan, ctx: Context) -> ConnectionPlan:
        ctx.detail(f"after {self.seconds:g} s")
        others = self.seconds if welcome.idle_seconds is None else welcome.idle_seconds
        return msgspec.structs.replace(welcome, idle_seconds=min(self.seconds, others))
