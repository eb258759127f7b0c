"""The outlets against which the examples of the documents are run."""

from collections.abc import Iterator
from contextlib import contextmanager

from invis_sim import start_fleet, start_simulator
from tests.support import connect, exchange

__all__ = ["steered"]


@contextmanager
def steered(text: str) -> Iterator[str]:
    """The address of a control server of the outlets that a text names: two of a fleet, or one,
    which a client has asked for its updates.
    """
    if "0003C400001" in text:
        with start_fleet(2, tcp_port=0, ws_port=0, control=True) as fleet:
            yield fleet.control_url
    else:
        with start_simulator(control=True) as sim, connect(sim.tcp_address) as client:
            exchange(client)
            yield sim.control_url
