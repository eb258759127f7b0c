"""What can go wrong, on demand.

`fault.py` says what a fault is, `when.py` when it applies, `delivery.py` what it may do to a
packet's way out; a `layer_*.py` file holds the kinds of one layer, `catalogue.py` lists them all,
and `pipeline.py` takes a packet through those that apply. No sockets, no clock, no chance but from
the seed.
"""

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.delivery import Delivery
from invis_sim.faults.fault import Context, Fault
from invis_sim.faults.layer_delivery import CloseConnection, Delay, Drop, Duplicate, Spread
from invis_sim.faults.layer_reply import Fail, WrongPacketId
from invis_sim.faults.layer_text import MalformedJson
from invis_sim.faults.when import When

__all__ = [
    "KINDS",
    "CloseConnection",
    "Context",
    "Delay",
    "Delivery",
    "Drop",
    "Duplicate",
    "Fail",
    "Fault",
    "MalformedJson",
    "Spread",
    "When",
    "WrongPacketId",
]
