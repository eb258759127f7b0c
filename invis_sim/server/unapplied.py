"""Why a fault has not applied: the packets that came nearest, and the condition that they fail."""

from collections.abc import Sequence

from invis_sim.faults.armed import ArmedFault
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.when import as_tuple
from invis_sim.journal import Exchange, Journal
from invis_sim.journal.text import format_callback, format_entry
from invis_sim.schema.describe import to_toml_text
from invis_sim.schema.differences import differences

__all__ = ["unapplied"]

MAX_NEAREST = 2
"""How many packets are shown for each fault."""


def unapplied(faults: Pipeline, journal: Journal, names: Sequence[str] = ()) -> str:
    """Return which faults have not applied, and why, for a human; "" where all have.

    names: of the faults to look at; none: all that are enabled.

    Raises KeyError that lists the names for one that no fault has.
    """
    wanted: list[ArmedFault] = []
    for name in names:
        faults[name]  # raises with the names
        wanted += faults.matching(name)
    lines = []
    for armed in wanted if names else [one for one in faults if one.enabled]:
        if not armed.applied:
            lines += _why(armed, journal)
    return "\n".join(["faults that have not applied:", *lines]) if lines else ""


def _why(armed: ArmedFault, journal: Journal) -> list[str]:
    when = to_toml_text(differences(armed.fault.when))
    conditions = f" when {when}" if when != "{}" else ""
    off = "" if armed.enabled else "; it is disabled"
    first = f"  {armed.identity} ({armed.fault.kind()}){conditions}: matched {armed.matched}{off}"
    if armed.matched:  # what is left are conditions of count and chance, which no packet fails
        return [first]
    missed = [
        (len(failed), -entry.number, f"    {format_entry(entry)}  ({'; '.join(failed)})")
        for entry in journal
        if isinstance(entry, Exchange) and (failed := _failed(armed, entry))
    ]
    return [first, *(line for _, _, line in sorted(missed)[:MAX_NEAREST])]


def _failed(armed: ArmedFault, exchange: Exchange) -> list[str]:
    """Return which conditions of its `when` a packet fails, in words."""
    when = armed.fault.when
    packet = "push" if exchange.outcome == "push" else "reply"
    failed = []
    if armed.fault.acts_on != ("connection",) and when.packet not in (packet, "any"):
        failed.append(f"packet: expected {when.packet}, found {packet}")
    if when.callback is not None and exchange.callback not in as_tuple(when.callback):
        expected = " or ".join(map(str, as_tuple(when.callback)))
        number = exchange.callback
        found = "none" if number is None else format_callback(number)
        failed.append(f"callback: expected {expected}, found {found}")
    if when.transport not in (None, exchange.transport):
        failed.append(f"transport: expected {when.transport}, found {exchange.transport}")
    if exchange.transport not in armed.fault.transports:
        acts_on = " and ".join(armed.fault.transports)
        failed.append(f"transport: it acts on {acts_on} only, found {exchange.transport}")
    if when.connection is not None and exchange.connection not in as_tuple(when.connection):
        expected = " or ".join(map(str, as_tuple(when.connection)))
        failed.append(f"connection: expected {expected}, found {exchange.connection}")
    return failed
