"""Plain data (as TOML or JSON gives it) → a struct, with every problem found and not only the
first.

msgspec judges single values. What it does not do, collecting all problems with their paths and
guessing what was meant, is done here, from the same annotations.
"""

import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.faults.when import When
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Changes, Step
from invis_sim.scenario.wording import choices, describe, did_you_mean, quoted, show

__all__ = ["Path", "Problem", "validate"]

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
        return _spelled(self.path)


def _spelled(path: Path) -> str:
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            key = step if re.fullmatch(r"[\w-]+", step, re.ASCII) else quoted(step)
            shown += f".{key}" if shown else key
    return shown


def validate(value: object, annotation: Any, path: Path = ()) -> tuple[Any, list[Problem]]:
    """The value as what the annotation asks for, and the problems; with problems, do not use the
    value.
    """
    if annotation == tuple[Fault, ...]:
        return _validate_faults(value, path)
    element = _table_in_list(annotation)
    if element is not None:
        return _validate_tables(value, element, path)
    if _without_none(annotation) == Changes:
        return _validate_changes(value, path)
    struct = _struct_in(annotation)
    if struct is not None and (isinstance(value, Mapping) or _is_struct(annotation)):
        return _validate_table(value, struct, path)
    if isinstance(value, float) and not math.isfinite(value):
        return None, [_unexpected(value, annotation, path, "a finite number")]
    if wrong := _wrong_elements(value, annotation, path):
        return None, wrong
    try:
        return msgspec.convert(value, annotation), []
    except msgspec.ValidationError:
        return None, [_unexpected(value, annotation, path)]


def _validate_table(
    value: object, struct: type[msgspec.Struct], path: Path
) -> tuple[Any, list[Problem]]:
    if not isinstance(value, Mapping):
        found = show(value)
        if isinstance(value, list) and path and all(isinstance(item, Mapping) for item in value):
            found += f"; write [{path[-1]}], not [[{path[-1]}]]"
        return None, [Problem(path, f"expected a table, found {found}")]
    problems: list[Problem] = []
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    hints = ""
    for key in value:
        if key not in fields:
            hint = _belongs(key, struct) or did_you_mean(key, fields)
            hint = hint or f"; known here: {', '.join(fields)}"
            problems.append(Problem((*path, key), f"unknown key{hint}"))
            hints += hint
    arguments = {}
    for name, field in fields.items():
        if name in value:
            arguments[field.name], wrong = validate(value[name], field.type, (*path, name))
            problems += wrong
        elif field.required and f"did you mean {name!r}?" not in hints:
            expected = describe(msgspec.inspect.type_info(field.type))
            problems.append(Problem(path, f"{name} is missing; expected {expected}"))
    if struct is Scenario:
        problems += [
            Problem((*path, *where), message)
            for where, message in Scenario.contradictions(arguments)
        ]
    if problems:
        return None, problems
    try:
        return struct(**arguments), []
    except ValueError as error:
        message = str(error)
        blamed = _blamed(message, value)
        return None, [Problem((*path, *blamed), message.removeprefix(f"{_spelled(blamed)}: "))]


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
    if below := _tables_with(key, struct, deep=True):
        return "; it belongs in " + " or ".join(
            f"[{name}]" if struct is Scenario else name for name in below
        )
    if issubclass(struct, Scenario | When):
        if key == "kind" or any(key in kind.__struct_fields__ for kind in KINDS.values()):
            return "; it belongs in [[faults]], beside kind"
        in_steps = struct is Scenario and key in Step.__struct_fields__
        return "; it belongs in [[steps]]" if in_steps else ""
    if issubclass(struct, Fault):
        return ""
    if struct is OutletState:  # what a step sets
        return "; a step cannot set it" if key in Scenario.__struct_fields__ else ""
    if struct is Step and key in OutletState.__struct_fields__:
        return "; it belongs in set"
    if key in Scenario.__struct_fields__:
        return "; it belongs at the top of the file, before the first [table]"
    tables = _tables_with(key, Scenario)
    return f"; it belongs in {' or '.join(f'[{name}]' for name in tables)}" if tables else ""


MOST_TABLES_TOLD = 3


