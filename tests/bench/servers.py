"""Servers to measure, each in a process of its own that ends with the block that started it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from tests.bench.cores import pin_server
from tests.bench.peers import FIRMWARE

__all__ = [
    "PEERS",
    "ROOT",
    "Outlet",
    "Server",
    "ServerError",
    "Transport",
    "firmware",
    "missing_of",
    "outlet_command",
    "run_many_outlets",
    "run_outlet",
    "run_peer",
    "run_simulator",
    "stop",
    "wait_until_ready",
]

Transport: TypeAlias = Literal["tcp", "ws"]

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0

PEERS: dict[Transport, dict[str, str]] = {
    "tcp": {
        "asyncio streams": "asyncio_streams",
        "trio loop, msgspec": "trio_loop",
        "streams on uvloop": "uvloop_streams",
    },
    "ws": {
        "websockets": "websockets_library",
        "trio-websocket": "trio_websocket_loop",
        "picows on uvloop": "picows_library",
    },
}
"""Transport → name of the peer → its module in `tests.bench.peers`."""

NEEDS = {"streams on uvloop": ("uvloop",), "picows on uvloop": ("picows", "uvloop")}
"""Name of the peer → what it needs that not every environment of the tests has."""


class ServerError(Exception):
    """A server did not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and where it listens on one transport.

    path: of the WebSocket.
    more_ports: further ones of the same server; connections are spread over all.
    """

    name: str
    pid: int
    transport: Transport
    host: str
    port: int
    path: str = "/"
    more_ports: tuple[int, ...] = ()

    def cpu_seconds(self) -> float | None:
        """The processor time that it has used so far; None where the system does not say."""
        try:
            threads = list(Path(f"/proc/{self.pid}/task").iterdir())
            return (
                sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
            )
        except (OSError, ValueError, IndexError):
            return None

    def resident_mib(self) -> float | None:
        """The memory that it has in use; None where the system does not say."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
            (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        except (OSError, ValueError, IndexError):
            return None
        return int(kib) / 1024


@dataclass(frozen=True, slots=True)
class Outlet:
    """A running simulator. control_url: of its control server, where it has one."""

    tcp: Server
    ws: Server
    control_url: str | None = None

    def on(self, transport: Transport) -> Server:
        """The one of its two sides."""
        return self.tcp if transport == "tcp" else self.ws


@contextmanager
def run_outlet(
    name: str = "invis-sim", more: str = "", *options: str, readings: bool = False
) -> Iterator[Outlet]:
    """The simulator, started as a user would, on free ports.

    more: what its scenario file says beside who it is.
    options: further ones of `invis-sim run`.
    readings: whether it tells its readings unasked, as it does by default; a client that counts
    replies would stumble over them.
    """
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        silence = "" if readings else "[timing]\nsensor_seconds = 0\n"
        file = Path(folder, "scenario.toml")
        file.write_text(f"{firmware()}{silence}{more}", encoding="utf-8")
        with run_simulator(name, "run", str(file), *options) as running:
            yield running


@contextmanager
def run_simulator(name: str, command: str, *arguments: str, prefix: str = "") -> Iterator[Outlet]:
    """A command that runs an outlet, on free ports. prefix: of the options of its ports."""
    with tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder:
        ready_file = Path(folder, "ready.json")
        line = outlet_command(ready_file, *arguments, command=command, prefix=prefix)
        process = subprocess.Popen(line, cwd=ROOT)
        try:
            pin_server(process.pid)
            wait_until_ready(process, ready_file)
            ready = json.loads(ready_file.read_text("utf-8"))
            tcp, url = ready["tcp"], urlsplit(ready["ws"]["url"])
            assert url.hostname is not None
            assert url.port is not None
            yield Outlet(
                Server(name, process.pid, "tcp", tcp["host"], tcp["port"]),
                Server(name, process.pid, "ws", url.hostname, url.port, url.path),
                ready["control"] and ready["control"]["url"],
            )
        finally:
            stop(process)


def firmware() -> str:
    """The firmware that all servers report, as part of a scenario file."""
    return "".join(
        f"[firmware.{place}]\n" + "".join(f'{key} = "{value}"\n' for key, value in versions.items())
        for place, versions in FIRMWARE.items()
    )


def outlet_command(
    ready_file: Path, *options: str, command: str = "run", prefix: str = ""
) -> list[str]:
    """The command line of a simulator on free ports. prefix: of the options of its ports."""
    return [
        *(sys.executable, "-m", "invis_sim", command, *options, "--log", "quiet"),
        *(f"--{prefix}tcp-port", "0", f"--{prefix}ws-port", "0", "--ready-file", str(ready_file)),
    ]


def wait_until_ready(process: subprocess.Popen[bytes], ready_file: Path) -> None:
    """Returns as soon as the file is there. Raises ServerError."""
    patience = time.monotonic() + START_SECONDS
    while not ready_file.exists():
        if process.poll() is not None:
            raise ServerError(f"invis-sim ended with status {process.returncode} at its start")
        if time.monotonic() > patience:
            raise ServerError(f"invis-sim is not ready after {START_SECONDS:g} s")
        time.sleep(0.0005)


def missing_of(peer: str) -> list[str]:
    """The packages that a peer needs and that are not installed."""
    return [package for package in NEEDS.get(peer, ()) if find_spec(package) is None]


@contextmanager
def run_peer(name: str, transport: Transport) -> Iterator[Server]:
    """One of the hand-written servers."""
    module = f"tests.bench.peers.{PEERS[transport][name]}"
    command = [sys.executable, "-m", module]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        pin_server(process.pid)
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port.isdigit():
            raise ServerError(f"{name} did not start")
        yield Server(name, process.pid, transport, "127.0.0.1", int(port))
    finally:
        stop(process)


@contextmanager
def run_many_outlets(name: str, number: int) -> Iterator[Server]:
    """So many outlets in one process."""
    module = "tests.bench.peers.many_outlets"
    command = [sys.executable, "-m", module, str(number)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        pin_server(process.pid)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ServerError(f"{name} did not start")
        first, *others = json.loads(line)
        yield Server(name, process.pid, "tcp", "127.0.0.1", first, more_ports=tuple(others))
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process, in good order if it can, and whatever happens meanwhile."""
    try:
        process.terminate()
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
