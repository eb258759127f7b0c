"""Plain data (as TOML, JSON or Python has it) → a value of an annotated type, or every problem of
the data; with a base, a changed copy of that.

msgspec judges single values and stops at the first problem. Finding all of them, with their paths
and a guess at what was meant, is done here, from the same annotations. What annotations do not say
comes as `Rules`.
"""

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from invis_sim.schema.describe import (
    describe,
    did_you_mean,
    format_path,
    format_value,
    locate_error,
    type_errors,
)
from invis_sim.schema.fields import Path, fields, is_table, struct_in, table_in_list

__all__ = ["NO_RULES", "Builder", "Problem", "Rules", "build", "build_list", "build_table"]


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with plain data.

    path: where it is.
    message: what was expected and what was found, or why the value makes no sense.
    """

    path: Path
    message: str

    @property
    def key(self) -> str:
        """The path as TOML has it: `faults[2].when.nth`."""
        return format_path(self.path)

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.path else self.message


Builder: TypeAlias = Callable[[Any, Path], tuple[Any, list[Problem]]]
"""(plain data, its path) → the value and its problems, as for `build`."""


class Rules:
    """What annotations do not say about the types of a package. A package overrides what it needs;
    these say nothing.
    """

    def builder(self, annotation: Any) -> Builder | None:
        """How to build values of a type that needs more than its annotation; None: by that."""
        return None

    def placement_hint(self, key: str, struct: type[msgspec.Struct], value: Any) -> str:
        """A hint where a key belongs that is unknown in a table, to append to a message ("; it
        belongs in …"); "": give the usual hints.
        """
        return ""

    def conflicts(
        self, struct: type[msgspec.Struct], values: Mapping[str, Any]
    ) -> Iterable[tuple[Path, str]]:
        """Why values that are each valid do not go together: the path from the struct on, and what
        is wrong.

        values: name of a field → its value, for those that were given (or that a base has); None,
        there or in a list, in place of one that is not valid.
        """
        return ()


NO_RULES = Rules()
"""For types of which the annotations say everything."""


def build(
    annotation: Any,
    plain: Any,
    *,
    base: msgspec.Struct | None = None,
    path: Path = (),
    rules: Rules = NO_RULES,
) -> tuple[Any, list[Problem]]:
    """The value of plain data, and the problems. If there are any, the value must not be used.

    annotation: a struct type, or any other annotation of a field.
    plain: the data; a struct in it is taken as its plain data, and checked.
    base: the data is a patch: the value is a copy of the base with other values for the keys that
    the data has. A table in the data changes the keys that it has; a struct replaces the old one.
    path: of the data, for the problems.
    """
    if builder := rules.builder(annotation):
        return builder(plain, path)
    element = table_in_list(annotation)
    if element is not None and plain is not None:
        return build_list(element, plain, path, rules=rules)
    if base is not None and isinstance(plain, Mapping):
        return build_table(type(base), plain, path, base=base, rules=rules)
    struct = struct_in(annotation)
    if struct is not None and isinstance(plain, Mapping):
        return build_table(struct, plain, path, rules=rules)
    try:
        plain = _to_plain(plain)
    except TypeError:
        found = type(plain).__name__
        return None, [Problem(path, f"expected plain data, found {found}")]
    if struct is not None and (isinstance(plain, Mapping) or is_table(annotation)):
        return build_table(struct, plain, path, rules=rules)
    if wrong := type_errors(plain, annotation, path):
        return None, [Problem(where, message) for where, message in wrong]
    return msgspec.convert(plain, annotation), []


def build_table(
    struct: type[msgspec.Struct],
    plain: Any,
    path: Path = (),
    *,
    base: msgspec.Struct | None = None,
    rules: Rules = NO_RULES,
) -> tuple[Any, list[Problem]]:
    """As `build`, for a struct that is written as a table, without the builder that the rules may
    have for it.
    """
    if not isinstance(plain, Mapping):
        return None, [Problem(path, f"expected a table, found {_format_non_table(plain, path)}")]
    known = fields(struct)
    hints = {key: _unknown_key_hint(key, struct, plain, rules) for key in plain if key not in known}
    problems = [Problem((*path, str(key)), f"unknown key{hint}") for key, hint in hints.items()]
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key in plain:
            old = None if base is None else getattr(base, field.name)
            values[field.name], wrong = build(
                field.annotation,
                plain[key],
                base=old if isinstance(old, msgspec.Struct) else None,
                path=(*path, key),
                rules=rules,
            )
            problems += wrong
        # A key that is misspelt is one problem and not two.
        elif base is None and field.required and not _is_meant(key, hints.values()):
            expected = describe(msgspec.inspect.type_info(field.annotation))
            problems.append(Problem(path, f"{key} is missing; expected {expected}"))
    together = values if base is None else {**msgspec.structs.asdict(base), **values}
    problems += [
        Problem((*path, *where), message) for where, message in rules.conflicts(struct, together)
    ]
    if problems:
        return None, problems
    try:
        if base is not None:
            return msgspec.structs.replace(base, **values), []
        return struct(**values), []
    except ValueError as error:  # what the struct itself finds: values that do not go together
        where, message = locate_error(str(error), plain)
        return None, [Problem((*path, *where), message)]


def build_list(
    struct: type[msgspec.Struct],
    plain: Any,
    path: Path = (),
    *,
    validate_item: Builder | None = None,
    rules: Rules = NO_RULES,
) -> tuple[Any, list[Problem]]:
    """As `build`, for a list of tables; None in place of an element that is not valid. Elements
    that are such structs already are taken as they are.

    validate_item: builds one element; None: as a table of the struct.
    """
    if not isinstance(plain, list | tuple):
        hint = f"; write [[{path[-1]}]]" if path and isinstance(plain, Mapping) else ""
        found = f"{format_value(plain)}{hint}"
        return None, [Problem(path, f"expected a list of tables, found {found}")]
    items: list[Any] = []
    problems: list[Problem] = []
    for index, item in enumerate(plain):
        here = (*path, index)
        if isinstance(item, struct):
            items.append(item)
            continue
        if validate_item is not None:
            value, wrong = validate_item(item, here)
        else:
            value, wrong = build_table(struct, item, here, rules=rules)
        items.append(value)
        problems += wrong
    return tuple(items), problems


def _to_plain(value: Any) -> Any:
    """The plain data of a value. Raises TypeError if it has none."""
    # Dates and times of TOML stay what they are: as text they would pass where text is expected.
    dates = (datetime.datetime, datetime.date, datetime.time)
    return msgspec.to_builtins(value, builtin_types=dates)


def _format_non_table(value: Any, path: Path) -> str:
    """What was found in place of a table, with a hint if it is a list of tables."""
    found = format_value(value)
    if isinstance(value, list) and path and all(isinstance(item, Mapping) for item in value):
        found += f"; write [{path[-1]}], not [[{path[-1]}]]"
    return found


def _unknown_key_hint(
    key: Any, struct: type[msgspec.Struct], plain: Mapping[Any, Any], rules: Rules
) -> str:
    """What an unknown key may have meant, or where it belongs, or else what is known."""
    known = fields(struct)
    hint = rules.placement_hint(key, struct, plain[key]) or did_you_mean(key, known)
    return hint or f"; known here: {', '.join(known)}"


def _is_meant(key: str, hints: Iterable[str]) -> bool:
    """Whether an unknown key was probably a misspelling of this one."""
    return any(f"did you mean {key!r}?" in hint for hint in hints)
