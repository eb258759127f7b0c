"""Section: a thousand delayed replies at once."""

from tests.bench.clients import Target, run_batch
from tests.bench.report import heading, percentile, table
from tests.bench.servers import Server, run_outlet

__all__ = ["delays"]

CONNECTIONS = 1000
DELAY_SECONDS = 1

DELAYED = f"""
[[faults]]
kind = "delay"
seconds = {DELAY_SECONDS}
when = {{ callback = 20 }}
"""


def delays(rounds: int) -> None:
    """How late each reply is, seen by a client that asks on a thousand connections at once.

    The same burst without the fault shows how much of that is the burst itself.
    """
    heading(f"delays: {CONNECTIONS} replies at once, each after {DELAY_SECONDS} s")
    with run_outlet("", DELAYED) as delayed, run_outlet() as prompt:
        late, waits = _burst(delayed.tcp, rounds), _burst(prompt.tcp, rounds)
    table(
        ("", "p50 ms", "p99 ms", "max ms", "min ms"),
        _row("later than the delay", [wait - DELAY_SECONDS * 1000 for wait in late]),
        _row("without the fault", waits),
    )


def _burst(server: Server, rounds: int) -> list[float]:
    """The waits, in milliseconds."""
    target = Target(server)
    batches = [run_batch(target, CONNECTIONS, CONNECTIONS) for _ in range(rounds)]
    return [latency / 1e6 for batch in batches for latency in batch.latencies]


def _row(name: str, values: list[float]) -> tuple[str, ...]:
    shown = (percentile(values, 0.5), percentile(values, 0.99), max(values), min(values))
    return (name, *(f"{value:.2f}" for value in shown))
