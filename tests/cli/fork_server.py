"""Processes of `invis-sim` that start in a tenth of the time: they are forked from one that has
imported everything already.

a test ──arguments and descriptors──▶ server ──fork──▶ parent ──fork──▶ the command
  ▲                                                      │
  └────────────────── pid, then exit status ─────────────┘

What differs from a process that a shell starts: the imports are done, and the environment is that
of the server. A test of either starts a real one.
"""

import atexit
import gc
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["ForkedProcess"]

ROOT = Path(__file__).parents[2]


class ForkedProcess(subprocess.Popen[str]):
    """`invis-sim` with these arguments, as Popen would run it.

    Popen is kept for all that it does with streams and time-outs; only how a process is started and
    how its end is learnt are replaced, by the methods that it has for them on each system.
    """

    def __init__(self, *arguments: str, **streams: Any) -> None:
        self._exit_status: socket.socket
        super().__init__(["invis-sim", *arguments], text=True, **streams)

    def _execute_child(self, args: list[str], *rest: Any) -> None:
        # As the parameters of Popen are in all versions of Python: p2cread, p2cwrite and so on.
        stdin, to_stdin, from_stdout, stdout, from_stderr, stderr = rest[9:15]
        given = [
            standard if chosen == -1 else chosen
            for standard, chosen in enumerate((stdin, stdout, stderr))
        ]
        self._exit_status, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({"arguments": args[1:], "folder": os.getcwd()}).encode()
            socket.send_fds(_server(), [request], [*given, theirs.fileno()])
        self.pid = int.from_bytes(self._exit_status.recv(8, socket.MSG_WAITALL), "big")
        self._child_created = True
        # Ours are copies, except of a file that the test gave.
        for copy, pipe in ((stdin, to_stdin), (stdout, from_stdout), (stderr, from_stderr)):
            if pipe != -1:
                os.close(copy)
        with suppress(AttributeError):  # of DEVNULL
            os.close(self._devnull)  # type: ignore[attr-defined]
        self._closed_child_pipe_fds = True

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        flags = socket.MSG_DONTWAIT if wait_flags & os.WNOHANG else 0
        try:
            status = self._exit_status.recv(8, flags)
        except BlockingIOError:
            return 0, 0
        self._exit_status.close()
        return self.pid, int.from_bytes(status, "big")


@cache
def _server() -> socket.socket:
    """Start the server of this process, which ends with it, and return the way to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours


def _serve(requests: socket.socket) -> None:
    """Start a process for each request, until the tests have ended; return in each of them."""
    for name in ("run", "watch", "send", "info", "proxy", "replay", "capture", "gauntlet", "tail"):
        __import__(f"invis_sim.cli.{name}")
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # parents need not be waited for
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 2**20, 4)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            _start(json.loads(message), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _start(request: Any, descriptors: list[int]) -> None:
    """Fork the command, and return in it; tell the test its pid and its end."""
    *standard, exit_status = descriptors
    if (pid := os.fork()) != 0:
        _report(pid, standard, exit_status)
    os.close(exit_status)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Open them as the interpreter does when it starts: a file of text is not shared by processes.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False, errors="backslashreplace", buffering=1)
    os.chdir(request["folder"])
    random.seed()
    sys.argv = ["invis-sim", *request["arguments"]]


def _report(pid: int, standard: list[int], exit_status: int) -> NoReturn:
    for descriptor in standard:
        os.close(descriptor)
    with socket.socket(fileno=exit_status) as test:
        test.sendall(pid.to_bytes(8, "big"))
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):  # the test has not waited for it
            test.sendall(status.to_bytes(8, "big"))
    os._exit(0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        _serve(requests)
    runpy.run_module("invis_sim", run_name="__main__", alter_sys=True)
