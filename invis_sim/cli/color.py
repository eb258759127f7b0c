"""Whether what a command prints is coloured, and with which colours."""

import os
from collections.abc import Sequence
from typing import IO, Literal, TypeAlias

__all__ = ["COLOR_CHOICES", "NO_COLORS", "Paint", "Style", "choose_color", "paint_for"]

COLOR_CHOICES = ("auto", "always", "never")
"""The values of --color. "auto": on a terminal, unless the environment says otherwise."""

Style: TypeAlias = Literal["heading", "name", "error", "warning", "success", "faint"]
"""What a piece of text is: its colour follows from that."""

_CODES: dict[Style, str] = {
    "heading": "1",  # bold
    "name": "36",  # cyan
    "error": "1;31",  # bold red
    "warning": "33",  # yellow
    "success": "32",  # green
    "faint": "2",
}
"""Style → SGR parameters. Of the eight basic colours, which every theme keeps readable."""

_choice = "auto"


class Paint:
    """Colours pieces of text, or returns them as they are.

    on: whether it colours.
    """

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, style: Style) -> str:
        """Return the text in the colour of the style."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.on and text else text


NO_COLORS = Paint(False)
"""Returns every text as it is."""


def choose_color(words: Sequence[str]) -> None:
    """Remember what --color says among the words of a command line, for `paint_for`.

    Before they are parsed: help and errors of the parser are coloured as well.
    """
    global _choice
    _choice = "auto"
    for option, value in zip(words, [*words[1:], ""], strict=False):
        if option.startswith("--color="):
            _choice = option.removeprefix("--color=")
        elif option == "--color":
            _choice = value


def paint_for(stream: IO[str] | None) -> Paint:
    """Return what colours the text for a stream, as the user wants it.

    --color goes before NO_COLOR, that before FORCE_COLOR and its relatives, and those before the
    question whether the stream is a terminal.
    """
    return Paint(_wants_color(stream))


def _wants_color(stream: IO[str] | None) -> bool:
    if _choice in ("always", "never"):
        return _choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        if os.environ.get(name):
            return os.environ[name] != "0"
    if os.environ.get("CLICOLOR") == "0" or os.environ.get("TERM") == "dumb":
        return False
    if os.name == "nt" and not os.environ.get("WT_SESSION"):
        return False  # the old console of Windows prints the codes
    return stream is not None and stream.isatty()
