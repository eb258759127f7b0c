"""Text from a peer, made harmless for a terminal or a log."""

import json

__all__ = ["printable", "printable_packet"]


def printable(text: str) -> str:
    """Return the text as one line that is harmless on a terminal: characters that are not printable
    are escaped as in JSON strings. So JSON without line breaks stays the same JSON.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def printable_packet(packet: bytes) -> str:
    """Return a packet, or any bytes in its place, as one line that is harmless on a terminal."""
    return printable(packet.decode(errors="replace"))
