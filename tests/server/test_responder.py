"""The responder of mDNS, which all outlets of an event loop share."""

import errno
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest
import trio
import zeroconf

from invis_sim import open_simulator
from invis_sim.journal import ServerError
from invis_sim.server.runtime import open_runtime
from invis_sim.server.simulator import Simulator
from invis_sim.server.threads import run_in_thread
from tests.server.mdns import announced, browsing, new_sn, shorten_pauses, txt

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc is Linux's")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)


Start = Callable[[str, str], Awaitable[Simulator]]


def run_with_outlets(test: Callable[[Start], Awaitable[None]]) -> None:
    """Run a test that starts outlets in one runtime: at a host, with a serial number."""

    async def main() -> None:
        async with open_runtime() as runtime, AsyncExitStack() as stack:

            async def start(host: str, sn: str) -> Simulator:
                scenario = announced(sn, host=host, ws=False)
                return await stack.enter_async_context(open_simulator(scenario, runtime=runtime))

            await test(start)

    trio.run(main)


async def first_error(outlet: Simulator) -> str:
    """Return the first error in the journal, as soon as there is one."""
    with outlet.journal.subscribe(after=0) as entries:
        return await run_in_thread(
            lambda: next(entry.text for entry in entries if isinstance(entry, ServerError))
        )


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@needs_proc
def test_outlets_on_one_interface_share_a_thread_and_its_sockets() -> None:
    with browsing() as browser:
        open_before, threads_before = descriptors(), threading.active_count()

        async def test(start: Start) -> None:
            counts = []
            for last in range(2, 6):
                host = f"127.0.0.{last}"
                outlet = await start(host, new_sn())
                info = await run_in_thread(browser.wait_for, outlet.sn)
                assert info.parsed_addresses() == [host]
                assert info.server == f"{outlet.sn}.local."
                counts.append(descriptors())
            more = {after - before for before, after in pairwise(counts)}
            assert more == {1}  # the socket on which each one listens
            assert threading.active_count() == threads_before + 1

        run_with_outlets(test)
        assert (descriptors(), threading.active_count()) == (open_before, threads_before)


def test_a_crowd_is_there_together_and_gone_together() -> None:
    names = {new_sn() for _ in range(40)}
    with browsing() as browser:

        async def test(start: Start) -> None:
            for sn in names:
                await start("127.0.0.1", sn)
            for sn in names:
                await run_in_thread(browser.wait_for, sn)

        run_with_outlets(test)
        for sn in names:
            browser.wait_for_end(sn)


def test_one_of_a_crowd_is_gone_while_it_restarts_and_then_at_its_new_address() -> None:
    async def test(start: Start) -> None:
        with browsing() as browser:
            one, other = await start("127.0.0.1", new_sn()), await start("127.0.0.1", new_sn())
            for outlet in (one, other):
                await run_in_thread(browser.wait_for, outlet.sn)
            one.clock.pause()
            one.reboot(seconds=10)
            await run_in_thread(browser.wait_for_end, one.sn)
            one.set(listen={"host": "127.0.0.1", "tcp_port": 0})
            await one.clock.advance(10)
            assert (await run_in_thread(browser.wait_for, one.sn)).port == one.tcp_address[1]
            assert (await run_in_thread(browser.wait_for, other.sn)).port == other.tcp_address[1]
            assert (browser.ends(one.sn), browser.ends(other.sn)) == (1, 0)
            assert not one.journal.events(kind="error")

    run_with_outlets(test)


def test_the_same_serial_number_twice_in_one_process_is_an_error_of_the_second() -> None:
    sn = new_sn()

    async def test(start: Start) -> None:
        with browsing() as browser:
            first = await start("127.0.0.1", sn)
            await run_in_thread(browser.wait_for, sn)
            second = await start("127.0.0.1", sn)
            error = await first_error(second)
            assert "give this one a serial number of its own" in error
            assert not first.journal.events(kind="error")
            # What one has announced, the other must not withdraw.
            second.reboot(seconds=1000)
            first.set(device={"device": "Unknown"})
            while txt(await run_in_thread(browser.wait_for, sn))["device"] != "Unknown":
                pass

    run_with_outlets(test)


def test_a_network_without_mdns_is_an_error_that_the_outlet_survives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(**options: object) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(zeroconf, "Zeroconf", refused)

    async def test(start: Start) -> None:
        outlet = await start("127.0.0.1", new_sn())
        error = await first_error(outlet)
        assert error == "mDNS is not possible on 127.0.0.1: Address already in use"
        outlet.reboot(seconds=0)

    run_with_outlets(test)
