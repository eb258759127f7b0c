"""Servers under the same load, in interleaved rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.bench.clients import Batch, Target, run_batch
from tests.bench.report import Goal, Ratios, percentile, table
from tests.bench.servers import Server

__all__ = ["Standing", "by_cpu", "by_rate", "compare", "interleave"]

WARM_UP_ROUNDS = 1


@dataclass(slots=True)
class Standing:
    """What one server has shown, round by round."""

    name: str
    batches: list[Batch] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests per second: the median over the rounds."""
        return median(batch.rate for batch in self.batches)

    @property
    def latencies(self) -> list[int]:
        """Of all rounds, in nanoseconds."""
        return [latency for batch in self.batches for latency in batch.latencies]

    @property
    def cpu_microseconds(self) -> list[float]:
        """The server's processor time for one request, round by round; empty if unknown."""
        return [
            batch.cpu_seconds / len(batch.latencies) * 1e6
            for batch in self.batches
            if batch.cpu_seconds is not None
        ]


def interleave(
    servers: Sequence[Server], connections: int, rounds: int, requests: int
) -> list[Standing]:
    """Loads one server after the other, round for round, each round from another one on."""
    targets = [Target(server) for server in servers]
    standings = [Standing(server.name) for server in servers]
    for number in range(-WARM_UP_ROUNDS, rounds):
        for turn in range(len(servers)):
            place = (number + turn) % len(servers)
            batch = run_batch(targets[place], connections, requests)
            if number >= 0:
                standings[place].batches.append(batch)
    return standings


def by_rate(ours: Standing, other: Standing) -> Ratios:
    """How many times as many requests per second we answer, round by round."""
    pairs = zip(ours.batches, other.batches, strict=True)
    return Ratios([mine.rate / theirs.rate for mine, theirs in pairs])


def by_cpu(ours: Standing, other: Standing) -> Ratios:
    """How many times as many requests we answer with the same processor time, round by round."""
    pairs = zip(ours.cpu_microseconds, other.cpu_microseconds, strict=True)
    return Ratios([theirs / mine for mine, theirs in pairs])


def compare(
    servers: Sequence[Server],
    goals: dict[str, Goal],
    connections: int,
    rounds: int,
    requests: int,
) -> None:
    """Measures, and prints a table that compares the first server with each of the others.

    goals: for the ratio to the server of this name.
    """
    ours, *others = interleave(servers, connections, rounds, requests)
    few = "1 connection" if connections == 1 else f"{connections} connections"
    rows = [(few, "req/s", "p50 us", "p99 us", "cpu us", "ratio", "", "by cpu", "", "goal")]
    rows.append((*_figures(ours), "", "", "", "", ""))
    for other in others:
        ratios = by_rate(ours, other)
        cpu = by_cpu(ours, other) if ours.cpu_microseconds else None
        goal = goals.get(other.name, Goal())
        rows.append(
            (
                *_figures(other),
                *(ratios.shown, ratios.range),
                *((cpu.shown, cpu.range) if cpu is not None else ("", "")),
                goal.verdict(ratios.middle),
            )
        )
    table(*rows)


def _figures(standing: Standing) -> tuple[str, str, str, str, str]:
    latencies = [latency / 1000 for latency in standing.latencies]
    cpu = standing.cpu_microseconds
    return (
        standing.name,
        f"{standing.rate:.0f}",
        f"{percentile(latencies, 0.5):.0f}",
        f"{percentile(latencies, 0.99):.0f}",
        f"{median(cpu):.1f}" if cpu else "",
    )
