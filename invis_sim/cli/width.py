"""Text for humans, in lines that fit the terminal."""

import re
import shutil
import textwrap
from collections.abc import Iterator

__all__ = ["MAX_WIDTH", "reflow", "text_width", "wrap"]

MAX_WIDTH = 98
"""Columns of a line at most: longer ones are hard to read."""

_NEW_LINE = re.compile(r"[a-z_]+(, [a-z_]+)*: |[A-Z][a-z ]{3,30}: |[-*] | ")
"""How a line begins that does not continue the one before: a key, a title, an item of a list."""

_INLINE_TABLE = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")


def text_width() -> int:
    """Return how many columns a line may have: those of the terminal, if there is one."""
    return min(shutil.get_terminal_size((MAX_WIDTH + 2, 24)).columns - 2, MAX_WIDTH)


def wrap(text: str, width: int, first_indent: str = "", indent: str = "") -> list[str]:
    """Return the text in lines, broken only at spaces, and not in an inline table, which a reader
    may copy.
    """
    joined = _INLINE_TABLE.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(
        joined,
        width,
        initial_indent=first_indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def reflow(manual: str) -> str:
    """Return a manual, which has the lines of a source file, in lines that fit the terminal."""
    width = text_width()
    if all(len(line) <= width for line in manual.split("\n")):
        return manual
    return "\n".join(line for one in _logical_lines(manual) for line in wrap(one, width) or [""])


def _logical_lines(manual: str) -> Iterator[str]:
    current = ""
    for line in manual.split("\n"):
        if not line or not current or _NEW_LINE.match(line):
            if current:
                yield current
            if not line:
                yield ""
            current = line
        else:
            current += f" {line}"
    if current:
        yield current
