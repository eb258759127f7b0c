"""The process of the command `invis-sim`, which `python -m invis_sim` is as well."""

# The module of C behind `signal`, which is there already: `signal` itself, with the enum that it
# needs, takes so long to import that a Ctrl-C may come meanwhile.
import _signal  # type: ignore[import-not-found]
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command as the process's own, and return its exit status.

    Until the command handles signals by itself, Ctrl-C ends the process as the system does it.
    Python would raise KeyboardInterrupt wherever it is: in the middle of an import, which may lose
    it, print it, or crash in a C extension.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # and not ignored
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    # Not before: this import is a good part of the start.
    from invis_sim.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
