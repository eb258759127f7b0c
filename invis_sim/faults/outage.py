"""An outage: a time during which a part of the outlet is offline, as data."""

import msgspec

from invis_sim.protocol.transport import DisconnectMode

__all__ = ["Outage"]


class Outage(msgspec.Struct, frozen=True):
    """A time during which a part of the outlet is offline.

    name: of the fault that it comes from, or what the outlet does ("reboot").
    seconds: how long, ≥ 0; None: until the fault is switched off.
    refuses: whether new connections are refused.
    swallows: whether attempts to connect get no answer at all.
    connections: how the open ones end at its start; None: they stay.
    faceplate: whether the faceplate is offline.
    moves: whether the outlet is at another address afterwards. address: which; None: the next one
    of its machine.
    identity: of the armed fault that it comes from; None: it is the outlet's own. Names may be
    shared, so what holds an outage holds it by this.
    """

    name: str
    seconds: float | None
    refuses: bool = False
    swallows: bool = False
    connections: DisconnectMode | None = None
    faceplate: bool = False
    moves: bool = False
    address: str | None = None
    identity: str | None = None

    @property
    def restarts(self) -> bool:
        """Whether the outlet restarts: everything in progress is lost."""
        return self.refuses and self.connections is not None
