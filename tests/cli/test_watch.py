"""`invis-sim watch`: every packet that an outlet sends, a line each."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from invis_sim.journal import Closed, EntryFilter
from invis_sim.protocol.frames import close_frame
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.cases import for_each
from tests.cli.process import Outlet, cli_here, process
from tests.client.support import TRANSPORTS, accept_websocket, address_of, reset, server
from tests.support import TIMEOUT, refusing_port

PUSH = b'{"sn":"1","packetID":1,"payload":{"callbackName":9,"callbackArgs":[0,1]}}'

Watcher = Outlet


def error_line(it: Watcher) -> str:
    """The next line on stderr."""
    assert it.process.stderr is not None
    return it.process.stderr.readline()


@contextmanager
def watching(sim: SimulatorHandle, transport: str, *options: str) -> Iterator[Watcher]:
    """`invis-sim watch` in a process, once the outlet knows of it."""
    where = address_of(sim, transport)
    with process("watch", where, *options) as it:
        assert error_line(it) == f"invis-sim: watching {where}\n"
        sim.wait_for_connection()
        yield it


def ended(it: Watcher) -> tuple[int, str, str]:
    """Waits for its end; status, and what is left on stdout and stderr."""
    out, err = it.process.communicate(timeout=TIMEOUT)
    return it.process.returncode, out, err


# What it prints


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_push_is_a_line_as_soon_as_it_comes_and_as_it_came(transport: str) -> None:
    with start_simulator() as sim, watching(sim, transport) as it:
        for callback in (9, 12, 15):
            sim.push(callback)
            line = it.line()
            assert json.loads(line)["payload"]["callbackName"] == callback
            assert line.encode() == sim.journal.pushes()[-1] + b"\n"
        assert it.end() == (0, "", "")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_only_the_callbacks_that_are_asked_for_are_printed(transport: str) -> None:
    options = ("--callback", "15", "--callback", "9")
    with start_simulator() as sim, watching(sim, transport, *options) as it:
        for callback in (12, 9, 12, 15, 12):
            sim.push(callback)
        lines = [json.loads(it.line()) for _ in range(2)]
        assert [line["payload"]["callbackName"] for line in lines] == [9, 15]
        assert it.end() == (0, "", "")


def test_what_is_no_json_is_shown_on_stderr_and_json_is_one_harmless_line() -> None:
    pretty = b'{\n\t"payload":\r\n{"callbackName": 9}}'
    odd = '{"name": "K\u00fcche \u2028 \x7f \u009b31m"}'.encode()
    nested = b'{"a":' * 50_000 + b"}" * 50_000

    def say(connection: socket.socket) -> None:
        connection.sendall(
            b"oops\x1b[31m\n" + pretty + b'{"a":\xff}\n{"a": NaN}' + odd + nested + PUSH[:-1]
        )

    with server(say) as where:
        status, out, err = ran("watch", where)
    assert status == 1
    assert out.splitlines() == [
        '{  "payload":  {"callbackName": 9}}',
        '{"name": "Küche \\u2028 \\u007f \\u009b31m"}',
    ]
    assert [json.loads(line) for line in out.splitlines()] == [json.loads(pretty), json.loads(odd)]
    lines = err.splitlines()
    assert lines[0] == f"invis-sim: watching {where}"
    assert lines[1] == "also received: oops\\u001b[31m"
    assert lines[2].startswith('also received: {"a":')
    assert 'also received: {"a": NaN}' in lines
    assert "Traceback" not in err
    assert lines[-2:] == [
        f"also received: {PUSH[:-1].decode()}",
        f"invis-sim: {where} closed the connection",
    ]


@pytest.mark.parametrize("packet", [b"[1]", b"{}", b'{"payload": 9}', b'{"payload": [9]}'])
def test_what_has_no_callback_is_not_printed_where_callbacks_are_asked_for(packet: bytes) -> None:
    yes = b'{"payload": {"callbackName": true}}'
    with server(lambda connection: connection.sendall(packet + yes + PUSH)) as where:
        status, out, _ = ran("watch", where, "--callback", "9", "--callback", "1")
    assert (status, out) == (1, PUSH.decode() + "\n")


def ran(*arguments: str) -> tuple[int, str, str]:
    done = cli_here(*arguments)
    return done.returncode, done.stdout, done.stderr


# How it ends


@for_each("transport", TRANSPORTS)
@for_each("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0_and_closes_the_connection(
    transport: str, number: signal.Signals
) -> None:
    with start_simulator() as sim:
        with watching(sim, transport) as it:
            assert it.end(number) == (0, "", "")
        assert how_it_closed(sim) == BY_THE_CLIENT[transport]


BY_THE_CLIENT = {"tcp": "by the client", "ws": "by the client, with code 1000"}


def how_it_closed(sim: SimulatorHandle) -> str:
    """How the only connection that there was has ended, as the outlet sees it."""
    with sim.journal.subscribe(EntryFilter(kinds=("closed",)), after=0) as closed:
        assert closed.wait(TIMEOUT)
        (event,) = closed.read()
    assert isinstance(event, Closed)
    return event.reason


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_ends_after_so_many_seconds(transport: str) -> None:
    with start_simulator() as sim:
        with watching(sim, transport, "--seconds", "0.1") as it:
            assert ended(it) == (0, "", "")
        assert how_it_closed(sim) == BY_THE_CLIENT[transport]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_that_the_outlet_closes_the_connection_is_status_1_and_one_line(transport: str) -> None:
    fault = '[[faults]]\nkind = "close"\nreason = "so there"\nwhen.packet = "push"'
    with start_simulator(fault) as sim:
        where = address_of(sim, transport)
        with watching(sim, transport) as it:
            sim.push(9)
            status, out, err = ended(it)
    assert (status, out) == (1, "")
    assert (
        err
        == {
            "tcp": f"invis-sim: {where} closed the connection\n",
            "ws": f"invis-sim: {where} closed the WebSocket: code 1011, so there\n",
        }[transport]
    )


def test_a_connection_that_breaks_is_status_1_and_one_line() -> None:
    watched = threading.Event()

    def wait_and_reset(connection: socket.socket) -> None:
        assert watched.wait(TIMEOUT)
        reset(connection)

    with server(wait_and_reset) as where, process("watch", where) as it:
        assert error_line(it) == f"invis-sim: watching {where}\n"
        watched.set()
        broken = f"invis-sim: {where} broke the connection: Connection reset by peer\n"
        assert ended(it) == (1, "", broken)


def test_a_websocket_ends_with_its_close_frame() -> None:
    over = threading.Event()

    def close(connection: socket.socket) -> None:
        assert accept_websocket(connection).startswith(b"GET /ws?a=1 HTTP/1.1\r\n")
        connection.sendall(close_frame(1001, "\x1b so"))
        over.wait(TIMEOUT)

    with server(close) as place:
        status, _, err = ran("watch", f"ws://{place}/ws?a=1")
        over.set()
    assert status == 1
    assert err.splitlines()[1:] == [
        f"invis-sim: ws://{place}/ws?a=1 closed the WebSocket: code 1001, \\u001b so"
    ]


def test_a_packet_without_end_is_not_waited_for() -> None:
    def say(connection: socket.socket) -> None:
        connection.sendall(b'{"a": "' + b"x" * 2**20)
        while connection.recv(4096):
            pass

    with server(say) as where:
        status, out, err = ran("watch", where)
    assert (status, out) == (1, "")
    assert err.splitlines()[1:] == [f"invis-sim: {where} sends a packet of more than 1048576 bytes"]


@for_each("options", [(), ("--reconnect",)])
@for_each("place", ["127.0.0.1:{port}", "ws://127.0.0.1:{port}/ws"])
def test_where_nothing_listens_is_status_1_and_one_line(place: str, options: tuple[str]) -> None:
    with refusing_port() as port:
        where = place.format(port=port)
        assert ran("watch", where, *options) == (
            1,
            "",
            f"invis-sim: cannot connect to {where}: Connection refused\n",
        )


def test_the_wrong_path_is_status_1_and_says_where_the_right_one_is() -> None:
    with start_simulator() as sim:
        status, out, err = ran("watch", sim.ws_url + "s?x=1")
        assert (status, out) == (1, "")
        assert err.startswith(f"invis-sim: {sim.ws_url}s?x=1 refused: HTTP 404 ")
        assert len(err.splitlines()) == 1


@for_each(
    ("arguments", "problem"),
    [
        (("127.0.0.1:99999",), "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws, found"),
        (
            ("http://127.0.0.1/ws", "--reconnect"),
            "expected HOST[:PORT], PORT or ws://HOST[:PORT]/ws",
        ),
        (("127.0.0.1", "--callback", "nine"), "--callback: expected a whole number"),
        (("127.0.0.1", "--seconds", "0"), "--seconds: expected a number of seconds"),
        ((), "the following arguments are required: ADDRESS"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_status_2_and_one_line(
    arguments: tuple[str, ...], problem: str
) -> None:
    done = cli_here("watch", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert problem in line


def test_it_is_among_the_commands() -> None:
    listed = cli_here("--help").stdout
    assert re.search(r"^ +watch +print every packet an outlet sends$", listed, re.MULTILINE)


# Connecting again


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_with_reconnect_it_goes_on_after_a_restart_and_says_so(transport: str) -> None:
    options = ("--reconnect", "--callback", "9")
    with start_simulator() as sim, watching(sim, transport, *options) as it:
        where = address_of(sim, transport)
        for _ in range(2):
            sim.push(9)
            assert json.loads(it.line())["payload"]["callbackName"] == 9
            sim.reboot(0.05)
            said = [error_line(it)]
            while " again" not in said[-1].replace("connecting again", ""):
                said.append(error_line(it))
            assert said[0].startswith(f"invis-sim: {where} ")
            assert said[0].endswith("; connecting again\n")
            assert said[-1] == f"invis-sim: watching {where} again\n"
            assert len(said) <= 3
            sim.wait_for_connection()
        sim.push(9)
        assert it.line()
        assert it.end() == (0, "", "")


def test_an_outlet_that_stays_away_is_reported_once() -> None:
    nothing = threading.Event()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        where = "{}:{}".format(*listener.getsockname())
        with process("watch", where, "--reconnect") as it:
            connection, _ = listener.accept()
            connection.close()
            listener.close()
            assert error_line(it) == f"invis-sim: watching {where}\n"
            assert error_line(it).endswith("closed the connection; connecting again\n")
            assert error_line(it).endswith("Connection refused; connecting again\n")
            nothing.wait(0.5)  # several times as long as it rests at first
            assert it.end() == (0, "", "")


# Who reads


def test_a_reader_that_has_seen_enough_is_status_0() -> None:
    reading, writing = os.pipe()
    with start_simulator() as sim:
        where = address_of(sim, "tcp")
        with process("watch", where, stdout=writing) as it:
            os.close(writing)
            assert error_line(it) == f"invis-sim: watching {where}\n"
            sim.wait_for_connection()
            sim.push(9)
            with open(reading) as stdout:
                assert stdout.readline()
            while it.process.poll() is None:
                sim.push(9)
                with suppress(subprocess.TimeoutExpired):
                    it.process.wait(0.02)
            assert it.process.returncode == 0
            assert error_line(it) == ""


def test_a_reader_that_stalls_does_not_hold_up_its_end() -> None:
    seen = threading.Event()

    def say(connection: socket.socket) -> None:
        connection.sendall(PUSH * 5000)  # several times what a pipe holds
        seen.set()
        while connection.recv(4096):
            pass

    reading, writing = os.pipe()
    with server(say) as where, process("watch", where, stdout=writing) as it:
        os.close(writing)
        assert seen.wait(TIMEOUT)
        assert error_line(it) == f"invis-sim: watching {where}\n"
        assert it.end() == (0, "", "")
        os.close(reading)


def test_a_full_disk_is_status_1_and_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")

    def say(connection: socket.socket) -> None:
        connection.sendall(PUSH)
        while connection.recv(4096):
            pass

    with (
        open("/dev/full", "w") as full,
        server(say) as where,
        process("watch", where, stdout=full) as it,
    ):
        it.process.wait()
        assert it.process.returncode == 1
        assert it.process.stderr is not None
        assert it.process.stderr.read().splitlines()[1:] == ["invis-sim: No space left on device"]


def test_it_ends_though_nobody_reads_what_never_ends() -> None:
    flooded = threading.Event()

    def say(connection: socket.socket) -> None:
        sent = 0
        with suppress(OSError):
            while True:
                sent += connection.send(PUSH * 100)
                if sent > 60_000 * len(PUSH):  # more than is kept for a reader
                    flooded.set()

    reading, writing = os.pipe()
    with server(say) as where, process("watch", where, stdout=writing) as it:
        os.close(writing)
        assert error_line(it) == f"invis-sim: watching {where}\n"
        flooded.wait(2)
        assert it.end()[0] == 0
        os.close(reading)


@pytest.mark.parametrize("how", ["wrong_accept", "missing_header"])
@pytest.mark.parametrize("command", [("watch",), ("send", "20")])
def test_a_handshake_that_is_answered_wrongly_is_status_1_and_one_line(
    how: str, command: tuple[str, ...]
) -> None:
    fault = f'[[faults]]\nkind = "bad_handshake"\nhow = "{how}"\n'
    with start_simulator(fault) as sim:
        ended = cli_here(command[0], sim.ws_url, *command[1:])
        assert ended.returncode == 1
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"invis-sim: {sim.ws_url} sent an invalid WebSocket handshake: ")
