"""A proxy in a thread: `with start_proxy("192.168.1.20") as sim:`."""

from collections.abc import Sequence
from typing import Any

from invis_sim.client.ports import TCP_PORT, WS_PORT
from invis_sim.faults.fault import Fault
from invis_sim.recording.device import Device
from invis_sim.recording.proxy import check_proxy_speed, proxy_scenario, servers_of
from invis_sim.scenario.loading import ScenarioSource, resolve
from invis_sim.testing.block import SimulatorContext

__all__ = ["start_proxy"]


class _ProxyContext(SimulatorContext):
    """The time during which a proxy runs."""

    start_again = "start_proxy"


def start_proxy(
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
) -> SimulatorContext:
    """Stand between clients and an outlet, in a thread for the time of a block; all else is as with
    `start_simulator`.

    The arguments are those of `open_proxy`; overrides: as for `start_simulator`. Raises as
    `start_simulator`. That the outlet cannot be reached does not raise: each client finds out when
    it connects.
    """
    resolved = resolve(
        scenario, faults, tcp_port=listen_tcp_port, ws_port=listen_ws_port, **overrides
    )
    known = overrides.get("sn") is not None
    device = Device(host, tcp_port, ws_port, read_only=read_only, sn_known=known)
    return _ProxyContext(
        proxy_scenario(resolved), check_proxy_speed(speed), servers=servers_of(device)
    )
