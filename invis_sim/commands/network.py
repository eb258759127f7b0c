"""`disconnect`, `reboot`, `join_network`: the outlet's place on the network."""

from typing import Annotated

import msgspec

from invis_sim.commands.command import (
    ComeOnline,
    Command,
    CommandError,
    DisconnectClients,
    Target,
)
from invis_sim.commands.methods import Commandable
from invis_sim.device.effects import GoOffline
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.transport import DisconnectMode

__all__ = [
    "Disconnect",
    "DisconnectMethod",
    "JoinMethod",
    "JoinNetwork",
    "RebootMethod",
    "RebootOutlet",
]

__tracebackhide__ = hide_frames

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Number = Annotated[int, msgspec.Meta(ge=1)]


class Disconnect(Command, frozen=True, kw_only=True):
    """true: ends every connection; clients may connect again at once. Or how they end, such as
    "reset"; or { how = "reset", connection = 2 } for one of them.

    how: how connections end, as for the fault `reboot`.
    connection: the number of the only connection that ends; omitted: all.
    """

    key = "disconnect"
    short = "how"

    how: DisconnectMode = "close"
    connection: Number | None = None

    def apply(self, target: Target) -> tuple[DisconnectClients, ...]:
        if self.connection is not None and self.connection not in target.connections:
            there = ", ".join(map(str, sorted(target.connections))) or "none"
            found = f"expected the number of an open connection ({there}), found {self.connection}"
            raise CommandError(f"{self.key}.connection: {found}")
        return (DisconnectClients(self.how, self.connection),)


class RebootOutlet(Command, frozen=True, kw_only=True):
    """true, or { seconds = 3, how = "reset" }: restarts the outlet. Every connection ends, new ones
    are refused until it is back, and each client that connects soon after gets callback 12.

    seconds: how long the outlet is offline; omitted: as [timing] says.
    how: how connections end, as for the fault `reboot`; omitted: as [quirks] says.
    """

    key = "reboot"

    seconds: Seconds | None = None
    how: DisconnectMode | None = None

    def apply(self, target: Target) -> tuple[GoOffline, ...]:
        state = target.outlet.state
        seconds = state.timing.restart_seconds if self.seconds is None else self.seconds
        return (GoOffline("reboot", seconds, self.how or state.quirks.restart_disconnect),)


class JoinNetwork(Command, frozen=True):
    """true: brings the outlet back after a network reset (callback 6); otherwise does nothing."""

    key = "join_network"

    def apply(self, target: Target) -> tuple[ComeOnline, ...]:
        return (ComeOnline(),)


class DisconnectMethod(Commandable, command=Disconnect):
    """Adds `disconnect`."""

    def disconnect(self, how: DisconnectMode = "close", *, connection: int | None = None) -> None:
        """End every connection at once; clients may connect again.

        how: "close": end the stream (FIN). "reset": TCP RST. "close_frame": a close frame on
        WebSocket, then FIN. "blackhole": send nothing more on them.
        connection: the number of the only one to end.

        Raises CommandError for a connection that is not open.
        """
        only = {} if connection is None else {"connection": connection}
        self.do(disconnect={"how": how, **only})


class RebootMethod(Commandable, command=RebootOutlet):
    """Adds `reboot`."""

    def reboot(self, seconds: float | None = None, how: DisconnectMode | None = None) -> None:
        """Restart the outlet. It is offline when this returns, and comes back by itself.

        seconds: simulated seconds, 0 to 1e9; None: as the scenario's [timing] says.
        how: how connections end; None: as the scenario's [quirks] says.

        Raises CommandError for a value out of range.
        """
        given = {"seconds": seconds, "how": how}
        self.do(reboot={name: value for name, value in given.items() if value is not None})


class JoinMethod(Commandable, command=JoinNetwork):
    """Adds `join_network`."""

    def join_network(self) -> None:
        """Bring the outlet back after a network reset. Without one, do nothing."""
        self.do(JoinNetwork())
