"""Types, values and paths in words, for messages and manuals."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from invis_sim.protocol.printable import printable
from invis_sim.schema.fields import Path, fields, is_list_struct, list_in
from invis_sim.schema.plain import NOT_UNICODE, is_unicode

__all__ = [
    "choices",
    "describe",
    "did_you_mean",
    "format_path",
    "format_value",
    "locate_error",
    "quote",
    "shorten",
    "to_toml_text",
    "type_errors",
]


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint which known word resembles this one, to append to a message ("; did you mean 'nth'?");
    "" if none does.
    """
    import difflib  # only when something is wrong: it would slow down every start

    if not isinstance(word, str):
        return ""
    spellings = {candidate.lower(): candidate for candidate in reversed([*known])}
    near = difflib.get_close_matches(word.lower(), list(spellings), n=1)
    return f"; did you mean {spellings[near[0]]!r}?" if near else ""


def choices(info: msgspec.inspect.Type) -> list[str]:
    """The words that a value of this type may be, if the type is a choice of words."""
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
    """What a value of one of these types is; a type that another one includes is omitted."""
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
    """The type without its metadata."""
    return _bare(info.type) if isinstance(info, msgspec.inspect.Metadata) else info


def _count(info: msgspec.inspect.VarTupleType) -> str:
    """How many elements a list may have."""
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
    """A limit as a person writes it: 1e9, 2^53."""
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


def format_value(value: object) -> str:
    """A value as TOML has it, harmless on a terminal, or what it is if that would be long."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        shown = ["a list" if isinstance(item, list) else format_value(item) for item in value[:5]]
        return f"[{', '.join(shown)}{', …' if len(value) > 5 else ''}]"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        # Python refuses to convert integers above some 4300 digits, and no reader needs that many.
        return "a number of more than sixty digits"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, msgspec.Struct):
        return f"{type(value).__name__}(…)"
    return printable(str(value))


def quote(text: str) -> str:
    """Text in quotes, harmless on a terminal, shortened if it is long."""
    return printable(json.dumps(shorten(text, 80), ensure_ascii=False))


def shorten(text: str, limit: int) -> str:
    """Return the text; if it is longer than `limit` characters, only its beginning and "…"."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def to_toml_text(value: object) -> str:
    """A value in one line, much as TOML has it."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, Mapping):
        pairs = [
            f"{format_path((str(key),))} = {to_toml_text(item)}" for key, item in value.items()
        ]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_toml_text, value))}]"
    return format_value(value)


def format_path(path: Path) -> str:
    """A path as TOML has it: `faults[2].when.nth`."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            key = step if re.fullmatch(r"[\w-]+", step, re.ASCII) else quote(step)
            shown += f".{key}" if shown else key
    return shown


def locate_error(message: str, table: Mapping[str, Any]) -> tuple[Path, str]:
    """The path of the key that a struct's own error is about, and the message without that key in
    front.

    message: the error. The key is the word that it begins with, or one that it names together with
    its table (`when.packet`).
    table: the plain data of the struct.

    The path is () if the message names no key of the table.
    """
    for word in re.findall(r"^\w+(?:\.\w+)?|\w+\.\w+", message):
        keys = word.split(".")
        if keys[0] in table:
            inner = table[keys[0]]
            deeper = isinstance(inner, Mapping) and keys[-1] in inner
            path = tuple(keys) if deeper else (keys[0],)
            return path, message.removeprefix(f"{format_path(path)}: ")
    return (), message


def type_errors(
    value: object,
    annotation: Any,
    path: Path = (),
    format_found: Callable[[Any], str] = format_value,
) -> list[tuple[Path, str]]:
    """Why a value is not of an annotated type: where, and what was expected and found. Empty if it
    is.

    value: plain data. In a list of a valid length, each element that is wrong has an error of its
    own.
    path: of the value.
    format_found: formats a value that was found.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return [(path, f"expected a finite number, found {format_found(value)}")]
    if wrong := _wrong_elements(value, annotation, path, format_found):
        return wrong
    try:
        msgspec.convert(value, annotation)
    # msgspec encodes text to compare it, which a lone surrogate does not survive.
    except (msgspec.ValidationError, UnicodeEncodeError):
        info = msgspec.inspect.type_info(annotation)
        hint = did_you_mean(value, choices(info))
        return [(path, f"expected {describe(info)}, found {format_found(value)}{hint}")]
    return [(path, NOT_UNICODE)] if isinstance(value, str) and not is_unicode(value) else []


def _wrong_elements(
    value: object, annotation: Any, path: Path, format_found: Callable[[Any], str]
) -> list[tuple[Path, str]]:
    """The errors of single elements of a list, if a list of this length is valid."""
    listed = list_in(annotation)
    if listed is None or not isinstance(value, list | tuple):
        return []
    names: tuple[str, ...] = ()
    if is_list_struct(listed):
        names = listed.__struct_fields__
        expected = [field.annotation for field in fields(listed).values()]
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
        for where, message in type_errors(item, one, (*path, index), format_found)
    ]
