"""JSON values and paths in the keys of faults: checked when a fault is built."""

import math
import re
from typing import Any

from invis_sim.protocol.json_stream import MAX_DEPTH
from invis_sim.schema.describe import shorten

__all__ = ["check_json", "parse_path"]


def check_json(value: Any, key: str, depth: int = 0) -> Any:
    """The value with lists for tuples, as JSON has it.

    key: of the fault, for the error.

    Raises ValueError for what JSON cannot express, or what is nested deeper than `MAX_DEPTH`.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"{key} is nested deeper than the {MAX_DEPTH} levels expected at most")
    if isinstance(value, list | tuple):
        return [check_json(item, key, depth + 1) for item in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: check_json(item, key, depth + 1) for name, item in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    found = repr(value) if isinstance(value, float) else type(value).__name__
    raise ValueError(f"{key}: expected a JSON value, found {found}")


# A key, after a dot unless it is the first, or an index. Six digits: far more items than a packet
# can have, and no number that takes long to convert.
_STEP = re.compile(r"(?:^|(?<=.)\.)([^.\[\]]+)|\[(\d{1,6})\]", re.DOTALL)


def parse_path(path: str) -> tuple[str | int, ...]:
    """The keys and indices in a path such as "payload.callbackArgs[0]".

    Raises ValueError if it is not a path, or has more than `MAX_DEPTH` steps.
    """
    keys: list[str | int] = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None or (not keys and step[1] is None):  # a packet is an object: a key is first
            raise ValueError(
                f"path {shorten(repr(path), 40)}: expected keys with dots between and [numbers] "
                "for list items"
            )
        if len(keys) == MAX_DEPTH:
            raise ValueError(f"path: expected at most {MAX_DEPTH} keys and numbers")
        keys.append(step[1] if step[1] is not None else int(step[2]))
        position = step.end()
    return tuple(keys)
