"""Plain data (as TOML or JSON gives it) → a struct, with every problem found and not only the
first.

msgspec judges single values. What it does not do, collecting all problems with their paths and
guessing what was meant, is done here, from the same annotations.
"""

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.faults.when import When
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Patch, Step
from invis_sim.schema.describe import (
    Path,
    describe,
    did_you_mean,
    format_path,
    is_table,
    locate_error,
    quote,
    show,
    struct_in,
    type_errors,
)

__all__ = ["Path", "Problem", "validate"]


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
        return format_path(self.path)


def validate(value: object, annotation: Any, path: Path = ()) -> tuple[Any, list[Problem]]:
    """The value as what the annotation asks for, and the problems; with problems, do not use the
    value.
    """
    if annotation == tuple[Fault, ...]:
        return _validate_faults(value, path)
    element = _table_in_list(annotation)
    if element is not None:
        return _validate_tables(value, element, path)
    if _without_none(annotation) == Patch:
        return _validate_changes(value, path)
    struct = struct_in(annotation)
    if struct is not None and (isinstance(value, Mapping) or is_table(annotation)):
        return _validate_table(value, struct, path)
    if wrong := type_errors(value, annotation, path):
        return None, [Problem(where, message) for where, message in wrong]
    return msgspec.convert(value, annotation), []


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
    for key, item in value.items():
        if key not in fields:
            hint = _belongs(key, struct, item) or did_you_mean(key, fields)
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
            Problem((*path, *where), message) for where, message in Scenario.conflicts(arguments)
        ]
    if problems:
        return None, problems
    try:
        return struct(**arguments), []
    except ValueError as error:
        where, message = locate_error(str(error), value)
        return None, [Problem((*path, *where), message)]


def _belongs(key: str, struct: type[msgspec.Struct], value: object) -> str:
    """A hint where a key belongs that is unknown in this table; "" if nowhere, or where the name of
    another key of this table is near enough to be meant.
    """
    if below := _tables_with(key, struct, deep=True):
        return "; it belongs in " + " or ".join(
            f"[{name}]" if struct is Scenario else name for name in below
        )
    may_be_meant = key in Step.__struct_fields__ or isinstance(value, Mapping)
    if struct is Scenario and may_be_meant and did_you_mean(key, Scenario.__struct_fields__):
        return ""
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


MAX_TABLES_TOLD = 3


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
            if (table := struct_in(field.type)) is not None
        ]
        if found := [name for name, table in inner if key in table.__struct_encode_fields__]:
            return found if len(found) <= MAX_TABLES_TOLD else []
        owners = inner if deep else []
    return []


def _validate_tables(
    value: object,
    struct: type[msgspec.Struct],
    path: Path,
    one: Callable[[object, Path], tuple[Any, list[Problem]]] | None = None,
) -> tuple[Any, list[Problem]]:
    """A list of tables; None in the place of one that is not valid.

    one: validates one of them; left out: as a table of the struct.
    """
    if not isinstance(value, list | tuple):
        hint = f"; write [[{path[-1]}]]" if path and isinstance(value, Mapping) else ""
        return None, [Problem(path, f"expected a list of tables, found {show(value)}{hint}")]
    items: list[Any] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        here = (*path, index)
        if isinstance(item, struct):
            items.append(item)
            continue
        table, wrong = one(item, here) if one else _validate_table(item, struct, here)
        items.append(table)
        problems += wrong
    return tuple(items), problems


def _validate_changes(value: object, path: Path) -> tuple[Any, list[Problem]]:
    """Some tables and keys of a scenario, as plain data: nothing of what is left out is meant."""
    _, problems = _validate_table(value, OutletState, path)
    return value, problems


def _validate_faults(value: object, path: Path) -> tuple[Any, list[Problem]]:
    faults, problems = _validate_tables(value, Fault, path, _validate_fault)
    names: dict[str, int] = {}
    for index, item in enumerate(value if isinstance(value, list | tuple) else ()):
        name = item.get("name") if isinstance(item, Mapping) else getattr(item, "name", None)
        if isinstance(name, str) and names.setdefault(name, index) != index:
            taken = format_path((*path, names[name]))
            message = f"expected a name of its own, found that of {taken}: {quote(name)}"
            problems.append(Problem((*path, index, "name"), message))
    return faults, problems


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


def _table_in_list(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct of which the annotation wants a list of tables."""
    if typing.get_origin(annotation) is tuple:
        first = typing.get_args(annotation)[0]
        if is_table(first):
            struct: type[msgspec.Struct] = first
            return struct
    return None


def _without_none(annotation: Any) -> Any:
    """The annotation without the choice to leave it out."""
    members = [m for m in typing.get_args(annotation) if m is not types.NoneType]
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return members[0] if union and len(members) == 1 else annotation
