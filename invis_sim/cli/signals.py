"""Signals that a command handles."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import trio

__all__ = ["STOP_SIGNALS", "on_signals"]

STOP_SIGNALS = tuple(one for one in signal.Signals if one.name in ("SIGINT", "SIGTERM", "SIGHUP"))
"""The signals that stop a command: of Ctrl-C, of service managers, and of a terminal that closes;
Windows does not have the last one.
"""


@contextmanager
def on_signals(numbers: Iterable[signal.Signals], function: Callable[[], object]) -> Iterator[None]:
    """Call the function in trio's thread when one of the signals arrives, until the block ends.
    Several signals that arrive together may cause one call.
    """
    token = trio.lowlevel.current_trio_token()

    def handle(number: int, frame: FrameType | None) -> None:
        # The handler may interrupt trio's own code anywhere, so the call waits for the event loop.
        token.run_sync_soon(function, idempotent=True)

    before = {
        number: signal.signal(number, handle)
        for number in numbers
        if not (number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN)  # by nohup
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
