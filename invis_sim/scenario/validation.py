"""Plain data (as TOML or JSON gives it) → a struct, with every problem found and not only the
first.

msgspec judges single values. What it does not do, collecting all problems with their paths, saying
what was expected in words, and guessing what was meant, is done here, from the same annotations.
"""

import json
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.faults.when import When
from invis_sim.scenario.model import Listen, Scenario

__all__ = ["Path", "Problem", "did_you_mean", "validate"]

Path = tuple[str | int, ...]
"""How to get to a value: keys of tables, and indices in lists from 0."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a value.

    path: where it stands.
    message: what was expected and what was found, or why the value makes no sense.
    """

    path: Path
    message: str

    @property
    def key(self) -> str:
        """The path as a reader of TOML would write it: `faults[2].when.nth`."""
        shown = ""
        for step in self.path:
            if isinstance(step, int):
                shown += f"[{step}]"
            else:
                key = step if re.fullmatch(r"[\w-]+", step, re.ASCII) else _quoted(step)
                shown += f".{key}" if shown else key
        return shown


def validate(value: object, annotation: Any, path: Path = ()) -> tuple[Any, list[Problem]]:
    """The value as what the annotation asks for, and the problems; with problems, do not use the
    value.
    """
    if annotation == tuple[Fault, ...]:
        return _validate_faults(value, path)
    struct = _struct_in(annotation)
    if struct is not None and (isinstance(value, Mapping) or _is_struct(annotation)):
        return _validate_table(value, struct, path)
    if isinstance(value, float) and not math.isfinite(value):
        return None, [_unexpected(value, annotation, path, "a finite number")]
    try:
        return msgspec.convert(value, annotation), []
    except msgspec.ValidationError:
        return None, [_unexpected(value, annotation, path)]


def _validate_table(
    value: object, struct: type[msgspec.Struct], path: Path
) -> tuple[Any, list[Problem]]:
    if not isinstance(value, Mapping):
        found = _show(value)
        if isinstance(value, list) and path and all(isinstance(item, Mapping) for item in value):
            found += f"; write [{path[-1]}], not [[{path[-1]}]]"
        return None, [Problem(path, f"expected a table, found {found}")]
    problems: list[Problem] = []
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key in value:
        if key not in fields:
            hint = _belongs(key, struct) or did_you_mean(key, fields)
            hint = hint or f"; known here: {', '.join(fields)}"
            problems.append(Problem((*path, key), f"unknown key{hint}"))
    arguments = {}
    for name, field in fields.items():
        if name in value:
            arguments[name], wrong = validate(value[name], field.type, (*path, name))
            problems += wrong
        elif field.required:
            expected = _describe(msgspec.inspect.type_info(field.type))
            problems.append(Problem(path, f"{name} is missing; expected {expected}"))
    if struct is Scenario:
        problems += _contradictions(arguments.get("listen"), arguments.get("faults"), path)
    if problems:
        return None, problems
    try:
        return struct(**arguments), []
    except ValueError as error:
        message = str(error)
        return None, [Problem((*path, *_blamed(message, value)), message)]


def _blamed(message: str, table: Mapping[str, Any]) -> Path:
    """The key that a struct's own complaint is about: one that it begins with, or one that it names
    together with its table (`when.packet`). None: the table as a whole.
    """
    for word in re.findall(r"^\w+|\w+\.\w+", message):
        keys = word.split(".")
        if keys[0] in table:
            inner = table[keys[0]]
            return tuple(keys) if isinstance(inner, Mapping) and keys[-1] in inner else (keys[0],)
    return ()


def _belongs(key: str, struct: type[msgspec.Struct]) -> str:
    """A hint where a key belongs that is unknown in this table; "" if nowhere."""

    def tables(owner: type[msgspec.Struct]) -> list[str]:
        fields = msgspec.structs.fields(owner)
        inner = [(field.name, _struct_in(field.type)) for field in fields]
        return [name for name, table in inner if table and key in table.__struct_fields__]

    if below := tables(struct):
        return "; it belongs in " + " or ".join(
            f"[{name}]" if struct is Scenario else name for name in below
        )
    if issubclass(struct, Scenario | When):
        in_faults = key == "kind" or any(key in kind.__struct_fields__ for kind in KINDS.values())
        return "; it belongs in [[faults]], beside kind" if in_faults else ""
    if issubclass(struct, Fault):
        return ""
    if key in Scenario.__struct_fields__:
        return "; it belongs at the top of the file, before the first [table]"
    return "".join(f"; it belongs in [{name}]" for name in tables(Scenario))


def _contradictions(listen: Listen | None, faults: Any, path: Path) -> list[Problem]:
    """What does not fit together of a scenario's parts, those left aside that are not valid."""
    found = Scenario.contradictions(listen or Listen(), faults or ())
    return [Problem((*path, *where), message) for where, message in found]


