"""`invis-sim send`: one request, and its reply."""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from invis_sim.journal import Closed, EntryFilter
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import for_each
from tests.cli.process import cli, cli_here
from tests.client.support import TRANSPORTS, address_of, reset, server
from tests.support import TIMEOUT, connect, exchange, refusing_port


@pytest.fixture(scope="module", name="sim")
def an_outlet() -> Iterator[SimulatorHandle]:
    with start_simulator() as sim:
        yield sim


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_reply_is_printed_and_puback_1_is_status_0(
    sim: SimulatorHandle, transport: str
) -> None:
    ended = cli("send", address_of(sim, transport), "20", "--packet-id", "123456")
    assert (ended.returncode, ended.stderr) == (0, "")
    reply = json.loads(ended.stdout)
    assert (reply["packetID"], reply["PUBACK"]) == (123456, 1)
    assert reply["payload"]["callbackArgs"]["IM"]["fw_rev"] == "0.0.1"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_puback_0_is_status_1(sim: SimulatorHandle, transport: str) -> None:
    ended = cli_here("send", address_of(sim, transport), "4711")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert json.loads(ended.stdout)["PUBACK"] == 0


def test_arguments_are_sent_as_the_json_they_are(sim: SimulatorHandle) -> None:
    assert cli_here("send", address_of(sim, "tcp"), "20", '[1, {"a": null}]').returncode == 0
    request = sim.journal.exchanges()[-1].request
    assert request is not None
    assert request.args == [1, {"a": None}]
    assert 100_000 <= request.packet_id <= 999_999


