"""The packetIDs of requests that a client waits for, so that no push bears one of them.

Clients match replies by packetID alone, and take a push with the packetID of a waiting request for
its reply. [the client `invisoutlet`]
"""

__all__ = ["AwaitedIds"]

MAX_AWAITED_IDS = 1024
"""How many are remembered. How long a client waits for a reply that never leaves is its own
business, so that they are forgotten only when there are too many of them."""


class AwaitedIds(dict[int, None]):
    """The packetIDs of the newest requests of a connection that were not answered at once, the
    oldest first.

    A dict, because each push looks for its packetID in those of all connections.
    """

    __slots__ = ()

    def add(self, packet_id: int) -> None:
        """Remember the packetID of a request whose reply does not leave at once, or never."""
        self.pop(packet_id, None)
        self[packet_id] = None
        if len(self) > MAX_AWAITED_IDS:
            del self[next(iter(self))]
