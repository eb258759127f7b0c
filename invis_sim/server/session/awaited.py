"""The packetIDs of requests that a client waits for, so that no push bears one of them.

Clients match replies by packetID alone, and take a push with the packetID of a waiting request for
its reply. [the client `invisoutlet`]
"""

__all__ = ["AwaitedIds"]

MAX_AWAITED_IDS = 1024
"""How many are remembered. How long a client waits for a reply that never leaves is its own
business, so that they are forgotten only when there are too many of them."""


class AwaitedIds:
    """The packetIDs of the newest requests of a connection that were not answered at once."""

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[int, None] = {}  # in order, the oldest first

    def add(self, packet_id: int) -> None:
        """Remember the packetID of a request whose reply does not leave at once, or never."""
        ids = self._ids
        ids.pop(packet_id, None)
        ids[packet_id] = None
        if len(ids) > MAX_AWAITED_IDS:
            del ids[next(iter(ids))]

    def __contains__(self, packet_id: object) -> bool:
        return packet_id in self._ids
