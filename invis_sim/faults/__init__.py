"""What can go wrong, on demand.

`fault.py` says what a fault is, `when.py` when it applies, `delivery.py` what it may do to the way
of a packet, `connection_plan.py` to a connection and `outage.py` to the outlet. `kinds/` has the
kinds and registers them, `catalogue.py` lists them. `armed.py` counts and decides, `pipeline.py` is
the set of an outlet's faults, and `session.py` takes the packets of one connection through those
that apply. No sockets, no clock, no random numbers but from the seed.
"""

# No `__all__`: it would be a second list of the kinds. Type checkers take what is imported as
# itself, or with a star, as handed on; each file of kinds has an `__all__` beside its classes.
from invis_sim.faults.catalogue import KINDS as KINDS
from invis_sim.faults.delivery import Delivery as Delivery
from invis_sim.faults.fault import Context as Context
from invis_sim.faults.fault import Fault as Fault
from invis_sim.faults.kinds import *  # noqa: F403
from invis_sim.faults.when import When as When
