"""Messages for whoever runs a command, on stderr."""

import sys
import threading

from invis_sim.protocol.printable import printable

__all__ = ["print_message", "warn"]

WARNING_SECONDS = 1.0
"""How long a warning may take before what it is about goes on."""


def print_message(text: str) -> None:
    """Print one line on stderr, harmless for a terminal, or nothing where stderr is closed.

    text: may hold what a scenario, a client or an outlet says.
    """
    # Python has None for a closed descriptor, and `print` would take stdout in its place, which is
    # for programs to read.
    if sys.stderr is not None:
        print(printable(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a message of the command from a thread: stderr may have a slow reader, for which
    neither the outlet nor its end waits.
    """
    thread = threading.Thread(
        target=print_message, args=(f"invis-sim: {text}",), name="invis-sim-warning", daemon=True
    )
    thread.start()
    thread.join(WARNING_SECONDS)
