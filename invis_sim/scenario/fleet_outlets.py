"""A scenario with a `[fleet]` → the scenario of each of its outlets."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from invis_sim.device.state import OutletState
from invis_sim.scenario.conflicts import conflicts
from invis_sim.scenario.fleet import FleetSettings, OutletDifferences
from invis_sim.scenario.ineffective import as_usual, ineffective_settings
from invis_sim.scenario.listen import Listen
from invis_sim.schema.build import build, values_checked
from invis_sim.schema.describe import format_path
from invis_sim.schema.fields import MISSING, Path, value_at

if TYPE_CHECKING:
    from invis_sim.scenario.model import Scenario

__all__ = [
    "Conflict",
    "FleetMember",
    "chosen_by_number",
    "has_own_addresses",
    "members_of",
    "mention",
    "merged",
]

MAX_SEED = 2**32
"""Above the seed of an outlet: as large as those that are drawn, and short enough to be typed."""

PHASES = 50
"""At how many different times the rhythms of outlets begin. The readings of a thousand outlets are
pushed twenty at a time, ten times a second: the event loop wakes up for each time, and not for each
outlet, as to wake up costs as much as ten samples.
"""

Conflict: TypeAlias = tuple[Path, str]
"""The path of the key to change, and what is wrong."""


class FleetMember(msgspec.Struct, frozen=True):
    """One outlet of a fleet.

    number: its `n`. scenario: its own, with its serial number, address and seed.
    phase: when its rhythms begin, as a part of their period, above 0 and at most 1: so that not all
    outlets do everything at once.
    """

    number: int
    scenario: "Scenario"
    phase: float


class _Template(msgspec.Struct, frozen=True):
    """What outlets have in common that differ from the others in the same way.

    own_sn, own_host: whether the differences say serial number and address too.
    """

    scenario: "Scenario"
    own_sn: bool
    own_host: bool


def members_of(scenario: "Scenario", seed: int) -> list[FleetMember]:
    """Return the outlets of a fleet. They share what they have in common.

    scenario: one with a `[fleet]`. seed: of the fleet.

    Raises ValueError, with the path of the key, where what is said of an outlet does not go
    together.
    """
    fleet = scenario.fleet
    assert fleet is not None
    sns = fleet.serial_numbers()
    own = has_own_addresses(fleet, scenario.listen)
    hosts = fleet.hosts() if own else [scenario.listen.host] * fleet.count
    templates: dict[tuple[int, ...], _Template] = {}
    members = []
    chosen_by = chosen_by_number(fleet, seed)
    for number, sn, host in zip(fleet.numbers, sns, hosts, strict=True):
        chosen = chosen_by[number]
        if chosen not in templates:
            templates[chosen] = _template(scenario, chosen)
        members.append(_member(templates[chosen], number, sn, host, seed))
    return members


def _member(template: _Template, number: int, sn: str, host: str, seed: int) -> FleetMember:
    # Not built anew: that checks everything again, a thousand times.
    scenario = copy.copy(template.scenario)
    if not template.own_sn:
        _set(scenario, "device", msgspec.structs.replace(scenario.device, sn=sn))
    if not template.own_host:
        _set(scenario, "listen", msgspec.structs.replace(scenario.listen, host=host))
    own_seed = Random(f"{seed}/outlet/{scenario.device.sn}").randrange(MAX_SEED)
    _set(scenario, "seed", own_seed)
    phase = Random(f"{own_seed}/phase").randint(1, PHASES) / PHASES
    return FleetMember(number, scenario, phase)


def _set(scenario: "Scenario", key: str, value: Any) -> None:
    msgspec.structs.force_setattr(scenario, key, value)


def _template(scenario: "Scenario", chosen: tuple[int, ...]) -> _Template:
    fleet = scenario.fleet
    assert fleet is not None
    parts, found = merged(
        msgspec.structs.asdict(scenario),
        fleet,
        chosen,
        faults_need_transport=scenario.faults_need_transport,
    )
    if found:
        raise ValueError("; ".join(f"{format_path(path)}: {message}" for path, message in found))
    if fleet.ports == "free":
        parts["listen"] = msgspec.structs.replace(parts["listen"], tcp_port=0, ws_port=0)
    with values_checked():
        made = type(scenario)(**parts)
    changes = [fleet.outlets[index].changes for index in chosen]
    return _Template(
        made,
        own_sn=mention(changes, ("device", "sn")),
        own_host=mention(changes, ("listen", "host")),
    )


def has_own_addresses(fleet: FleetSettings, listen: Listen) -> bool:
    """Return whether each outlet has an address of its own: it needs one where ports are fixed."""
    if fleet.address is not None or fleet.count == 1:
        return fleet.address is not None
    ports = {"tcp": listen.tcp_port, "ws": listen.ws_port}
    return fleet.ports != "free" and any(ports[name] for name in ports if getattr(listen, name))


# Which outlets differ


def chosen_by_number(fleet: FleetSettings, seed: int | None) -> dict[int, tuple[int, ...]]:
    """Return which of the differences are those of each outlet, by their places.

    seed: of the fleet; None: not known, and no outlet belongs to a share.
    """
    return {
        number: tuple(
            index
            for index, one in enumerate(fleet.outlets)
            if _counts(one, number)
            or (one.share and seed is not None and _draws(one.share, index, sn, seed))
        )
        for number, sn in zip(fleet.numbers, fleet.serial_numbers(), strict=True)
    }


def _counts(differences: OutletDifferences, number: int) -> bool:
    """Return whether differences that name outlets by their numbers are those of this one."""
    if differences.every is not None:
        return number % differences.every == 0
    n = differences.n
    return n is not None and (number == n if isinstance(n, int) else number in n)


def _draws(share: float, index: int, sn: str, seed: int) -> bool:
    """Return whether an outlet belongs to a share: by its serial number, so that one outlet more
    changes no other.
    """
    return Random(f"{seed}/share/{index}/{sn}").random() < share


# What they say together


def merged(
    parts: Mapping[str, Any],
    fleet: FleetSettings,
    chosen: tuple[int, ...],
    *,
    faults_need_transport: bool = True,
) -> tuple[dict[str, Any], list[Conflict]]:
    """Return what a scenario is with some of the differences, and what does not go together then.

    parts: every key at the top of the scenario → its value.
    """
    merged: dict[str, Any] = {**parts, "fleet": None}
    changes = [fleet.outlets[index].changes for index in chosen]
    for index, change in zip(chosen, changes, strict=True):
        for key, value in change.items():
            if not isinstance(value, dict):
                merged[key] = value
                continue
            base, where = merged[key], ("fleet", "outlets", index, key)
            merged[key], problems = build(type(base), value, base=base, path=where)
            if problems:
                return merged, [(problem.path, problem.message) for problem in problems]
    if not chosen:
        return merged, []
    _follow_product(merged, changes)
    found = conflicts(merged, faults_need_transport=faults_need_transport)
    return merged, [_blamed(path, message, chosen, changes) for path, message in found]


def _follow_product(merged: dict[str, Any], changes: Sequence[Mapping[str, Any]]) -> None:
    """Take away what the file says for all and an outlet of another product lacks. What the
    differences themselves say stays, and is an error.
    """
    firmware = merged["firmware"]
    is_bare = merged["device"].product == "bare"
    if is_bare and firmware.PM is not None and not mention(changes, ("firmware", "PM")):
        merged["firmware"] = msgspec.structs.replace(firmware, PM=None)
    usual = OutletState()
    for path, _ in [*ineffective_settings(merged)]:
        if path[0] in OutletState.__struct_fields__ and not mention(changes, path):
            table, *keys = map(str, path)
            merged[table] = as_usual(merged[table], getattr(usual, table), keys)


def mention(changes: Iterable[Mapping[str, Any]], path: Path) -> bool:
    return any(value_at(one, path) is not MISSING for one in changes)


def _blamed(
    path: Path, message: str, chosen: Sequence[int], changes: Sequence[Mapping[str, Any]]
) -> Conflict:
    """Return what is wrong as a problem of the differences that say it, else of the last ones."""
    for index, change in reversed([*zip(chosen, changes, strict=True)]):
        value = change.get(str(path[0]), MISSING)
        if (not isinstance(value, dict) and value is not MISSING) or mention((change,), path):
            return ("fleet", "outlets", index, *path), message
    return ("fleet", "outlets", chosen[-1]), f"with it, {format_path(path)}: {message}"
