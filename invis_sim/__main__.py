"""The process of the command `invis-sim`, which `python -m invis_sim` is as well."""

import signal
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command as the process's own, and return its exit status.

    Until the command handles signals by itself, Ctrl-C ends the process as the system does it.
    Python would raise KeyboardInterrupt wherever it is: in the middle of an import, which may lose
    it, print it, or crash in a C extension.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Not before: this import is a good part of the start.
    from invis_sim.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
