"""What `run` says at its start: the banner, the ready file, and what its user should know."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from invis_sim.cli.messages import print_warning
from invis_sim.cli.width import text_width, wrap
from invis_sim.protocol.address import host_and_port, is_loopback
from invis_sim.protocol.printable import printable
from invis_sim.scenario.fleet_check import fleet_notes
from invis_sim.scenario.model import Scenario
from invis_sim.server.mdns import SERVICE_TYPE
from invis_sim.server.simulator import Simulator

__all__ = [
    "Running",
    "banner",
    "follow_moves",
    "outlets_of",
    "ready_content",
    "ready_text",
    "warn_if_exposed",
]

if TYPE_CHECKING:
    from invis_sim.server.fleet import Fleet

Running: TypeAlias = "Simulator | Fleet"
"""What a process runs: one outlet, or many."""

MAX_EXPOSED = 4
"""How many addresses a warning names: of a thousand outlets, a few say enough."""


def outlets_of(running: Running) -> tuple[Simulator, ...]:
    """Return the outlets that run."""
    return (running,) if isinstance(running, Simulator) else tuple(running.values())


def banner(running: Running, about: str) -> str:
    """Return what the log begins with: which outlets these are, where, and their faults.

    about: the first words; "": who the outlet is.
    """
    lines = []
    control = running.runtime.control
    if control is not None:
        key = "" if control.token is None else f"?token={control.token}"
        lines.append(f"Steer it in a browser: {control.url}{key}")
    lines += _of_one(running, about) if isinstance(running, Simulator) else _of_fleet(running)
    first, *_ = outlets_of(running)
    tcp = first.has("tcp")
    address = host_and_port(*first.tcp_address) if tcp else first.ws_url
    lines.append(f"Press Ctrl-C to stop. Try: {_command_name()} send {address} 20")
    return "\n".join(map(printable, lines))


def _of_one(outlet: Simulator, about: str) -> list[str]:
    scenario = outlet.scenario
    about = about or f"InvisOutlet {outlet.sn} ({_product(scenario)})"
    lines = [f"{about}, seed {outlet.seed}", *_description(scenario)]
    if outlet.has("tcp"):
        lines.append(f"  TCP        {host_and_port(*outlet.tcp_address)}")
    if outlet.has("ws"):
        lines.append(f"  WebSocket  {outlet.ws_url}")
    if scenario.listen.mdns:
        lines.append(f"  mDNS       {outlet.sn}.{SERVICE_TYPE}")
    return lines + _faults(outlet)


def _of_fleet(fleet: "Fleet") -> list[str]:
    first, *others = outlets_of(fleet)
    last = others[-1] if others else first
    who = (
        f"{len(fleet)} InvisOutlets {first.sn} to {last.sn}" if others else f"InvisOutlet {last.sn}"
    )
    lines = [f"{who}, seed {fleet.seed}", *_description(fleet.scenario)]
    if first.has("tcp") and last.has("tcp"):
        lines.append(f"  TCP        {_range(first.addresses['tcp'], last.addresses['tcp'])}")
    if first.has("ws") and last.has("ws"):
        where = _range(first.addresses["ws"], last.addresses["ws"])
        lines.append(f"  WebSocket  {where}, path {fleet.scenario.listen.ws_path}")
    if fleet.scenario.listen.mdns:
        lines.append(f"  mDNS       each as its serial number, {SERVICE_TYPE}")
    indent = " " * 13
    for note in fleet_notes(fleet.scenario, fleet.seed):
        lines += wrap(note, text_width(), "  Note       ", indent)
    return lines


def _range(first: tuple[str, int], last: tuple[str, int]) -> str:
    """Return where the first and the last outlet are, in words."""
    if first[1] == last[1]:
        return host_and_port(*first) + (f" to {host_and_port(*last)}" if first != last else "")
    hosts = first[0] if first[0] == last[0] else f"{first[0]} to {last[0]}"
    return f"{hosts}, a port each"


def _description(scenario: Scenario) -> list[str]:
    text = scenario.description
    return wrap(text, text_width(), "  ", "  ") if text else []


def _faults(outlet: Simulator) -> list[str]:
    lines = []
    for title, enabled in (("Faults", True), ("Disabled", False)):
        if names := [fault.name for fault in outlet.faults if fault.enabled is enabled]:
            lines.append(f"  {title:9}  {', '.join(names)}")
    return lines


def _product(scenario: Scenario) -> str:
    """Return the hardware revision and the faceplate, as `revA, InvisDeco Pro`."""
    product = scenario.product
    faceplate = "no InvisDeco" if product == "bare" else f"InvisDeco {product.capitalize()}"
    return f"{scenario.device.hw_rev}, {faceplate}"


def _command_name() -> str:
    """Return how a user can run this command from the current directory."""
    if shutil.which("invis-sim") is not None:
        return "invis-sim"
    try:
        started_as = os.path.relpath(sys.argv[0])
    except OSError:  # the current directory has been deleted
        started_as = sys.argv[0]
    return started_as if os.access(started_as, os.X_OK) else "python -m invis_sim"


async def follow_moves(running: Running, update: Callable[[str], None]) -> None:
    """Whenever an outlet gets another address, update the ready file, and warn if other machines
    can reach outlets that they could not reach before. Runs until it is cancelled.

    update: writes another text to the ready file.
    """
    while True:
        before = _exposed(running)
        await running.runtime.moved.wait()
        update(ready_text(running))
        if set(_exposed(running)) - set(before):
            warn_if_exposed(running)


def _exposed(running: Running) -> list[str]:
    """Return where other machines can reach the outlets."""
    return [
        f"{transport} on {host}"
        for outlet in outlets_of(running)
        for transport, (host, _) in outlet.addresses.items()
        if not is_loopback(host)
    ]


def warn_if_exposed(running: Running) -> None:
    """Warn if other machines can reach the outlets."""
    exposed = _exposed(running)
    if exposed:
        several = not isinstance(running, Simulator)
        more = len(exposed) - MAX_EXPOSED
        shown = ", ".join(exposed[:MAX_EXPOSED]) + (f" and {more} more" if more > 0 else "")
        them, they = ("these outlets", "they have") if several else ("this outlet", "it has")
        print_warning(f"other machines can reach {them} ({shown}); {they} no password")


def ready_text(running: Running) -> str:
    """Return the content of the ready file."""
    return json.dumps(ready_content(running)) + "\n"


def ready_content(running: Running) -> dict[str, Any]:
    """Return what the ready file and the first line of `--log json` contain."""
    address = running.runtime.control
    control = None if address is None else msgspec.structs.asdict(address)
    process = {"control": control, "pid": os.getpid(), "seed": running.seed}
    if isinstance(running, Simulator):
        return {**_places(running), **process}
    outlets = [{**_places(outlet), "seed": outlet.seed} for outlet in running.values()]
    return {**process, "outlets": outlets}


def _places(outlet: Simulator) -> dict[str, Any]:
    """Return which outlet it is, and where."""
    places: dict[str, Any] = {"sn": outlet.sn, "tcp": None, "ws": None}
    if outlet.has("tcp"):
        host, port = outlet.tcp_address
        places["tcp"] = {"host": host, "port": port}
    if outlet.has("ws"):
        places["ws"] = {"url": outlet.ws_url}
    return places
