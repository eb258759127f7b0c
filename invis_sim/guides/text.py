"""Lays a guide out for a terminal: Markdown still, in lines that fit, with tables in columns."""

import textwrap
from collections.abc import Callable, Iterator
from itertools import zip_longest

from invis_sim.guides.markdown import (
    Block,
    Code,
    Heading,
    Items,
    Paragraph,
    Span,
    Table,
    blocks,
    linked_guide,
    spans,
)

__all__ = ["as_text"]

GAP = 2
"""Spaces between two columns of a table."""

MIN_COLUMN = 12
"""Columns that a column of a table keeps at least, where it has so much text."""

MAX_UNBROKEN = 40
"""Columns of code that is kept in one line, so that it can be copied."""

_UNBROKEN = "\N{NO-BREAK SPACE}"


def as_text(
    text: str, width: int, emphasize: Callable[[str], str] = lambda heading: heading
) -> str:
    """Return the guide in lines of at most so many columns; code is as wide as it is.

    emphasize: makes a heading visible, such as with the escapes of a color.
    """
    parts = ("\n".join(_lines(block, width, emphasize)) for block in blocks(text))
    return "\n\n".join(parts)


def _lines(block: Block, width: int, emphasize: Callable[[str], str]) -> Iterator[str]:
    match block:
        case Heading(level, text):
            yield emphasize(f"{'#' * level} {text}")
        case Paragraph(text):
            yield from _wrapped(_plain(text), width)
        case Items(ordered, texts):
            for number, text in enumerate(texts, 1):
                mark = f"{number}. " if ordered else "- "
                yield from _wrapped(_plain(text), width, mark)
        case Table():
            yield from _table(block, width)
        case Code(_, text):
            yield from textwrap.indent(text, "    ").split("\n")


def _plain(text: str) -> str:
    """Return a text with what a reader can do in place of each link."""
    return "".join(map(_written, spans(text)))


def _wrapped(text: str, width: int, mark: str = "") -> Iterator[str]:
    """Yield the lines of a text, the first behind the mark of an item, the others below it."""
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,  # of options, and of the names of guides
    )
    return (line.replace(_UNBROKEN, " ") for line in lines)


def _written(span: Span) -> str:
    match span.kind:
        case "code":
            text = f"`{span.text}`"
            return text.replace(" ", _UNBROKEN) if len(text) <= MAX_UNBROKEN else text
        case "strong":
            return f"**{span.text}**"
        case "link" if not span.target.startswith("#"):
            guide = linked_guide(span.target)
            if guide is None:
                return f"{span.text} ({span.target})"
            return f"{span.text} ({_written(Span('code', f'invis-sim guide {guide[0]}'))})"
        case _:
            return span.text


def _table(table: Table, width: int) -> Iterator[str]:
    rows = [tuple(map(_plain, row)) for row in (table.head, *table.rows)]
    natural = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths = _column_widths(natural, width - GAP * (len(natural) - 1))
    head, *others = rows
    if any(head):
        yield from _row(head, widths)
    yield from _row(tuple("-" * one for one in widths), widths)
    for row in others:
        yield from _row(row, widths)


def _column_widths(natural: list[int], available: int) -> list[int]:
    """Take what does not fit from the widest column, then from the next."""
    widths = list(natural)
    while sum(widths) > available and max(widths) > MIN_COLUMN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row(cells: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    wrapped = [[*_wrapped(cell, width)] for cell, width in zip(cells, widths, strict=True)]
    for line in zip_longest(*wrapped, fillvalue=""):
        yield (
            (" " * GAP)
            .join(f"{part:{width}}" for part, width in zip(line, widths, strict=True))
            .rstrip()
        )
