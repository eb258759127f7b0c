"""The files that options such as `--ready-file`, `--journal` and `--html` name.

A mistyped option must not cost the user a file. So before anything is written, each path is
checked: an existing file is replaced only where it is empty, or one that the same option wrote
before. Pipes and devices are written to; so are descriptors, as `/dev/fd/3`.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from invis_sim.cli import CliError
from invis_sim.cli.streams import text_stream

__all__ = [
    "check_output_files",
    "inherited_descriptor",
    "is_journal",
    "is_pipe",
    "is_ready_file",
    "open_output",
    "replace_file",
    "write_output",
]

MAX_HEAD_BYTES = 2**24
"""How much of an existing file is read to see what it is: more than any beginning that says so. The
ready file of the largest fleet is one line of some 15 MB."""

_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")

_CANNOT_REPLACE = (errno.EACCES, errno.EPERM, errno.EBUSY)
"""What the system says where a file may be written and not replaced: its folder is not ours, or a
container has this file alone mounted.
"""

_STANDARD_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def check_output_files(
    files: Mapping[str, tuple[str | None, Callable[[bytes], bool]]], inputs: Mapping[str, str]
) -> None:
    """Check that every path can be written without a loss. Nothing is touched.

    files: option → its path, or None where it is not given; and whether the beginning of a file is
    that of one which the option may replace.
    inputs: what a file that is read is called in messages → its path.

    Raises CliError (status 2) with a problem for each path that cannot be used.
    """
    known: dict[tuple[int, int], str] = {}
    for name, read in inputs.items():
        with suppress(OSError, ValueError):  # it may be no file, as the name of a bundled scenario
            known[_identity(os.stat(read))] = name
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        with suppress(OSError):  # it may be closed
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                known.setdefault(_identity(status), f"this command's {name}")
    problems = []
    paths: dict[str, str] = {}
    for option, (path, is_own) in files.items():
        if path is None:
            continue
        why = _problem(path, known, is_own)
        target = path if why else os.path.realpath(path)  # a NUL has none
        if not why and target in paths and not _is_device(path):
            why = f"is also the file of {paths[target]}"
        if not why:
            paths[target] = option
            with suppress(OSError):  # there is none yet
                if not _is_device(path):  # one file may have two names, by hard links
                    known[_identity(os.stat(path))] = f"also the file of {option}"
        if why:
            problems.append(f"{option} {path or repr(path)}: {why}")
    if problems:
        raise CliError(*problems, status=2)


def is_ready_file(head: bytes) -> bool:
    """Return whether a file that begins like this is a ready file."""
    keys = _first_object(head).keys()
    return {"pid", "seed"} <= keys and bool({"sn", "outlets"} & keys)


def is_journal(head: bytes) -> bool:
    """Return whether a file that begins like this is a journal."""
    return _first_object(head).get("entry") == "journal"


def inherited_descriptor(path: str) -> int | None:
    """Return the number of the descriptor that a path such as `/dev/fd/3` names; None: another
    path.
    """
    found = _DESCRIPTOR.fullmatch(path)
    return int(found[1]) if found else _STANDARD_STREAMS.get(path)


def is_pipe(path: str) -> bool:
    """Return whether the path is that of a named pipe, which is opened together with its reader."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode) and inherited_descriptor(path) is None
    except OSError:
        return False


def open_output(path: str) -> IO[str]:
    """Open a file for text, or a descriptor that the path names. A file is emptied, unless another
    outlet is writing it.

    Raises OSError.
    """
    descriptor = inherited_descriptor(path)
    if descriptor is not None:
        # The descriptor itself, and not its path: that of a socket cannot be opened.
        return text_stream(os.dup(descriptor))
    # Opened without emptying it: see below.
    file = text_stream(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            _lock(file.fileno())
            file.truncate(0)  # not before: it may be the file of another outlet
    except OSError:
        file.close()
        raise
    return file


def write_output(path: str, content: bytes) -> None:
    """Write a file, whole or not at all; a pipe, a device or a descriptor as it is.

    Raises OSError.
    """
    descriptor = inherited_descriptor(path)
    if descriptor is not None:
        _write(os.dup(descriptor), content)
        return
    target = os.path.realpath(path)  # what a symlink names is replaced, and the symlink stays
    if os.path.isfile(target) or not os.path.exists(target):
        try:
            replace_file(target, content)
        except OSError as error:
            if error.errno not in _CANNOT_REPLACE:
                raise
        else:
            return
    _write(target, content)


def _write(target: str | int, content: bytes) -> None:
    with open(target, "wb") as stream:
        stream.write(content)


def replace_file(target: str, content: bytes) -> None:
    """Replace a file at once, so that a reader sees the whole content or none of it. Its
    permissions stay.

    Raises OSError.
    """
    folder, name = os.path.split(target)
    unfinished = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    made = False
    try:
        # Exclusively: a file or a symlink of this name belongs to somebody else.
        with open(unfinished, "xb") as file:
            made = True
            with suppress(FileNotFoundError):
                # Before there is anything to read in it: it may be private.
                os.chmod(unfinished, stat.S_IMODE(os.stat(target).st_mode))
            file.write(content)
        os.replace(unfinished, target)
    except OSError:
        if made:
            with suppress(OSError):
                os.unlink(unfinished)
        raise


def _lock(descriptor: int) -> None:
    """Lock a file until it is closed, where the system can. Raises OSError if it is locked."""
    try:
        import fcntl
    except ImportError:  # no such system
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another outlet is writing it") from None
    except OSError:
        pass  # some network file systems have no locks


def _problem(
    path: str, known: Mapping[tuple[int, int], str], is_own: Callable[[bytes], bool]
) -> str:
    """Return why the path cannot be used; "" where it can."""
    if not path:
        return "expected a path"
    try:
        descriptor = inherited_descriptor(path)
        if descriptor is not None:
            os.fstat(descriptor)
            return ""
        try:
            status = os.stat(path)
        except FileNotFoundError:
            if path.endswith("/"):
                return "Is a directory"
            target = os.path.realpath(path)  # of a symlink, which may name a file to be made
            folder = os.path.dirname(target)
            os.stat(folder)
            return "" if os.access(folder, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
        if stat.S_ISDIR(status.st_mode):
            return "Is a directory"
        if name := known.get(_identity(status)):
            return f"is {name}"
        if stat.S_ISREG(status.st_mode):
            with open(path, "rb") as file:
                head = file.read(MAX_HEAD_BYTES)
            if head and not is_own(head):
                return "exists, and invis-sim did not write it; name another file, or delete it"
        elif not (stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode)):
            return "expected a file or a pipe"
        if not os.access(path, os.W_OK):
            return os.strerror(errno.EACCES)
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:  # each version of Python says it in other words
        return "a path has no NUL character in it"
    return ""


def _is_device(path: str) -> bool:
    with suppress(OSError, ValueError):
        return stat.S_ISCHR(os.stat(path).st_mode)
    return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _first_object(head: bytes) -> dict[str, Any]:
    """Return the JSON object in the first line; an empty one where it holds none."""
    try:
        found = json.loads(head.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
