"""Plain data → the text of a scenario file."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from invis_sim.protocol.printable import printable

__all__ = ["to_toml"]

MAX_LINE = 100
"""A list longer than this many characters is written with one item a line."""


def to_toml(tables: Mapping[str, Any], comments: tuple[str, ...] = ()) -> str:
    """Return the text of a TOML file: values first, then tables, in the given order.

    tables: str, bool, int, float, lists, and tables of these; any text and any float.
    comments: lines for the top of the file, without "#".

    Raises TypeError for other values, such as None.
    """
    shown = (printable(line) for comment in comments for line in comment.splitlines())
    lines = [f"# {line}".rstrip() for line in shown]
    blocks = ["\n".join(lines)] if lines else []
    blocks += _blocks(tables, (), "")
    return "\n\n".join(blocks) + "\n" if blocks else ""


def _blocks(table: Mapping[str, Any], path: tuple[str, ...], head: str) -> Iterator[str]:
    """Write a table, and after it the tables in it, each with its header."""
    inner = {key: value for key, value in table.items() if _is_table(value)}
    lists = {key: value for key, value in table.items() if _is_list_of_tables(value)}
    lines = [
        f"{_key(key)} = {_lines(value)}"
        for key, value in table.items()
        if key not in inner and key not in lists
    ]
    # A header is also there for a table with nothing in it: that it exists may mean something.
    if lines or (head and not inner and not lists):
        yield "\n".join([head, *lines] if head else lines)
    for key, value in inner.items():
        here = (*path, key)
        yield from _blocks(value, here, f"[{'.'.join(map(_key, here))}]")
    for key, value in lists.items():
        here = (*path, key)
        for item in value:
            yield "\n".join(
                [f"[[{'.'.join(map(_key, here))}]]"]
                + [f"{_key(name)} = {_inline(one)}" for name, one in item.items()]
            )


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_table, value))


def _lines(value: Any) -> str:
    text = _inline(value)
    if len(text) <= MAX_LINE or not isinstance(value, list | tuple):
        return text
    return "\n".join(["[", *(f"  {_inline(item)}," for item in value), "]"])


def _key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _inline(key)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {_inline(item)}" for key, item in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    raise TypeError(f"TOML has no {type(value).__name__}")


def _quoted(text: str) -> str:
    """Return text in quotes, with escapes for all that is not printable: a scenario is shown on a
    terminal, and what is in it may come from a device.
    """
    # JSON's escapes are TOML's, but for characters beyond 16 bits.
    shown = json.dumps(text, ensure_ascii=False)
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else _escape(ord(one)) for one in shown)


def _escape(code: int) -> str:
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
