"""Text from elsewhere, shown so that it does nothing to a terminal or a log."""

import json

__all__ = ["printable"]


def printable(text: str) -> str:
    """The text in one line that does nothing to a terminal: what is not printable in it is written
    as JSON writes it in strings. So JSON without line breaks stays the same JSON.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
