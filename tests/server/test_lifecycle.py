"""How an outlet begins, bears what comes, and is gone at the end."""

import gc
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from invis_sim import open_simulator
from invis_sim.faults import Fail
from invis_sim.journal import Closed, Entry, EntryFilter, Exchange
from invis_sim.scenario import Scenario, ScenarioError
from invis_sim.server import StartError
from invis_sim.testing.block import start_simulator
from tests.cases import for_each
from tests.server.frames import HANDSHAKE, TEXT, client_frame
from tests.server.peers import address
from tests.server.support import many_files
from tests.support import TIMEOUT, connect, make_request

REQUEST = make_request()
REQUEST_FRAME = client_frame(TEXT, REQUEST)


def exchange(client: socket.socket, request: bytes = REQUEST) -> bytes:
    """One request, and what comes first."""
    client.sendall(request)
    return client.recv(4096)


def is_served(client: socket.socket, request: bytes = REQUEST) -> bool:
    return b'"packetID":221040,"PUBACK":1' in exchange(client, request)


def open_websocket(address: tuple[str, int]) -> socket.socket:
    client = connect(address)
    client.sendall(HANDSHAKE)
    head, end = b"", b"\r\n\r\n"
    while end not in head:
        head = client.recv(4096, socket.MSG_PEEK)
    client.recv(head.index(end) + len(end))
    assert head.startswith(b"HTTP/1.1 101")
    return client


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


# Clients together


def test_two_clients_at_once_are_both_served_on_both_transports() -> None:
    with (
        start_simulator() as sim,
        connect(sim.tcp_address) as one,
        connect(sim.tcp_address) as two,
        open_websocket(address(sim, "ws")) as three,
        open_websocket(address(sim, "ws")) as four,
    ):
        for _ in range(3):
            assert is_served(one)
            assert is_served(three, REQUEST_FRAME)
            assert is_served(two)
            assert is_served(four, REQUEST_FRAME)
        assert sorted({one.connection for one in sim.journal.exchanges()}) == [1, 2, 3, 4]


def test_a_thousand_idle_connections_on_each_transport_keep_nobody_from_being_served() -> None:
    with many_files(5000), ExitStack() as clients:
        with start_simulator("bare") as sim:
            idle = [clients.enter_context(connect(sim.tcp_address)) for _ in range(1000)]
            idle_too = [
                clients.enter_context(open_websocket(address(sim, "ws"))) for _ in range(1000)
            ]
            with connect(sim.tcp_address) as client:
                assert is_served(client)
            assert is_served(idle[500])
            assert is_served(idle_too[500], REQUEST_FRAME)
        # The outlet is gone, and each of them has been told.
        assert idle[0].recv(4096) == b""
        assert idle_too[0].recv(4096)[:1] == b"\x88"
        ends = [event for event in sim.journal.events() if isinstance(event, Closed)]
        assert sum(event.reason == "the simulator stops" for event in ends) >= 2000


# Nothing is left


