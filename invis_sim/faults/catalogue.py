"""The catalogue: every kind of fault that there is, in the order in which it is shown."""

from invis_sim.faults.fault import Fault
from invis_sim.faults.layer_delivery import CloseConnection, Delay, Drop, Duplicate
from invis_sim.faults.layer_reply import Fail, WrongPacketId
from invis_sim.faults.layer_text import MalformedJson

__all__ = ["KINDS"]

_CLASSES: tuple[type[Fault], ...] = (
    Fail,
    WrongPacketId,
    MalformedJson,
    Delay,
    Drop,
    Duplicate,
    CloseConnection,
)

KINDS: dict[str, type[Fault]] = {fault.kind(): fault for fault in _CLASSES}
"""`kind` in a scenario → the class."""
