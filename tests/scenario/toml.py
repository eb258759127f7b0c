"""Plain data → TOML, for tests that write scenario files."""

import datetime
import json
import math
from typing import Any

__all__ = ["to_toml"]


def to_toml(document: dict[str, Any]) -> str:
    """A TOML document that says the same; keys whose value is None are left out."""
    pairs = ((key, value) for key, value in document.items() if value is not None)
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in pairs)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case int() if value.bit_length() > 10_000:  # Python limits how long decimal numbers are
            return hex(value)
        case int():
            return str(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            pairs = ((key, item) for key, item in value.items() if item is not None)
            return "{" + ", ".join(f"{_text(key)} = {_value(item)}" for key, item in pairs) + "}"
        case _:
            raise TypeError(f"TOML has no {type(value).__name__}")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
