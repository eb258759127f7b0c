"""Sections about requests per second: against hand-written servers, and what some features cost."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench.contest import compare
from tests.bench.report import Goal, heading
from tests.bench.servers import (
    PEERS,
    Transport,
    missing_of,
    run_many_outlets,
    run_outlet,
    run_peer,
)

__all__ = ["journal", "outlets", "rules", "transport"]

GOALS: dict[Transport, dict[int, dict[str, Goal]]] = {
    "tcp": {
        1: {"asyncio streams": Goal(at_least=1.6)},
        100: {"asyncio streams": Goal(at_least=1.4)},
    },
    "ws": {
        1: {"websockets": Goal(at_least=1.8)},
        100: {"websockets": Goal(at_least=1.9)},
    },
}
"""Transport → number of connections → peer → what the ratio to it should be."""

FEATURE_COST = Goal(at_least=0.85)

HUNDRED_RULES = (
    """
[[faults]]
kind = "delay"
seconds = 1
when = { callback = 99 }
"""
    * 100
)


def transport(
    name: Transport, connection_counts: Sequence[int], rounds: int, requests: int
) -> None:
    """The simulator and the hand-written servers of one transport."""
    heading(f"{name}: invis-sim (journal on) and hand-written servers")
    with ExitStack() as running:
        servers = [running.enter_context(run_outlet()).on(name)]
        for peer in PEERS[name]:
            if missing := missing_of(peer):
                print(f"  {peer}: skipped, as it needs {' and '.join(missing)}")
            else:
                servers.append(running.enter_context(run_peer(peer, name)))
        for connections in connection_counts:
            goals = GOALS[name].get(connections, {})
            compare(servers, goals, connections, rounds, requests)


def rules(connection_counts: Sequence[int], rounds: int, requests: int) -> None:
    """What a hundred fault rules cost that never apply."""
    heading("rules: a hundred fault rules that do not match, and none (tcp)")
    with run_outlet("a hundred rules", HUNDRED_RULES) as burdened, run_outlet("none") as free:
        for connections in connection_counts:
            servers = [burdened.tcp, free.tcp]
            compare(servers, {"none": FEATURE_COST}, connections, rounds, requests)


def outlets(connection_counts: Sequence[int], rounds: int, requests: int) -> None:
    """Many outlets in one process with a client each, and one outlet with as many clients."""
    heading("outlets: many in one process with a client each, and one with as many (tcp)")
    for connections in connection_counts:
        if connections == 1:
            continue  # nothing to compare
        with (
            run_many_outlets(f"{connections} outlets", connections) as many,
            run_many_outlets("one outlet", 1) as one,
        ):
            goals = {"one outlet": FEATURE_COST}
            compare([many, one], goals, connections, rounds, requests)


def journal(connection_counts: Sequence[int], rounds: int, requests: int) -> None:
    """What it costs to write the journal to a file."""
    heading("journal: with --journal FILE, and without (tcp)")
    with (
        tempfile.TemporaryDirectory(prefix="invis-sim-bench-") as folder,
        run_outlet("--journal", "", "--journal", str(Path(folder, "journal"))) as writing,
        run_outlet("without") as free,
    ):
        for connections in connection_counts:
            goals = {"without": FEATURE_COST}
            compare([writing.tcp, free.tcp], goals, connections, rounds, requests)
