"""A proxy between clients and a real outlet, on both transports.

To a client it is the outlet, to the outlet it is the client: `relay.py` hands everything on. What
can be done to a simulated outlet can be done to what passes: faults, outages, commands, the
journal, the control server.
"""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec

from invis_sim.client.ports import TCP_PORT, WS_PORT
from invis_sim.faults.fault import Fault
from invis_sim.recording import relay, relay_websocket
from invis_sim.recording.device import Device
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.scenario.model import Scenario
from invis_sim.schema.numbers import check_speed
from invis_sim.server.session.context import Servers
from invis_sim.server.simulator import Simulator
from invis_sim.web.opening import open_simulator

__all__ = ["check_proxy_speed", "open_proxy", "proxy_scenario", "servers_of"]


@asynccontextmanager
async def open_proxy(
    host: str,
    scenario: ScenarioSource = None,
    *,
    tcp_port: int = TCP_PORT,
    ws_port: int = WS_PORT,
    read_only: bool = False,
    listen_tcp_port: int | None = None,
    listen_ws_port: int | None = None,
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    **overrides: Any,
) -> AsyncIterator[Simulator]:
    """Stand between clients and an outlet for the time of the block (trio).

    host: the outlet's name or address. tcp_port, ws_port: where it listens.
    scenario: of its faults, steps and so on; what it says of the outlet is not used.
    read_only: answer requests that may change something with `PUBACK` 0, instead of the outlet.
    listen_tcp_port, listen_ws_port: where to listen; None: as the scenario says, else free ports.
    speed: of faults and steps, above 0 and finite. faults: further ones, after those of the
    scenario. overrides: as for `open_simulator`.

    Raises as `open_simulator`, and ValueError. That the outlet cannot be reached is no error: each
    client finds out when it connects.
    """
    resolved = proxy_scenario(
        resolve(scenario, faults, tcp_port=listen_tcp_port, ws_port=listen_ws_port, **overrides)
    )
    device = Device(
        host, tcp_port, ws_port, read_only=read_only, sn_known=overrides.get("sn") is not None
    )
    async with open_simulator(
        resolved, speed=check_proxy_speed(speed), servers=servers_of(device)
    ) as simulator:
        yield simulator


def servers_of(device: Device) -> Servers:
    """Return what serves the clients of a proxy."""
    return {
        "tcp": partial(relay.serve_tcp, device=device),
        "ws": partial(relay_websocket.serve_websocket, device=device),
    }


def proxy_scenario(scenario: Scenario) -> Scenario:
    """Return the scenario of an outlet that sends nothing by itself: what comes is the device's."""
    timing = msgspec.structs.replace(scenario.timing, sensor_seconds=0.0, reconnect_seconds=0.0)
    return msgspec.structs.replace(scenario, timing=timing)


def check_proxy_speed(speed: float) -> float:
    """Return the speed of a proxy. Raises ValueError for one that it cannot have."""
    if check_speed(speed) == math.inf:
        raise ValueError("speed: expected a finite number, as the device has a time of its own")
    return speed
