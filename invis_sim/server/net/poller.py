"""One task that listens to all clients, where the system has epoll.

To wake a task for each request costs trio more than it costs us to answer one. So all sockets whose
requests are answered without waiting, which is the usual case, are in one epoll object; one task
waits for that, and calls whoever listens on each socket that has something to read. As soon as
anything needs to wait (a slow client, a WebSocket frame that is not for the fast lane), the
connection's own task takes over, and comes back here later.

Without epoll nothing is different but the speed: `ClientSocket.hear` then waits in the connection's
task.
"""

import select
import time
from collections.abc import Callable

import trio

__all__ = ["Poller"]

MAX_AT_ONCE = 32
"""How many sockets are served before other tasks, such as delayed packets, have their turn."""

BUSY_POLL_SECONDS = 0.001
"""How long a hub that is alone in its event loop may hold it, after a request, for the next one."""


class Poller:
    """Calls listeners when their sockets have something to read.

    alone: whether nothing but the simulator runs in this event loop. Then the hub need not go
    through the whole loop between two requests that follow hard upon each other: it waits for the
    next one itself, for a moment (`BUSY_POLL_SECONDS`), unless another task has something to do.

    Raises AttributeError on systems without epoll.
    """

    def __init__(self, *, owns_loop: bool = False) -> None:
        self._epoll = select.epoll()
        self._listeners: dict[int, Callable[[], None]] = {}
        self._held_seconds = BUSY_POLL_SECONDS if owns_loop else 0.0
        self._others_wait = False

    @classmethod
    def create_if_supported(cls, *, owns_loop: bool = False) -> "Poller | None":
        """A hub, or None where the system has no epoll."""
        return cls(owns_loop=owns_loop) if hasattr(select, "epoll") else None

    def add(self, descriptor: int, listener: Callable[[], None]) -> None:
        """Calls the listener whenever there is something to read, until it is removed.

        listener: must neither wait nor raise.
        """
        if not self._epoll.closed:  # else everything ends, the caller too
            self._listeners[descriptor] = listener
            self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Calls nobody for this socket any more. To be called before it is closed."""
        self._others_wait = True
        if self._listeners.pop(descriptor, None) is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)

    def stop_busy_polling(self) -> None:
        """A listener has given another task something to do."""
        self._others_wait = True

    async def run(self) -> None:
        """Does the listening, until it is cancelled."""
        with self._epoll:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._others_wait = False
                until = time.perf_counter() + self._held_seconds
                self._serve(self._epoll.poll(0, MAX_AT_ONCE))
                while not self._others_wait and time.perf_counter() < until:
                    ready = self._epoll.poll(self._held_seconds, MAX_AT_ONCE)
                    if not ready:
                        break
                    self._serve(ready)

    def _serve(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, _ in ready:
            listener = self._listeners.get(descriptor)
            if listener is not None:  # one before it may have removed it
                listener()
