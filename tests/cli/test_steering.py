"""`do`, `tail`, `clock` and `export`: a running outlet, steered from a shell."""

import json
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from invis_sim import __version__
from invis_sim.journal.text import summary
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import for_each
from tests.cli.process import cli_here, process
from tests.support import SN, TIMEOUT, connect, exchange, refusing_port
from tests.web.support import QUIET, several, steered


@pytest.fixture
def sim() -> Iterator[SimulatorHandle]:
    with steered() as (outlet, _):
        yield outlet


def steer(where: SimulatorHandle | str, command: str, *arguments: str) -> str:
    """The stdout of a command that must succeed."""
    at = where if isinstance(where, str) else where.control_url
    done = cli_here(command, "--at", at, *arguments)
    assert (
        done.returncode,
        done.stderr.replace(f"invis-sim: following {at.strip('/')}\n", ""),
    ) == (
        0,
        "",
    )
    return done.stdout


def refused(where: SimulatorHandle | str, command: str, *arguments: str) -> tuple[int, str]:
    """The status, and the one line on stderr, of a command that must fail."""
    at = where if isinstance(where, str) else where.control_url
    done = cli_here(command, "--at", at, *arguments)
    assert done.returncode, done.stdout
    (line,) = done.stderr.splitlines()
    return done.returncode, line


# do


def test_commands_are_carried_out_in_their_order(sim: SimulatorHandle) -> None:
    assert steer(sim, "do", "push = 9", "set = { sensors = { lux = inf } }", "faceplate=off") == ""
    assert sim.state.sensors.lux == "inf"
    texts = [summary(event) for event in sim.journal.events(kind="command")]
    assert texts == ["API: push 9", 'API: set sensors.lux = "inf"', "API: faceplate off"]


def test_problems_name_the_command_and_nothing_is_carried_out(sim: SimulatorHandle) -> None:
    done = cli_here(
        "do", "--at", sim.control_url, "push=9", "set.sensors.lux=true", "enable=lost, push=99"
    )
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("invis-sim: 'set.sensors.lux=true': set.sensors.lux: expected a number")
    assert second.startswith("invis-sim: 'enable=lost, push=99': push: expected one of 9, 11,")
    assert not sim.journal.events(kind="command")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("", "'': no command; `invis-sim keys steps` lists them"),
        ("push", "'push': expected key=value,…, with values as in TOML"),
        ("push=1979-05-27", "'push=1979-05-27': expected no date or time, found 1979-05-27"),
    ],
)
def test_a_wrong_command_is_reported(sim: SimulatorHandle, command: str, problem: str) -> None:
    assert refused(sim, "do", command) == (2, f"invis-sim: {problem}")


def test_what_is_not_possible_now_is_said(sim: SimulatorHandle) -> None:
    status, line = refused(sim, "do", "enable=lost")
    assert status == 2
    assert line.startswith("invis-sim: 'enable=lost': enable: no fault is called 'lost'")
    done = cli_here("do", "--at", sim.control_url, "push=9", "enable=lost")
    assert done.stderr.startswith("invis-sim: 'enable=lost': enable: no fault is called 'lost'")


# clock


def test_time_is_paused_advanced_and_sped_up(sim: SimulatorHandle) -> None:
    assert steer(sim, "clock", "pause").endswith(" s since the start, paused\n")
    before = sim.clock.sim()
    steer(sim, "clock", "advance", "60")
    assert sim.clock.sim() == pytest.approx(before + 60)
    sim.at(after_seconds=600, push=9)
    steer(sim, "clock", "settle")
    assert sim.clock.sim() >= before + 660
    assert steer(sim, "clock", "speed", "100").endswith("paused\n")
    assert steer(sim, "clock", "resume").endswith(" s since the start, speed 100\n")
    assert steer(sim, "clock").endswith(" s since the start, speed 100\n")
    assert steer(sim, "clock", "speed", "inf").endswith("speed inf\n")


@for_each(
    ("arguments", "problem"),
    [
        (("speed",), "speed: a number is missing, as in `clock speed 60`"),
        (("speed", "-1"), "speed: expected a number above 0, or inf, found '-1'"),
        (("advance", "soon"), "advance: expected a number of seconds, found 'soon'"),
        (("pause", "1"), "pause takes no value, found '1'"),
    ],
)
def test_a_wrong_time_is_reported(arguments: tuple[str, ...], problem: str) -> None:
    assert refused("1", "clock", *arguments) == (2, f"invis-sim: {problem}")


