"""The load of the benchmark counts right. How fast anything is, no test asks."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.clients import LoadError, Target, run_batch
from tests.bench.contest import interleave
from tests.bench.control import event_reader, event_readers, latencies, request_latencies
from tests.bench.fleet import run_fleet, seconds_of_pushes
from tests.bench.idle import used_meanwhile
from tests.bench.packets import REPLY
from tests.bench.plugin import run_pytest
from tests.bench.pushes import run_telling
from tests.bench.recording import forwarder
from tests.bench.servers import (
    PEERS,
    Outlet,
    Server,
    ServerError,
    Transport,
    missing_of,
    run_outlet,
    run_peer,
)
from tests.cases import for_each

GOOD = json.dumps(REPLY).encode()


@pytest.fixture(scope="module", name="outlet")
def one_outlet() -> Iterator[Outlet]:
    """For tests that read no journal of it."""
    with run_outlet() as outlet:
        yield outlet


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_every_request_is_sent_and_answered_once(transport: Transport, tmp_path: Path) -> None:
    kept = tmp_path / "journal.jsonl"
    with run_outlet("ours", "", "--journal", str(kept)) as outlet:
        target = Target(outlet.on(transport))
        batch = run_batch(target, connections=3, requests=15)
    assert len(batch.latencies) == 15
    assert min(batch.latencies) > 0
    assert batch.seconds > 0
    entries = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    exchanges = [entry for entry in entries if entry["entry"] == "exchange"]
    assert {entry["outcome"] for entry in exchanges} == {"success"}
    asked = [entry["connection"] for entry in exchanges]
    assert [asked.count(connection) for connection in (1, 2, 3, 4)] == [1, 6, 6, 6]
    assert len(asked) == 19


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_the_forwarder_hands_on_what_the_outlet_answers(
    outlet: Outlet, transport: Transport
) -> None:
    with forwarder(outlet, transport) as other:
        assert Target(other).reply == Target(outlet.on(transport)).reply
        assert (other.resident_mib() or 1) > 0


@pytest.mark.parametrize(
    ("transport", "peer"), [(transport, peer) for transport in PEERS for peer in PEERS[transport]]
)
def test_the_peers_answer_what_the_outlet_answers(
    outlet: Outlet, transport: Transport, peer: str
) -> None:
    if missing := missing_of(peer):
        pytest.skip(f"not installed: {', '.join(missing)}")
    with run_peer(peer, transport) as other:
        ours, theirs = Target(outlet.on(transport)), Target(other)
        assert ours.reply == theirs.reply
        standings = interleave([ours.server, other], connections=2, rounds=2, requests=4)
    assert [len(standing.latencies) for standing in standings] == [8, 8]


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_every_client_is_told_of_every_change(transport: Transport, tmp_path: Path) -> None:
    kept = tmp_path / "journal.jsonl"
    with run_outlet("ours", "", "--journal", str(kept)) as outlet:
        changes = run_telling(Target(outlet.on(transport)), connections=5, rounds=3, deaf=False)
    assert len(changes) == 3
    assert all(one.seconds > 0 for one in changes)
    entries = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert [entry.get("outcome") for entry in entries].count("push") == 3 * (5 + 1)


def test_every_client_of_a_fleet_gets_the_push_of_its_outlet() -> None:
    with run_fleet(3, "--control", "0") as running:
        taken = seconds_of_pushes(running, rounds=2)
        assert running.mebibytes > 0
        assert running.close() > 0
    assert len({*running.addresses}) == 3
    assert len(taken) == 2


def test_a_client_that_does_not_read_is_there_to_the_end(tmp_path: Path) -> None:
    kept = tmp_path / "journal.jsonl"
    with run_outlet("ours", "", "--journal", str(kept)) as outlet:
        changes = run_telling(Target(outlet.tcp), connections=2, rounds=2, deaf=True)
    assert len(changes) == 2
    entries = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert [entry.get("outcome") for entry in entries].count("push") == 2 * (2 + 1 + 1)


def test_commands_and_long_polls_are_measured_while_events_are_read(tmp_path: Path) -> None:
    kept = tmp_path / "journal.jsonl"
    options = ("--control", "0", "--journal", str(kept))
    with run_outlet("ours", "", *options) as outlet, event_reader(outlet):
        commands, polls = latencies(outlet, 3)
    assert len(commands) == len(polls) == 3
    assert min(*commands, *polls) > 0
    entries = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert [entry.get("kind") for entry in entries].count("command") == 3
    outcomes = [entry.get("outcome") for entry in entries]
    assert outcomes.count("success") == 3 + 1  # the target's own


def test_requests_are_measured_while_many_streams_are_read(tmp_path: Path) -> None:
    kept = tmp_path / "journal.jsonl"
    options = ("--control", "0", "--journal", str(kept))
    with run_outlet("ours", "", *options) as outlet, event_readers(outlet, 5):
        taken = request_latencies(outlet, 3)
    assert len(taken) == 3
    assert min(taken) > 0
    outcomes = [json.loads(line).get("outcome") for line in kept.read_text("utf-8").splitlines()]
    assert outcomes.count("success") == 3 + 1  # the target's own


def test_an_outlet_without_control_has_no_events_to_read() -> None:
    server = Server("ours", 0, "tcp", "127.0.0.1", 1)
    with (
        pytest.raises(ServerError, match="no control server"),
        event_reader(Outlet(tcp=server, ws=server)),
    ):
        pass


def test_a_run_of_pytest_is_measured(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass", "utf-8")
    assert run_pytest(str(tmp_path), ()) > 0


def test_an_idle_server_is_watched() -> None:
    with run_outlet(readings=True) as outlet:
        (used,) = used_meanwhile([outlet.tcp], 0.1)
    assert used is None or used >= 0


@contextmanager
def server_that_says(*replies: tuple[bytes, ...]) -> Iterator[Server]:
    """Answers the nth request with the nth tuple of writes, and those without one with `GOOD`."""
    script = iter(replies)

    def serve(sock: socket.socket) -> None:
        with sock:
            while sock.recv(4096):
                for data in next(script, (GOOD,)):
                    sock.sendall(data)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Server("scripted", 0, "tcp", "127.0.0.1", listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_reply_in_pieces_is_one_reply() -> None:
    with server_that_says((GOOD,), (GOOD,), (GOOD[:1], GOOD[1:100], GOOD[100:])) as server:
        assert len(run_batch(Target(server), connections=1, requests=3).latencies) == 3


def test_a_first_reply_in_pieces_is_taken_whole() -> None:
    with server_that_says((GOOD[:100], GOOD[100:])) as server:
        assert Target(server).reply == GOOD


@for_each(
    "writes",
    [(GOOD, GOOD), (GOOD[:-1] + b" ",), (GOOD + b"\n",), (b"{}",)],
    ids=["twice", "changed", "longer", "short"],
)
def test_a_wrong_reply_is_an_error(writes: tuple[bytes, ...]) -> None:
    with (
        server_that_says((GOOD,), (GOOD,), (GOOD,), writes) as server,
        pytest.raises(LoadError, match="scripted on tcp"),
    ):
        run_batch(Target(server), connections=1, requests=2)


def test_a_wrong_first_reply_is_an_error() -> None:
    with (
        server_that_says((b'{"sn": "somebody else"}',)) as server,
        pytest.raises(LoadError, match="somebody else"),
    ):
        Target(server)