@for_each(
    ("arguments", "problem"),
    [
        (("127.0.0.1:1", "20", "[1,"), "ARGS is not JSON: "),
        (("127.0.0.1:1", "20", "[" * 50_000), "ARGS is nested too deep"),
        (("127.0.0.1:1", "2", "[NaN]"), "ARGS[0]: expected a JSON value, found nan"),
        (("127.0.0.1:1", "2", '{"a": [1, 1e999]}'), "ARGS.a[1]: expected a JSON value, found inf"),
        (("127.0.0.1:1", "twenty"), "CALLBACK: expected a whole number, found 'twenty'"),
        (("127.0.0.1:1", "20", "--timeout", "0"), "--timeout: expected a number of"),
        (("127.0.0.1:99999", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        (("127.0.0.1:0", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        (("0", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        ((":3333", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        (("http://127.0.0.1/ws", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        (("ws://", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        (
            ("ws://127.0.0.1:99999/ws", "20"),
            "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found",
        ),
        (("ws://[::1/ws", "20"), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_status_2_and_one_line(
    arguments: tuple[str, ...], problem: str
) -> None:
    ended = cli_here("send", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert problem in line


@for_each(
    ("place", "why"),
    [
        ("127.0.0.1:{port}", "Connection refused"),
        ("ws://127.0.0.1:{port}/ws", "Connection refused"),
        ("a..b:{port}", "not a valid host name"),
        ("ws://a..b:{port}/ws", "not a valid host name"),
    ],
)
def test_where_nothing_listens_is_status_1_and_one_line(place: str, why: str) -> None:
    with refusing_port() as port:
        where = place.format(port=port)
        ended = cli_here("send", where, "20")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"invis-sim: cannot connect to {where}: {why}\n"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_reply_in_time_is_status_1_and_says_so(transport: str) -> None:
    with start_simulator('[[faults]]\nkind = "drop"') as silent:
        where = address_of(silent, transport)
        ended = cli_here("send", where, "20", "--timeout", "0.2")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"invis-sim: {where} sent no reply within 0.2 s\n"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_ends_without_a_reply_is_status_1_and_says_so(transport: str) -> None:
    with start_simulator('[[faults]]\nkind = "close"\nreason = "so there"') as closing:
        where = address_of(closing, transport)
        ended = cli_here("send", where, "20")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr
        == {
            "tcp": f"invis-sim: {where} closed the connection without a reply\n",
            "ws": f"invis-sim: {where} closed the WebSocket without a reply: code 1011, so there\n",
        }[transport]
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_half_a_reply_is_shown_on_stderr(transport: str) -> None:
    with start_simulator('[[faults]]\nkind = "malformed_json"\nhow = "truncate"') as broken:
        ended = cli_here("send", address_of(broken, transport), "20", "--timeout", "0.5")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    if transport == "ws":
        assert ended.stderr.startswith('also received: {"sn":"0003C44076","packetID":')


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_reply_to_another_request_is_shown_on_stderr(transport: str) -> None:
    with start_simulator('[[faults]]\nkind = "wrong_packet_id"\nhow = "zero"') as confused:
        ended = cli_here("send", address_of(confused, transport), "20", "--timeout", "0.5")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith('also received: {"sn":"0003C44076","packetID":0,"PUBACK":1')


@contextmanager
def peer(serve_one: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one TCP connection that behaves as no outlet should; its address."""

    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        serve_one(connection)

    with server(handle) as where:
        yield where


REPLY = b'{"sn":"1","packetID":123456,"PUBACK":1}'
PUSH = b'{"sn":"1","packetID":1,"payload":{"callbackName":9,"callbackArgs":[0,1]}}'


def test_pushes_and_garbage_before_the_reply_are_shown_on_stderr() -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(PUSH + b'oops\n{"packetID": 123456,}\n\xff\n[]\n' + REPLY + PUSH)

    with peer(answer) as where:
        ended = cli_here("send", where, "20", "--packet-id", "123456")
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == json.loads(REPLY)
    lines = ended.stderr.splitlines()
    assert lines[0] == f"also received: {PUSH.decode()}"
    assert [line.partition(":")[0] for line in lines] == ["also received"] * len(lines)
    assert lines[1] == "also received: oops"


def test_what_was_left_unfinished_at_the_end_is_shown_on_stderr() -> None:
    with peer(lambda connection: connection.sendall(REPLY[:-4])) as where:
        ended = cli_here("send", where, "20", "--packet-id", "123456")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines() == [
        f"also received: {REPLY[:-4].decode()}",
        f"invis-sim: {where} closed the connection without a reply",
    ]


def test_a_broken_connection_is_status_1_and_says_so() -> None:
    with peer(reset) as where:
        ended = cli_here("send", where, "20")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"invis-sim: {where} broke the connection: Connection reset by peer\n"


def test_who_speaks_no_websocket_is_status_1_and_one_line() -> None:
    with peer(lambda connection: connection.sendall(b"hello?\n")) as where:
        ended = cli_here("send", f"ws://{where}/ws", "20", "--timeout", "0.5")
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("invis-sim: ")
    assert f"ws://{where}/ws" in line


def test_the_wrong_path_is_status_1_and_says_where_the_right_one_is(sim: SimulatorHandle) -> None:
    ended = cli_here("send", sim.ws_url + "s", "20")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "HTTP 404" in ended.stderr
    assert "/ws" in ended.stderr.partition("HTTP 404")[2]


def test_a_binary_message_and_one_of_another_are_no_reply() -> None:
    def answer(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(PUSH)
        connection.send("nonsense")
        connection.send(REPLY.decode())
        with suppress(ConnectionClosed):
            connection.recv()

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()
        ended = cli_here("send", f"ws://{host}:{port}/ws", "20", "--packet-id", "123456")
        server.shutdown()
        thread.join()
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == json.loads(REPLY)
    assert ended.stderr.splitlines() == [
        f"also received: {PUSH.decode()}",
        "also received: nonsense",
    ]


# How it ends the connection


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", ["", '[[faults]]\nkind = "drop"'])
def test_the_outlet_sees_an_orderly_end(transport: str, kind: str) -> None:
    with start_simulator(kind) as sim:
        closed = sim.journal.subscribe(EntryFilter(kinds=("closed",)))
        cli_here("send", address_of(sim, transport), "10", "[1, 1]", "--timeout", "0.3")
        assert closed.wait(TIMEOUT)
        (event,) = closed.read()
        assert isinstance(event, Closed)
        assert (
            event.reason
            == {
                "tcp": "by the client",
                "ws": "by the client, with code 1000",
            }[transport]
        )


def test_what_comes_after_the_reply_does_not_make_its_end_a_reset() -> None:
    over = threading.Event()
    heard: list[object] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(REPLY + PUSH * 5000)  # much more than is read at once
        heard.append(connection.recv(4096))
        connection.sendall(PUSH)
        connection.shutdown(socket.SHUT_WR)
        assert over.wait(TIMEOUT)
        heard.append(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    with peer(answer) as where:
        assert cli_here("send", where, "20", "--packet-id", "123456").returncode == 0
        over.set()
    assert heard == [b"", 0]


def test_an_outlet_that_does_not_hang_up_is_not_waited_for() -> None:
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(REPLY)
        over.wait(TIMEOUT)

    with peer(answer) as where:
        ended = cli_here("send", where, "20", "--packet-id", "123456")
        assert not over.is_set()
        over.set()
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_packet_that_is_nested_too_deep_is_no_reply_and_no_traceback() -> None:
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n"
    with peer(lambda connection: connection.sendall(deep + REPLY)) as where:
        ended = cli_here("send", where, "20", "--packet-id", "123456")
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


def test_a_reply_with_a_huge_integer_is_printed() -> None:
    reply = REPLY[:-1] + b',"more":%b}' % (b"9" * 4200)
    with peer(lambda connection: connection.sendall(reply)) as where:
        ended = cli_here("send", where, "20", "--packet-id", "123456")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == json.loads(reply)


@pytest.mark.parametrize("command", [("watch",), ("send", "20", "--timeout", "10000")])
def test_a_server_that_hangs_up_in_the_handshake_is_noticed_at_once(
    command: tuple[str, ...],
) -> None:
    with peer(lambda connection: None) as where:
        ended = cli_here(command[0], f"ws://{where}/ws", *command[1:])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"invis-sim: ws://{where}/ws closed the connection during the WebSocket handshake\n"
    )


def test_what_comes_in_between_does_nothing_to_a_terminal() -> None:
    garbage = b"\x1b[31m\r\xc2\x9b\n"
    with peer(lambda connection: connection.sendall(garbage + REPLY)) as where:
        ended = cli_here("send", where, "20", "--packet-id", "123456")
    assert ended.stderr == "also received: \\u001b[31m\\r\\u009b\n"


def link_local_address() -> str:
    """A link-local address of this machine, with its interface."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    for number, _, _, scope, _, interface in map(str.split, lines):
        if scope == "20":
            return f"{ipaddress.IPv6Address(bytes.fromhex(number))}%{interface}"
    pytest.skip("this machine has no link-local address")


def test_a_number_alone_is_a_port_of_this_machine(sim: SimulatorHandle) -> None:
    assert cli_here("send", str(sim.tcp_address[1]), "20").returncode == 0


def test_an_outlet_at_a_link_local_address_can_be_reached_where_it_says() -> None:
    host = link_local_address()
    with start_simulator(host=host) as sim:
        assert sim.tcp_address[0] == host
        assert sim.ws_url.startswith(f"ws://[{host}]:")
        with connect(sim.tcp_address) as client:
            assert exchange(client)["PUBACK"] == 1
        for address in (f"[{host}]:{sim.tcp_address[1]}", sim.ws_url):
            assert cli_here("send", address, "20").returncode == 0
