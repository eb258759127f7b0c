"""What the gauntlet finds out about a client that we did not write."""

import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from invis_sim.gauntlet.options import Options
from invis_sim.gauntlet.result import CaseResult
from invis_sim.gauntlet.run import run_gauntlet
from invis_sim.scenario.loading import resolve

SCRIPT = Path(__file__).parents[1] / "examples" / "gauntlet" / "updates.py"


@pytest.fixture(scope="module", name="found")
def results() -> dict[str, CaseResult]:
    """What came of a few cases, by their ids."""
    chosen: dict[str, Any] = {
        "only": (
            *(
                "drop/once",
                "malformed_json/truncate-once",
                "wrong_sn/other",
                "split/20-pieces-apart",
            ),
            *("set_field/payload-null/tcp", "bad_frame/masked", "close/before"),
        )
    }
    options = Options(
        command=(sys.executable, str(SCRIPT)), scenario=resolve(None), seed=1, jobs=4, **chosen
    )
    report = trio.run(run_gauntlet, options)
    assert report.baseline.first
    return {case.id: case for case in report.cases}


def test_after_half_a_reply_over_tcp_no_other_is_seen_on_that_connection(
    found: dict[str, CaseResult],
) -> None:
    assert found["drop/once/tcp"].verdict == "survived"  # it asks again, and gets its answer
    half = found["malformed_json/truncate-once/tcp"]
    assert half.verdict == "noticed"
    assert "InvisOutletTimeoutError" in half.stderr
    assert (half.requests, half.answered, half.connections) == (2, 2, 1)
    assert found["malformed_json/truncate-once/ws"].verdict == "survived"


def test_what_else_it_does(found: dict[str, CaseResult]) -> None:
    assert found["wrong_sn/other/tcp"].verdict == "wrong"
    assert found["set_field/payload-null/tcp"].verdict == "crashed"
    assert found["bad_frame/masked/ws"].verdict == "wrong"
    for transport in ("tcp", "ws"):
        assert found[f"split/20-pieces-apart/{transport}"].verdict == "survived"
        assert found[f"close/before/{transport}"].verdict == "noticed"
