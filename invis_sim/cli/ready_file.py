"""The ready file: where an outlet listens, for programs that wait for it."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from invis_sim.cli import CliError
from invis_sim.cli.output_files import (
    MAX_HEAD_BYTES,
    inherited_descriptor,
    is_ready_file,
    open_output,
    replace_file,
)

__all__ = ["ready_file", "remove_stale_ready_file"]


def remove_stale_ready_file(path: str) -> None:
    """Delete the ready file of an outlet that does not run any more: it names the wrong ports. That
    of a running one stays until this one is ready.
    """
    with suppress(OSError, ValueError):
        content = _read(path)
        if is_ready_file(content) and not _runs(json.loads(content)["pid"]):
            os.unlink(os.path.realpath(path))


@contextmanager
def ready_file(
    path: str, text: str, warn: Callable[[str], None]
) -> Iterator[Callable[[str], None]]:
    """Write the text to the ready file: whole or not at all. Delete it at the end of the block,
    unless another outlet has written its own by then. Provides what writes another text in place of
    the one before.

    A pipe or a descriptor is written to instead, from a thread, because it may have no reader yet.

    warn: called with what went wrong there.

    Raises CliError.
    """
    if _is_stream(path):
        threading.Thread(
            target=_write_to_stream, args=(path, text, warn), name="invis-sim-ready", daemon=True
        ).start()
        yield lambda text: None  # who reads it has read it
        return
    target = os.path.realpath(path)  # what a symlink names is replaced, and the symlink stays
    written = text.encode()
    try:
        replace_file(target, written)
    except OSError as error:
        raise CliError(f"--ready-file {path}: {error.strerror}") from None

    def update(text: str) -> None:
        nonlocal written
        try:
            if _read(target) == written:  # else it is that of another outlet by now
                written = text.encode()
                replace_file(target, written)
        except OSError as error:
            warn(f"--ready-file {path}: {error.strerror}")

    try:
        yield update
    finally:
        with suppress(OSError):
            if _read(target) == written:
                os.unlink(target)


def _write_to_stream(path: str, text: str, warn: Callable[[str], None]) -> None:
    try:
        with open_output(path) as stream:
            stream.write(text)
        descriptor = inherited_descriptor(path)
        if descriptor is not None and descriptor > 2:
            os.close(descriptor)  # so that a reader that reads to the end finds it
    except BrokenPipeError:
        pass  # its reader has left
    except OSError as error:
        warn(f"--ready-file {path}: {error.strerror}")


def _is_stream(path: str) -> bool:
    if inherited_descriptor(path) is not None:
        return True
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # it does not exist yet
        return False


def _read(path: str) -> bytes:
    # A pipe in its place would block: only a regular file is one of ours.
    if _is_stream(path):
        return b""
    with open(path, "rb") as file:
        return file.read(MAX_HEAD_BYTES)


def _runs(pid: object) -> bool:
    """Return whether the process runs, so far as the system says; this one does not count, as in a
    container each first process has the number 1.
    """
    if not isinstance(pid, int) or pid <= 0 or pid == os.getpid():
        return False
    if os.name != "posix":  # elsewhere `kill` would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True
