"""Streams of text for descriptors whose reader may be slow.

Whoever starts a command may have put its stdout into non-blocking mode, as Node does with pipes.
Python then raises an error when a pipe is full, and loses text. These streams wait for room.
"""

import io
import os
import select
import sys
from typing import IO, Any

__all__ = ["dup_stdout", "text_stream", "wait_for_slow_readers", "write_utf8"]


def text_stream(
    descriptor: int,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    line_buffering: bool = False,
    closefd: bool = True,
) -> io.TextIOWrapper:
    """Return a stream that writes to the descriptor, and blocks its thread where there is no
    room.
    """
    file = _WaitingFile(descriptor, "w", closefd=closefd)
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding=encoding, errors=errors, line_buffering=line_buffering
    )


def dup_stdout() -> IO[str]:
    """Return stdout as a stream with its own descriptor. A thread that is blocked in it cannot
    delay the exit, at which Python flushes `sys.stdout`.
    """
    if sys.stdout is None:  # it is None if the descriptor is closed
        return open(os.devnull, "w", encoding="utf-8")
    return text_stream(
        os.dup(sys.stdout.fileno()), encoding=sys.stdout.encoding, errors="backslashreplace"
    )


def write_utf8() -> None:
    """Write UTF-8 to stdout from now on, whatever the locale: what a machine reads is UTF-8."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # else it is closed, or not a file
        sys.stdout.reconfigure(encoding="utf-8")


def wait_for_slow_readers() -> None:
    """Make stdout and stderr wait for room where their descriptors do not."""
    sys.stdout = _waiting(sys.stdout)
    sys.stderr = _waiting(sys.stderr)


def _waiting(stream: IO[str]) -> IO[str]:
    if not isinstance(stream, io.TextIOWrapper):  # also None, where the descriptor is closed
        return stream
    try:
        descriptor = stream.fileno()
        if os.get_blocking(descriptor):
            return stream
    except (OSError, AttributeError):  # it has no descriptor, or the system no such mode
        return stream
    stream.flush()
    return text_stream(
        descriptor,
        encoding=stream.encoding,
        errors=stream.errors or "strict",
        line_buffering=stream.line_buffering,
        closefd=False,
    )


class _WaitingFile(io.FileIO):
    """A file that waits for room, also in non-blocking mode."""

    def write(self, data: Any) -> int:
        while (written := super().write(data)) is None:
            ready = select.poll()  # which also takes descriptors above 1023
            ready.register(self.fileno(), select.POLLOUT)
            ready.poll()
        return written
