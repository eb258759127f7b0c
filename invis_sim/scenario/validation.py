"""Plain data of a scenario file → its values, or every problem: what the builder of `schema/` has
to know of scenarios.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from invis_sim.commands.new_address import NewAddress
from invis_sim.commands.set_state import Patch, Settings
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.faults.from_plain import build_fault, build_faults
from invis_sim.faults.when import When
from invis_sim.scenario.fleet import PATCHED_TABLES
from invis_sim.scenario.fleet_check import all_conflicts
from invis_sim.scenario.listen import Listen
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import CommandTable, Step
from invis_sim.schema.build import Builder, Problem, Rules, build, build_table, check_fields
from invis_sim.schema.describe import did_you_mean
from invis_sim.schema.fields import Path, fields

__all__ = ["check_struct", "validate"]

MAX_TABLES_IN_HINT = 3
"""A hint that names more tables than this does not help."""


def validate(
    plain: Any, annotation: Any, path: Path = (), base: msgspec.Struct | None = None
) -> tuple[Any, list[Problem]]:
    """The value of plain data of a scenario, and the problems, as `schema.build.build` has it.

    annotation: `Scenario`, or the annotation of a key in it. base: as for `build`.
    """
    return build(annotation, plain, base=base, path=path, rules=_RULES)


def check_struct(struct: msgspec.Struct) -> None:
    """Check the fields of a scenario or of a step that Python builds as those of a file, and
    convert them. Raises ValueError with every problem.
    """
    check_fields(struct, _RULES)


class _ScenarioRules(Rules):
    """What the annotations of a scenario do not say."""

    def builder(self, annotation: Any) -> Builder | None:
        if annotation in (tuple[Fault, ...], tuple[Fault, ...] | None):
            return self._build_faults
        if annotation in (Fault, Fault | None):
            return self._build_fault
        if annotation in (Patch, Patch | None):
            return partial(self._build_patch, Settings)
        if annotation in PATCHED_TABLES:
            return partial(self._build_patch, PATCHED_TABLES[annotation])
        return None

    def placement_hint(self, key: str, struct: type[msgspec.Struct], value: Any) -> str:
        return _placement_hint(key, struct, value)

    def conflicts(
        self, struct: type[msgspec.Struct], values: Mapping[str, Any]
    ) -> Iterable[tuple[Path, str]]:
        if struct is not Scenario:
            return ()
        defaults = {field.name: field.default for field in fields(Scenario).values()}
        return all_conflicts({**defaults, **values})

    def _build_fault(self, plain: Any, path: Path) -> tuple[Any, list[Problem]]:
        return build_fault(plain, path, self)

    def _build_faults(self, plain: Any, path: Path) -> tuple[Any, list[Problem]]:
        return build_faults(plain, path, self)

    def _build_patch(
        self, struct: type[msgspec.Struct], plain: Any, path: Path
    ) -> tuple[Any, list[Problem]]:
        """The keys that a step sets, or that differ on some outlets of a fleet. They stay plain
        data, since what they are a patch of is not known before.
        """
        _, problems = build_table(struct, plain, path, rules=self)
        return plain, problems


_RULES = _ScenarioRules()


def _placement_hint(key: str, struct: type[msgspec.Struct], value: Any) -> str:
    """A hint where a key belongs that is unknown in this table; "" if nowhere, or if the name of
    another key of this table resembles it, and is what was probably meant.
    """
    if below := _tables_with(key, struct, deep=True):
        return "; it belongs in " + " or ".join(
            f"[{name}]" if struct is Scenario else name for name in below
        )
    at_the_top = fields(Scenario)
    may_be_meant = key in fields(Step) or isinstance(value, Mapping)
    if struct is Scenario and may_be_meant and did_you_mean(key, at_the_top):
        return ""
    if issubclass(struct, Scenario | When):
        if key == "kind" or any(key in fields(kind) for kind in KINDS.values()):
            return "; it belongs in [[faults]], beside kind"
        in_steps = struct is Scenario and key in fields(Step)
        return "; it belongs in [[steps]]" if in_steps else ""
    if issubclass(struct, Fault):
        return ""
    if struct is Settings:  # what a step sets
        return "; a step cannot set it" if key in at_the_top else ""
    if struct is NewAddress:
        return "; it cannot change while the outlet runs" if key in fields(Listen) else ""
    if struct in (Step, CommandTable) and key in fields(Settings):
        return "; it belongs in set"
    if key in at_the_top:
        return "; it belongs at the top of the file, before the first [table]"
    tables = _tables_with(key, Scenario)
    return f"; it belongs in {' or '.join(f'[{name}]' for name in tables)}" if tables else ""


def _tables_with(key: str, owner: type[msgspec.Struct], *, deep: bool = False) -> list[str]:
    """The tables in this one that have a key of this name; empty if there are too many to help.

    deep: if none has, those in them, and so on.
    """
    owners: list[tuple[str, type[msgspec.Struct]]] = [("", owner)]
    while owners:
        inner = [*_tables_in(owners)]
        if found := [name for name, table in inner if key in fields(table)]:
            return found if len(found) <= MAX_TABLES_IN_HINT else []
        owners = inner if deep else []
    return []


def _tables_in(
    owners: Iterable[tuple[str, type[msgspec.Struct]]],
) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """The tables that are directly in these ones, each with its name."""
    for name, struct in owners:
        for key, field in fields(struct).items():
            if field.table is not None:
                yield f"{name}.{key}" if name else key, field.table
