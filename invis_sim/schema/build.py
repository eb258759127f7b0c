"""What somebody wants to be otherwise of a struct: checked, and done on a copy."""

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import msgspec

from invis_sim.schema.describe import (
    Path,
    describe,
    did_you_mean,
    format_path,
    is_table,
    locate_error,
    show,
    struct_in,
    type_errors,
)

__all__ = ["changed"]

S = TypeVar("S", bound=msgspec.Struct)


def changed(struct: S, changes: Mapping[str, Any], path: Path = ()) -> S:
    """A copy of the struct with some fields changed.

    changes: field → its value, or for a struct what is to change in it, or another one in its
    place. Names are those of a scenario file.
    path: how to get to the struct, for messages.

    Raises ValueError for a value that a scenario could not have.
    """
    values = _values(type(struct), changes, path, struct)
    try:
        return msgspec.structs.replace(struct, **values)
    except ValueError as error:  # fields that do not go together
        _fail_together(error, changes, path)


def _made(kind: type[msgspec.Struct], given: Mapping[str, Any], path: Path) -> msgspec.Struct:
    """A new struct with these fields."""
    values = _values(kind, given, path, None)
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in values:
            expected = describe(msgspec.inspect.type_info(field.type))
            _fail(path, f"{field.encode_name} is missing; expected {expected}")
    try:
        return kind(**values)
    except ValueError as error:
        _fail_together(error, given, path)


def _values(
    kind: type[msgspec.Struct], given: Mapping[str, Any], path: Path, old: msgspec.Struct | None
) -> dict[str, Any]:
    """Values for the fields that are given.

    old: of which struct they are the changes; None: they are for a new one.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        here = (*path, str(key))
        field = fields.get(key)
        if field is None:
            hint = did_you_mean(key, fields) or f"; known here: {', '.join(fields)}"
            _fail(here, f"unknown key{hint}")
        before = None if old is None else getattr(old, field.name)
        values[field.name] = _value(value, field.type, before, here)
    return values


def _value(value: Any, annotation: Any, before: Any, path: Path) -> Any:
    """What a field becomes."""
    if isinstance(value, Mapping) and isinstance(before, msgspec.Struct):
        return changed(before, value, path)
    try:
        plain = msgspec.to_builtins(value)
    except TypeError:
        _fail(path, f"expected plain data, found {type(value).__name__}")
    kind = struct_in(annotation)
    if kind is not None and isinstance(plain, Mapping):
        return _made(kind, plain, path)
    if is_table(annotation):
        _fail(path, f"expected a table, found {show(plain)}")
    for where, message in type_errors(plain, annotation, path):
        _fail(where, message)
    return msgspec.convert(plain, annotation)


def _fail_together(error: ValueError, given: Mapping[str, Any], path: Path) -> NoReturn:
    """Raises ValueError for fields that do not go together, at the one that is blamed."""
    where, message = locate_error(str(error), given)
    _fail((*path, *where), message)


def _fail(path: Path, message: str) -> NoReturn:
    raise ValueError(f"{format_path(path)}: {message}" if path else message) from None
