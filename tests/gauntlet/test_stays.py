"""Clients that run on are judged by whether they recover."""

from pathlib import Path
from typing import Any

import pytest

from invis_sim.gauntlet.result import Report
from invis_sim.gauntlet.verdict import Verdict
from tests.gauntlet.support import PYTHON, client, run, verdicts

CLIENT = Path(__file__).parent / "clients" / "staying.py"

SHORT = 2.0
"""How long a client that will not recover is waited for; one that does takes a fifth of it."""


def stay(flaw: str, *only: str, **more: Any) -> Report:
    """Run a client that stays through some cases over TCP, all at once: it mostly waits."""
    command = (*PYTHON, str(CLIENT), flaw, "{host}", "{tcp_port}")
    given = {"stays": True, "jobs": 20, **more}
    return run(command, *only, **given)


def test_a_client_that_recovers_from_everything_is_found_out_by_nothing() -> None:
    report = stay(
        "none",
        *("drop/always", "stall/before", "close/middle", "malformed_json/truncate"),
        *("refuse/always", "accept_close/reset", "reboot/hour", "reboot/blackhole-middle"),
        *("connection_limit/close", "delay/hour", "faceplate_offline/always", "stale/2-ago"),
    )
    assert [case for case in report.cases if not case.as_expected] == []
    assert report.summary["survived"] == 12
    assert (report.baseline.first, report.baseline.last) == (True, True)
    for case in report.cases:
        assert case.expectation == "survive"
        assert case.why.startswith("answered again ")


FOUND_OUT: dict[str, dict[str, Verdict]] = {
    "never-reconnects": {
        "close/before/tcp": "did not recover",
        "refuse/always/tcp": "did not recover",
        "split/2-pieces/tcp": "survived",
    },
    "keeps-connection": {"stall/before/tcp": "did not recover", "drop/always/tcp": "survived"},
    "ends": {"close/before/tcp": "did not recover"},
    "dies": {"close/before/tcp": "crashed"},
    "hammers": {"close/before/tcp": "flooded", "drop/always/tcp": "survived"},
}


@pytest.mark.parametrize("flaw", [*FOUND_OUT])
def test_a_client_that_does_not_recover_is_found_out(flaw: str) -> None:
    report = stay(flaw, *FOUND_OUT[flaw], timeout=None if flaw == "hammers" else SHORT)
    assert verdicts(report) == FOUND_OUT[flaw]


def test_a_client_that_ends_by_itself_is_a_broken_baseline() -> None:
    report = run(client(), "drop", stays=True)
    assert report.status == "broken baseline"
    assert report.baseline.runs[0].why == (
        "ended with status 0, and --stays is for clients that run on"
    )


def test_it_recovers_from_what_happens_to_an_outlet_in_its_life() -> None:
    report = stay(
        "none",
        *("restart/blackhole", "update/outlet-success", "faceplate/restart", "disconnect/all"),
        *("push/9", "product/bare"),
        plan="device",
    )
    assert set(verdicts(report).values()) == {"survived"}
    assert report.coverage is not None
    assert set(report.coverage.update_stages.met) >= {"progress"}