def descriptors() -> set[str]:
    """The open descriptors of this process, with what they are."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listed the others
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="/proc is Linux's")


@needs_proc
def test_a_hundred_starts_and_stops_leave_no_descriptor_and_no_thread() -> None:
    with start_simulator() as sim:
        pass
    gc.collect()
    before, threads = descriptors(), set(threading.enumerate())
    for turn in range(100):
        with (
            start_simulator() as sim,
            connect(sim.tcp_address) as client,
            open_websocket(address(sim, "ws")) as other,
        ):
            assert is_served(client)
            assert is_served(other, REQUEST_FRAME)
            if turn % 2:
                sim.stop()  # with clients connected
    assert set(threading.enumerate()) <= threads
    gc.collect()
    assert descriptors() == before


@needs_proc
def test_a_start_that_fails_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        def fail() -> None:
            with pytest.raises(StartError), start_simulator(ws_port=port):
                pytest.fail("the port is taken")

        fail()
        gc.collect()
        before, threads = descriptors(), set(threading.enumerate())
        for _ in range(20):
            fail()
        gc.collect()
        assert descriptors() == before
        assert set(threading.enumerate()) <= threads  # trio's own end when they have been idle


def test_no_task_is_left_when_the_block_ends() -> None:
    async def live() -> tuple[int, int]:
        before = trio.lowlevel.current_statistics().tasks_living
        scenario = '[[faults]]\nkind = "delay"\nseconds = 3600'
        asked = trio.Event()
        with trio.fail_after(TIMEOUT):
            async with open_simulator(scenario) as sim:
                exchanges = EntryFilter(kinds=("exchange",))
                sim.journal.subscribe(exchanges, on_ready=asked.set)
                client = await trio.open_tcp_stream(*sim.tcp_address)
                await client.send_all(REQUEST)
                await asked.wait()
            await client.aclose()
        return before, trio.lowlevel.current_statistics().tasks_living

    before, after = trio.run(live)
    assert before == after


def test_what_waits_to_be_sent_when_the_outlet_stops_is_done_in_the_journal() -> None:
    scenario = '[[faults]]\nkind = "delay"\nseconds = 3600'
    with start_simulator(scenario, ws=False) as sim, connect(sim.tcp_address) as client:
        exchanges = EntryFilter(kinds=("exchange",))
        recorded = sim.journal.subscribe(exchanges)
        done = sim.journal.subscribe(exchanges, done=True)
        client.sendall(b"".join(REQUEST.replace(b"221040", b"%d" % n) for n in range(5)))
        heard: list[Entry] = []
        while len(heard) < 5:
            assert recorded.wait(TIMEOUT)
            heard += recorded.read()
        assert done.read() == []
        sim.stop()
        assert client.recv(4096) == b""
    finished = [one.packet_id for one in done.read() if isinstance(one, Exchange)]
    assert sorted(finished, key=str) == [0, 1, 2, 3, 4]
    assert all(one.done and not one.sent for one in sim.journal.exchanges())


# Where it listens


@pytest.mark.parametrize(("transport", "name"), [("tcp_port", "TCP"), ("ws_port", "the WebSocket")])
def test_a_port_in_use_is_an_error_that_names_transport_host_and_port(
    transport: str, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as caught, start_simulator(**{transport: port}):
            pytest.fail("the port is taken")
    message = str(caught.value)
    assert message == (
        f"cannot listen for {name} on host 127.0.0.1, port {port}: Address already in use"
    )


def test_a_port_is_free_again_when_the_outlet_is_gone() -> None:
    with start_simulator() as sim, connect(sim.tcp_address) as client:
        assert is_served(client)
        port = sim.tcp_address[1]
    with start_simulator(tcp_port=port) as sim, connect(sim.tcp_address) as client:
        assert sim.tcp_address == ("127.0.0.1", port)
        assert is_served(client)


def test_port_0_is_a_free_one_and_never_the_same_for_two() -> None:
    with start_simulator(tcp_port=0, ws_port=0) as one, start_simulator() as two:
        ports = {
            one.tcp_address[1],
            two.tcp_address[1],
            address(one, "ws")[1],
            address(two, "ws")[1],
        }
        assert len(ports) == 4
        assert 0 not in ports


@for_each("host", ["a..b", "no.such.host.invalid", "not a host"])
def test_a_host_that_is_none_is_an_error_that_names_it(host: str) -> None:
    with pytest.raises(StartError, match=host), start_simulator(host=host):
        pytest.fail("there is no such host")


def test_localhost_is_served_on_all_its_addresses_with_one_port() -> None:
    kinds = {info[0] for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    with start_simulator(host="localhost") as sim:
        port = sim.tcp_address[1]
        places = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
        for kind in kinds:
            with connect((places[kind], port)) as client:
                assert is_served(client)
        with open_websocket(address(sim, "ws")) as client:
            assert is_served(client, REQUEST_FRAME)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_host_with_two_addresses_is_served_on_both_with_one_free_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    getaddrinfo = socket.getaddrinfo

    def resolve(host: str, *more: Any, flags: int, **named: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        places = ("127.0.0.1", "127.0.0.2")
        return [info for place in places for info in getaddrinfo(place, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    async def live() -> list[bytes]:
        replies = []
        async with open_simulator(host="two.addresses") as sim:
            for address in ("127.0.0.1", "127.0.0.2"):
                client = trio.socket.socket()
                await client.connect((address, sim.tcp_address[1]))
                await client.send(REQUEST)
                replies.append(await client.recv(4096))
                client.close()
        return replies

    assert [b'"PUBACK":1' in reply for reply in trio.run(live)] == [True, True]


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")
def test_an_ipv6_address_is_served_and_shown_in_brackets() -> None:
    with start_simulator(host="::1") as sim:
        assert sim.tcp_address[0] == "::1"
        assert sim.ws_url.startswith("ws://[::1]:")
        with connect(sim.tcp_address) as client, open_websocket(address(sim, "ws")) as other:
            assert is_served(client)
            assert is_served(other, REQUEST_FRAME)


def test_a_transport_that_is_switched_off_is_not_there() -> None:
    with start_simulator(tcp=False) as sim:
        with pytest.raises(LookupError, match="no tcp"):
            sim.tcp_address  # noqa: B018
        with open_websocket(address(sim, "ws")) as client:
            assert is_served(client, REQUEST_FRAME)
    with start_simulator(ws=False) as sim:
        with pytest.raises(LookupError, match="no ws"):
            sim.ws_url  # noqa: B018
        with connect(sim.tcp_address) as client:
            assert is_served(client)


EXHAUSTION = """
import os, resource, socket, time
from invis_sim import start_simulator
from invis_sim.journal import EntryFilter

ASK = b'{"packetID": 221040, "payload": {"callbackName": 20}}'

def connect():
    # The descriptors of the clients lie above the limit, so that it bites the outlet alone.
    client = socket.create_connection(sim.tcp_address, timeout=20)
    client.sendall(ASK)
    return client

def served(client):
    return b'"PUBACK":1' in client.recv(4096)

