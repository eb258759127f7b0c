"""Messages for whoever runs a command, on stderr."""

import sys

from invis_sim.protocol.printable import printable

__all__ = ["print_message"]


def print_message(text: str) -> None:
    """Print one line on stderr, harmless for a terminal, or nothing where stderr is closed.

    text: may hold what a scenario, a client or an outlet says.
    """
    # Python has None for a closed descriptor, and `print` would take stdout in its place, which is
    # for programs to read.
    if sys.stderr is not None:
        print(printable(text), file=sys.stderr, flush=True)
