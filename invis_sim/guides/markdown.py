"""Takes a guide apart: from Markdown to blocks, and from the text of a block to spans.

This is the part of Markdown that the guides use: headings with #, paragraphs, lists of one level,
tables, and code between fences; in a text `code`, **strong**, [links](guide.md), and a \\* for a *.
HTML comments are for those who write the guides, and are dropped.
"""

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "Block",
    "Code",
    "Heading",
    "Items",
    "Paragraph",
    "Span",
    "Table",
    "blocks",
    "linked_guide",
    "spans",
]


class Heading(msgspec.Struct, frozen=True):
    """level: 1 is the title."""

    level: int
    text: str


class Paragraph(msgspec.Struct, frozen=True):
    """text: in one line."""

    text: str


class Items(msgspec.Struct, frozen=True):
    """A list. ordered: whether it is numbered, from 1."""

    ordered: bool
    texts: tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """rows: each with as many cells as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Code(msgspec.Struct, frozen=True):
    """text: without a newline at its end."""

    language: str
    text: str


Block: TypeAlias = Heading | Paragraph | Items | Table | Code


class Span(msgspec.Struct, frozen=True):
    """A piece of a text. target: of a link."""

    kind: Literal["text", "code", "strong", "link"]
    text: str
    target: str = ""


_COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)
_HEADING = re.compile(r"(#+) +(.+)")
_FENCE = re.compile(r"```(\w*)")
_ITEM = re.compile(r"(-|\d+\.) +(.+)")
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_SPAN = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|\[(?P<link>[^\]]+)\]\((?P<target>[^)\s]+)\)"
)
_GUIDE = re.compile(r"([\w-]+)\.md(#[\w-]+)?")


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a guide."""
    lines = _COMMENT.sub("", text).split("\n")
    while lines:
        line = lines[0]
        if not line.strip():
            del lines[0]
        elif heading := _HEADING.fullmatch(line):
            del lines[0]
            yield Heading(len(heading[1]), heading[2])
        elif fence := _FENCE.match(line):
            end = lines.index("```", 1)
            yield Code(fence[1], "\n".join(lines[1:end]))
            del lines[: end + 1]
        elif line.startswith("|"):
            yield _table(_take(lines))
        elif _ITEM.match(line):
            yield _items(_take(lines))
        else:
            yield Paragraph(" ".join(_take(lines)))


def _take(lines: list[str]) -> list[str]:
    """Remove and return the lines before the next empty one."""
    end = lines.index("") if "" in lines else len(lines)
    taken = lines[:end]
    del lines[:end]
    return taken


def _table(lines: list[str]) -> Table:
    head, _, *rows = (
        tuple(cell.strip().replace("\\|", "|") for cell in _CELL_BORDER.split(line)[1:-1])
        for line in lines
    )
    return Table(head, tuple(rows))


def _items(lines: list[str]) -> Items:
    texts: list[str] = []
    for line in lines:
        if item := _ITEM.fullmatch(line):
            texts.append(item[2])
        else:
            texts[-1] += f" {line.strip()}"
    return Items(lines[0][0] != "-", tuple(texts))


def spans(text: str) -> Iterator[Span]:
    """Yield the pieces of a text."""
    position = 0
    for match in _SPAN.finditer(text):
        if match.start() > position:
            yield Span("text", _unescaped(text[position : match.start()]))
        position = match.end()
        if match["code"]:
            yield Span("code", match["code"])
        elif match["strong"]:
            yield Span("strong", match["strong"])
        else:
            yield Span("link", match["link"], match["target"])
    if position < len(text):
        yield Span("text", _unescaped(text[position:]))


def _unescaped(text: str) -> str:
    return text.replace("\\*", "*")


def linked_guide(target: str) -> tuple[str, str] | None:
    """Return the name of the guide to which a link leads, and the `#anchor` in it; None where it
    leads elsewhere.
    """
    found = _GUIDE.fullmatch(target)
    return None if found is None else (found[1], found[2] or "")
