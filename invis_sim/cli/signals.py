"""What a command does when a signal comes."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import trio

__all__ = ["STOP_SIGNALS", "on_signals"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Those that ask a command to end."""


@contextmanager
def on_signals(numbers: Iterable[signal.Signals], function: Callable[[], object]) -> Iterator[None]:
    """For the time of the block, calls the function in trio's thread when one of the signals
    comes. Of several that come at once, one may stand for all.
    """
    token = trio.lowlevel.current_trio_token()

    def handle(number: int, frame: FrameType | None) -> None:
        token.run_sync_soon(function, idempotent=True)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
