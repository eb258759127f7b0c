"""A simulated InvisOutlet: its JSON protocol over TCP and WebSocket, with faults on demand.

`start_simulator` runs one beside any test or program, `open_simulator` inside one that uses trio.
"""

# Whatever is imported here is imported before the command can set its handling of Ctrl-C, so this
# imports nothing. Type checkers take any TYPE_CHECKING for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from invis_sim import faults
    from invis_sim.commands.command import CommandError
    from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
    from invis_sim.device.state import OutletState
    from invis_sim.faults import When
    from invis_sim.journal import Event, Exchange, Journal
    from invis_sim.protocol.packets import Request
    from invis_sim.recording.capture import Capture, async_capture, capture
    from invis_sim.recording.open_replay import open_replay
    from invis_sim.recording.proxy import open_proxy
    from invis_sim.scenario import Scenario, ScenarioError
    from invis_sim.scenario.steps import Step
    from invis_sim.server import Simulator, StartError
    from invis_sim.server.fleet import Fleet
    from invis_sim.testing.block import start_simulator
    from invis_sim.testing.fleet import FleetHandle, start_fleet
    from invis_sim.testing.handle import SimulatorHandle
    from invis_sim.testing.proxy import start_proxy
    from invis_sim.testing.replay import start_replay
    from invis_sim.testing.thread import SimulatorStopped
    from invis_sim.web.fleet_opening import open_fleet
    from invis_sim.web.opening import open_simulator

__all__ = [
    "Capture",
    "CommandError",
    "Event",
    "Exchange",
    "FaceplateFirmware",
    "FirmwareInventory",
    "Fleet",
    "FleetHandle",
    "Journal",
    "OutletFirmware",
    "OutletState",
    "Request",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "SimulatorHandle",
    "SimulatorStopped",
    "StartError",
    "Step",
    "When",
    "__version__",
    "async_capture",
    "capture",
    "faults",
    "open_fleet",
    "open_proxy",
    "open_replay",
    "open_simulator",
    "start_fleet",
    "start_proxy",
    "start_replay",
    "start_simulator",
]

__version__ = "0.1.0"

# Name → module that has it. Loaded when asked for: `invis-sim faults` needs no event loop.
_HOMES = {
    "Capture": "invis_sim.recording.capture",
    "CommandError": "invis_sim.commands.command",
    "Event": "invis_sim.journal",
    "Exchange": "invis_sim.journal",
    "FaceplateFirmware": "invis_sim.device.firmware",
    "FirmwareInventory": "invis_sim.device.firmware",
    "Fleet": "invis_sim.server.fleet",
    "FleetHandle": "invis_sim.testing.fleet",
    "Journal": "invis_sim.journal",
    "OutletFirmware": "invis_sim.device.firmware",
    "OutletState": "invis_sim.device.state",
    "Request": "invis_sim.protocol.packets",
    "SimulatorHandle": "invis_sim.testing.handle",
    "Scenario": "invis_sim.scenario",
    "ScenarioError": "invis_sim.scenario",
    "Simulator": "invis_sim.server",
    "SimulatorStopped": "invis_sim.testing.thread",
    "StartError": "invis_sim.server",
    "Step": "invis_sim.scenario.steps",
    "When": "invis_sim.faults",
    "async_capture": "invis_sim.recording.capture",
    "capture": "invis_sim.recording.capture",
    "open_fleet": "invis_sim.web.fleet_opening",
    "open_proxy": "invis_sim.recording.proxy",
    "open_replay": "invis_sim.recording.open_replay",
    "start_fleet": "invis_sim.testing.fleet",
    "start_proxy": "invis_sim.testing.proxy",
    "start_replay": "invis_sim.testing.replay",
    "open_simulator": "invis_sim.web.opening",
    "start_simulator": "invis_sim.testing.block",
}


def __getattr__(name: str) -> "Any":
    import importlib  # only when something is asked for

    if name == "faults":
        return importlib.import_module("invis_sim.faults")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
