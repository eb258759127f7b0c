"""Pieces of a stream that are not JSON documents."""

import msgspec

__all__ = ["Malformed", "PacketTooLarge"]


class Malformed(msgspec.Struct, frozen=True):
    """A piece of input that is not a JSON object.

    raw: the piece, as far as it had arrived when it was recognised.
    reason: what is wrong with it, for the author of the client.
    offset: the byte of `raw`, from 0, that is wrong.
    """

    raw: bytes
    reason: str
    offset: int


class PacketTooLarge(Malformed, frozen=True):
    """A piece over `max_packet_bytes`. The framer stops reading; close the connection."""
