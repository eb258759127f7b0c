"""What can go wrong between a client and an outlet."""

__all__ = ["AddressError", "ClientError"]


class ClientError(Exception):
    """The client could not do its work; the message names the address and the reason."""


class AddressError(ClientError, ValueError):
    """The address is not HOST[:PORT] or ws://HOST[:PORT]/path."""
