"""What clients send as `callbackArgs`, checked: the value that is meant, or `RequestRejected` with
the reason and the place.
"""

import reprlib
from typing import Any, NoReturn

import msgspec

from invis_sim.protocol.json_positions import Key
from invis_sim.protocol.packets import Note

__all__ = ["RequestRejected", "array", "integer", "refuse", "shown"]


class RequestRejected(ValueError):
    """The request is answered `PUBACK` 0, for the reason in the note."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.reason)
        self.note = note


def refuse(reason: str, *path: Key) -> NoReturn:
    """Raises Refused.

    path: from the arguments on, to the value concerned.
    """
    raise RequestRejected(Note(reason, path=("payload", "callbackArgs", *path)))


def array(args: Any, expected: str, least: int, most: int, *path: Key) -> list[Any]:
    """The value as a list.

    args: what the client sent there. expected: what should be there, in words.
    least, most: how many elements it has, ≥ 0.
    """
    if args is msgspec.UNSET:
        raise RequestRejected(Note(f"no arguments; expected {expected}", path=("payload",)))
    if not isinstance(args, list):
        refuse(f"expected {expected}, found {shown(args)}", *path)
    if not least <= len(args) <= most:
        elements = "element" if len(args) == 1 else "elements"
        refuse(f"expected {expected}, found {len(args)} {elements}", *path)
    return args


def integer(value: Any, what: str, least: int, most: int, *path: Key) -> int:
    """The value as an integer from `least` to `most`. JSON's booleans are none."""
    if type(value) is not int or not least <= value <= most:
        either = f"{least} or {most}" if most == least + 1 else f"{least} to {most}"
        refuse(f"{what}: expected {either}, found {shown(value)}", *path)
    return value


def shown(value: Any) -> str:
    """A client's value in a message, shortened where it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than sixty digits"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, str):
        return reprlib.repr(value)
    return str(value)
