"""One task that listens to all clients, where the system has epoll.

To wake a task for each request costs trio more than it costs us to answer one. So all sockets whose
requests are answered without waiting, which is the usual case, are in one epoll object; one task
waits for that, and calls whoever listens on each socket that has something to read. As soon as
anything needs to wait (a slow client, a WebSocket frame that is not for the fast lane), the
connection's own task takes over, and comes back here later.

Without epoll nothing is different but the speed: `Wire.hear` then waits in the connection's task.
"""

import select
from collections.abc import Callable

import trio

__all__ = ["Hub"]

MOST_AT_ONCE = 32
"""How many sockets are served before other tasks, such as delayed packets, have their turn."""


class Hub:
    """Calls listeners when their sockets have something to read.

    Raises AttributeError on systems without epoll.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._listeners: dict[int, Callable[[], None]] = {}

    @classmethod
    def where_possible(cls) -> "Hub | None":
        """A hub, or None where the system has no epoll."""
        return cls() if hasattr(select, "epoll") else None

    def add(self, descriptor: int, listener: Callable[[], None]) -> None:
        """Calls the listener whenever there is something to read, until it is removed.

        listener: must neither wait nor raise.
        """
        if not self._epoll.closed:  # else everything ends, the caller too
            self._listeners[descriptor] = listener
            self._epoll.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Calls nobody for this socket any more. To be called before it is closed."""
        if self._listeners.pop(descriptor, None) is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)

    async def run(self) -> None:
        """Does the listening, until it is cancelled."""
        with self._epoll:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for descriptor, _ in self._epoll.poll(0, MOST_AT_ONCE):
                    listener = self._listeners.get(descriptor)
                    if listener is not None:  # one before it may have removed it
                        listener()
