"""Run a command that may do anything, for a limited time, and leave nothing of it behind.

The command has a session and a process group of its own, so that it does not get the Ctrl-C of the
terminal, and whatever it starts can be ended with it. Of its output only the end is kept.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import msgspec
import trio

__all__ = [
    "RUN_VARIABLE",
    "CannotStart",
    "Ended",
    "Limits",
    "end_escaped",
    "new_token",
    "run_command",
]

MAX_OUTPUT_BYTES = 16_384
"""How much of stdout and of stderr is kept, from their end: some hundred lines."""

TERM_SECONDS = 0.5
"""How long a command may take to end after SIGTERM, before it is killed."""

DRAIN_SECONDS = 0.5
"""How long the output is read after the command has ended: a process that left its group may hold
the pipes open for ever."""

RUN_VARIABLE = "INVIS_GAUNTLET"
"""Marks the processes of a run in their environment, which those that leave their group keep."""


class CannotStart(Exception):
    """The command cannot be started; the message says why."""


class Limits(msgspec.Struct, frozen=True):
    """When a command is ended.

    seconds: after which it is.
    stop: an event that ends it at once; None: nothing does.
    """

    seconds: float
    stop: trio.Event | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended.

    exit: its status; None: a signal ended it. signal: which; None: none did.
    killed: whether it was ended from outside. timed_out: whether that was at its deadline.
    seconds: how long it ran. stdout, stderr: the end of its output.
    """

    exit: int | None
    signal: int | None
    killed: bool
    timed_out: bool
    seconds: float
    stdout: bytes
    stderr: bytes

    @property
    def ended_by_itself(self) -> bool:
        """Whether nothing from outside ended it."""
        return not self.killed


class _Tail:
    """The end of a stream of any length."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes | bytearray) -> None:
        self._data += data
        if len(self._data) > 2 * MAX_OUTPUT_BYTES:
            del self._data[:-MAX_OUTPUT_BYTES]

    def bytes(self) -> bytes:
        return bytes(self._data[-MAX_OUTPUT_BYTES:])


async def run_command(
    command: Sequence[str], environment: Mapping[str, str], limits: Limits
) -> Ended:
    """Run a command to its end, or to its limits; all of its process group ends with it.

    environment: what it finds there beside what this process has.

    Raises CannotStart. If it is cancelled, the command is killed.
    """
    start = perf_counter()
    try:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a null byte in an argument
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotStart(f"cannot start {command[0]!r}: {reason}") from None
    out, err = _Tail(), _Tail()
    killed = timed_out = False
    try:
        async with trio.open_nursery() as nursery:
            for stream, tail in ((process.stdout, out), (process.stderr, err)):
                assert stream is not None
                nursery.start_soon(_drain, stream, tail)
            ended = await _wait(process, limits)
            seconds = perf_counter() - start
            if not ended:
                killed = True
                timed_out = limits.stop is None or not limits.stop.is_set()
                await _terminate(process)
            # What it has started in its group holds the pipes, so this ends the reading, too.
            _signal_group(process.pid, signal.SIGKILL)
            nursery.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS
    finally:
        # Reached with a process that runs only if this was cancelled.
        _signal_group(process.pid, signal.SIGKILL)
        with trio.CancelScope(shield=True):
            await process.wait()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                await stream.aclose()
    status = process.returncode
    assert status is not None
    return Ended(
        exit=status if status >= 0 else None,
        signal=-status if status < 0 else None,
        killed=killed,
        timed_out=timed_out,
        seconds=seconds,
        stdout=out.bytes(),
        stderr=err.bytes(),
    )


async def _wait(process: trio.Process, limits: Limits) -> bool:
    """Return whether the process ends by itself within the limits."""
    ended = False

    async def until_stopped(event: trio.Event) -> None:
        await event.wait()
        scope.cancel()

    with trio.move_on_after(limits.seconds) as scope:
        async with trio.open_nursery() as nursery:
            if limits.stop is not None:
                nursery.start_soon(until_stopped, limits.stop)
            await process.wait()
            ended = True
            nursery.cancel_scope.cancel()
    return ended


async def _terminate(process: trio.Process) -> None:
    """End the group: politely, then by force."""
    _signal_group(process.pid, signal.SIGTERM)
    with trio.move_on_after(TERM_SECONDS):
        await process.wait()
        return
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def _drain(stream: trio.abc.ReceiveStream, tail: _Tail) -> None:
    """Read a stream to its end, so that the command never waits for a reader."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in stream:
            tail.add(data)


def _signal_group(group: int, number: signal.Signals) -> None:
    # The group is there while one of its processes is. PermissionError: on macOS, of a group in
    # which all have ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def new_token() -> str:
    """Return a value for `RUN_VARIABLE` that no other run has."""
    return secrets.token_hex(16)


def end_escaped(token: str) -> int:
    """Kill the processes of a run that have left their process group; return how many.

    Where the system has no /proc (macOS), there is no way to find them.
    """
    mark = f"{RUN_VARIABLE}={token}".encode()
    ended = 0
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or belongs to another user
            if mark in (path / "environ").read_bytes().split(b"\0"):
                os.kill(int(path.name), signal.SIGKILL)
                ended += 1
    return ended
