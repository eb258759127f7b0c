"""Types and values in words: for the authors of scenario files, and wherever else a value is not
what it should be.
"""

import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

__all__ = [
    "Path",
    "choices",
    "describe",
    "did_you_mean",
    "format_path",
    "is_table",
    "locate_error",
    "quote",
    "show",
    "struct_in",
    "to_toml_text",
    "type_errors",
]

Path: TypeAlias = tuple[str | int, ...]
"""How to get to a value: keys of tables, and indices in lists from 0."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint which of the known words is near this one, to append to a message; "" if none is."""
    import difflib  # only when something is wrong: it would slow down every start

    if not isinstance(word, str):
        return ""
    near = difflib.get_close_matches(word.lower(), [k.lower() for k in known], n=1)
    format_path = [k for k in known if near and k.lower() == near[0]]
    return f"; did you mean {format_path[0]!r}?" if format_path else ""


def choices(info: msgspec.inspect.Type) -> list[str]:
    """The words that a value of this type may be, where it is one of several."""
    if isinstance(info, msgspec.inspect.LiteralType):
        return [str(value) for value in info.values]
    if isinstance(info, msgspec.inspect.UnionType):
        return [choice for member in info.types for choice in choices(member)]
    return []


def describe(info: msgspec.inspect.Type) -> str:
    """What a value of this type is, in words."""
    match info:
        case msgspec.inspect.Metadata(type=inner, extra_json_schema=schema):
            described = (schema or {}).get("description", "").rstrip(".")
            described = described[:1].lower() + described[1:]
            if isinstance(inner, msgspec.inspect.StrType) and inner.pattern is not None:
                return described or describe(inner)  # in words, and not as a regular expression
            return describe(inner) + (f" ({described})" if described else "")
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType(ge=0, le=1):
            return "0 or 1"
        case msgspec.inspect.IntType():
            return "a whole number" + _range(info)
        case msgspec.inspect.FloatType():
            return "a number" + _range(info)
        case msgspec.inspect.StrType():
            return "text" + _length(info)
        case msgspec.inspect.LiteralType(values=values):
            among = "one of " if len(values) > 1 else ""
            return among + ", ".join(json.dumps(value) for value in values)
        case msgspec.inspect.VarTupleType(item_type=item):
            return f"a list{_count(info)} of which each is {describe(item)}"
        case msgspec.inspect.StructType(array_like=True, fields=fields):
            return f"a list [{', '.join(field.name for field in fields)}]"
        case msgspec.inspect.StructType(cls=struct):
            return f"a table (keys: {', '.join(struct.__struct_encode_fields__)})"
        case msgspec.inspect.TupleType(item_types=items):
            described = list(map(describe, items))
            if len(set(described)) == 1:
                return f"a list of {len(items)}, each {described[0]}"
            return f"a list of {len(items)}: {', '.join(described)}"
        case msgspec.inspect.UnionType():
            return _describe_union(info)
        case msgspec.inspect.DictType():
            return "a table"
        case _:
            return "something else"


def _describe_union(info: msgspec.inspect.UnionType) -> str:
    """What a value of one of these types is; what one of them says already, none says again."""
    single: list[str] = []
    lists: list[msgspec.inspect.VarTupleType] = []
    tables: list[str] = []
    numbers = [
        _range(bare)
        for bare in map(_bare, info.types)
        if isinstance(bare, msgspec.inspect.FloatType)
    ]
    for member in info.types:
        bare = _bare(member)
        if isinstance(bare, msgspec.inspect.VarTupleType):
            lists.append(bare)
        elif isinstance(bare, msgspec.inspect.StructType):
            tables.append(describe(member))
        elif isinstance(bare, msgspec.inspect.IntType) and _range(bare) in numbers:
            pass  # a whole number is a number
        elif not isinstance(bare, msgspec.inspect.NoneType):
            single.append(describe(member))
    of_lists = []
    for one in lists:
        such = describe(one.item_type) == " or ".join(single)
        of_lists.append(f"a list of these{_count(one)}" if such else describe(one))
    return " or ".join([*single, *of_lists, *tables])


