"""What does not go together in a scenario whose parts are each valid."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.listen import transports_of
from invis_sim.scenario.steps import Step
from invis_sim.schema.fields import Path

__all__ = ["conflicts"]


def conflicts(parts: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """What does not go together: the path of the key to change, and why.

    parts: every key at the top of a scenario file → its value; None, there or in a list, for one
    that is not valid: it may have said anything, so nothing is blamed that depends on it.
    """
    wrong = {key for key, value in parts.items() if value is None}
    device, firmware = parts["device"], parts["firmware"]
    if not wrong & {"device", "firmware"} and device.product == "bare" and firmware.PM is not None:
        yield ("device", "product"), '"bare" has no faceplate, and here is a [firmware.PM]'
    else:
        yield from ineffective_settings(parts)
    yield from _transport_conflicts(parts, wrong)
    if not wrong & {"faults", "steps"}:
        yield from _unknown_fault_names(parts["steps"], parts["faults"])


def _transport_conflicts(parts: Mapping[str, Any], wrong: set[str]) -> Iterator[tuple[Path, str]]:
    """What the transports that the outlet has make impossible. wrong: keys that are not valid."""
    listen, quirks, device = parts["listen"], parts["quirks"], parts["device"]
    if wrong & {"listen", "quirks"}:
        return
    if device is None:
        if quirks.transports != "both":
            return
        device = OutletState().device  # with both transports, which device it is does not matter
    transports = transports_of(listen, device, quirks)
    if not transports:
        yield (
            ("quirks", "transports"),
            f'"by_revision": listen switches off the transport of hw_rev {device.hw_rev!r}',
        )
    if "faults" not in wrong:
        by_listen = tuple(name for name in ("tcp", "ws") if not getattr(listen, name))
        yield from _unreachable_faults(transports, by_listen, parts["faults"])


def _unreachable_faults(
    offered: tuple[Transport, ...], by_listen: tuple[str, ...], faults: Iterable[Fault | None]
) -> Iterator[tuple[Path, str]]:
    """The faults that act only on transports that the outlet does not have.

    offered: the transports that it has.
    by_listen: the transports that [listen] switches off; [quirks] switches off all others that are
    not offered.
    """
    for index, fault in enumerate(faults):
        if fault is None:
            continue
        possible = [t for t in fault.transports if fault.when.transport in (None, t)]
        if offered and not any(transport in offered for transport in possible):
            name = fault.name or fault.kind()
            missing = " and ".join(possible)
            off = "listen switches" if set(possible) <= set(by_listen) else "quirks.transports has"
            yield (
                ("faults", index, *(("when", "transport") if fault.when.transport else ())),
                f"{name!r} never applies: it acts on {missing} only, which {off} off",
            )


def _unknown_fault_names(
    steps: Iterable[Step | None], faults: Iterable[Fault | None]
) -> Iterator[tuple[Path, str]]:
    """The steps that switch faults that do not exist."""
    every = tuple(faults)
    if None in every:
        return  # one that is not valid may have the name
    given = [(index, step.commands) for index, step in enumerate(steps) if step is not None]
    known = {fault.display_name for fault in every if fault is not None}
    # A fault that a step injects may be switched by another one, whichever comes first.
    known |= {name for _, commands in given for one in commands for name in one.injects}
    for index, commands in given:
        for command in commands:
            for name in command.fault_names:
                if name not in known and name.partition("#")[0] not in known:
                    there = ", ".join(map(repr, sorted(known))) or "none"
                    message = f"no fault is called {name!r}; there are: {there}"
                    yield ("steps", index, command.key), message
