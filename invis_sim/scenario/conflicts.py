"""What does not go together in a scenario whose parts are each valid."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.listen import transports_of
from invis_sim.scenario.steps import Step
from invis_sim.schema.fields import Path

__all__ = ["conflicts", "unreachable_faults"]


def conflicts(
    parts: Mapping[str, Any], *, faults_need_transport: bool = True
) -> Iterator[tuple[Path, str]]:
    """What does not go together: the path of the key to change, and why.

    parts: every key at the top of a scenario file → its value; None, there or in a list, for one
    that is not valid: it may have said anything, so nothing is blamed that depends on it.
    faults_need_transport: whether a fault for a transport that the outlet does not have is one.
    """
    wrong = {key for key, value in parts.items() if value is None}
    device, firmware = parts["device"], parts["firmware"]
    if not wrong & {"device", "firmware"} and device.product == "bare" and firmware.PM is not None:
        yield ("device", "product"), '"bare" has no faceplate, and here is a [firmware.PM]'
    else:
        yield from ineffective_settings(parts)
    yield from _transport_conflicts(parts, wrong)
    if faults_need_transport:
        yield from unreachable_faults(parts)
    if not wrong & {"faults", "steps"}:
        yield from _unknown_fault_names(parts["steps"], parts["faults"])


def _transport_conflicts(parts: Mapping[str, Any], wrong: set[str]) -> Iterator[tuple[Path, str]]:
    """What the transports that the outlet has make impossible. wrong: keys that are not valid."""
    if wrong & {"listen", "quirks", "device"}:
        return
    hw_rev = parts["device"].hw_rev
    if not transports_of(parts["listen"], parts["device"], parts["quirks"]):
        yield (
            ("quirks", "transports"),
            f'"by_revision": listen switches off the transport of hw_rev {hw_rev!r}',
        )


def unreachable_faults(parts: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The faults that act only on transports that the outlet does not have, as `conflicts` has it.

    parts: as for `conflicts`.
    """
    listen, quirks, device, faults = (
        parts[key] for key in ("listen", "quirks", "device", "faults")
    )
    if listen is None or quirks is None or faults is None:
        return
    if device is None:
        if quirks.transports != "both":
            return
        device = OutletState().device  # with both transports, which device it is does not matter
    offered = transports_of(listen, device, quirks)
    # [quirks] switches off all others that are not offered.
    by_listen = {name for name in ("tcp", "ws") if not getattr(listen, name)}
    for index, fault in enumerate(faults):
        if fault is None:
            continue
        possible = [one for one in fault.transports if fault.when.transport in (None, one)]
        if offered and not any(transport in offered for transport in possible):
            name = fault.name or fault.kind()
            missing = " and ".join(possible)
            off = "listen switches" if set(possible) <= by_listen else "quirks.transports has"
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
