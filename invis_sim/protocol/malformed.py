"""Pieces of a stream that are not JSON documents."""

import msgspec

__all__ = ["Malformed", "PacketTooLarge", "format_byte", "garbage_reason", "without_line_end"]

# First letters of HTTP methods. Only one byte can decide: the next may be in another chunk.
_HTTP_INITIALS = b"CDGHOPT"


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


def without_line_end(raw: bytearray, least: int) -> bytes:
    """Leave out the line end behind a malformed piece, as it is behind a document; but keep so many
    bytes at `least`.
    """
    return bytes(raw[:least] + raw[least:].rstrip(b"\r\n"))


def format_byte(byte: int) -> str:
    """Write a byte for a message: a printable character in quotes, any other as a number."""
    return repr(chr(byte)) if 0x20 <= byte < 0x7F else f"byte 0x{byte:02x}"


def garbage_reason(first: int) -> str:
    """Say why a piece that begins with this byte is not an object."""
    reason = f"expected '{{', found {format_byte(first)}"
    if first in _HTTP_INITIALS:
        reason += " (looks like HTTP; the WebSocket is on another port)"
    return reason
