"""The catalogue: every kind of fault that there is, in the order in which it is shown."""

from invis_sim.faults.fault import Fault
from invis_sim.faults.kinds.connection import (
    AcceptClose,
    ConnectionLimit,
    Greeting,
    IdleClose,
    Refuse,
    SlowAccept,
)
from invis_sim.faults.kinds.content import (
    Fail,
    PushFirst,
    RemoveField,
    SetField,
    Stale,
    WrongCallback,
    WrongPacketId,
    WrongPuback,
    WrongSn,
)
from invis_sim.faults.kinds.delivery import (
    CloseConnection,
    Coalesce,
    Delay,
    Drop,
    Duplicate,
    HalfCloseConnection,
    Reorder,
    ResetConnection,
    Split,
    StallConnection,
    Throttle,
)
from invis_sim.faults.kinds.device import FaceplateOffline, Reboot
from invis_sim.faults.kinds.text import (
    BitFlip,
    Bom,
    Empty,
    Garbage,
    InvalidUtf8,
    MalformedJson,
    Pad,
    UnusualJson,
    Utf16,
)
from invis_sim.faults.kinds.websocket import (
    BadFrame,
    BadHandshake,
    Binary,
    Fragment,
    NoPong,
    RejectHandshake,
    SlowHandshake,
)

__all__ = ["KINDS"]

_CLASSES: tuple[type[Fault], ...] = (
    Fail,
    WrongPacketId,
    WrongSn,
    WrongCallback,
    WrongPuback,
    SetField,
    RemoveField,
    Stale,
    PushFirst,
    MalformedJson,
    UnusualJson,
    Empty,
    Garbage,
    InvalidUtf8,
    Bom,
    Utf16,
    Pad,
    BitFlip,
    Binary,
    Fragment,
    BadFrame,
    RejectHandshake,
    BadHandshake,
    SlowHandshake,
    NoPong,
    Delay,
    Drop,
    Duplicate,
    Reorder,
    Split,
    Coalesce,
    Throttle,
    CloseConnection,
    ResetConnection,
    HalfCloseConnection,
    StallConnection,
    Refuse,
    AcceptClose,
    SlowAccept,
    Greeting,
    ConnectionLimit,
    IdleClose,
    Reboot,
    FaceplateOffline,
)

KINDS: dict[str, type[Fault]] = {fault.kind(): fault for fault in _CLASSES}
"""`kind` in a scenario → the class."""
