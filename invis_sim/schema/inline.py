"""Keys and values in one line, for the command line: `sensors.lux=5`, `push = 9`."""

import re
from typing import Any

import tomli

__all__ = ["parse_inline"]

# Words after `=` that are not TOML by themselves; text in quotes is skipped.
_BARE_WORD = re.compile(
    r'("(?:[^"\\]|\\.)*"|\'[^\']*\')|(=\s*)(?!(?:true|false|inf|nan)\b)([A-Za-z_][\w-]*)'
)


def parse_inline(text: str) -> dict[str, Any]:
    """Return the table that a text of the form `key=value,…` means.

    text: values as in TOML, but words need no quotes; keys may have dots (`when.nth=3`).

    Raises ValueError.
    """
    quoted = _BARE_WORD.sub(lambda m: m[0] if m[1] else f'{m[2]}"{m[3]}"', text)
    try:
        table: dict[str, Any] = tomli.loads(f"table = {{ {quoted} }}")["table"]
    except (tomli.TOMLDecodeError, RecursionError):
        raise ValueError("expected key=value,…, with values as in TOML") from None
    return table