with start_simulator(ws=False) as sim:
    errors = sim.journal.subscribe(EntryFilter(kinds=("error",)))
    waiting = connect()
    assert served(waiting)
    spare = [socket.socket() for _ in range(3)]
    for sock in spare:
        sock.settimeout(20)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    filler = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, hard))
    try:
        while True:
            filler.append(os.dup(0))
    except OSError:
        pass
    for sock in spare:  # connected by the kernel, but nothing is left to accept them with
        sock.connect(sim.tcp_address)
        sock.sendall(ASK)
    assert errors.wait(20)
    until = time.monotonic() + 0.35  # for several attempts to accept them
    while time.monotonic() < until:
        waiting.sendall(ASK)
        assert served(waiting)
    for descriptor in filler:
        os.close(descriptor)
    assert all(served(sock) for sock in spare)
    error, = errors.read()
    assert "Too many open files" in error.text, error
    for sock in (*spare, waiting):
        sock.close()
print("survived")
"""


@needs_proc
def test_running_out_of_descriptors_is_told_and_survived() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EXHAUSTION],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"survived\n", b"", 0)


# What is raised


class InjectedError(Exception):
    """Something that goes wrong in the block."""


def raise_with_cause() -> None:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise InjectedError("in the block") from error


def test_under_trio_what_the_block_raises_comes_out_as_itself() -> None:
    async def live() -> None:
        async with open_simulator():
            raise_with_cause()

    with pytest.raises(InjectedError, match="in the block") as caught:
        trio.run(live)
    assert isinstance(caught.value.__cause__, KeyError)


def test_under_trio_a_group_that_the_block_raises_gets_no_other_around_it() -> None:
    group = ExceptionGroup("two", [InjectedError("one"), InjectedError("another")])

    async def live() -> None:
        async with open_simulator():
            raise group

    with pytest.raises(ExceptionGroup) as caught:
        trio.run(live)
    assert (caught.value.message, caught.value.exceptions) == ("two", group.exceptions)


def test_under_trio_a_timeout_around_the_block_ends_it() -> None:
    async def live() -> None:
        async with open_simulator() as sim, await trio.open_tcp_stream(*sim.tcp_address):
            with trio.fail_after(TIMEOUT):  # there is nothing to wait for
                await trio.sleep_forever()

    async def live_for_a_while() -> bool:
        with trio.move_on_after(0.05) as scope:
            await live()
        return scope.cancelled_caught

    assert trio.run(live_for_a_while)


@for_each(
    ("overrides", "kind"),
    [({"host": "a..b"}, StartError), ({"sn": "lower case"}, ScenarioError), ({"no": 1}, TypeError)],
)
def test_a_start_that_fails_raises_the_error_itself_in_both_ways(
    overrides: dict[str, Any], kind: type[Exception]
) -> None:
    async def live() -> None:
        async with open_simulator(None, **overrides):
            pytest.fail("it cannot start")

    with pytest.raises(kind):
        trio.run(live)
    with pytest.raises(kind), start_simulator(None, **overrides):
        pytest.fail("it cannot start")


def test_what_the_block_of_start_simulator_raises_comes_out_as_itself() -> None:
    with pytest.raises(InjectedError, match="in the block") as caught, start_simulator():
        raise_with_cause()
    assert isinstance(caught.value.__cause__, KeyError)


@for_each("source", ["no-such-scenario", "no/such/file.toml", "seed = -1", "= 1"])
def test_a_scenario_that_cannot_be_used_is_refused_before_anything_starts(source: str) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ScenarioError), start_simulator(source):
        pytest.fail("it cannot be used")
    assert set(threading.enumerate()) <= threads


def test_under_trio_the_outlet_serves_the_tasks_beside_it() -> None:
    async def live() -> bytes:
        async with open_simulator(Scenario(seed=5)) as sim:
            assert (sim.seed, sim.has("tcp"), sim.has("ws")) == (5, True, True)
            async with await trio.open_tcp_stream(*sim.tcp_address) as client:
                await client.send_all(REQUEST)
                return bytes(await client.receive_some())

    assert b'"PUBACK":1' in trio.run(live)


def test_two_outlets_share_nothing() -> None:
    with start_simulator(sn="1111111111") as one, start_simulator(sn="2222222222") as two:
        with connect(one.tcp_address) as client, one.inject(Fail()):
            assert exchange(client) == b'{"sn":"1111111111","packetID":221040,"PUBACK":0}'
            with connect(two.tcp_address) as other:
                assert exchange(other).startswith(
                    b'{"sn":"2222222222","packetID":221040,"PUBACK":1'
                )
        assert len(one.journal.exchanges()) == len(two.journal.exchanges()) == 1


def test_without_a_seed_one_is_drawn_and_can_be_asked_for() -> None:
    seeds = set()
    for _ in range(3):
        with start_simulator(tcp=False) as sim:
            seeds.add(sim.seed)
    assert len(seeds) == 3
    with start_simulator(seed=7) as sim:
        assert sim.seed == 7
