"""Section: what a simulator costs that has nothing to do."""

import time
from contextlib import ExitStack

from tests.bench.clients import Target
from tests.bench.report import Goal, heading, table
from tests.bench.servers import Server, run_outlet

__all__ = ["idle", "used_meanwhile"]

SECONDS = 10.0
CONNECTIONS = 100
GOAL = Goal(at_most=1.0)
"""Percent of one core, with no client."""


def idle() -> None:
    """The processor time of an outlet that is left alone, and of one that tells its readings."""
    heading(f"idle: {SECONDS:g} s of an outlet that nobody asks")
    with (
        run_outlet("no client", readings=True) as alone,
        run_outlet(f"{CONNECTIONS} clients, told the readings", readings=True) as watched,
        ExitStack() as closing,
    ):
        target = Target(watched.tcp)
        for _ in range(CONNECTIONS):
            closing.enter_context(target.connect())
        servers = [alone.tcp, watched.tcp]
        used = used_meanwhile(servers, SECONDS)
    rows = [("", "cpu ms", "% of a core", "goal")]
    for number, (server, seconds) in enumerate(zip(servers, used, strict=True)):
        if seconds is None:
            rows.append((server.name, "", "", ""))
            continue
        percent = seconds / SECONDS * 100
        verdict = "" if number else GOAL.verdict(percent)
        rows.append((server.name, f"{seconds * 1000:.1f}", f"{percent:.2f}", verdict))
    table(*rows)


def used_meanwhile(servers: list[Server], seconds: float) -> list[float | None]:
    """The processor seconds that each of the servers uses in this time; None where that cannot be
    told.
    """
    time.sleep(0.5)  # what there is to do at the start has been done then
    before = [server.cpu_seconds() for server in servers]
    time.sleep(seconds)
    after = [server.cpu_seconds() for server in servers]
    return [
        None if one is None or other is None else other - one
        for one, other in zip(before, after, strict=True)
    ]
