"""A client in another language is judged in the same way."""

import shutil

import pytest

from invis_sim.gauntlet.verdict import Verdict
from tests.gauntlet.support import CLIENT, run, verdicts

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")

FOUND: dict[str, dict[str, Verdict]] = {
    "none": {
        "wrong_packet_id/other/tcp": "noticed",
        "push_first/switches/tcp": "survived",
        "malformed_json/bare_word/tcp": "noticed",
    },
    "any-reply": {"wrong_packet_id/other/tcp": "wrong", "push_first/switches/tcp": "noticed"},
    "dies": {"malformed_json/bare_word/tcp": "crashed"},
}


@pytest.mark.parametrize("flaw", [*FOUND])
def test_a_client_in_node_is_judged(flaw: str) -> None:
    assert NODE is not None
    command = (NODE, str(CLIENT.with_suffix(".js")), flaw, "{host}", "{tcp_port}")
    report = run(command, *FOUND[flaw])
    assert verdicts(report) == FOUND[flaw]
