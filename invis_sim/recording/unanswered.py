"""The requests of one client of a proxy that the device has got and has not replied to."""

from collections import deque
from typing import NamedTuple

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


class Asked(NamedTuple):
    """A request that the device has got, and the answer to it, which comes later.

    size: about how much memory the request takes.
    """

    request: Request
    answer: PendingAnswer
    size: int


class Unanswered:
    """Requests that wait for the device's reply, by packetID."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[Asked]] = {}  # the oldest first
        self._order: deque[int] = deque()  # of those packetIDs
        self._bytes = 0

    def add(self, request: Request, raw: bytes) -> PendingAnswer:
        """Return the answer to a request that the device gets; it comes later.

        raw: its bytes.
        """
        packet_id, size = request.packet_id, len(raw)
        if request.args is not msgspec.UNSET:
            size += memory_of_args(raw)
        asked = Asked(request, PendingAnswer(), size)
        self._waiting.setdefault(packet_id, deque()).append(asked)
        self._order.append(packet_id)
        self._bytes += size
        while self._exceed():
            self._take(self._order[0]).answer.resolve(Answer(None))
        return asked.answer

    def take(self, packet_id: int | None) -> Asked | None:
        """Remove, and return, the oldest request with this packetID; None: there is none."""
        return self._take(packet_id) if packet_id in self._waiting else None

    def end(self) -> None:
        """Count all that wait as unanswered."""
        for waiting in tuple(self._waiting.values()):
            for asked in waiting:
                asked.answer.resolve(Answer(None))

    def _exceed(self) -> bool:
        number = len(self._order)
        return number > MAX_REQUESTS or (self._bytes > MAX_BYTES and number > 1)

    def _take(self, packet_id: int) -> Asked:
        waiting = self._waiting[packet_id]
        self._order.remove(packet_id)
        asked = waiting.popleft()
        if not waiting:
            del self._waiting[packet_id]
        self._bytes -= asked.size
        return asked
