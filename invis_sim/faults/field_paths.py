"""Paths to fields of a packet, in the keys of faults."""

import re

from invis_sim.protocol.json_structure import MAX_DEPTH
from invis_sim.schema.describe import quote, shorten

__all__ = ["parse_path"]


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
                "path: expected keys with dots between and [numbers] for list items, "
                f"found {quote(shorten(path, 40))}"
            )
        if len(keys) == MAX_DEPTH:
            raise ValueError(f"path: expected at most {MAX_DEPTH} keys and numbers")
        keys.append(step[1] if step[1] is not None else int(step[2]))
        position = step.end()
    return tuple(keys)
