"""Which cases of a plan are run: patterns over their ids."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from invis_sim.gauntlet.planned import PlannedCase
from invis_sim.schema.describe import did_you_mean

__all__ = ["SelectionError", "matches", "select"]


class SelectionError(ValueError):
    """A pattern that selects nothing."""


def select(
    plan: Sequence[PlannedCase], only: Sequence[str] = (), skip: Sequence[str] = ()
) -> tuple[PlannedCase, ...]:
    """Return the cases that match one of `only` (without any: all), and none of `skip`.

    A pattern is an id, with `*` for any text and `?` for any character; a part of an id up to a
    slash selects all that begin with it: `malformed_json`, `malformed_json/truncate`, `*/tcp`.

    Raises SelectionError for a pattern that matches no case, and where nothing is left.
    """
    for pattern in (*only, *skip):
        if not any(matches(case.id, pattern) for case in plan):
            ids = [case.id for case in plan]
            kinds = list(dict.fromkeys(case.kind for case in plan))
            hint = did_you_mean(pattern, [*kinds, *ids])
            raise SelectionError(f"{pattern!r} matches no case{hint}; --list shows them")
    chosen = tuple(
        case
        for case in plan
        if (not only or any(matches(case.id, pattern) for pattern in only))
        and not any(matches(case.id, pattern) for pattern in skip)
    )
    if not chosen:
        raise SelectionError("no case is left: everything that is selected is skipped")
    return chosen


def matches(case_id: str, pattern: str) -> bool:
    """Return whether a pattern selects the case with this id."""
    return fnmatchcase(case_id, pattern) or fnmatchcase(case_id, f"{pattern.rstrip('/')}/*")
