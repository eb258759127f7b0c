"""Plain data → faults: the kind of each decides which keys it has."""

from collections.abc import Mapping
from typing import Any

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.schema.build import NO_RULES, Problem, Rules, build_list, build_table
from invis_sim.schema.describe import did_you_mean, format_path, format_value, quote
from invis_sim.schema.fields import Path

__all__ = ["build_fault", "build_faults"]


def build_fault(plain: Any, path: Path = (), rules: Rules = NO_RULES) -> tuple[Any, list[Problem]]:
    """A fault, and the problems of the plain data, as `schema.build.build` has it.

    plain: a table with a `kind`; or a fault, perhaps of a kind that only the caller knows.
    """
    if isinstance(plain, Fault):
        return plain, []
    kinds = ", ".join(KINDS)
    if not isinstance(plain, Mapping):
        found = f"{format_value(plain)}{_how_to_write(plain)}"
        return None, [Problem(path, f"expected a fault: a table with a kind, found {found}")]
    if "kind" not in plain:
        for key in plain:
            if str(key).lower() == "kind":
                return None, [Problem((*path, key), "unknown key; did you mean 'kind'?")]
        return None, [Problem(path, f"kind is missing; expected one of {kinds}")]
    kind = plain["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        # With a hint, the list of all kinds would only hide it.
        expected = "a kind of fault" if hint else f"one of {kinds}"
        message = f"expected {expected}, found {format_value(kind)}{hint}"
        return None, [Problem((*path, "kind"), message)]
    rest = {key: item for key, item in plain.items() if key != "kind"}
    return build_table(KINDS[kind], rest, path, rules=rules)


def build_faults(plain: Any, path: Path = (), rules: Rules = NO_RULES) -> tuple[Any, list[Problem]]:
    """As `build_fault`, for a list of faults, each of which may be a fault already. No two of them
    may have the same name.
    """

    def build_item(item: Any, where: Path) -> tuple[Any, list[Problem]]:
        return build_fault(item, where, rules)

    faults, problems = build_list(Fault, plain, path, validate_item=build_item)
    names: dict[str, int] = {}
    for index, item in enumerate(plain if isinstance(plain, list | tuple) else ()):
        # From the plain data, so that the name of a fault with another problem counts as well.
        name = item.get("name") if isinstance(item, Mapping) else getattr(item, "name", None)
        if isinstance(name, str) and names.setdefault(name, index) != index:
            taken = format_path((*path, names[name]))
            message = f"expected a name of its own, found that of {taken}: {quote(name)}"
            problems.append(Problem((*path, index, "name"), message))
    return faults, problems


def _how_to_write(value: Any) -> str:
    """A hint for what names a fault without being one; "" for anything else."""
    if isinstance(value, str) and value in KINDS:
        return f'; write {{ kind = "{value}" }}, or in Python faults.{KINDS[value].__name__}()'
    if isinstance(value, type) and issubclass(value, Fault):
        return f"; write {value.__name__}(…)"
    return ""
