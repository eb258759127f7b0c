"""The line of each key of a TOML document.

The parser says what a scenario file means, but not where a key was written; the author of a file
with a mistake needs the line. This module finds it for documents that the parser has accepted, in
time linear in the text and in the paths that it reports.

It does not judge what is valid, what a value means or which keys are known. So it must never raise
on anything that `tomli` accepts, however deeply nested.
"""

import re
from collections.abc import Iterator
from itertools import chain, count

import tomli

from invis_sim.schema.fields import Path

__all__ = ["key_lines"]

_TOKEN = re.compile(
    r"""
      "{3} (?: [^"\\]++ | \\. | "(?!"") )* "{3,5}  # the text itself may end with two quotes
    | '{3} .*? '{3,5}
    | " (?: [^"\\]++ | \\. )* "
    | ' [^']*+ '
    | [#] [^\n]*+
    | [][{}=,.\n]
    | [^][{}=,.\s"'#]++  # a bare key, or a piece of a number or date
    """,
    re.DOTALL | re.VERBOSE,
)


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of each key, table header and array element of a TOML document.

    text: a document that `tomli` accepts.

    The line of a table is the first that mentions it; that of the document itself, `()`, is 1.
    """
    locator = _Locator(text)
    table: Path = ()
    for token in locator.tokens:
        if token == "[":
            table = locator.header()
        elif token != "\n":
            locator.value(locator.key(table, token))
    return locator.lines


class _Locator:
    """Reads a document once and records in `lines` where each path is mentioned first."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {(): 1}
        self.line = 1  # of the token that was read last
        self.newest: dict[Path, int] = {}  # `[[array]]` → the index of its last element so far
        self.tokens = self._tokens(text)

    def _tokens(self, text: str) -> Iterator[str]:
        counted = 0
        for match in _TOKEN.finditer(text):
            self.line += text.count("\n", counted, match.start())
            counted = match.start()
            if not match[0].startswith("#"):
                yield match[0]

    def header(self) -> Path:
        """Read a table header after its first bracket. Return the table's path, or the array's."""
        token = next(self.tokens, "")
        if token != "[":
            return self.key((), token)
        array = self.key((), next(self.tokens, ""))
        next(self.tokens, "")  # the second closing bracket
        self.newest[array] = self.newest.get(array, -1) + 1
        self.record(array, self.newest[array])
        return array

    def key(self, path: Path, first: str) -> Path:
        """Read a dotted key below `path`, and the `=` or `]` after it. Return the key's path."""
        for token in chain([first], self.tokens):
            if token in ("=", "]"):
                break
            if token != ".":
                if path in self.newest:
                    path = (*path, self.newest[path])
                path = self.record(path, _unquoted(token))
        return path

    def value(self, path: Path) -> None:
        """Read the value at `path`, to the end of its last line."""
        # The inline tables and arrays that are open; an array with the indices of its elements.
        containers: list[tuple[Path, Iterator[int] | None]] = []
        item_expected = False
        for token in self.tokens:
            if token == "\n":
                if not containers:
                    break
            elif token in ("]", "}"):
                containers.pop()
                item_expected = False
            elif token == ",":
                item_expected = True
            else:
                if item_expected:
                    outer, indices = containers[-1]
                    path = self.record(outer, next(indices)) if indices else self.key(outer, token)
                item_expected = token in ("[", "{")
                if item_expected:
                    containers.append((path, count() if token == "[" else None))

    def record(self, parent: Path, step: str | int) -> Path:
        """Record the line of a path, unless it was mentioned before. Return the path."""
        path = (*parent, step)
        self.lines.setdefault(path, self.line)
        return path


def _unquoted(key: str) -> str:
    if key.startswith('"') and "\\" in key:
        unescaped: str = tomli.loads(f"key = {key}")["key"]
        return unescaped
    return key[1:-1] if key[0] in "\"'" else key
