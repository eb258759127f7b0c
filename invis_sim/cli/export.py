"""`invis-sim export`: a running outlet as a scenario."""

import argparse
from urllib.parse import quote

from invis_sim.cli import CliError
from invis_sim.cli.control_client import ControlClient
from invis_sim.cli.messages import print_warning
from invis_sim.cli.streams import write_utf8

__all__ = ["export"]


def export(args: argparse.Namespace) -> int:
    """Print the scenario. Raises CliError, also where it is not clear which outlet is meant."""
    with ControlClient(args) as server:
        serials = [one["sn"] for one in server.outlets()]
        if len(serials) != 1:
            there = ", ".join(serials[:20]) or "none"
            raise CliError(f"{server.url}: which outlet? --sn takes one of: {there}", status=2)
        text = server.get(f"/api/outlets/{quote(serials[0], safe='')}/scenario")
        if omitted := server.headers.get("omitted"):
            print_warning(f"not in the scenario: {omitted}")
    write_utf8()
    print(text, end="")
    return 0
