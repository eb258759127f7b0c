"""What the tests of the server share: outlets, what they send, and ways to wait."""

import asyncio
import json
import logging
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
import websockets.asyncio.client

from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.device.state import Timing
from invis_sim.faults import Fault
from invis_sim.journal import Closed, Exchange, Journal, OutageEnded, OutageStarted
from invis_sim.journal.text import summary
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario
from invis_sim.testing.block import SimulatorContext, start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.support import SN, TIMEOUT, make_request

TRANSPORTS: tuple[Transport, ...] = ("tcp", "ws")

on_both = pytest.mark.parametrize("transport", TRANSPORTS)

FACEPLATE = {"fw_rev": "0.5.0", "available_fw_rev": "0.5.1"}
UPDATES = {
    "IM": {
        "fw_rev": "0.0.1",
        "available_fw_rev": "0.0.1",
        "www_fw_rev": "0.1.2",
        "available_www_fw_rev": "0.3.0",
    },
    "PM": FACEPLATE,
}

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts segments")


SILENT = Timing(sensor_seconds=0, reconnect_seconds=0)
"""An outlet that pushes nothing by itself, only what a client or a command changes."""


def outlet(*faults: Fault, seed: int = 1, timing: Timing = SILENT, **more: Any) -> Scenario:
    """An outlet with a faceplate and these faults.

    more: other fields of the scenario.
    """
    firmware = FirmwareInventory(
        IM=OutletFirmware(available_www_fw_rev="0.3.0"),
        PM=FaceplateFirmware(available_fw_rev="0.5.1"),
    )
    return Scenario(seed=seed, firmware=firmware, faults=faults, timing=timing, **more)


def faulty(*armed: Fault, seed: int = 1, speed: float = 1.0) -> SimulatorContext:
    """An outlet with these faults that runs for the time of a block."""
    return start_simulator(outlet(*armed, seed=seed), speed=speed)


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def log_messages() -> Iterator[list[str]]:
    """Collect what the simulator logs in the block by `logging`: errors of its own."""
    logger, handler = logging.getLogger("invis_sim"), _Messages()
    logger.addHandler(handler)
    try:
        yield handler.messages
    finally:
        logger.removeHandler(handler)


def updates_reply(packet_id: int = 221040, updates: Any = UPDATES) -> dict[str, Any]:
    """The outlet's own reply to `make_request()`. updates: what it says of its firmware."""
    payload = {"callbackName": 20, "callbackArgs": updates}
    return {**success_reply(packet_id), "payload": payload}


class _OwnPacketId:
    """Equals every packetID that an outlet may give a push."""

    def __eq__(self, other: object) -> bool:
        return type(other) is int and 100_000 <= other <= 999_999

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<six digits>"


def success_reply(packet_id: int = 221040) -> dict[str, Any]:
    """The reply to a request that is carried out and returns nothing."""
    return {"sn": SN, "packetID": packet_id, "PUBACK": 1}


def failure_reply(packet_id: int = 221040) -> dict[str, Any]:
    """The reply to a request that is rejected."""
    return {"sn": SN, "packetID": packet_id, "PUBACK": 0}


def push(callback: int, args: Any) -> dict[str, Any]:
    """A push."""
    payload = {"callbackName": callback, "callbackArgs": args}
    return {"sn": SN, "packetID": _OwnPacketId(), "payload": payload}


def reply_text(packet_id: int = 221040) -> bytes:
    """The reply to `make_request()` as the outlet writes it."""
    return json.dumps(updates_reply(packet_id), separators=(",", ":")).encode()


def failure_text(packet_id: int = 221040) -> bytes:
    """The reply to a request that is rejected, as the outlet writes it."""
    return json.dumps(failure_reply(packet_id), separators=(",", ":")).encode()


def reply_bytes(transport: Transport, *packet_ids: int) -> bytes:
    """Replies to `make_request()` as they go on the wire."""
    texts = map(reply_text, packet_ids)
    return b"".join(texts if transport == "tcp" else map(text_frame, texts))


@contextmanager
def many_files(count: int) -> Iterator[None]:
    """Raise the process's limit of open files to this, for the time of the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"this machine allows only {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_until(
    simulator: SimulatorHandle, condition: Callable[[Journal], bool], timeout: float = TIMEOUT
) -> None:
    """Wait until the condition holds of the journal; fail if that takes too long."""
    news = threading.Event()
    journal = simulator.journal
    with (
        journal.subscribe(on_ready=news.set) as recorded,
        journal.subscribe(done=True, on_ready=news.set) as finished,
    ):
        while not simulator.call(condition, journal):
            if not news.wait(timeout):
                raise AssertionError(f"it did not happen; the journal: {list(journal)}")
            news.clear()
            recorded.read()  # so that the next one is news again
            finished.read()


def wait_for_end(simulator: SimulatorHandle, connections: int = 1) -> list[str]:
    """Wait until this many connections are closed; the reason of each, oldest first."""

    def reasons(journal: Journal) -> list[str]:
        return [event.reason for event in journal.events() if isinstance(event, Closed)]

    wait_until(simulator, lambda journal: len(reasons(journal)) >= connections)
    return reasons(simulator.journal)


def exchanges(simulator: SimulatorHandle, number: int) -> list[Exchange]:
    """The exchanges, as soon as there are this many and all are done."""

    def complete(journal: Journal) -> bool:
        found = journal.exchanges()
        return len(found) >= number and all(exchange.done for exchange in found)

    wait_until(simulator, complete)
    found = simulator.journal.exchanges()
    assert len(found) == number, found
    return found


def applied_faults(exchange: Exchange) -> list[str]:
    """The faults that were applied to an exchange, in order."""
    return [applied.fault for applied in exchange.faults]


def event_texts(simulator: SimulatorHandle, source: str = "fault") -> list[str]:
    """Events as the log writes them, oldest first.

    source: "fault" or "outlet": what it did, outages included. Else a kind of events.
    """
    kind = {"outlet": "log"}.get(source, source)
    return [
        summary(event)
        for event in simulator.journal.events()
        if event.kind == kind
        or (isinstance(event, OutageStarted | OutageEnded) and event.source == source)
    ]


def ask_aiohttp(url: str, packet_id: int = 1, **options: Any) -> aiohttp.WSMessage:
    """Connect and send one request with aiohttp.

    options: of `ws_connect`.

    Returns the first message, and raises what aiohttp raises.
    """

    async def converse() -> aiohttp.WSMessage:
        async with (
            asyncio.timeout(TIMEOUT),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, **options) as client,
        ):
            await client.send_str(make_request(packet_id=packet_id).decode())
            message: aiohttp.WSMessage = await client.receive()
            return message

    return asyncio.run(converse())


def shake_websockets(url: str, **options: Any) -> None:
    """Connect with the `websockets` library, and raise what it raises.

    options: of its `connect`.
    """

    async def connect() -> None:
        async with websockets.asyncio.client.connect(url, proxy=None, **options):
            pass

    asyncio.run(connect())