# tail


def test_entries_are_printed_as_the_log_of_the_outlet_has_them(sim: SimulatorHandle) -> None:
    sim.set(sensors={"lux": 3})
    sim.push(9)
    out = steer(sim, "tail", "--after", "0", "--count", "2")
    first, second = out.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} +python: set sensors\.lux = 3", first)
    assert second.endswith("python: push 9")
    as_json = steer(sim, "tail", "--after", "1", "--count", "1", "--log", "json")
    assert json.loads(as_json)["command"] == "push 9"


def test_a_filter_selects_entries(sim: SimulatorHandle) -> None:
    sim.push(9)
    with connect(sim.tcp_address) as client:
        client.sendall(b'{"packetID": 5, "payload": {"callbackName": 12}}')
        assert client.recv(4096)
    common = ("--after", "0", "--count", "1", "--log", "json")
    for options in (("--callback", "12"), ("--packet-id", "5"), ("--kind", "exchange,closed")):
        assert json.loads(steer(sim, "tail", *options, *common))["packetID"] == 5
    (entry,) = map(json.loads, steer(sim, "tail", "--connection", "1", *common).splitlines())
    assert entry["kind"] == "connected"
    status, line = refused(sim, "tail", "--kind", "nonsense")
    assert status == 2
    assert line.startswith('invis-sim: kind: expected one of "address_changed", "closed", ')


def test_only_what_comes_is_printed_unless_asked_for(sim: SimulatorHandle) -> None:
    sim.push(9)
    with repeated(sim.sample):
        out = steer(sim, "tail", "--count", "2", "--kind", "command")
    assert "push" not in out
    assert out.count("python: sample") == 2


def test_time_that_ends_before_the_count_is_a_failure(sim: SimulatorHandle) -> None:
    assert cli_here("tail", "--at", sim.control_url, "--seconds", "0.01").returncode == 0
    done = cli_here("tail", "--at", sim.control_url, "--seconds", "0.01", "--count", "1")
    assert (done.returncode, done.stdout) == (1, "")


def test_an_exchange_that_comes_again_when_it_is_done_is_printed_once() -> None:
    with steered(f'{QUIET}\n[[faults]]\nkind = "delay"\nseconds = 0.02') as (sim, _):
        with connect(sim.tcp_address) as client, repeated(lambda: exchange(client)):
            options = ("--kind", "exchange", "--count", "4", "--log", "json")
            lines = steer(sim, "tail", *options).splitlines()
        assert len({json.loads(line)["number"] for line in lines}) == 4


def test_a_lost_connection_costs_no_entry() -> None:
    with steered(f'{QUIET}\n[listen]\ncontrol_allow_hosts = ["127.0.0.1"]') as (sim, _):
        sim.push(9)

        def between() -> None:
            for _ in range(5):
                sim.push(9)

        with Relay(sim.control_url, cut_after=2, between=between) as relay, repeated(sim.sample):
            done = cli_here(
                "tail", "--at", relay.url, "--after", "0", "--count", "20", "--log", "json"
            )
        numbers = [json.loads(line)["number"] for line in done.stdout.splitlines()]
        assert numbers == list(range(1, 21))
        assert relay.cuts >= 2
        # Only what is missing is asked for.
        positions = re.findall(rb"Last-Event-ID: \w+=(\d+)", relay.asked)
        assert positions[0] == b"0"
        assert all(int(one) > 0 for one in positions[1:])
        assert "the connection was closed; connecting again\n" in done.stderr
        assert f"following {relay.url} again" in done.stderr


def test_another_outlet_at_the_same_address_is_followed_from_its_start() -> None:
    allow = f'{QUIET}\n[listen]\ncontrol_allow_hosts = ["127.0.0.1"]'
    with steered(allow) as (first, _), steered(allow) as (second, _):
        for _ in range(3):
            first.push(9)
        second.sample()

        def between() -> None:
            relay.to = second.control_url

        with Relay(first.control_url, cut_after=3, between=between) as relay:
            out = cli_here("tail", "--at", relay.url, "--after", "0", "--count", "4").stdout
    assert [line.rpartition("python: ")[2] for line in out.splitlines()] == [
        *["push 9"] * 3,
        "sample",
    ]


