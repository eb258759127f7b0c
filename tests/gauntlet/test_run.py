"""The gauntlet judges rightly: clients with known flaws are found out by the right verdicts."""

import json
import re
import sys

import pytest
import trio

from invis_sim.gauntlet.process import CannotStart
from invis_sim.gauntlet.result import Report, encode
from invis_sim.gauntlet.run import Progress, run_gauntlet
from invis_sim.gauntlet.selection import SelectionError
from invis_sim.gauntlet.verdict import Verdict
from tests.gauntlet.support import client, options, run, script, verdicts
from tests.support import TIMEOUT

SHORT = 3.0
"""The deadline where clients are to miss it: they are alone, or few."""


def test_a_client_that_waits_in_vain_says_so_in_time() -> None:
    report = run(client(timeout=0.2), "wrong_packet_id/other", "malformed_json/truncate")
    assert set(verdicts(report).values()) == {"noticed"}


def test_a_client_that_does_all_right_is_found_out_by_nothing() -> None:
    report = run(
        client(),
        *("fail/always", "wrong_sn/other", "wrong_puback/flipped", "unusual_json/escapes"),
        *(
            "push_first/same-callback",
            "split/20-pieces-apart",
            "bad_frame/masked",
            "fragment/3-frames-ping",
            "bad_handshake/wrong_accept",
        ),
        *("close/middle", "close/before-once", "refuse/always", "connection_limit"),
        *("coalesce/with-push", "reboot/reset-before", "faceplate_offline/short", "pad/1-mib"),
        "stale/1-ago",
        transports=("tcp", "ws"),
    )
    assert [case for case in report.cases if not case.as_expected] == []
    assert report.status == "as expected"
    assert report.as_expected
    assert verdicts(report)["stale/1-ago/tcp"] == "skipped"  # it asks once
    assert verdicts(report)["connection_limit/close/tcp"] == "noticed"
    assert verdicts(report)["connection_limit/drop_oldest/ws"] == "survived"
    assert (report.baseline.first, report.baseline.last) == (True, True)
    assert report.baseline.callbacks == {"tcp": 20, "ws": 20}


ASKS_TWICE = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as connection:
        for _ in range(2):
            connection.sendall(b'{"packetID": 221040, "payload": {"callbackName": 20}}')
            if not connection.recv(4096):
                sys.exit(1)
