"""The end of stdin, which ends an outlet with --exit-with-stdin."""

import os
import select
import sys
import threading
from contextlib import suppress

import trio

__all__ = ["watch_stdin"]


def watch_stdin(ended: trio.Event) -> None:
    """Set the event when stdin reaches EOF, or can no longer be read."""
    token = trio.lowlevel.current_trio_token()

    def watch() -> None:
        if sys.stdin is not None:  # it is None if the descriptor is closed
            stdin = sys.stdin.fileno()
            with suppress(OSError, ValueError):
                # `select` first: reading from a terminal while in the background would stop the
                # process (SIGTTIN).
                while select.select([stdin], [], []) and os.read(stdin, 65536):
                    pass
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(ended.set, idempotent=True)

    # A daemon: it blocks in a read that cannot be cancelled, and must not delay the exit.
    threading.Thread(target=watch, name="invis-sim-stdin", daemon=True).start()
