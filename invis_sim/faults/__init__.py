"""What can go wrong, on demand.

`fault.py` says what a fault is, `when.py` when it applies, `delivery.py` what it may do to a
packet's way out and `welcome.py` to a connection's beginning; a `layer_*.py` file holds the kinds
of one layer, `catalogue.py` lists them all. `rule.py` counts, and `pipeline.py` takes a packet
through those that apply. No sockets, no clock, no chance but from the seed.
"""

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.delivery import Delivery
from invis_sim.faults.fault import Context, Fault
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
    Distribution,
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
from invis_sim.faults.when import When

__all__ = [
    "KINDS",
    "AcceptClose",
    "BadFrame",
    "BadHandshake",
    "Binary",
    "BitFlip",
    "Bom",
    "CloseConnection",
    "Coalesce",
    "ConnectionLimit",
    "Context",
    "Delay",
    "Delivery",
    "Distribution",
    "Drop",
    "Duplicate",
    "Empty",
    "FaceplateOffline",
    "Fail",
    "Fault",
    "Fragment",
    "Garbage",
    "Greeting",
    "HalfCloseConnection",
    "IdleClose",
    "InvalidUtf8",
    "MalformedJson",
    "NoPong",
    "Pad",
    "PushFirst",
    "Reboot",
    "Refuse",
    "RejectHandshake",
    "RemoveField",
    "Reorder",
    "ResetConnection",
    "SetField",
    "SlowAccept",
    "SlowHandshake",
    "Split",
    "Stale",
    "StallConnection",
    "Throttle",
    "UnusualJson",
    "Utf16",
    "When",
    "WrongCallback",
    "WrongPacketId",
    "WrongPuback",
    "WrongSn",
]
