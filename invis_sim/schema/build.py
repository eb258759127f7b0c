"""Plain data (as TOML, JSON or Python has it) → a value of an annotated type, or every problem of
the data; with a base, a changed copy of that.

msgspec judges single values and stops at the first problem. Finding all of them, with their paths
and a guess at what was meant, is done here, from the same annotations. What annotations do not say
comes as `Rules`.

A `Checked` struct applies the same to itself, so that Python cannot build what a file cannot have.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from operator import methodcaller
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
from invis_sim.schema.plain import NotPlain, given_fields, given_keys, to_json, to_plain

__all__ = [
    "NO_RULES",
    "Builder",
    "Checked",
    "Problem",
    "Rules",
    "build",
    "build_list",
    "build_table",
    "check",
    "check_fields",
    "require",
    "values_checked",
]

MAX_HINTS = 20
"""How many unknown keys of a table get a hint: a table with more is no misspelt one, and to look
for what each of thousands may have meant would hold up everything else for a second."""

# Hidden by pytest where a value that a test gives is wrong; see `protocol/hidden_frames.py`.
__tracebackhide__ = methodcaller("errisinstance", ValueError)


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
    plain: the data; a struct in it is taken as its plain data, and checked, unless it is `Checked`.
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
    if struct is not None and isinstance(plain, msgspec.Struct):
        if isinstance(plain, Checked) and isinstance(plain, struct):
            return plain, []
        if not isinstance(plain, struct):  # whose fields might be as by default, and say nothing
            expected = describe(msgspec.inspect.type_info(annotation))
            return None, [Problem(path, f"expected {expected}, found {format_value(plain)}")]
        return build_table(struct, given_keys(plain), path, rules=rules)
    try:
        if annotation is Any:
            return to_json(plain, path), []
        plain = to_plain(plain, path)
    except NotPlain as error:
        return None, [Problem(error.path, error.message)]
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
    unknown = [key for key in plain if key not in known]
    hints = {
        key: _unknown_key_hint(key, struct, plain, rules) if number < MAX_HINTS else ""
        for number, key in enumerate(unknown)
    }
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
        with values_checked():
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
    """As `build`, for a list of tables; None in place of an element that is not valid.

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
        if validate_item is not None:
            value, wrong = validate_item(item, here)
        else:
            value, wrong = build(struct, item, path=here, rules=rules)
        items.append(value)
        problems += wrong
    return tuple(items), problems


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


def check(annotation: Any, value: Any, key: str) -> Any:
    """Return the value of a parameter, checked and converted as that of a key in a file.

    Raises ValueError: `key: expected …, found …`.
    """
    checked, problems = build(annotation, value, path=(key,))
    if problems:
        raise ValueError(str(problems[0]))
    return checked


def require(valid: bool, key: str, expected: str, value: Any) -> None:
    """Raise ValueError: `key: expected …, found …`, unless the value of a parameter is valid; for
    what no annotation says.
    """
    if not valid:
        raise ValueError(f"{key}: expected {expected}, found {format_value(value)}")


_VALUES_CHECKED: ContextVar[bool] = ContextVar("_VALUES_CHECKED", default=False)


@contextmanager
def values_checked() -> Iterator[None]:
    """Make structs take the values of their fields as they are: the caller has checked each. What
    does not go together is still an error.
    """
    token = _VALUES_CHECKED.set(True)
    try:
        yield
    finally:
        _VALUES_CHECKED.reset(token)


class Checked(msgspec.Struct, frozen=True):
    """A struct that checks and converts its fields as those of a file, whoever builds it.

    Raises ValueError: `key: expected …, found …`.
    """

    def __post_init__(self) -> None:
        check_fields(self)


def check_fields(struct: msgspec.Struct, rules: Rules = NO_RULES) -> None:
    """Check the fields of a struct that has just been built, and replace values by what they mean:
    a list by a tuple, a table by a struct. Raises ValueError with every problem.
    """
    # Not those that are as by default: few are given, and of some types many are built.
    given = {} if _VALUES_CHECKED.get() else given_fields(struct)
    if not given:
        return
    problems: list[Problem] = []
    for key, field in fields(type(struct)).items():
        if field.name in given:
            value, wrong = build(field.annotation, given[field.name], path=(key,), rules=rules)
            problems += wrong
            if not wrong and value is not given[field.name]:
                msgspec.structs.force_setattr(struct, field.name, value)
    if problems:
        raise ValueError("; ".join(map(str, problems)))
