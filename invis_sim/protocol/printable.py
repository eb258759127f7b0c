"""Text from a peer, made harmless for a terminal or a log."""

import json

__all__ = ["printable", "printable_lines", "printable_packet"]

MAX_KNOWN = 1000
"""How many characters are remembered with what is shown in their place: a peer may send any."""


class _Shown(dict[int, str]):
    """The code of a character → what is shown of it."""

    def __missing__(self, code: int) -> str:
        one = chr(code)
        shown = one if one.isprintable() else json.dumps(one)[1:-1]
        if len(self) < MAX_KNOWN:
            self[code] = shown
        return shown


_SHOWN = _Shown()


def printable(text: str) -> str:
    """Return the text as one line that is harmless on a terminal: characters that are not printable
    are escaped as in JSON strings. So JSON without line breaks stays the same JSON.
    """
    return text if text.isprintable() else text.translate(_SHOWN)


def printable_lines(text: str) -> str:
    """Return the lines of a text, each as `printable`; so it is also what XML can have."""
    # Not at other line ends than these, which are escaped.
    return "\n".join(map(printable, text.expandtabs().replace("\r\n", "\n").split("\n")))


def printable_packet(packet: bytes) -> str:
    """Return a packet, or any bytes in its place, as one line that is harmless on a terminal."""
    return printable(packet.decode(errors="replace"))
