"""The requests of one client of a proxy that the device has got and has not replied to."""

from collections import deque

import msgspec

from invis_sim.device.effects import Answer
from invis_sim.journal.memory import memory_of_args
from invis_sim.protocol.packets import Request
from invis_sim.server.session.backend import PendingAnswer

__all__ = ["Asked", "Unanswered"]

MAX_REQUESTS = 1024
"""How many requests may wait for the device's reply; of more, the oldest count as unanswered."""

MAX_BYTES = 2**22
"""How much memory these may take, likewise: a device that does not reply may get long ones."""


class Asked(PendingAnswer, kw_only=True, eq=False):
    """The answer to a request that the device has got; it comes later.

    size: about how much memory the request takes.
    """

    request: Request
    size: int


class Unanswered:
    """Requests that wait for the device's reply."""

    def __init__(self) -> None:
        # The oldest first. It is searched, as the first one is nearly always the right one.
        self._asked: deque[Asked] = deque()
        self._bytes = 0

    def add(self, request: Request, document: bytes) -> Asked:
        """Return the answer to a request that the device gets; it comes later.

        document: its bytes.
        """
        size = len(document)
        if request.args is not msgspec.UNSET:
            size += memory_of_args(document)
        asked, waiting = Asked(request=request, size=size), self._asked
        waiting.append(asked)
        self._bytes += size
        while len(waiting) > MAX_REQUESTS or (self._bytes > MAX_BYTES and len(waiting) > 1):
            oldest = waiting.popleft()
            self._bytes -= oldest.size
            oldest.resolve(Answer(None))
        return asked

    def take(self, packet_id: int | None) -> Asked | None:
        """Remove, and return, the oldest request with this packetID; None: there is none."""
        for place, asked in enumerate(self._asked):
            if asked.request.packet_id == packet_id:
                del self._asked[place]
                self._bytes -= asked.size
                return asked
        return None

    def end(self) -> None:
        """Count all that wait as unanswered."""
        while self._asked:
            self._asked.popleft().resolve(Answer(None))