except OSError:
    sys.exit(1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs more than one loopback address")
def test_an_outlet_that_got_another_address_is_probed_there() -> None:
    command = script(ASKS_TWICE, "{host}", "{port}")
    cases = ("address/changes/tcp", "readdress/reset/tcp", "readdress/before/tcp")
    report = run(command, *cases, plan="all", probe=True)
    assert verdicts(report) == dict.fromkeys(cases, "noticed")
    # Each at an address of its own, as several run at a time: 127.0.0.2, 127.0.0.3 and so on.
    moved = re.compile(r"now at 127\.0\.0\.(?!1:)")
    assert all(any(map(moved.search, case.journal)) for case in report.cases)


FOUND_OUT: dict[str, dict[str, Verdict]] = {
    "first-brace": {
        "push_first/switches/tcp": "noticed",
        "fail/always/tcp": "noticed",
        "pad/1025-bytes/tcp": "survived",
    },
    "any-reply": {
        "wrong_packet_id/other/tcp": "wrong",
        "push_first/switches/tcp": "noticed",
        "wrong_sn/other/tcp": "noticed",
    },
    "no-time-out": {
        "drop/always/tcp": "hung",
        "close/before/tcp": "noticed",
    },
    "always-success": {
        "fail/always/tcp": "wrong",
        "refuse/always/tcp": "wrong",
        "split/2-pieces/tcp": "survived",
    },
    "dies": {
        "malformed_json/bare_word/tcp": "crashed",
        "fail/always/tcp": "noticed",
    },
    "one-connection": {
        "close/after/tcp": "noticed",
        "split/2-pieces/tcp": "survived",
        "stale/1-ago/tcp": "survived",
    },
}
"""Flaw → the verdicts on a few cases."""


@pytest.mark.parametrize("flaw", [*FOUND_OUT])
def test_a_client_with_a_flaw_is_found_out(flaw: str) -> None:
    report = run(client(flaw), *FOUND_OUT[flaw], timeout=SHORT if flaw == "no-time-out" else None)
    assert verdicts(report) == FOUND_OUT[flaw]
    assert report.status == "not as expected"


def test_a_client_that_cannot_even_read_a_good_reply_is_a_broken_baseline() -> None:
    broken = script("import sys; print('no idea', file=sys.stderr); sys.exit(4)")
    report = run(broken, "drop")
    assert (report.status, report.cases) == ("broken baseline", ())
    (undisturbed,) = report.baseline.runs
    assert (undisturbed.why, undisturbed.stderr) == ("ended with status 4", "no idea\n")


@pytest.mark.parametrize(
    ("flaw", "why"),
    [
        ("never-asks", "ended with status 0 without a request that the outlet could answer"),
        ("asks-forever", "more than 2000 requests and connections"),
    ],
)
def test_what_is_wrong_with_an_undisturbed_client_is_said(flaw: str, why: str) -> None:
    report = run(client(flaw), "drop")
    assert report.status == "broken baseline"
    assert report.baseline.runs[0].why == why


ASKS_FOREVER = """
import socket, sys
while True:
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
        sock.sendall(b'{"packetID": 123456, "payload": {"callbackName": 20}}')
        if b'"PUBACK":1' in sock.recv(4096):
            break
"""


def test_a_client_that_asks_again_without_end_is_stopped_early() -> None:
    report = run(
        script(ASKS_FOREVER, "{host}", "{tcp_port}"),
        "fail/always",
        "fail/once",
    )
    assert verdicts(report) == {"fail/always/tcp": "flooded", "fail/once/tcp": "survived"}
    assert report.cases[0].seconds < TIMEOUT / 2  # the deadline


def test_a_client_that_says_77_in_the_baseline_has_no_cases_on_that_transport() -> None:
    report = run(client("exits-77"), "drop", "bom")
    assert report.status == "as expected"
    assert set(verdicts(report).values()) == {"skipped"}
    assert "not for it" in report.cases[0].why


ASKS_9_UNLESS = """
import os, socket, sys
callback = 9 if os.environ["INVIS_CASE"] == "drop/always/tcp" else 20
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as sock:
    request = '{"packetID": 123456, "payload": {"callbackName": %d}}' % callback
    sock.sendall(request.encode())
    sock.recv(4096)
"""


def test_a_fault_that_is_not_met_is_never_a_pass() -> None:
    report = run(script(ASKS_9_UNLESS, "{host}", "{tcp_port}"), "drop/always")
    (case,) = report.cases
    assert (case.verdict, case.as_expected) == ("not reached", False)
    assert case.why == ("the client asked 9 outlet status; the fault is for 20 available updates")


def test_faults_are_aimed_at_the_callback_that_is_asked_for() -> None:
    report = run(client(), "drop/always/tcp", callback=9)
    assert verdicts(report) == {"drop/always/tcp": "not reached"}


REPAIRED = """
import os, socket, sys, pathlib
marker = pathlib.Path(sys.argv[3])
def ask():
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 1) as sock:
        sock.sendall(b'{"packetID": 123456, "payload": {"callbackName": 20}}')
        return b'"PUBACK":1' in sock.recv(4096)
if marker.exists():
    sys.exit(5)  # what went wrong once goes wrong for ever
if not ask():
    marker.touch()
    sys.exit(1)
"""


def test_a_probe_finds_a_client_that_does_not_recover(tmp_path: object) -> None:
    command = script(REPAIRED, "{host}", "{tcp_port}", f"{tmp_path}/failed")
    report = run(command, "fail/always", probe=True)
    (case,) = report.cases
    assert (case.verdict, case.why) == (
        "did not recover",
        "with the fault gone, it ended with status 5",
    )


def test_a_probe_passes_a_client_that_recovers() -> None:
    report = run(client(), "fail/always/tcp", "refuse/always/tcp", probe=True)
    assert set(verdicts(report).values()) == {"noticed"}


def test_a_run_is_repeatable_by_its_seed() -> None:
    def packets(seed: int) -> list[object]:
        report = run(client(), "wrong_sn/other", "wrong_callback/other", seed=seed)
        return [case.packets for case in report.cases]

    assert packets(3) == packets(3)
    assert packets(3) != packets(4)


def test_a_client_can_steer_its_outlet() -> None:
    code = (
        "import json, socket, sys, urllib.request\n"
        "with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as sock:\n"
        '    sock.sendall(b\'{"packetID": 123456, "payload": {"callbackName": 20}}\')\n'
        "    refused = b'\"PUBACK\":1' not in sock.recv(4096)\n"
        "url = sys.argv[3] + 'api/outlets'\n"
        "outlets = json.load(urllib.request.urlopen(url, timeout=9))\n"
        "assert '0003C44076' in json.dumps(outlets)\n"
        "sys.exit(refused)\n"
    )
    command = script(code, "{host}", "{tcp_port}", "{control_url}")
    report = run(command, "fail/always", "fail/once")
    assert [case.verdict for case in report.cases] == ["noticed", "noticed"]


TWO_PORTS = """
import socket, sys
host, port, other = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
assert host != "127.0.0.1" and (port, other) == (3333, 8080)
with socket.socket() as closed:
    assert closed.connect_ex((host, other)) != 0
with socket.create_connection((host, port), 5) as sock:
    sock.sendall(b'{"packetID": 123456, "payload": {"callbackName": 20}}')
    sys.exit(b'"PUBACK":1' not in sock.recv(4096))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs more than one loopback address")
def test_outlets_of_clients_with_fixed_ports_have_addresses_of_their_own() -> None:
    command = script(TWO_PORTS, "{host}", "{tcp_port}", "{ws_port}")
    report = run(command, "fail/always", "fail/once", ports={"tcp": 3333, "ws": 8080})
    assert [case.verdict for case in report.cases] == ["noticed", "noticed"]
    assert "--tcp-port 3333 --ws-port 8080" in report.cases[0].repeat


def test_each_case_says_how_to_repeat_it() -> None:
    (case,) = run(client(), "fail/always/tcp", seed=9, callback=20, probe=True).cases
    assert case.repeat.startswith(
        "invis-sim gauntlet --only fail/always/tcp --seed 9 --callback 20 --probe -- "
    )
    assert case.repeat.endswith("client.py none '{transport}' '{host}' '{port}' 30.0")
    assert case.at_the_desk == "invis-sim run --seed 9 --fault 'fail:when={ callback = 20 }'"


def test_a_case_says_what_both_sides_did() -> None:
    (case,) = run(client(timeout=0.2), "drop/always/tcp").cases
    assert (case.requests, case.answered, case.connections) == (2, 0, 2)
    assert (case.exit, case.signal, case.stderr) == (1, None, "no updates: timed out\n")
    assert case.did == ("drop, 2 times",)
    assert [packet.sent_by for packet in case.packets] == ["client", "client"]
    assert any("fault drop" in line for line in case.journal)


def test_a_command_that_cannot_be_started_is_an_error() -> None:
    with pytest.raises(CannotStart, match="cannot start '/no/such'"):
        run(("/no/such",), "drop")


def test_a_command_that_is_not_utf_8_is_run_and_reported() -> None:
    report = run(script("raise SystemExit(4)", "\udcff"), "fail/always/tcp")
    assert report.baseline.runs[0].why == "ended with status 4"
    assert json.loads(encode(report))["command"][-1] == "?"


def test_patterns_are_checked_after_the_plan_is_known() -> None:
    with pytest.raises(SelectionError, match="'dorp' matches no case"):
        run(client(), "dorp")


def test_an_interrupted_run_reports_what_was_run_by_then() -> None:
    async def main() -> Report:
        stop = trio.Event()

        def stop_after_first(progress: Progress) -> None:
            assert progress.total == 3
            stop.set()

        waits = options(
            client("no-time-out"), "fail/always/tcp", "drop/always/tcp", "empty/always/tcp"
        )
        with trio.fail_after(TIMEOUT):
            return await run_gauntlet(waits, on_result=stop_after_first, stop=stop)

    report = trio.run(main)
    assert report.status == "interrupted"
    assert verdicts(report) == {"fail/always/tcp": "noticed"}
    assert report.baseline.last is None


def test_coverage_says_what_the_client_met() -> None:
    coverage = run(client(), "push_first/progress/tcp", scenario="bare").coverage
    assert coverage is not None
    assert coverage.callbacks.met == ("20 available updates",)
    assert len(coverage.callbacks.missing) > 20
    assert coverage.products.met == ("bare",)


def test_the_json_report_has_what_it_is_to_have() -> None:
    report = json.loads(encode(run(client(), "fail/always/tcp", "wrong_sn/empty/tcp")))
    assert {
        "version",
        "seed",
        "command",
        "baseline",
        "cases",
        "summary",
        "as_expected",
        "coverage",
    } <= set(report)
    assert {"seconds", "first", "last"} <= set(report["baseline"])
    for case in report["cases"]:
        assert {"id", "fault", "parameters", "transport", "expectation", "verdict"} <= set(case)
        assert {"as_expected", "reason", "seconds", "exit", "signal", "requests"} <= set(case)
        assert {"connections", "repeat"} <= set(case)
    assert report["summary"]["noticed"] == 2


def test_speed_divides_the_waits_of_faults() -> None:
    # Half a minute, divided by a hundred, is less than the time-out of the client.
    slow = '[[faults]]\nkind = "delay"\nseconds = 30\nwhen = { callback = 20 }\n'
    report = run(client(timeout=10), "fail/always", scenario=slow, speed=100)
    assert verdicts(report) == {"fail/always/tcp": "noticed"}
