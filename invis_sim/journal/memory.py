"""About how much memory entries take.

Bounds count it, in place of the bytes on the wire: a request of 64 KB may hold 30,000 lists, which
take forty times as much.
"""

import msgspec

from invis_sim.journal.entries import Entry, Exchange

__all__ = ["memory_of", "memory_of_args"]

_PER_BYTE = ((b"[", 90), (b"{", 250), (b",", 60), (b":", 60))
"""What a list, a dict, and another item in them takes, each with a small value."""

_ENVELOPE = 860
"""What these make of `{"packetID":1,"payload":{"callbackName":2,"callbackArgs":…}}` itself."""


def memory_of(entry: Entry) -> int:
    """Return about how many bytes an entry takes beyond what every entry does. What was sent counts
    as it is at the moment.
    """
    if not isinstance(entry, Exchange):
        texts = (getattr(entry, name) for name in entry.__struct_fields__)
        return sum(len(text) for text in texts if isinstance(text, str))
    size, received = 0, entry.received
    if received is not None:
        size, request = len(received), entry.request
        if request is not None and request.args is not msgspec.UNSET:
            size += memory_of_args(received)
    for data in entry.sent:
        size += len(data)
    return size


def memory_of_args(received: bytes) -> int:
    """Return about how many bytes the arguments of a request take when they are parsed; rather too
    many than too few, as where a text consists of brackets.

    received: the request. Counting in it takes a hundredth of the time of measuring the objects.
    """
    size = sum(received.count(byte) * each for byte, each in _PER_BYTE) - _ENVELOPE
    # With one character beyond Latin-1, Python stores a whole text with 4 bytes per character.
    wide = not received.isascii() or b"\\u" in received
    return size + len(received) * (4 if wide else 1)
