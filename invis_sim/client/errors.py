"""What can go wrong between a client and an outlet."""

__all__ = [
    "AddressError",
    "ClientError",
    "ConnectError",
    "ConnectionLost",
    "HandshakeError",
    "NoReply",
]


class ClientError(Exception):
    """The client could not do its work. The message is one sentence for a person.

    address: the outlet's, as the caller wrote it.
    reason: what happened, in words that follow the address.
    """

    template = "{address} {reason}"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return self.template.format(address=self.address, reason=self.reason)


class AddressError(ClientError, ValueError):
    """The address is not HOST[:PORT], PORT or ws://HOST[:PORT]/path."""

    template = "{reason}, found {address!r}"

    def __init__(self, address: str) -> None:
        super().__init__(address, "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws")
        self.args = (address,)  # what a copy is made from


class ConnectError(ClientError):
    """No connection was established: the host is unknown, nothing listens, or it took too long."""

    template = "cannot connect to {address}: {reason}"


class HandshakeError(ClientError):
    """The server did not accept the WebSocket."""


class ConnectionLost(ClientError):
    """The outlet closed or broke the connection, or sent a packet without end."""


class NoReply(ClientError):
    """No reply to a request came.

    others: what came instead, packet by packet. omitted: how many packets more; they were too much
    to keep.
    """

    def __init__(
        self, address: str, reason: str, others: tuple[bytes, ...] = (), omitted: int = 0
    ) -> None:
        super().__init__(address, reason)
        self.args = (address, reason, others, omitted)
        self.others = others
        self.omitted = omitted