def _bare(info: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """The type without what is said about it."""
    return _bare(info.type) if isinstance(info, msgspec.inspect.Metadata) else info


def _count(info: msgspec.inspect.VarTupleType) -> str:
    """How many elements a list has."""
    if info.max_length is not None:
        return f" of {info.min_length or 0} to {info.max_length}"
    return " (not empty)" if info.min_length else ""


def _range(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    lower = {"above": info.gt, "from": info.ge}
    upper = {"below": info.lt, "to" if info.ge is not None else "up to": info.le}
    limits = (lower | upper).items()
    given = [f"{word} {_limit(limit)}" for word, limit in limits if limit is not None]
    return " " + " ".join(given) if given else ""


def _limit(limit: int | float) -> str:
    """A limit as somebody would write it: 1e9, 2^53."""
    if isinstance(limit, float):
        return f"{limit:g}".replace("e+", "e").replace("e0", "e")
    if abs(limit) >= 2**50 and abs(limit).bit_count() == 1:
        return f"{'-' if limit < 0 else ''}2^{abs(limit).bit_length() - 1}"
    return str(limit)


def _length(info: msgspec.inspect.StrType) -> str:
    if info.pattern is not None:
        return f" that matches {info.pattern}"
    if info.max_length is not None:
        least = f"{info.min_length} to" if info.min_length else "at most"
        return f" of {least} {info.max_length} characters"
    return " that is not empty" if info.min_length else ""


def show(value: object) -> str:
    """A value as its author wrote it, or what it is where that would be long."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        shown = ["a list" if isinstance(item, list) else show(item) for item in value[:5]]
        return f"[{', '.join(shown)}{', …' if len(value) > 5 else ''}]"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than sixty digits"
    return str(value)


def quote(text: str) -> str:
    """Text in quotes, shortened where it is long."""
    return json.dumps(text if len(text) <= 80 else text[:79] + "…", ensure_ascii=False)


def to_toml_text(value: object) -> str:
    """A value in one line, much as it would stand in a TOML file."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, Mapping):
        pairs = [
            f"{format_path((str(key),))} = {to_toml_text(item)}" for key, item in value.items()
        ]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_toml_text, value))}]"
    return show(value)


def format_path(path: Path) -> str:
    """A path as a reader of TOML would write it: `faults[2].when.nth`."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            key = step if re.fullmatch(r"[\w-]+", step, re.ASCII) else quote(step)
            shown += f".{key}" if shown else key
    return shown


def locate_error(message: str, table: Mapping[str, Any]) -> tuple[Path, str]:
    """The key that a struct's own complaint is about: one that it begins with, or one that it names
    together with its table (`when.packet`); () for the table as a whole. And the complaint, without
    the key where that stands in front.
    """
    for word in re.findall(r"^\w+|\w+\.\w+", message):
        keys = word.split(".")
        if keys[0] in table:
            inner = table[keys[0]]
            deeper = isinstance(inner, Mapping) and keys[-1] in inner
            path = tuple(keys) if deeper else (keys[0],)
            return path, message.removeprefix(f"{format_path(path)}: ")
    return (), message


def type_errors(
    value: object, annotation: Any, path: Path = (), found: Callable[[Any], str] = show
) -> list[tuple[Path, str]]:
    """Why a value is not what an annotation asks for: where, and what was expected and found. With
    none, it is.

    value: plain data. In a list of the right length, each element that is wrong is told.
    found: shows a value.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return [(path, f"expected a finite number, found {found(value)}")]
    if wrong := _wrong_elements(value, annotation, path, found):
        return wrong
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        info = msgspec.inspect.type_info(annotation)
        hint = did_you_mean(value, choices(info))
        return [(path, f"expected {describe(info)}, found {found(value)}{hint}")]
    return []


def _wrong_elements(
    value: object, annotation: Any, path: Path, found: Callable[[Any], str]
) -> list[tuple[Path, str]]:
    """What is wrong with single elements of a list, where a list of such a length is right."""
    listed = _list_in(annotation)
    if listed is None or not isinstance(value, list | tuple):
        return []
    names: tuple[str, ...] = ()
    if _is_listed_struct(listed):
        names = listed.__struct_fields__
        expected = [field.type for field in msgspec.structs.fields(listed)]
        if len(value) > len(expected):
            return []
    elif listed.__args__[-1] is Ellipsis:
        expected = [listed.__args__[0]] * len(value)
    else:
        expected = list(listed.__args__)
        if len(value) != len(expected):
            return []
    return [
        (where, f"{names[index]}: {message}" if names else message)
        for index, (item, one) in enumerate(zip(value, expected, strict=False))
        for where, message in type_errors(item, one, (*path, index), found)
    ]


def _list_in(annotation: Any) -> Any:
    """The kind of list that the annotation is or allows for: a tuple, or a struct written as a
    list; None where there is none.
    """
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _list_in(annotation.__origin__)
    if origin in (typing.Union, types.UnionType):
        return next(filter(None, map(_list_in, typing.get_args(annotation))), None)
    return annotation if origin is tuple or _is_listed_struct(annotation) else None


def _is_listed_struct(annotation: Any) -> bool:
    """Whether it is a struct that is written as a list."""
    is_struct = isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    return is_struct and annotation.__struct_config__.array_like


def struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct, written as a table, that the annotation is or allows for."""
    if is_table(annotation):
        struct: type[msgspec.Struct] = annotation
        return struct
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(filter(None, map(struct_in, typing.get_args(annotation))), None)
    return None


def is_table(annotation: Any) -> bool:
    """Whether it is a struct that is written as a table."""
    is_struct = isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    return is_struct and not annotation.__struct_config__.array_like
