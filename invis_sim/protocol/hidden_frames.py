"""Which frames pytest hides from the report of a failed test.

An error that says what the author of a test did wrong, or what a client did, is read there. Frames
of this package in front of the message would only be in the way. A module whose frames are hidden
says `__tracebackhide__ = hide_frames`.
"""

from typing import Protocol

__all__ = ["hide_frames", "is_for_the_caller"]


class _ExceptionInfo(Protocol):
    """What pytest calls with."""

    @property
    def value(self) -> BaseException: ...


def hide_frames(info: _ExceptionInfo) -> bool:
    """Return whether pytest hides the frames. `pytest --full-trace` shows them all the same."""
    return is_for_the_caller(info.value)


def is_for_the_caller(error: BaseException) -> bool:
    """Return whether the error says what the caller, or a client, did wrong."""
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, AssertionError | ValueError) or package == __name__.partition(".")[0]