def _validate_faults(value: object, path: Path) -> tuple[Any, list[Problem]]:
    if not isinstance(value, list | tuple):
        found = _show(value) + ("; write [[faults]]" if isinstance(value, Mapping) else "")
        return None, [Problem(path, f"expected a list of tables, found {found}")]
    faults: list[Any] = []
    problems: list[Problem] = []
    names: dict[str, int] = {}
    for index, item in enumerate(value):
        here = (*path, index)
        fault, wrong = (item, []) if isinstance(item, Fault) else _validate_fault(item, here)
        problems += wrong
        faults.append(fault)
        name = item.get("name") if isinstance(item, Mapping) else getattr(item, "name", None)
        if isinstance(name, str):
            if name in names:
                taken = Problem((*path, names[name]), "").key
                message = f"expected a name of its own, found that of {taken}: {_quoted(name)}"
                problems.append(Problem((*here, "name"), message))
            names.setdefault(name, index)
    return tuple(faults), problems


def _validate_fault(value: object, path: Path) -> tuple[Any, list[Problem]]:
    kinds = ", ".join(KINDS)
    if not isinstance(value, Mapping):
        return None, [Problem(path, f"expected a table with a kind, found {_show(value)}")]
    if "kind" not in value:
        for key in value:
            if key.lower() == "kind":
                return None, [Problem((*path, key), "unknown key; did you mean 'kind'?")]
        return None, [Problem(path, f"kind is missing; expected one of {kinds}")]
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        expected = "a kind of fault" if hint else f"one of {kinds}"  # there are many
        message = f"expected {expected}, found {_show(kind)}{hint}"
        return None, [Problem((*path, "kind"), message)]
    rest = {key: item for key, item in value.items() if key != "kind"}
    return _validate_table(rest, KINDS[kind], path)


def _unexpected(value: object, annotation: Any, path: Path, expected: str = "") -> Problem:
    info = msgspec.inspect.type_info(annotation)
    hint = did_you_mean(value, _choices(info))
    return Problem(path, f"expected {expected or _describe(info)}, found {_show(value)}{hint}")


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct that the annotation is or allows for."""
    if _is_struct(annotation):
        struct: type[msgspec.Struct] = annotation
        return struct
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            if _is_struct(member):
                return _struct_in(member)
    return None


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A hint which of the known words is near this one, to append to a message; "" if none is."""
    import difflib  # only when something is wrong: it would slow down every start

    if not isinstance(word, str):
        return ""
    near = difflib.get_close_matches(word.lower(), [k.lower() for k in known], n=1)
    spelled = [k for k in known if near and k.lower() == near[0]]
    return f"; did you mean {spelled[0]!r}?" if spelled else ""


def _choices(info: msgspec.inspect.Type) -> list[str]:
    if isinstance(info, msgspec.inspect.LiteralType):
        return [str(value) for value in info.values]
    if isinstance(info, msgspec.inspect.UnionType):
        return [choice for member in info.types for choice in _choices(member)]
    return []


def _describe(info: msgspec.inspect.Type) -> str:
    """What a value of this type is, in words."""
    match info:
        case msgspec.inspect.Metadata(type=inner, extra_json_schema=schema):
            described = (schema or {}).get("description", "").rstrip(".")
            described = described[:1].lower() + described[1:]
            if isinstance(inner, msgspec.inspect.StrType) and inner.pattern is not None:
                return described or _describe(inner)  # in words, and not as a regular expression
            return _describe(inner) + (f" ({described})" if described else "")
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType():
            return "a whole number" + _range(info)
        case msgspec.inspect.FloatType():
            return "a number" + _range(info)
        case msgspec.inspect.StrType():
            return "text" + _length(info)
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(json.dumps(value) for value in values)
        case msgspec.inspect.VarTupleType(item_type=item, min_length=least):
            return f"a list{', not empty,' if least else ''} of which each is {_describe(item)}"
        case msgspec.inspect.StructType(cls=struct):
            return f"a table (keys: {', '.join(struct.__struct_fields__)})"
        case msgspec.inspect.UnionType(types=members):
            inhabited = [m for m in members if not isinstance(m, msgspec.inspect.NoneType)]
            return " or ".join(_describe(member) for member in inhabited)
        case _:
            return "something else"


def _range(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    lower = {"above": info.gt, "from": info.ge}
    upper = {"below": info.lt, "to" if info.ge is not None else "up to": info.le}
    given = [f"{word} {limit}" for word, limit in (lower | upper).items() if limit is not None]
    return " " + " ".join(given) if given else ""


def _length(info: msgspec.inspect.StrType) -> str:
    if info.pattern is not None:
        return f" that matches {info.pattern}"
    if info.max_length is not None:
        least = f"{info.min_length} to" if info.min_length else "at most"
        return f" of {least} {info.max_length} characters"
    return " that is not empty" if info.min_length else ""


def _show(value: object) -> str:
    """A value as its author wrote it, or what it is where that would be long."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        shown = ["a list" if isinstance(item, list) else _show(item) for item in value[:5]]
        return f"[{', '.join(shown)}{', …' if len(value) > 5 else ''}]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than sixty digits"
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:79] + "…", ensure_ascii=False)
