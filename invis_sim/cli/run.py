"""`invis-sim run`: an outlet in the foreground."""

import argparse
import ipaddress
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import trio

from invis_sim.cli import CommandError
from invis_sim.cli.lines import LineWriter, json_line, text_line
from invis_sim.journal import Entry, Event
from invis_sim.scenario.loading import ScenarioError, load, override
from invis_sim.scenario.model import Scenario
from invis_sim.server.simulator import Simulator, StartError, open_simulator

__all__ = ["run"]

TCP_PORT = 3333
"""As on a real outlet."""

WS_PORT = 8080
"""A real outlet has 80, which only root may listen on."""

LOG_FORMS = {"text": text_line, "json": json_line}


def run(chosen: argparse.Namespace) -> int:
    """Runs the outlet until a signal ends it."""
    scenario = _scenario(chosen)
    if chosen.ready_file is not None:
        with suppress(OSError):  # one that was left behind would tell of somebody else
            os.unlink(chosen.ready_file)
    try:
        trio.run(_live, scenario, chosen)
    except StartError as error:
        raise CommandError(str(error)) from None
    return 0


def _scenario(chosen: argparse.Namespace) -> Scenario:
    try:
        scenario = load(chosen.scenario)
    except ScenarioError as error:
        raise CommandError(*error.problems, status=2) from None
    listen = scenario.listen
    given: dict[str, Any] = {
        "sn": chosen.sn,
        "seed": chosen.seed,
        "host": chosen.host,
        "tcp": False if chosen.no_tcp else None,
        "ws": False if chosen.no_ws else None,
        "tcp_port": chosen.tcp_port,
        "ws_port": chosen.ws_port,
    }
    try:
        scenario = override(scenario, **given)
    except ScenarioError as error:
        problems = [f"--{problem.replace('_', '-', 1)}" for problem in error.problems]
        raise CommandError(*problems, status=2) from None
    listen = scenario.listen
    return override(
        scenario,
        tcp_port=TCP_PORT if listen.tcp_port is None else None,
        ws_port=WS_PORT if listen.ws_port is None else None,
    )


async def _live(scenario: Scenario, chosen: argparse.Namespace) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals, ExitStack() as after:
        journal_file = None
        if chosen.journal is not None:
            try:
                journal_file = after.enter_context(open(chosen.journal, "w", encoding="utf-8"))
            except OSError as error:
                raise CommandError(f"--journal {chosen.journal}: {error.strerror}") from None
        async with open_simulator(scenario, speed=chosen.speed) as simulator:
            journal = simulator.journal
            _introduce(simulator, chosen.log)
            if journal_file is not None:
                _keep(simulator, journal_file, after)
            if chosen.log != "quiet":
                form = partial(LOG_FORMS[chosen.log], started=journal.started)
                log = LineWriter(sys.stdout, form, drop=True)
                after.callback(log.close)
                journal.listen(recorded=log.write)
            with ExitStack() as during:
                if chosen.ready_file is not None:
                    during.enter_context(_ready_file(simulator, Path(chosen.ready_file)))
                async for _ in signals:
                    break


def _introduce(simulator: Simulator, log: str) -> None:
    """Says who is there and where, and whether others than this machine can reach it."""
    scenario = simulator.scenario
    if log == "json":
        print(json.dumps({"entry": "ready", **_ready(simulator)}), flush=True)
    elif log == "text":
        print(f"InvisOutlet {simulator.sn}, seed {simulator.seed}")
        if scenario.description:
            print(f"  {scenario.description}")
        if simulator.has("tcp"):
            print(f"  TCP        {_host_and_port(*simulator.tcp_address)}")
        if simulator.has("ws"):
            print(f"  WebSocket  {simulator.ws_url}")
        if scenario.faults:
            print(f"  Faults     {', '.join(rule.name for rule in simulator.faults)}")
        address = (
            _host_and_port(*simulator.tcp_address) if simulator.has("tcp") else simulator.ws_url
        )
        print(f"Ctrl-C ends it. To ask it something: invis-sim send {address} 20")
        sys.stdout.flush()
    open_to_all = [
        f"{transport} on {host}"
        for transport, (host, _) in simulator.addresses.items()
        if not ipaddress.ip_address(host).is_loopback
    ]
    if open_to_all:
        print(
            f"invis-sim: other machines can reach this outlet ({', '.join(open_to_all)}); "
            "it has no password",
            file=sys.stderr,
            flush=True,
        )


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _keep(simulator: Simulator, file: IO[str], stack: ExitStack) -> None:
    """Writes to the file what happens: an exchange when nothing more of it will be sent."""
    writer = LineWriter(file, partial(json_line, started=simulator.journal.started), drop=False)
    stack.callback(writer.close, seconds=5)

    def recorded(entry: Entry) -> None:
        if isinstance(entry, Event):
            writer.write(entry)

    simulator.journal.listen(recorded=recorded, finished=writer.write)


def _ready(simulator: Simulator) -> dict[str, Any]:
    """What somebody who waits for the outlet wants to know."""
    ready: dict[str, Any] = {"sn": simulator.sn, "tcp": None, "ws": None}
    if simulator.has("tcp"):
        host, port = simulator.tcp_address
        ready["tcp"] = {"host": host, "port": port}
    if simulator.has("ws"):
        ready["ws"] = {"url": simulator.ws_url}
    return {**ready, "pid": os.getpid(), "seed": simulator.seed}


@contextmanager
def _ready_file(simulator: Simulator, path: Path) -> Iterator[None]:
    """The ready file, for the time of the block: it appears whole, and goes with the outlet."""
    text = json.dumps(_ready(simulator)) + "\n"
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as unfinished:
            unfinished.write(text)
        os.chmod(unfinished.name, 0o644)
        os.replace(unfinished.name, path)
    except OSError as error:
        raise CommandError(f"--ready-file {path}: {error.strerror}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
