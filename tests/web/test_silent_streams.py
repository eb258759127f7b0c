"""A stream of events over time: it says that it is still there, and how much a reader has missed.

The application is called without a server, on a clock of trio's that jumps.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from invis_sim import open_simulator
from invis_sim.journal import DeviceLog
from invis_sim.server.simulator import Simulator
from invis_sim.web.app import ControlApp
from invis_sim.web.guard import Guard
from tests.support import SN
from tests.web.support import OUTLET, QUIET

HOST = "127.0.0.1:1"
REQUEST = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": f"{OUTLET}/events",
    "raw_path": f"{OUTLET}/events".encode(),
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", HOST.encode())],
    "client": ("127.0.0.1", 2),
    "server": ("127.0.0.1", 1),
}

Use = Callable[[Simulator], Awaitable[None]]


def stream(use: Use, received: list[tuple[float, bytes]], reads: trio.Event | None = None) -> None:
    """Read the events of an outlet while it is used.

    received: gets the seconds since the beginning and the bytes of each piece.
    reads: after the first piece the reader takes nothing before this is set.
    """

    def fail(error: Exception) -> None:
        raise error

    async def run() -> None:
        requests: list[dict[str, Any]] = [{"type": "http.request", "body": b""}]
        began = trio.current_time()

        async def receive() -> dict[str, Any]:
            if not requests:
                await trio.sleep_forever()
            return requests.pop()

        async def send(message: Any) -> None:
            if received and reads is not None:
                await reads.wait()
            if message["type"] == "http.response.body":
                received.append((trio.current_time() - began, message["body"]))

        async with open_simulator(QUIET) as outlet, trio.open_nursery() as nursery:
            guard = Guard(port=1, token=None, local_only=True)
            app: Any = ControlApp(outlet.runtime, guard, fail)
            nursery.start_soon(app.run)
            nursery.start_soon(app, dict(REQUEST), receive, send)
            await wait_all_tasks_blocked()
            await use(outlet)
            nursery.cancel_scope.cancel()

    trio.run(run, clock=MockClock(autojump_threshold=0))


def test_a_stream_without_events_sends_a_comment_every_15_seconds() -> None:
    received: list[tuple[float, bytes]] = []

    async def use(outlet: Simulator) -> None:
        await trio.sleep(20)
        outlet.do(push=9)
        await trio.sleep(31)

    stream(use, received)
    comments = [(round(seconds, 3), text) for seconds, text in received if text.startswith(b":")]
    assert [seconds for seconds, _ in comments] == [15, 35, 50]
    assert all(text.endswith(b"\n\n") and text.count(b"\n") == 2 for _, text in comments)


def test_a_reader_that_is_too_slow_is_told_how_many_entries_it_has_missed() -> None:
    received: list[tuple[float, bytes]] = []
    reads = trio.Event()
    number = 25_000  # more than wait for a reader

    async def use(outlet: Simulator) -> None:
        for _ in range(number):
            outlet.journal.add(DeviceLog, 0.0, text="x")
        await trio.sleep(1)
        reads.set()
        await trio.sleep(10)

    stream(use, received, reads)
    text = b"".join(text for _, text in received).decode()
    (sn, lost) = re.findall(
        r'^event: lost\ndata: {"sn":"(\w+)","lost":(\d+)}\n$', text, re.MULTILINE
    )[0]
    entries = [int(one) for one in re.findall(r'^data: {.*"number":(\d+)', text, re.MULTILINE)]
    assert (sn, entries[-1]) == (SN, number)
    assert int(lost) + len(entries) == number
    assert text.index("event: lost") < text.index(f'"number":{entries[-1]}')