def _tables_with(key: str, owner: type[msgspec.Struct], *, deep: bool = False) -> list[str]:
    """The tables in this one that have such a key, or where none has and that is wanted, those in
    them, and so on; none where that would be too many to help.
    """
    owners: list[tuple[str, type[msgspec.Struct]]] = [("", owner)]
    while owners:
        inner = [
            (f"{name}.{field.encode_name}" if name else field.encode_name, table)
            for name, struct in owners
            for field in msgspec.structs.fields(struct)
            if (table := _struct_in(field.type)) is not None
        ]
        if found := [name for name, table in inner if key in table.__struct_encode_fields__]:
            return found if len(found) <= MOST_TABLES_TOLD else []
        owners = inner if deep else []
    return []


def _validate_tables(
    value: object, struct: type[msgspec.Struct], path: Path
) -> tuple[Any, list[Problem]]:
    """A list of tables; None in the place of one that is not valid."""
    if not isinstance(value, list | tuple):
        written = f"; write [[{path[-1]}]]" if path and isinstance(value, Mapping) else ""
        return None, [Problem(path, f"expected a list of tables, found {show(value)}{written}")]
    items: list[Any] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        table, wrong = (
            (item, [])
            if isinstance(item, struct)
            else _validate_table(item, struct, (*path, index))
        )
        items.append(table)
        problems += wrong
    return tuple(items), problems


def _validate_changes(value: object, path: Path) -> tuple[Any, list[Problem]]:
    """Some tables and keys of a scenario, as plain data: nothing of what is left out is meant."""
    _, problems = _validate_table(value, OutletState, path)
    return value, problems


def _validate_faults(value: object, path: Path) -> tuple[Any, list[Problem]]:
    if not isinstance(value, list | tuple):
        found = show(value) + ("; write [[faults]]" if isinstance(value, Mapping) else "")
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
                message = f"expected a name of its own, found that of {taken}: {quoted(name)}"
                problems.append(Problem((*here, "name"), message))
            names.setdefault(name, index)
    return tuple(faults), problems


def _validate_fault(value: object, path: Path) -> tuple[Any, list[Problem]]:
    kinds = ", ".join(KINDS)
    if not isinstance(value, Mapping):
        return None, [Problem(path, f"expected a table with a kind, found {show(value)}")]
    if "kind" not in value:
        for key in value:
            if key.lower() == "kind":
                return None, [Problem((*path, key), "unknown key; did you mean 'kind'?")]
        return None, [Problem(path, f"kind is missing; expected one of {kinds}")]
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        expected = "a kind of fault" if hint else f"one of {kinds}"  # there are many
        message = f"expected {expected}, found {show(kind)}{hint}"
        return None, [Problem((*path, "kind"), message)]
    rest = {key: item for key, item in value.items() if key != "kind"}
    return _validate_table(rest, KINDS[kind], path)


def _wrong_elements(value: object, annotation: Any, path: Path) -> list[Problem]:
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
    problems: list[Problem] = []
    for index, (item, one) in enumerate(zip(value, expected, strict=False)):
        for wrong in validate(item, one, (*path, index))[1]:
            message = f"{names[index]}: {wrong.message}" if names else wrong.message
            problems.append(Problem(wrong.path, message))
    return problems


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


def _unexpected(value: object, annotation: Any, path: Path, expected: str = "") -> Problem:
    info = msgspec.inspect.type_info(annotation)
    hint = did_you_mean(value, choices(info))
    return Problem(path, f"expected {expected or describe(info)}, found {show(value)}{hint}")


def _table_in_list(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct of which the annotation wants a list of tables."""
    if typing.get_origin(annotation) is tuple:
        first = typing.get_args(annotation)[0]
        if _is_struct(first):
            struct: type[msgspec.Struct] = first
            return struct
    return None


def _without_none(annotation: Any) -> Any:
    """The annotation without the choice to leave it out."""
    members = [m for m in typing.get_args(annotation) if m is not types.NoneType]
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return members[0] if union and len(members) == 1 else annotation


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
    """Whether it is a struct that is written as a table."""
    is_struct = isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    return is_struct and not annotation.__struct_config__.array_like


def _is_listed_struct(annotation: Any) -> bool:
    """Whether it is a struct that is written as a list."""
    is_struct = isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)
    return is_struct and annotation.__struct_config__.array_like
