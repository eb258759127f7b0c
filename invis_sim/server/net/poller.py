"""One task that listens to all clients, where the system has epoll.

Waking a task for each request costs trio more than it costs us to answer one. So all sockets whose
requests are answered without waiting, which is the usual case, are in one epoll object; one task
waits for that, and calls the handler of each socket that has something to read. As soon as anything
needs to wait (a slow client, a WebSocket frame that is not for the fast path), the connection's own
task takes over, and comes back here later.

Without epoll only the speed is different: `ClientSocket.read_loop` then waits in the connection's
task.
"""

import select
from collections.abc import Callable

import trio

from invis_sim.server.machine_clock import monotonic
from invis_sim.server.net.spin_credit import SpinCredit

__all__ = ["Poller"]

MAX_SOCKETS_PER_TURN = 32
"""How many sockets are served before other tasks, such as delayed packets, have their turn. One
request takes some 20 µs, so other tasks wait less than a millisecond."""

BUSY_POLL_SECONDS = 0.001
"""How long a poller that owns its event loop may hold it, after a request, for the next one: longer
than a fast client takes to ask again, shorter than a person or a timer would notice."""

SPIN_SECONDS = 0.00005
"""How long a poller that owns its event loop polls without waiting, after a request, before it
sleeps: to be woken costs more than to answer a request. A fast client asks again within 20 µs."""


class Poller:
    """Calls handlers when their sockets have something to read.

    owns_loop: whether nothing but simulators runs in this event loop. Then the poller need not go
    through the whole loop between two requests that follow each other closely: it waits for the
    next one itself, for a moment (`BUSY_POLL_SECONDS`), unless another task has something to do. At
    the beginning of that moment it polls without waiting (`SPIN_SECONDS`), as long as that pays off
    (`SpinCredit`).

    Its task starts with the first socket. `close` ends it.

    Raises AttributeError on systems without epoll.
    """

    def __init__(self, *, owns_loop: bool = False) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._busy_poll_seconds = BUSY_POLL_SECONDS if owns_loop else 0.0
        self._spin_credit = SpinCredit()
        self._others_wait = False
        self._started = False
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    @classmethod
    def create_if_supported(cls, *, owns_loop: bool = False) -> "Poller | None":
        """Return a poller, or None where the system has no epoll."""
        return cls(owns_loop=owns_loop) if hasattr(select, "epoll") else None

    def add(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call the handler whenever there is something to read, until it is removed.

        handler: must neither wait nor raise.
        """
        if self._epoll.closed:  # everything ends, the caller too
            return
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, select.EPOLLIN)
        if not self._started:
            self._started = True
            # A system task, as it must outlive the nursery of whichever outlet came first.
            trio.lowlevel.spawn_system_task(self._run)

    def remove(self, descriptor: int) -> None:
        """Call no handler for this socket any more. To be called before it is closed."""
        self._others_wait = True
        if self._handlers.pop(descriptor, None) is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)

    def stop_busy_polling(self) -> None:
        """Return to the event loop instead of polling again: another task has something to do."""
        self._others_wait = True

    async def _run(self) -> None:
        try:
            with self._epoll, self._scope:
                while True:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                    while ready := self._epoll.poll(0, MAX_SOCKETS_PER_TURN):
                        self._serve(ready)
                        # All others have their turn, their sockets and timers included; it takes
                        # half as long as to wait for what is ready by now.
                        await trio.lowlevel.checkpoint()
        finally:
            self._ended.set()

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        """Call the handlers of these sockets, and of those that are ready within a moment."""
        handler_of = self._handlers.get
        self._others_wait = False
        until = monotonic() + self._busy_poll_seconds
        while ready:
            for descriptor, _ in ready:
                handler = handler_of(descriptor)
                if handler is not None:  # an earlier one may have removed it
                    handler()
            if self._others_wait or monotonic() >= until:
                return
            ready = self._poll_briefly()

    def _poll_briefly(self) -> list[tuple[int, int]]:
        """Return the sockets that have something to read within a moment, and their events."""
        poll, credit = self._epoll.poll, self._spin_credit
        if credit.take_chance():
            ready = poll(0, MAX_SOCKETS_PER_TURN)
            if ready:
                return ready
            until = monotonic() + SPIN_SECONDS
            while not ready and monotonic() < until:
                ready = poll(0, MAX_SOCKETS_PER_TURN)
            credit.record(bool(ready))
            if ready:
                return ready
        return poll(self._busy_poll_seconds, MAX_SOCKETS_PER_TURN)

    async def close(self) -> None:
        """Stop listening, and return when the descriptor is closed, also where the caller is
        cancelled.
        """
        if not self._started:
            self._epoll.close()
            return
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
