"""Notes on packets that are too long for early clients."""

from invis_sim.faults.delivery import Delivery, Write
from invis_sim.protocol.packets import Note

__all__ = ["MAX_EARLY_READ_BYTES", "note_long_delivery", "note_long_packet"]

MAX_EARLY_READ_BYTES = 1024
"""How much early clients read at once: they take each read for one packet, so a longer one fails.
[the vendor's early app]"""


def note_long_packet(size: int) -> tuple[Note, ...]:
    """Return the note on a packet, if it is too long for early clients.

    size: of its text, in bytes.
    """
    if size <= MAX_EARLY_READ_BYTES:
        return ()
    why = f"early clients read at most {MAX_EARLY_READ_BYTES} at once"
    return (Note(f"a packet of {size} bytes was sent; {why}"),)


def note_long_delivery(delivery: Delivery) -> tuple[Note, ...]:
    """Return the note on a packet as faults have made it, by its longest write."""
    writes = (len(step.data) for step in delivery.steps if isinstance(step, Write))
    return note_long_packet(max(writes, default=0))
