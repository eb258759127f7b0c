"""`invis-sim run`: an outlet in the foreground."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from invis_sim import Journal
from tests.cases import for_each
from tests.cli.process import (
    INVIS_SIM,
    Outlet,
    appears,
    cli,
    cli_here,
    outlet,
    process,
    quiet_outlet,
)
from tests.support import SN, TIMEOUT, exchange, make_request
from tests.web.support import Client

ROOT = Path(__file__).parents[2]

GOOD = {"sn": SN, "packetID": 221040, "PUBACK": 1}


def is_good(reply: dict[str, Any]) -> bool:
    return {key: reply[key] for key in GOOD} == GOOD


# What it says


def test_it_says_who_it_is_where_it_listens_and_what_happens(tmp_path: Path) -> None:
    scenario = tmp_path / "late.toml"
    scenario.write_text(
        'description = "Late."\n[[faults]]\nname = "tardy"\nkind = "drop"\n'
        '[[faults]]\nkind = "fail"\nenabled = false\n'
    )
    with process("run", str(scenario), "--tcp-port", "0", "--ws-port", "0", "--seed", "5") as it:
        lines = [it.line() for _ in range(7)]
        assert lines[0] == "InvisOutlet 0003C44076 (revA, no InvisDeco), seed 5\n"
        assert lines[1] == "  Late.\n"
        tcp = re.fullmatch(r"  TCP        127\.0\.0\.1:(\d+)\n", lines[2])
        assert tcp is not None
        assert re.fullmatch(r"  WebSocket  ws://127\.0\.0\.1:\d+/ws\n", lines[3])
        assert lines[4:6] == ["  Faults     tardy\n", "  Disabled   fail\n"]
        # However it was started, the hint can be typed as it stands.
        own_name = "invis-sim" if shutil.which("invis-sim") else "python -m invis_sim"
        hint = f"Press Ctrl-C to stop. Try: {own_name} send 127.0.0.1:{tcp[1]} 20\n"
        assert lines[6] == hint
        with socket.create_connection(("127.0.0.1", int(tcp[1])), timeout=TIMEOUT) as client:
            client.sendall(make_request() + b"what?\n")
            clock = r"\d\d:\d\d:\d\d\.\d{3}  tcp #1    "
            assert re.fullmatch(clock + r"connected from 127\.0\.0\.1:\d+\n", it.line())
            shown = it.line()
            assert re.match(clock + "20 available updates -> PUBACK 1  fault tardy", shown)
            shown = it.line()
            assert re.match(clock + "malformed: expected '{', found 'w' [(]at byte 0[)]", shown)
            assert "'what?'" in shown
        assert re.fullmatch(clock + "closed by the client\n", it.line())
        status, rest, err = it.end(signal.SIGINT)
        assert (status, rest, err) == (0, "", "")


def test_the_full_log_has_the_bytes_once_they_are_sent() -> None:
    fault = ("--fault", "delay:seconds=0.05", "--color", "always")
    with process("run", "--tcp-port", "0", "--no-ws", "--log", "full", *fault) as it:
        tcp = next(line for line in banner(it) if "TCP" in line).rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(tcp)), timeout=TIMEOUT) as client:
            exchange(client)
        _, asked, received, sent = (it.line() for _ in range(4))
        assert "20 available updates\x1b[32m -> PUBACK 1\x1b[0m" in asked
        assert "\x1b[33m  fault delay (0.050 s)\x1b[0m" in asked
        assert received == f"{' ' * 14}> {make_request().decode()}\n"
        assert re.match(r" {14}< \(after 0\.\d+ s\) {\"sn\":.*,\"packetID\":221040,", sent)


@pytest.mark.parametrize(
    ("scenario", "product"),
    [
        ("default", "revA, InvisDeco Pro"),
        ("aura", "revA, InvisDeco Aura"),
        ("bare", "revA, no InvisDeco"),
        ("rev-b", "revB, InvisDeco Pro"),
    ],
)
def test_the_first_line_names_the_product(
    scenario: str, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = output_of(monkeypatch, scenario, "--seed", "5")
    assert first == f"InvisOutlet 0003C44076 ({product}), seed 5"


def output_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """What it says, line by line, where it ends at once because there is no stdin."""
    monkeypatch.setattr(sys, "stdin", None)
    ports = ("--tcp-port", "0", "--ws-port", "0")
    ended = cli_here("run", *arguments, *ports, "--exit-with-stdin")
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def banner(it: Outlet) -> list[str]:
    """What it says when it begins, line by line."""
    lines = [it.line()]
    while lines[-1] and not lines[-1].startswith("Press Ctrl-C to stop."):
        lines.append(it.line())
    return lines


def test_an_outlet_of_a_revision_with_one_transport_is_introduced_with_that_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = output_of(monkeypatch, "rev-b")
    assert not [line for line in lines if line.startswith("  WebSocket ")]
    assert lines[-2].startswith("  TCP        127.0.0.1:")
    assert re.search(r"Press Ctrl-C to stop\. Try: .* send 127\.0\.0\.1:\d+ 20", lines[-1])


# mDNS


def test_with_mdns_it_says_under_which_name_it_is_announced() -> None:
    ports = ("--tcp-port", "0", "--ws-port", "0")
    with process("run", "bare", *ports, "--sn", "11A1F7000FE", "--mdns") as it:
        lines = banner(it)
        assert "  mDNS       11A1F7000FE._invis._tcp.local.\n" in lines
        status, _, err = it.end(signal.SIGINT)
        assert (status, err) == (0, "")


def test_without_mdns_nothing_is_said_of_it_and_the_package_for_it_is_not_needed(
    tmp_path: Path,
) -> None:
    with process(
        "run", "--tcp-port", "0", "--ws-port", "0", env=without("zeroconf", tmp_path)
    ) as it:
        lines = banner(it)
        assert not [line for line in lines if "mDNS" in line]
        assert it.end()[0] == 0


@pytest.mark.parametrize("by", ["option", "scenario"])
def test_mdns_without_the_package_for_it_is_status_1_and_one_line(by: str, tmp_path: Path) -> None:
    scenario = tmp_path / "announced.toml"
    scenario.write_text("listen.mdns = true\n" if by == "scenario" else "")
    options = ("--tcp-port", "0", "--ws-port", "0", *(("--mdns",) if by == "option" else ()))
    ended = cli("run", str(scenario), *options, env=without("zeroconf", tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "invis-sim: to be announced by mDNS takes python-zeroconf: "
        "pip install 'invis-sim[mdns]' (from a clone: pip install '.[mdns]')\n"
    )


def without(package: str, folder: Path) -> dict[str, str]:
    """An environment in which a package is not installed."""
    modules = folder / "modules"
    modules.mkdir()
    (modules / f"{package}.py").write_text("raise ImportError('it is not there')\n")
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{modules}{os.pathsep}{path}" if path else str(modules)}


def test_a_push_is_a_line_with_its_arguments(tmp_path: Path) -> None:
    scenario = tmp_path / "pushes.toml"
    scenario.write_text("[[steps]]\nafter_request = { callback = 20 }\npush = 9\n")
    with process("run", str(scenario), "--tcp-port", "0", "--ws-port", "0") as it:
        tcp = next(line for line in banner(it) if "TCP" in line).rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(tcp)), timeout=TIMEOUT) as client:
            client.sendall(make_request())
            shown = [it.line() for _ in range(4)]
    assert any(
        re.fullmatch(r".*  tcp #1    push 9 outlet status \[0,0\]\n", line) for line in shown
    )


def test_a_push_to_many_clients_is_one_line_and_the_journal_has_all(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    scenario = tmp_path / "one.toml"
    scenario.write_text(
        '[[faults]]\nkind = "delay"\nseconds = 3600\nwhen = { packet = "push", connection = 7 }\n'
    )
    options = ("--tcp-port", "0", "--ws-port", "0", "--journal", str(journal))
    with process("run", str(scenario), *options) as it, ExitStack() as clients:
        tcp = next(line for line in banner(it) if "TCP" in line).rpartition(":")[2]
        for _ in range(20):
            last = socket.create_connection(("127.0.0.1", int(tcp)), timeout=TIMEOUT)
            clients.enter_context(last)
            assert "connected" in it.line()
        last.sendall(make_request(10, [1, 1]))
        shown = [it.line().partition("  ")[2] for _ in range(3)]
        assert shown == [
            "tcp #20   10 control outlet [1,1] -> PUBACK 1  packetID 221040\n",
            "19 of 20  push 9 outlet status [1,0]\n",
            "tcp #7    push 9 outlet status  fault delay (3600.000 s)\n",
        ]
        status, _, err = it.end()
        assert (status, err) == (0, "")
    assert len(Journal.load(journal).exchanges(callback=9)) == 20


def test_log_json_tells_a_push_to_each_client() -> None:
    with outlet() as it, it.connect(), it.connect() as client:
        client.sendall(make_request(10, [1, 1]))
        entries = [json.loads(it.line()) for _ in range(5)]
    pushes = [entry for entry in entries if entry.get("outcome") == "push"]
    assert [entry["connection"] for entry in pushes] == [1, 2]
    assert pushes[0]["sent"] == pushes[1]["sent"]


def test_log_json_is_one_object_a_line_and_the_first_says_what_the_ready_file_says(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready"
    with outlet("--ready-file", str(ready)) as it:
        assert it.ready == {"entry": "ready", **json.loads(ready.read_text())}
        assert it.ready["pid"] == it.pid
        assert it.ready["sn"] == SN
        assert is_good(it.exchange())
        entries = [json.loads(it.line()) for _ in range(3)]
        assert [entry["entry"] for entry in entries] == ["event", "exchange", "event"]
        assert entries[1]["received"] == make_request().decode()
        status, out, err = it.end()
        assert (status, err) == (0, "")
        assert all(json.loads(line) for line in out.splitlines())


def test_log_quiet_says_nothing(tmp_path: Path) -> None:
    with quiet_outlet(tmp_path, "--log", "quiet") as it:
        assert is_good(it.exchange())
        assert it.end() == (0, "", "")


def test_the_seed_that_was_drawn_is_shown_and_repeats_the_run(tmp_path: Path) -> None:
    def replies(*seed: str) -> tuple[int, list[int]]:
        scenario = tmp_path / "moody.toml"
        scenario.write_text('[[faults]]\nkind = "fail"\nwhen = { probability = 0.5 }\n')
        with outlet(str(scenario), *seed) as it, it.connect() as client:
            return it.ready["seed"], [exchange(client)["PUBACK"] for _ in range(64)]

    seed, first = replies()
    assert replies("--seed", str(seed)) == (seed, first)
    assert replies("--seed", str(seed + 1))[1] != first


def test_it_runs_where_the_current_directory_has_been_deleted(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text("seed = 5\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    journal = tmp_path / "journal"
    ports = ("--tcp-port", "0", "--ws-port", "0", "--journal", str(journal))
    command = [*INVIS_SIM, "run", str(scenario), *ports]
    script = f"cd {gone} && rmdir {gone} && exec {shlex.join(command)}"
    # Without the command on the path, so that it has to say how it was started.
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as running:
        it = Outlet(running)
        try:
            assert banner(it)[-1].startswith("Press Ctrl-C to stop. Try: ")
            assert it.end()[0] == 0
        finally:
            running.kill()


# What the options say


def test_options_override_the_scenario(tmp_path: Path) -> None:
    scenario = tmp_path / "other.toml"
    scenario.write_text(
        'seed = 1\n[device]\nsn = "1111111111"\n'
        '[listen]\nhost = "no.such.host.invalid"\ntcp_port = 1\nws_port = 1\nws_path = "/socket"\n'
    )
    options = ("--sn", "2222222222", "--seed", "2", "--host", "127.0.0.1")
    with outlet(str(scenario), *options) as it:
        assert (it.ready["sn"], it.ready["seed"]) == ("2222222222", 2)
        assert it.ready["ws"]["url"].endswith("/socket")
        assert it.exchange()["sn"] == "2222222222"


def test_ports_can_be_chosen() -> None:
    with socket.socket() as one, socket.socket() as two:
        for sock in (one, two):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
        tcp, ws = one.getsockname()[1], two.getsockname()[1]
    with outlet("--tcp-port", str(tcp), "--ws-port", str(ws)) as it:
        assert it.ready["tcp"] == {"host": "127.0.0.1", "port": tcp}
        assert it.ready["ws"] == {"url": f"ws://127.0.0.1:{ws}/ws"}


@pytest.mark.parametrize(
    ("option", "off", "on"), [("--no-tcp", "tcp", "ws"), ("--no-ws", "ws", "tcp")]
)
def test_a_transport_can_be_switched_off(option: str, off: str, on: str) -> None:
    with outlet(option) as it:
        assert it.ready[off] is None
        assert it.ready[on] is not None


def test_speed_divides_the_waits(tmp_path: Path) -> None:
    scenario = tmp_path / "slow.toml"
    scenario.write_text('[[faults]]\nkind = "delay"\nseconds = 3600\n')
    with outlet(str(scenario), "--speed", "36000") as it:
        assert is_good(it.exchange())


def test_a_host_that_others_can_reach_is_warned_of(tmp_path: Path) -> None:
    with quiet_outlet(tmp_path, "--host", "0.0.0.0", "--log", "quiet") as it:
        status, _, err = it.end()
    assert status == 0
    assert err == (
        "invis-sim: other machines can reach this outlet (tcp on 0.0.0.0, ws on 0.0.0.0); "
        "it has no password\n"
    )


# The ready file


def test_the_ready_file_and_a_warning_follow_an_outlet_that_moves(tmp_path: Path) -> None:
    scenario, path = tmp_path / "scenario.toml", tmp_path / "ready"
    scenario.write_text(
        "[[steps]]\nafter_request = { callback = 20 }\nset = { listen = { host = '0.0.0.0' } }\n"
    )
    with outlet(str(scenario), "--ready-file", str(path)) as it:
        before = it.ready["tcp"]
        with socket.create_connection(tuple(before.values()), timeout=TIMEOUT) as client:
            assert is_good(exchange(client))
        while (ready := json.loads(appears(path, it)))["tcp"] == before:
            pass
        assert ready["tcp"] == {"host": "0.0.0.0", "port": before["port"]}
        assert ready["pid"] == it.pid
        status, *_, err = it.end()
        assert status == 0
        assert "other machines can reach this outlet (tcp on 0.0.0.0, ws on 0.0.0.0)" in err
    assert not path.exists()


def test_the_ready_file_is_whole_whenever_it_is_there_and_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "ready"
    stale = '{"sn": "0003C44076", "pid": 1, "seed": 1}'
    path.write_text(stale)
    with process("run", "--tcp-port", "0", "--ws-port", "0", "--ready-file", str(path)) as it:
        text = appears(path, it)
        while text == stale:
            text = appears(path, it)
        ready = json.loads(text)  # the very first that could be read
        assert ready["pid"] == it.pid
        assert list(tmp_path.iterdir()) == [path]
        with socket.create_connection(tuple(ready["tcp"].values()), timeout=TIMEOUT) as client:
            assert is_good(exchange(client))
        assert it.end()[0] == 0
    assert list(tmp_path.iterdir()) == []


# How it ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0_also_with_many_clients(number: signal.Signals) -> None:
    with outlet() as it, ExitStack() as clients:
        last = [clients.enter_context(it.connect()) for _ in range(300)][-1]
        assert is_good(exchange(last))
        status, _, err = it.end(number)
        assert (status, err) == (0, "")
        assert last.recv(1) == b""


def test_more_signals_while_it_ends_change_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x")
    os.set_blocking(writing, True)
    with quiet_outlet(tmp_path, stdout=writing) as it:  # it ends slowly: nobody reads that
        os.close(writing)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            it.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                it.process.wait(0.02)
        status, _, err = it.end()
        assert (status, err) == (0, "")
        os.close(reading)


def test_waits_that_are_under_way_do_not_hold_up_its_end(tmp_path: Path) -> None:
    scenario = tmp_path / "slow.toml"
    scenario.write_text('[[faults]]\nkind = "delay"\nseconds = 3600\n')
    with outlet(str(scenario)) as it, it.connect() as client:
        client.sendall(make_request())
        assert json.loads(it.line())["kind"] == "connected"
        assert json.loads(it.line())["entry"] == "exchange"
        assert it.end()[0] == 0


# How it joins the network again

JOINS = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no SIGUSR1 here")


@JOINS
def test_after_a_network_reset_it_says_how_to_let_it_join_again_and_that_works() -> None:
    with process("run", "--tcp-port", "0", "--ws-port", "0") as it:
        tcp = next(line for line in banner(it) if "TCP" in line).rpartition(":")[2]
        address = ("127.0.0.1", int(tcp))
        for _ in range(2):
            with socket.create_connection(address, timeout=TIMEOUT) as client:
                client.sendall(make_request(6))
                told = it.line()
                while "network reset: offline until" not in told:
                    told = it.line()
            assert it.line() == f"To reconnect it to the network: kill -USR1 {it.pid}\n"
            while "closed" not in it.line():
                pass
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=TIMEOUT)
            it.process.send_signal(signal.SIGUSR1)
            assert "signal: join_network" in it.line()
            assert "network reset: back online" in it.line()
        with socket.create_connection(address, timeout=TIMEOUT):
            assert it.end()[::2] == (0, "")


@JOINS
def test_a_restart_ends_by_itself_so_nothing_is_said_of_joining(tmp_path: Path) -> None:
    with process("run", "--tcp-port", "0", "--ws-port", "0", "--speed", "100") as it:
        tcp = next(line for line in banner(it) if "TCP" in line).rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(tcp)), timeout=TIMEOUT) as client:
            client.sendall(make_request(5))
            shown = [it.line()]
            while "restart: back online" not in shown[-1]:
                shown.append(it.line())
        assert not [line for line in shown if "USR1" in line]
        assert it.end()[0] == 0


@JOINS
def test_to_be_told_to_join_changes_nothing_where_it_is_on_the_network(tmp_path: Path) -> None:
    with quiet_outlet(tmp_path, "--log", "quiet") as it:
        for _ in range(3):
            it.process.send_signal(signal.SIGUSR1)
            assert is_good(it.exchange())
        it.process.send_signal(signal.SIGUSR1)
        assert it.end() == (0, "", "")


def test_the_help_says_how_to_reconnect_it() -> None:
    text = " ".join(cli_here("run", "--help").stdout.split())
    assert "SIGUSR1 reconnects it after a network reset (callback 6)." in text
    assert "Ctrl-C, SIGTERM or SIGHUP (a terminal that closes) stops the outlet" in text


# Where its output goes


def test_the_journal_file_has_every_exchange_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    scenario = tmp_path / "slow.toml"
    scenario.write_text('[[faults]]\nkind = "delay"\nseconds = 3600\nwhen = { after = 200 }\n')
    with outlet(str(scenario), "--journal", str(path)) as it, it.connect() as client:
        for _ in range(200):
            exchange(client)
        client.sendall(make_request() * 3 + b"\xff\n")
        while json.loads(it.line()).get("outcome") != "malformed":
            pass
        assert it.end()[0] == 0
    head, *entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert head["entry"] == "journal"
    assert abs(head["started"] - time.time()) < 3600
    assert len(Journal.load(path)) == len(entries)
    assert sorted(entry["number"] for entry in entries) == list(range(1, 207))
    exchanges = [entry for entry in entries if entry["entry"] == "exchange"]
    assert [len(one["sent"]) for one in exchanges if one["outcome"] == "success"] == (
        [1] * 200 + [0] * 3
    )
    assert [one["received"] for one in exchanges if one["outcome"] == "malformed"] == [
        {"base64": "/w=="}
    ]
    events = [entry["kind"] for entry in entries if entry["entry"] == "event"]
    assert events == ["connected", "closed"]


def test_a_journal_on_a_full_disk_is_told_of_and_the_outlet_goes_on() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with outlet("--journal", "/dev/full") as it:
        assert is_good(it.exchange())
        assert it.process.stderr is not None
        assert it.process.stderr.readline() == (
            "invis-sim: --journal /dev/full: No space left on device; continuing without it\n"
        )
        assert is_good(it.exchange())
        status, _, err = it.end()
        assert (status, err) == (0, "")


@pytest.mark.parametrize("log", ["text", "json"])
def test_it_goes_on_when_whoever_read_its_stdout_has_left(tmp_path: Path, log: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with quiet_outlet(tmp_path, "--log", log, stdout=writing) as it:
        os.close(writing)
        for _ in range(3):
            assert is_good(it.exchange())
        status, _, err = it.end()
        assert (status, err) == (0, "")


def test_it_goes_on_when_its_reader_leaves_after_the_first_line(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with quiet_outlet(tmp_path, stdout=writing) as it:
        os.close(writing)
        with open(reading) as stdout:
            assert stdout.readline().startswith("InvisOutlet ")
        for _ in range(3):
            assert is_good(it.exchange())
        status, _, err = it.end()
        assert (status, err) == (0, "")


def test_it_starts_without_any_stdout(tmp_path: Path) -> None:
    with quiet_outlet(tmp_path, preexec_fn=lambda: os.close(1)) as it:
        assert is_good(it.exchange())
        status, _, err = it.end()
        assert (status, err) == (0, "")


def test_a_full_disk_behind_stdout_stops_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full, quiet_outlet(tmp_path, stdout=full) as it:
        assert is_good(it.exchange())
        status, _, err = it.end()
        assert (status, err) == (0, "")


def test_a_reader_of_stdout_that_stalls_stalls_neither_the_outlet_nor_its_end(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    with quiet_outlet(tmp_path, stdout=writing) as it:
        os.close(writing)
        with it.connect() as client:
            for _ in range(50):  # many times what a pipe holds
                client.sendall(make_request(99) * 200)
                left = 200 * len(b'{"sn":"0003C44076","packetID":221040,"PUBACK":0}')
                while left:
                    left -= len(client.recv(left))
        assert is_good(it.exchange())
        status, _, err = it.end()
        assert (status, err) == (0, "")
        os.close(reading)


def test_a_terminal_that_knows_only_ascii_shows_escapes(tmp_path: Path) -> None:
    scenario = tmp_path / "accents.toml"
    scenario.write_text('description = "Déjà vu"\n', encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    arguments = ("run", str(scenario), "--tcp-port", "0", "--ws-port", "0")
    with process(*arguments, env=environment) as it:
        it.line()
        assert it.line() == "  D\\xe9j\\xe0 vu\n"
        assert it.end()[0] == 0
    assert cli("check", str(scenario), env=environment).stdout.endswith(": D\\xe9j\\xe0 vu\n")


# What cannot be


def refused(status: int, *arguments: str) -> list[str]:
    """The problems, one a line, of a command that must end with this status."""
    return problems(status, cli_here(*arguments))


def problems(status: int, ended: subprocess.CompletedProcess[str]) -> list[str]:
    assert ended.returncode == status, ended
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    assert all(line.startswith("invis-sim") for line in lines)
    return lines


@pytest.mark.parametrize(
    ("option", "other", "name"),
    [("--tcp-port", "--ws-port", "TCP"), ("--ws-port", "--tcp-port", "the WebSocket")],
)
def test_a_port_in_use_is_status_1_and_one_line_that_names_it_and_says_how_to_get_another(
    tmp_path: Path, option: str, other: str, name: str
) -> None:
    journal = tmp_path / "journal"
    of_another_run = '{"entry":"journal","sn":"0003C44076","started":1.0}\n'
    journal.write_text(of_another_run)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = (option, str(port), other, "0", "--journal", str(journal))
        (line,) = refused(1, "run", *options)
    assert line == (
        f"invis-sim: cannot listen for {name} on host 127.0.0.1, port {port}: "
        f"Address already in use; {option} 0 takes a free port"
    )
    assert journal.read_text() == of_another_run


@pytest.mark.parametrize("host", ["203.0.113.1", "a..b"])
def test_where_it_cannot_listen_for_another_reason_nothing_is_said_of_free_ports(host: str) -> None:
    (line,) = refused(1, "run", "--host", host, "--tcp-port", "0", "--ws-port", "0")
    assert line.startswith(f"invis-sim: cannot listen for TCP on host {host}, port 0: ")
    assert "free" not in line


@for_each(
    ("arguments", "expected"),
    [
        (("--sn", "xyz"), ["invis-sim: --sn: expected a serial number"]),
        (
            ("--tcp-port", "65536"),
            ["invis-sim: --tcp-port: expected a whole number from 0 to 65535"],
        ),
        (("--ws-port", "-1"), ["invis-sim: --ws-port: expected a whole number from 0 to 65535"]),
        (("--host", ""), ["invis-sim: --host: "]),
        (
            ("--sn", "xyz", "--seed", "-1", "--tcp-port", "70000"),
            ["invis-sim: --sn: ", "invis-sim: --seed: ", "invis-sim: --tcp-port: "],
        ),
        (
            ("--no-tcp", "--no-ws"),
            ["invis-sim: with these options, tcp and ws are both false"],
        ),
        (
            ("--control-host", "0.0.0.0"),
            ["invis-sim: --control-host: has no effect without --control"],
        ),
        (("--allow-host", "x"), ["invis-sim: --allow-host: has no effect without --control"]),
        (("--seed", "one"), ["invis-sim run: --seed: expected a whole number"]),
        (("--speed", "0"), ["invis-sim run: --speed: expected a number above 0, or inf"]),
        (("--speed", "nan"), ["invis-sim run: --speed: expected a number above 0"]),
        (
            ("--log", "loud"),
            ["invis-sim run: --log: expected one of text, full, json, quiet, found 'loud'"],
        ),
        (("--tcp-port",), ["invis-sim run: --tcp-port: expected one argument"]),
        (("one", "two"), ["invis-sim run: unexpected argument 'two'"]),
        (("--bogus",), ["invis-sim run: unknown option --bogus"]),
        (("no-such-scenario",), ["invis-sim: 'no-such-scenario' is neither a file nor"]),
        (("slow-update",), ["invis-sim: 'slow-update' is neither a file nor"]),
        (("no/such/file.toml",), ["invis-sim: no/such/file.toml: No such file or directory"]),
    ],
)
def test_what_is_wrong_with_the_command_line_is_status_2_and_a_line_each(
    arguments: tuple[str, ...], expected: list[str]
) -> None:
    lines = problems(2, cli_here("run", *arguments))
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning)


def test_every_problem_of_a_scenario_is_a_line(tmp_path: Path) -> None:
    scenario = tmp_path / "bad.toml"
    scenario.write_text('sed = 1\n[device]\nsn = 5\n[[faults]]\nkind = "dely"\n')
    lines = refused(2, "run", str(scenario))
    assert [line.split(": ")[1] for line in lines] == [f"{scenario}:{n}" for n in (1, 3, 5)]


def test_every_problem_of_a_step_is_a_line(tmp_path: Path) -> None:
    scenario = tmp_path / "bad.toml"
    scenario.write_text("[[steps]]\nsample = true\n[[steps]]\nafter_seconds = 1\npush = 99\n")
    lines = refused(2, "run", str(scenario))
    assert [line.split(": ")[1] for line in lines] == [f"{scenario}:{n}" for n in (1, 5)]


def test_an_outlet_with_one_transport_has_the_other_where_an_option_switches_that_off() -> None:
    with outlet("rev-b", "--no-tcp") as it:
        assert it.ready["tcp"] is None
        assert it.ready["ws"]
        status, _, err = it.end()
    assert status == 0
    assert err == (
        "invis-sim: with these options, quirks.transports does not apply: a revB has no WebSocket, "
        "and TCP is switched off; it has WebSocket all the same\n"
    )


def test_a_transport_that_faults_of_the_scenario_need_can_be_switched_off() -> None:
    with outlet("odd-websocket", "--no-ws") as it:
        note = json.loads(it.line())
        assert (note["kind"], note["text"]) == (
            "fault_note",
            "never applies: its transport is switched off",
        )
        assert it.exchange()["PUBACK"] == 1
        status, _, err = it.end()
    assert status == 0
    assert err.startswith("invis-sim: with these options, some faults never apply: ")
    assert note["fault"] in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_journal_that_nobody_reads_holds_up_neither_the_start_nor_the_end(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "journal"
    os.mkfifo(pipe)
    with outlet("--journal", str(pipe)) as it:
        assert is_good(it.exchange())
        status, _, err = it.end()
    missing = f"invis-sim: --journal {pipe}: the last entries could not be written\n"
    assert (status, err) == (0, missing)
    with outlet("--journal", str(pipe)) as it:
        assert is_good(it.exchange())
        with open(pipe, encoding="utf-8") as lines:
            assert json.loads(lines.readline())["entry"] == "journal"
            assert it.end()[0] == 0
            assert Journal.load(lines).requests(callback=20)


# What it takes


def test_a_packet_of_a_hundred_megabytes_takes_no_memory(tmp_path: Path) -> None:
    status_file = Path("/proc/self/status")
    if not status_file.exists():
        pytest.skip("/proc is Linux's")

    def peak(pid: int) -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert found is not None
        return int(found[1])

    with quiet_outlet(tmp_path, "--log", "quiet") as it:
        assert is_good(it.exchange())
        before = peak(it.pid)
        with it.connect() as client, suppress(ConnectionError):
            client.sendall(b'{"packetID": "')
            for _ in range(100):
                client.sendall(b"x" * 2**20)
            assert client.recv(1) == b""
        assert is_good(it.exchange())
        assert peak(it.pid) - before < 8 * 1024
        assert it.end()[0] == 0


# Steering it over HTTP


def test_with_control_it_says_where_in_the_first_line_and_in_the_ready_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ports = ("--tcp-port", "0", "--ws-port", "0", "--control", "0")
    with process("run", "bare", *ports, "--ready-file", str(ready)) as it:
        first, *_ = banner(it)
        control = json.loads(ready.read_text())["control"]
        assert first == f"Steer it in a browser: {control['url']}\n"
        assert control["token"] is None
        with Client(control["url"]) as client:
            assert client.get("/api/version")["name"] == "invis-sim"
        status, _, err = it.end(signal.SIGINT)
        assert (status, err) == (0, "")


@pytest.mark.parametrize("by", ["option", "scenario"])
def test_control_without_the_packages_for_it_is_status_1_and_one_line(
    by: str, tmp_path: Path
) -> None:
    scenario = tmp_path / "steered.toml"
    scenario.write_text("listen.control = true\n" if by == "scenario" else "")
    options = ("--tcp-port", "0", "--ws-port", "0", *(("--control", "0") if by == "option" else ()))
    ended = cli("run", str(scenario), *options, env=without("starlette", tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "invis-sim: to be steered over HTTP takes Starlette and Hypercorn: "
        "pip install 'invis-sim[control]' (from a clone: pip install '.[control]')\n"
    )


def test_a_control_port_in_use_is_status_1_with_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = cli("run", "--tcp-port", "0", "--ws-port", "0", "--control", port)
    assert ended.returncode == 1
    assert f"cannot listen for control on host 127.0.0.1, port {port}" in ended.stderr
    assert ended.stderr.endswith("; --control 0 takes a free port\n")
