"""`invis-sim` as a process, as a shell or a CI job sees it."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from invis_sim.cli import main
from tests.cli.fork_server import ForkedProcess
from tests.support import TIMEOUT, connect, exchange

CAN_FORK = hasattr(socket, "send_fds") and sys.platform == "linux"
INVIS_SIM = (sys.executable, "-m", "invis_sim")


def cli(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    with process(*arguments, stdin=subprocess.DEVNULL, **more) as running:
        out, err = running.process.communicate(timeout=TIMEOUT)
        return subprocess.CompletedProcess(arguments, running.process.returncode, out, err)


def cli_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same without a process of its own, which takes a tenth of the time: for commands that
    end by themselves, where a test asks for no more than what they say, and their status.
    """
    # Files, as `watch` writes to the descriptor of stdout.
    with TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status: object = main(arguments)
            except SystemExit as end:
                status = end.code
        assert isinstance(status, int)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), err.read())


class Outlet:
    """`invis-sim run` in a process.

    ready: what it said when it was ready, if it was to say so in JSON.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ready: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line on stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    @property
    def tcp_address(self) -> tuple[str, int]:
        return (self.ready["tcp"]["host"], self.ready["tcp"]["port"])

    def connect(self) -> socket.socket:
        return connect(self.tcp_address)

    def exchange(self) -> dict[str, Any]:
        """One exchange on a connection of its own."""
        with self.connect() as client:
            reply: dict[str, Any] = exchange(client)
            return reply

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Sends the signal; status, and what is left on stdout and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate()
        return self.process.returncode, out or "", err or ""


@contextmanager
def process(*arguments: str, **more: Any) -> Iterator[Outlet]:
    """`invis-sim` with these arguments; it is killed at the end of the block.

    more: streams, as for Popen. With anything else, such as an environment, it is a process that
    does all of its imports, which takes longer.
    """
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    if CAN_FORK and streams.keys() <= {"stdin", "stdout", "stderr"}:
        started: subprocess.Popen[str] = ForkedProcess(*arguments, **streams)
    else:
        started = subprocess.Popen([*INVIS_SIM, *arguments], text=True, **streams)
    with started as running:
        watchdog = threading.Timer(TIMEOUT, running.kill)
        watchdog.start()
        try:
            yield Outlet(running)
        finally:
            watchdog.cancel()
            running.kill()


@contextmanager
def outlet(*arguments: str, **more: Any) -> Iterator[Outlet]:
    """An outlet on free ports that says in JSON what happens, once it is ready."""
    ports = ("--tcp-port", "0", "--ws-port", "0")
    with process("run", *ports, "--log", "json", *arguments, **more) as running:
        running.ready = json.loads(running.line())
        yield running


@contextmanager
def quiet_outlet(folder: Path, *arguments: str, **more: Any) -> Iterator[Outlet]:
    """An outlet on free ports that says nothing, once its ready file is there."""
    path = folder / "ready"
    ports = ("--tcp-port", "0", "--ws-port", "0")
    with process("run", *ports, "--ready-file", str(path), *arguments, **more) as running:
        running.ready = json.loads(appears(path, running))
        yield running


def appears(path: Path, running: Outlet) -> str:
    """The content of the file, as soon as there is one."""
    while running.process.poll() is None:
        with suppress(FileNotFoundError):
            return path.read_text()
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(0.005)
    raise AssertionError(f"the process ended with {running.process.returncode}")
