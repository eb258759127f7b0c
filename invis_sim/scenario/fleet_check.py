"""What does not go together in a scenario with a `[fleet]`, and what its author should know."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from invis_sim.device.state import Device
from invis_sim.scenario.conflicts import conflicts
from invis_sim.scenario.fleet import FleetSettings
from invis_sim.scenario.fleet_outlets import (
    Conflict,
    chosen_by_number,
    has_own_addresses,
    mention,
    merged,
)
from invis_sim.scenario.listen import Listen
from invis_sim.schema.describe import format_path
from invis_sim.schema.fields import MISSING, value_at

if TYPE_CHECKING:
    from invis_sim.scenario.model import Scenario

__all__ = ["all_conflicts", "fleet_notes"]

MAX_COMBINATIONS = 500
"""How many combinations of differences the check of a file tries: each takes part of a millisecond.
One beyond them that is not possible is found when the outlets start."""

MAX_NUMBERS_SHOWN = 5
"""How many outlets a note names."""


def all_conflicts(
    parts: Mapping[str, Any], *, faults_need_transport: bool = True
) -> Iterator[Conflict]:
    """What does not go together in a scenario, its fleet included; see `conflicts`."""
    wrong = [*conflicts(parts, faults_need_transport=faults_need_transport)]
    yield from wrong
    fleet: FleetSettings | None = parts["fleet"]
    others = (value for key, value in parts.items() if key not in ("fleet", "seed"))
    if fleet is None or wrong or None in others:
        return
    yield from _ineffective(fleet, parts["device"], parts["listen"])
    known: set[Conflict] = set()
    for chosen in _combinations(fleet, parts["seed"]):
        found = merged(parts, fleet, chosen, faults_need_transport=faults_need_transport)[1]
        yield from (one for one in found if one not in known)
        known.update(found)


def _ineffective(fleet: FleetSettings, device: Device, listen: Listen) -> Iterator[Conflict]:
    """What is said of all outlets, and can be true of one only."""
    if device.sn != Device().sn:
        yield ("device", "sn"), "has no effect: sn of [fleet] says those of all outlets"
    if has_own_addresses(fleet, listen):
        try:
            fleet.hosts()
        except ValueError as error:
            yield ("fleet", "address"), str(error).removeprefix("address: ")
        if listen.host != Listen().host:
            own = "each outlet has an address of its own; address of [fleet] is the first"
            yield ("listen", "host"), f"has no effect: {own}"
    for index, one in enumerate(fleet.outlets):
        if not isinstance(one.n, int) and mention((one.changes,), ("device", "sn")):
            yield (
                ("fleet", "outlets", index, "device", "sn"),
                "expected one outlet, as n = 3: several would have the same serial number",
            )
    yield from _same_serial_numbers(fleet)


def _same_serial_numbers(fleet: FleetSettings) -> Iterator[Conflict]:
    """Which differences give an outlet the serial number of another."""
    given: dict[int, tuple[int, str]] = {}  # the last one that says it counts
    for index, one in enumerate(fleet.outlets):
        sn = value_at(one.changes, ("device", "sn"))
        if isinstance(one.n, int) and one.n in fleet.numbers and sn is not MISSING:
            given[one.n] = index, sn
    if not given:
        return
    others = {
        sn: number
        for number, sn in zip(fleet.numbers, fleet.serial_numbers(), strict=True)
        if number not in given
    }
    for number, (index, sn) in given.items():
        other = others.setdefault(sn, number)
        if other != number:
            yield (
                ("fleet", "outlets", index, "device", "sn"),
                f"outlet {other} has the same serial number",
            )


def _combinations(fleet: FleetSettings, seed: int | None) -> list[tuple[int, ...]]:
    """Return which differences meet on an outlet. Without a seed, any share may meet any others.

    Not more than MAX_COMBINATIONS, the smaller ones first.
    """
    found = {*chosen_by_number(fleet, seed).values()}
    if seed is None:
        shares = [index for index, one in enumerate(fleet.outlets) if one.share]
        for named in sorted(found, key=len):
            for size in range(1, len(shares) + 1):
                if len(found) > MAX_COMBINATIONS:
                    break
                found.update(
                    tuple(sorted((*named, *drawn))) for drawn in combinations(shares, size)
                )
    return sorted(found, key=lambda chosen: (len(chosen), chosen))[:MAX_COMBINATIONS]


def fleet_notes(scenario: "Scenario", seed: int | None = None) -> list[str]:
    """Return which differences win where several say the same of an outlet, and which are about
    none, in words.

    seed: of the fleet, where the scenario has none; None: not known, so any outlets may belong to a
    share.
    """
    fleet = scenario.fleet
    if fleet is None:
        return []
    if scenario.seed is not None:
        seed = scenario.seed
    chosen_by = chosen_by_number(fleet, seed)
    notes = []
    said = [dict(_values_in(one.changes)) for one in fleet.outlets]
    for last, differences in enumerate(fleet.outlets):
        drawn = seed is None and differences.share
        if not drawn and not any(last in chosen for chosen in chosen_by.values()):
            notes.append(f"fleet.outlets[{last}] is about no outlet of this fleet")
        for first in range(last):
            keys = _different(said[first], said[last])
            numbers = [n for n, chosen in chosen_by.items() if {first, last} <= {*chosen}]
            if seed is None and (drawn or fleet.outlets[first].share):
                where = "each outlet that both choose"
            elif numbers:
                where = _outlets(numbers)
            else:
                continue
            if keys:
                wins = f"fleet.outlets[{last}] wins over fleet.outlets[{first}]"
                notes.append(f"{', '.join(keys)} of {where}: {wins}")
    return notes


def _different(
    first: Mapping[tuple[str, ...], Any], last: Mapping[tuple[str, ...], Any]
) -> list[str]:
    """Return the keys of which both say something, and not the same."""
    return [format_path(path) for path in last if path in first and first[path] != last[path]]


def _values_in(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value that differences say, with its path."""
    if not isinstance(value, dict):
        yield path, value
        return
    for key, inner in value.items():
        yield from _values_in(inner, (*path, key))


def _outlets(numbers: Sequence[int]) -> str:
    """Return these outlets in words."""
    shown = [*map(str, numbers[:MAX_NUMBERS_SHOWN])]
    if len(numbers) == 1:
        return f"outlet {shown[0]}"
    if len(numbers) > len(shown):
        return f"outlets {', '.join(shown)} and {len(numbers) - len(shown)} more"
    return f"outlets {', '.join(shown[:-1])} and {shown[-1]}"
