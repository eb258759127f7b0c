"""An outage: a time during which something of the outlet is away, as data."""

import msgspec

from invis_sim.protocol.transport import DisconnectMode

__all__ = ["Outage"]


class Outage(msgspec.Struct, frozen=True):
    """A time during which something of the outlet is away.

    name: of the fault that it comes from.
    seconds: how long, ≥ 0; None: until the fault is switched off.
    refuses: whether nobody listens, so that new connections are refused.
    connections: how those that are open end at its beginning; None: they stay.
    faceplate: whether the faceplate is away.
    """

    name: str
    seconds: float | None
    refuses: bool = False
    connections: DisconnectMode | None = None
    faceplate: bool = False

    @property
    def restarts(self) -> bool:
        """Whether the outlet restarts: all that it was doing is lost."""
        return self.refuses and self.connections is not None
