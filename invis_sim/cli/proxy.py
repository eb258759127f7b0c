"""`invis-sim proxy`: between clients and a real outlet."""

import argparse

import msgspec

from invis_sim.cli import CliError
from invis_sim.cli.run import load_scenario, run_outlet
from invis_sim.recording.device import Device
from invis_sim.recording.proxy import check_proxy_speed, proxy_scenario, servers_of

__all__ = ["proxy"]


def proxy(args: argparse.Namespace) -> int:
    """Run the proxy until a signal. Raises CliError as `run`."""
    try:
        check_proxy_speed(args.speed)
    except ValueError as error:
        raise CliError(f"--{error}", status=2) from None
    device = Device(
        args.device_host,
        args.device_tcp_port,
        args.device_ws_port,
        read_only=args.read_only,
        sn_known=args.sn is not None,
    )
    scenario = proxy_scenario(load_scenario(args.scenario, one=True))
    if args.scenario == "default":  # its description is of the simulated outlet
        scenario = msgspec.structs.replace(scenario, description="")
    how = "a read-only proxy" if device.read_only else "a proxy"
    return run_outlet(
        args,
        scenario,
        {"the scenario": args.scenario},
        about=f"InvisOutlet at {device.host}, behind {how}",
        servers=servers_of(device),
    )
