"""`invis-sim proxy` and `invis-sim replay`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invis_sim.journal import Journal
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.cli.process import Outlet, cli_here, process
from tests.server.peers import TcpPeer, address_of
from tests.server.support import outlet, updates_reply


@contextmanager
def ready(command: str, *arguments: str, prefix: str = "") -> Iterator[Outlet]:
    """The command on free ports, once it is ready."""
    ports = (f"--{prefix}tcp-port", "0", f"--{prefix}ws-port", "0")
    with process(command, *arguments, *ports, "--log", "json") as running:
        running.ready = json.loads(running.line())
        yield running


def test_what_passes_a_proxy_is_recorded_and_replayed(tmp_path: Path) -> None:
    file = str(tmp_path / "seen.jsonl")
    with start_simulator(outlet()) as device:
        host, port = device.tcp_address
        _, ws_port = address_of(device.ws_url)
        where = (host, "--tcp-port", str(port), "--ws-port", str(ws_port))
        with ready("proxy", *where, "--record", file, prefix="listen-") as proxy:
            assert proxy.exchange() == updates_reply()
            status, _, errors = proxy.end()
            assert (status, errors) == (0, "")
        assert len(device.journal.exchanges()) == 1
    (exchange,) = Journal.load(file).exchanges()
    assert exchange.latency > 0
    with ready("replay", file, "--latency") as replay:
        assert replay.exchange() == updates_reply()


def test_the_log_of_a_proxy_begins_with_the_device_and_what_is_done_to_it() -> None:
    ports = ("--listen-tcp-port", "0", "--listen-ws-port", "0")
    with process("proxy", "192.0.2.7", "--read-only", "--fault", "drop", *ports) as proxy:
        assert proxy.line().startswith("InvisOutlet at 192.0.2.7, behind a read-only proxy, seed ")
        assert proxy.line().startswith("  TCP ")


@for_each(
    ("arguments", "message"),
    [
        (("replay", "no-such-file"), "no-such-file: No such file or directory"),
        (("replay", __file__), "not a line of a journal"),
        *(
            ((command, device), f"HOST: expected an address or a name, found '{device}'; its ports")
            for command in ("capture", "compare", "proxy")
            for device in ("192.0.2.7:3333", "[::1]:3333")
        ),
        (("proxy", "http://192.0.2.7"), "HOST: expected an address or a name, found 'http://"),
        (("proxy", "192.0.2.7", "--speed", "inf"), "--speed: expected a finite number"),
        (("proxy", "192.0.2.7", "no-such"), "no-such"),
        (("proxy", "192.0.2.7", "--listen-tcp-port", "99999"), "--listen-tcp-port: "),
        (("proxy", "192.0.2.7", "--tcp-port", "0"), "--tcp-port: expected a port"),
        (("proxy", "192.0.2.7", "--listen-tcp-port", "0", "--fault", "x"), "--fault"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_without_a_traceback(
    arguments: tuple[str, ...], message: str
) -> None:
    done = cli_here(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_neither_the_scenario_of_a_proxy_nor_a_recording_is_overwritten(tmp_path: Path) -> None:
    scenario, recording = tmp_path / "my.toml", tmp_path / "seen.jsonl"
    scenario.write_text("seed = 1\n")
    with start_simulator(outlet()) as sim, TcpPeer.connected(sim.tcp_address) as peer:
        assert peer.is_served()
        sim.journal.dump(recording)
    before = scenario.read_bytes(), recording.read_bytes()
    for command, path, name in (
        (("proxy", "192.0.2.7", str(scenario)), scenario, "the scenario"),
        (("replay", str(recording)), recording, "the recording"),
    ):
        ended = cli_here(*command, "--record", str(path))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"invis-sim: --journal {path}: is {name}\n"
    assert (scenario.read_bytes(), recording.read_bytes()) == before
