"""Waiting for what clients do, and for the outlet to be back on the network (trio)."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import trio

from invis_sim.journal import Event, Exchange, Expectation, Journal, Waiters
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.protocol.packets import Request
from invis_sim.protocol.transport import Transport
from invis_sim.schema.numbers import check_timeout

__all__ = ["WaitMethods"]

__tracebackhide__ = hide_frames

E = TypeVar("E", Exchange, Event)


class WaitMethods:
    """What a running outlet offers to those who wait.

    journal: in which what they wait for is recorded.

    waiters: who waits for entries of the journal.
    """

    def __init__(self, journal: Journal) -> None:
        self.waiters = Waiters(journal)
        self._waiting_for_up: list[Callable[[], None]] = []

    @property
    def offline(self) -> bool:
        """Whether the outlet restarts at the moment, or is off the network."""
        raise NotImplementedError

    async def wait_for_request(
        self,
        *,
        callback: int | None = None,
        connection: int | None = None,
        transport: Transport | None = None,
        packet_id: int | None = None,
        args: Any = msgspec.UNSET,
        timeout: float = 5.0,
    ) -> Request:
        """Return the next request that is like this, as soon as it is there.

        Each request is returned once: one that came before the call counts, unless an earlier call
        has returned it or the journal has forgotten it.

        timeout: real seconds, 0 or more. The other arguments are those of `Journal.exchanges`.

        Raises AssertionError that lists what came instead, ValueError for an argument that no
        request can have.
        """
        timeout = check_timeout(timeout)
        expectation = self.waiters.request(callback, connection, transport, packet_id, args)
        request = (await _arrival(expectation, timeout)).request
        assert request is not None
        return request

    async def wait_for_connection(
        self, transport: Transport | None = None, timeout: float = 5.0
    ) -> Event:
        """Return the event that a client has connected, as soon as one has.

        Each is returned once, as in `wait_for_request`. On WebSocket, the handshake comes after it.

        transport: only on this one. timeout: real seconds, 0 or more.

        Raises AssertionError that lists what came instead, ValueError for another transport.
        """
        timeout = check_timeout(timeout)
        return await _arrival(self.waiters.connection(transport), timeout)

    async def wait_until_up(self, timeout: float = 5.0) -> None:
        """Return when the outlet is on the network: at once, or when its restart ends. After a
        request to restart, first see that it has come: `wait_for_request(callback=5)`.

        timeout: real seconds. Raises AssertionError where it is not back by then.
        """
        timeout = check_timeout(timeout)
        up = trio.Event()
        withdraw = self.call_when_up(up.set)
        try:
            with trio.move_on_after(timeout):
                await up.wait()
        finally:
            withdraw()
        if not up.is_set():
            raise AssertionError(f"the outlet has not come back within {timeout:g} s")

    def call_when_up(self, function: Callable[[], None]) -> Callable[[], None]:
        """Call the function once the outlet is on the network: now, or when its restart ends.

        Returns a function that takes that back.
        """
        if not self.offline:
            function()
            return lambda: None
        self._waiting_for_up.append(function)

        def withdraw() -> None:
            if function in self._waiting_for_up:
                self._waiting_for_up.remove(function)

        return withdraw

    def _call_those_that_wait(self) -> None:
        """Call the functions that wait for the outlet to be on the network."""
        waiting, self._waiting_for_up = tuple(self._waiting_for_up), []
        for function in waiting:
            function()


async def _arrival(expectation: Expectation[E], seconds: float) -> E:
    token = trio.lowlevel.current_trio_token()
    here = trio.Event()

    def wake(future: object) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(here.set)

    with expectation:
        expectation.future.add_done_callback(wake)
        with trio.move_on_after(seconds):
            await here.wait()
        return expectation.result(seconds)
