"""Messages for the user of a command, on stderr."""

import sys
import threading

from invis_sim.cli.color import Style, paint_for
from invis_sim.protocol.printable import printable

__all__ = ["print_error", "print_message", "print_note", "print_warning", "warn"]

WARNING_SECONDS = 1.0
"""How long a warning may take before what it is about goes on."""


def print_message(text: str) -> None:
    """Print one line on stderr, harmless for a terminal, or nothing where stderr is closed.

    text: may hold what a scenario, a client or an outlet says.
    """
    _print("", printable(text))


def print_error(text: str, source: str = "invis-sim") -> None:
    """Print why a command, or a part of it, has failed. source: which command."""
    _print_with_source(source, text, "error")


def print_warning(text: str) -> None:
    """Print what the user of a command may not want."""
    _print_with_source("invis-sim", text, "warning")


def print_note(text: str) -> None:
    """Print what a command does."""
    _print_with_source("invis-sim", text, "heading")


def _print_with_source(source: str, text: str, style: Style) -> None:
    _print(paint_for(sys.stderr)(f"{source}:", style) + " ", printable(text))


def _print(head: str, text: str) -> None:
    # Python has None for a closed descriptor, and `print` would take stdout in its place, which is
    # for programs to read.
    if sys.stderr is not None:
        print(head + text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a warning from a thread: stderr may have a slow reader, for which neither the outlet
    nor its end waits.
    """
    thread = threading.Thread(
        target=print_warning, args=(text,), name="invis-sim-warning", daemon=True
    )
    thread.start()
    thread.join(WARNING_SECONDS)