def test_a_signal_ends_it_as_it_should(sim: SimulatorHandle) -> None:
    with process("tail", "--at", sim.control_url) as running:
        assert running.process.stderr is not None
        assert "following" in running.process.stderr.readline()
        assert running.end(signal.SIGTERM) == (0, "", "")


def test_of_several_outlets_each_line_has_the_serial_number() -> None:
    with several() as (url, names, *_):
        assert steer(url, "do", "push = 9") == ""
        options = ("--after", "0", "--kind", "command")
        lines = steer(url, "tail", *options, "--count", "2").splitlines()
        assert {line.partition("  ")[0] for line in lines} == set(names)
        assert all(line.endswith("API: push 9") for line in lines)
        # And of one of them as if it were alone.
        assert steer(url, "do", "push = 12", "--sn", names[0]) == ""
        lines = steer(url, "tail", *options, "--count", "2", "--sn", names[0]).splitlines()
        assert [line.rpartition("API: ")[2] for line in lines] == ["push 9", "push 12"]
        assert steer(url, "export", "--sn", names[1]).count(names[1]) == 1


def test_a_command_is_for_the_outlets_that_are_selected() -> None:
    with several(3) as outlets:
        first, second, third = outlets.names
        steer(outlets.url, "do", "push = 9", "--sn", f"{first},{third}")
        steer(outlets.url, "do", "push = 12", "--search", second[-2:])
        steer(outlets.url, "do", "push = 15", "--sn", f"{first},{second}", "--search", second)
        given = [
            [summary(one) for one in outlet.journal.events(kind="command")]
            for outlet in outlets.outlets
        ]
        assert given == [["API: push 9"], ["API: push 12", "API: push 15"], ["API: push 9"]]
        none = cli_here("do", "push = 9", "--at", outlets.url, "--search", "nothing")
        assert (none.returncode, none.stderr.count("no outlet is selected")) == (1, 1)


# export


def test_an_outlet_becomes_a_scenario_that_makes_it_again(sim: SimulatorHandle) -> None:
    steer(sim, "do", "set = { sensors = { lux = 3 } }", "inject = { kind = 'drop' }")
    text = steer(sim, "export")
    with steered(text) as (other, _):
        assert other.state == sim.state
        assert [one.name for one in other.faults] == ["drop"]
        assert steer(other, "export") == text


def test_what_no_scenario_can_say_is_printed_beside_it(sim: SimulatorHandle) -> None:
    sim.at(after_seconds=60, set={"sensors": {"lux": 4}})
    sim.set(device={"product": "bare"})
    done = cli_here("export", "--at", sim.control_url)
    assert done.returncode == 0
    assert done.stderr.startswith("invis-sim: not in the scenario: ")


def test_of_several_outlets_one_is_chosen_for_an_export() -> None:
    views = [{"sn": "A1"}, {"sn": "B2"}]
    version = json.dumps({"name": "invis-sim", "version": __version__})
    json_type = "application/json"
    with answering((200, json_type, version), (200, json_type, json.dumps(views))) as url:
        assert refused(url, "export") == (
            2,
            f"invis-sim: {url}: which outlet? --sn takes one of: A1, B2",
        )


# What is not as it should be


def test_nothing_that_listens_is_said() -> None:
    with refusing_port() as port:
        for command in (("do", "push=9"), ("tail",), ("clock",), ("export",)):
            status, line = refused(str(port), *command)
            assert status == 1
            assert line.startswith(f"invis-sim: http://127.0.0.1:{port}: nothing listens there; ")


@for_each("at", ["ftp://x", "http://", "http://a@b/", "http://a/é", "localhost:99999", "::1", "0"])
def test_a_wrong_address_is_reported(at: str) -> None:
    assert refused(at, "clock") == (
        2,
        f"invis-sim: --at {at!r}: expected a URL such as http://127.0.0.1:3334, HOST:PORT or PORT",
    )


