"""One walk over struct types: their fields, the tables in them, and what docstrings say about each.

Structs are the tables of a scenario file, and their fields are its keys. Whatever goes through the
fields of a struct type (the builder, the JSON Schema, the manual, random structs) does it here.
"""

import re
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any, TypeAlias

import msgspec

from invis_sim.schema.manual import manual

__all__ = [
    "MISSING",
    "Field",
    "Path",
    "fields",
    "is_list_struct",
    "is_table",
    "key_docs",
    "list_in",
    "own_key_docs",
    "struct_in",
    "structs_in",
    "table_in_list",
    "value_at",
    "walk",
]

Path: TypeAlias = tuple[str | int, ...]
"""How to get to a value: keys of tables, and indices in lists from 0."""


class _Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""In place of a value that does not exist, where None could be a value."""


class Field(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A field of a struct type.

    key: its name in plain data, as in a scenario file. name: its name in Python.
    annotation: its type.
    required: whether it has no default. default: its default; `msgspec.NODEFAULT` if required.
    owner: the struct type that it belongs to.
    """

    key: str
    name: str
    annotation: Any
    required: bool
    default: Any
    owner: type[msgspec.Struct]

    # What follows is seldom needed, so it is worked out on demand, and kept (`dict=True`).

    @cached_property
    def table(self) -> type[msgspec.Struct] | None:
        """The struct type that it may be, written as a table; other types may be possible too."""
        return struct_in(self.annotation)

    @cached_property
    def element(self) -> type[msgspec.Struct] | None:
        """The struct type of which it is a list of tables."""
        return table_in_list(self.annotation)

    @cached_property
    def section(self) -> type[msgspec.Struct] | None:
        """The struct type if it can only be a table, or a list of tables: a section of a file."""
        return self.element or (self.table if is_table(_without_none(self.annotation)) else None)

    @property
    def doc(self) -> str:
        """What the docstring of its owner says about it; "" if nothing."""
        return key_docs(self.owner).get(self.key, "")


# The loader asks for the fields of the same few types again and again, and msgspec resolves all
# annotations each time.
@cache
def fields(struct: type[msgspec.Struct]) -> Mapping[str, Field]:
    """The fields of a struct type: key → field, in the order of their definition."""
    return types.MappingProxyType(
        {
            field.encode_name: Field(
                field.encode_name,
                field.name,
                field.type,
                field.required,
                _default(field),
                struct,
            )
            for field in msgspec.structs.fields(struct)
        }
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def walk(struct: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[tuple[Path, Field]]:
    """Every field of a struct type, of the tables in it, and so on, each before those in it.

    path: of the struct. The path of a field ends with its key; lists of tables have no index.
    """
    for key, field in fields(struct).items():
        yield (*path, key), field
        inner = field.table or field.element
        if inner is not None:
            yield from walk(inner, (*path, key))


def structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """Every struct type that an annotation mentions, and every one that their fields mention."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
        for field in fields(annotation).values():
            yield from structs_in(field.annotation)
    else:
        for argument in typing.get_args(annotation):
            yield from structs_in(argument)


def is_table(annotation: Any) -> bool:
    """Whether the annotation is a struct type that is written as a table."""
    return _is_struct(annotation) and not annotation.__struct_config__.array_like


def is_list_struct(annotation: Any) -> bool:
    """Whether the annotation is a struct type that is written as a list."""
    return _is_struct(annotation) and bool(annotation.__struct_config__.array_like)


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


@cache
def struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct type, written as a table, that the annotation is or allows for."""
    for choice in _choices(annotation):
        if is_table(choice):
            struct: type[msgspec.Struct] = choice
            return struct
    return None


@cache
def list_in(annotation: Any) -> Any:
    """The type of list that the annotation is or allows for: a tuple, or a struct type that is
    written as a list; None if there is none.
    """
    for choice in _choices(annotation):
        if typing.get_origin(choice) is tuple or is_list_struct(choice):
            return choice
    return None


@cache
def table_in_list(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct type of which the annotation is or allows for a list of tables."""
    for choice in _choices(annotation):
        if typing.get_origin(choice) is tuple:
            first, *rest = typing.get_args(choice)
            if rest == [Ellipsis] and is_table(first):
                struct: type[msgspec.Struct] = first
                return struct
    return None


def _choices(annotation: Any) -> Iterator[Any]:
    """The members of a union, or the annotation itself, each without its metadata."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _choices(annotation.__origin__)
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _choices(member)
    else:
        yield annotation


def _without_none(annotation: Any) -> Any:
    """The annotation without the choice of None; what has several other choices is unchanged."""
    others = [choice for choice in _choices(annotation) if choice is not types.NoneType]
    return others[0] if len(others) == 1 else annotation


def value_at(value: Any, path: Path) -> Any:
    """What is at a path of structs (by the names of Python), mappings and lists; MISSING if the
    path leads to nothing.
    """
    for step in path:
        try:
            is_struct = isinstance(value, msgspec.Struct)
            value = getattr(value, str(step)) if is_struct else value[step]
        except (AttributeError, KeyError, IndexError, TypeError):
            return MISSING
    return value


@cache
def key_docs(struct: type[msgspec.Struct]) -> Mapping[str, str]:
    """What the docstrings of a struct type and its bases say about each key."""
    described: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if owner is not msgspec.Struct and issubclass(owner, msgspec.Struct):
            described |= own_key_docs(owner)
    return types.MappingProxyType(described)


def own_key_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What one docstring says about each key.

    A key's part begins, on a line of its own or after a full stop, with `name: …` (or
    `name, name: …`) and ends before the next one, or at a blank line.
    """
    keys = "|".join(map(re.escape, struct.__struct_encode_fields__))
    names = rf"(?:{keys})(?:, (?:{keys}))*"
    begins = re.compile(rf"({names}): (.*)")
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    text = re.sub(rf"\. (?={names}: )", ".\n", manual(struct))
    for line in text.splitlines():
        if match := begins.fullmatch(line):
            current = [match[2]]
            parts |= dict.fromkeys(match[1].split(", "), current)
        elif line:
            current.append(line)
        else:
            current = []
    return {name: " ".join(lines) for name, lines in parts.items()}
