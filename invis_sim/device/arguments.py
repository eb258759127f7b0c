"""Checks of the `callbackArgs` that clients send: each returns the value, or raises
`RequestRejected` with the reason and the place.
"""

import reprlib
from typing import Any, NoReturn

import msgspec

from invis_sim.protocol.json_positions import Key
from invis_sim.protocol.packets import Note

__all__ = ["PartMissing", "RequestRejected", "expect_array", "expect_int", "format_value", "reject"]

MAX_INTEGER_BITS = 200
"""Longer integers are not written out in a message; and Python refuses to convert those of more
than 4300 digits."""


class RequestRejected(ValueError):
    """The request is answered `PUBACK` 0, for the reason in the note."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.reason)
        self.note = note

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their `args`, which are not what `__init__` takes.
        return type(self), (self.note,), self.__dict__


class PartMissing(RequestRejected):
    """The request is about a part that the outlet lacks, or cannot reach at the moment."""


def reject(reason: str, *path: Key) -> NoReturn:
    """Raise RequestRejected.

    path: from the arguments to the value concerned.
    """
    raise RequestRejected(Note(reason, path=("payload", "callbackArgs", *path)))


def expect_array(args: Any, expected: str, least: int, most: int, *path: Key) -> list[Any]:
    """Return the value as a list. Raises RequestRejected.

    args: what the client sent there. expected: what should be there, in words.
    least, most: how many elements it has, ≥ 0.
    """
    if args is msgspec.UNSET:
        raise RequestRejected(Note(f"no arguments; expected {expected}", path=("payload",)))
    if not isinstance(args, list):
        reject(f"expected {expected}, found {format_value(args)}", *path)
    if not least <= len(args) <= most:
        elements = "element" if len(args) == 1 else "elements"
        reject(f"expected {expected}, found {len(args)} {elements}", *path)
    return args


def expect_int(value: Any, what: str, least: int, most: int, *path: Key) -> int:
    """Return the value as an integer from `least` to `most`. Raises RequestRejected, also for
    JSON's booleans.
    """
    if type(value) is not int or not least <= value <= most:
        either = f"{least} or {most}" if most == least + 1 else f"{least} to {most}"
        reject(f"{what}: expected {either}, found {format_value(value)}", *path)
    return value


def format_value(value: Any) -> str:
    """A client's value as a message shows it, shortened where it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        return "a number of more than sixty digits"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, str):
        return reprlib.repr(value)
    return str(value)
