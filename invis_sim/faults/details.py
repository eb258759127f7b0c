"""What faults report to the journal, shortened to what fits in a line of the log."""

from typing import Any

from invis_sim.protocol.json_text import encode_int
from invis_sim.schema.describe import shorten

__all__ = ["short_number", "short_text"]


def short_text(text: str) -> str:
    """Return a text as a line of the log has room for it."""
    return shorten(text, 40)


def short_number(number: Any) -> str:
    """Return a packetID or callbackName of any type; a client may send one of any length."""
    text = encode_int(number) if isinstance(number, int) else repr(number)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"