def test_the_address_may_come_from_the_environment(
    sim: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVIS_SIM_CONTROL", sim.control_url)
    assert cli_here("do", "push=9").returncode == 0
    assert cli_here("do", "push=9", "--at", "1").returncode == 1


def test_the_ports_of_the_outlet_itself_are_recognised(sim: SimulatorHandle) -> None:
    status, line = refused(str(sim.tcp_address[1]), "clock", "--timeout", "0.05")
    assert (status, "no answer within 0.05 s; is this the port of --control?" in line) == (1, True)
    status, line = refused(sim.ws_url.replace("ws://", "http://"), "clock")
    assert (status, "is not the control server of an invis-sim" in line) == (1, True)


def test_an_unknown_outlet_is_said(sim: SimulatorHandle) -> None:
    for command in (("do", "push=9"), ("tail",), ("export",)):
        status, line = refused(sim, *command, "--sn", "0003")
        assert (status, "no outlet has the serial number '0003'" in line) == (1, True)
    assert steer(sim, "do", "push=9", "--sn", SN) == ""


def answering(*answers: tuple[int, str, str]) -> Any:
    """A web server: status, media type and body of its answers, one after the other."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, media, text = left.pop(0)
            self.rfile.read(int(self.headers.get("content-length", "0")))
            self.send_response(status)
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return serving(Handler)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT)


PROBLEM = "application/problem+json"


@for_each(
    "answer",
    [
        (200, "text/html", "<h1>It works!</h1>"),
        (404, "application/json", '{"message": "not found"}'),
        (200, "application/json", '{"name": "wiremock", "version": "3"}'),
        (200, "application/json", "[["),
    ],
)
def test_another_server_is_said(answer: tuple[int, str, str]) -> None:
    with answering(answer) as url:
        assert refused(url, "do", "push=9") == (
            1,
            f"invis-sim: {url} is not the control server of an invis-sim (HTTP status {answer[0]})",
        )


def test_an_older_version_that_lacks_something_is_said() -> None:
    version = json.dumps({"name": "invis-sim", "version": "0.0.9"})
    detail = json.dumps({"status": 404, "detail": "there is no '/api/commands'"})
    with answering((200, "application/json", version), (404, PROBLEM, detail)) as url:
        done = cli_here("do", "push=9", "--at", url)
        assert (done.returncode, done.stderr.splitlines()) == (
            1,
            [
                f"invis-sim: {url}: there is no '/api/commands'",
                f"invis-sim: it is invis-sim 0.0.9, and this is {__version__}",
            ],
        )


def test_a_missing_and_a_wrong_token_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = "--token or INVIS_SIM_TOKEN takes the one printed when the outlet started"
    with steered(control_host="0.0.0.0") as (sim, _):
        url = sim.control_url.replace("0.0.0.0", "127.0.0.1").rstrip("/")
        token = sim.control_token
        assert token is not None
        assert refused(url, "clock") == (1, f"invis-sim: {url}: a token is required; {hint}")
        wrong = (1, f"invis-sim: {url}: this token is wrong; {hint}")
        assert refused(url, "clock", "--token", "x") == wrong
        assert steer(url, "do", "push=9", "--token", token) == ""
        assert cli_here("do", "push=9", "--at", f"{url}/?token={token}").returncode == 0
        monkeypatch.setenv("INVIS_SIM_TOKEN", token)
        assert steer(url, "do", "push=9") == ""


# Helpers


@contextmanager
def repeated(function: Callable[[], object]) -> Iterator[None]:
    """Call the function again and again, in a thread, for the time of the block."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.005):
            function()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(TIMEOUT)


class Relay:
    """Passes connections on to a server, and cuts them after some events.

    to: the URL of the server. cut_after: of how many events. between: called while cut.
    asked: what clients have sent.
    """

    def __init__(self, to: str, cut_after: int, between: Callable[[], None]) -> None:
        self.to = to
        self.cuts = 0
        self.asked = b""
        self._cut_after = cut_after
        self._between = between
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Its `accept` would go on in another thread.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(TIMEOUT)

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        host, _, port = self.to.removeprefix("http://").strip("/").rpartition(":")
        with client, connect((host, int(port))) as server:
            upwards = threading.Thread(target=self._copy, args=(client, server))
            upwards.start()
            events = 0
            with suppress(OSError):
                while data := server.recv(65536):
                    events += data.count(b"\nid: ") + data.startswith(b"id: ")
                    client.sendall(data)
                    if events >= self._cut_after:
                        self.cuts += 1
                        break
            for one in (client, server):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            upwards.join(TIMEOUT)
        if events >= self._cut_after:
            self._between()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.asked += data
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
