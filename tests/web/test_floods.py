"""The control port under clients that send too much, or read nothing: all of it is bounded."""

import math
import socket
from contextlib import ExitStack

import pytest

from invis_sim.journal import DeviceLog
from invis_sim.web import app, server
from tests.support import connect, exchange
from tests.web.support import OUTLET, Client, steered


def ask(client: Client, request: bytes) -> bytes:
    """Send bytes, and return all that comes until the server ends the connection."""
    received = b""
    with connect((client.host, client.port or 0)) as sock:
        try:
            sock.sendall(request)
            while data := sock.recv(65536):
                received += data
        except (ConnectionResetError, BrokenPipeError):  # with bytes of ours unread
            pass
    return received


def head(client: Client, more: str) -> bytes:
    host = f"Host: {client.host}:{client.port}\r\nContent-Type: application/json\r\n"
    return f"POST {OUTLET}/commands HTTP/1.1\r\n{host}{more}\r\n".encode()


def test_a_body_that_is_too_long_is_refused_and_nothing_else_suffers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "MAX_BODY_BYTES", 1000)
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        problem = client.refused("POST", f"{OUTLET}/commands", b"[" + b" " * 2_000_000 + b"]")
        assert problem.status == 413
        assert exchange(outlet)["PUBACK"] == 1
        assert client.get("/api/version")


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.001)
    monkeypatch.setattr(app, "DISCARD_SECONDS", 0.001)
    with steered() as (_, client):
        assert ask(client, head(client, "Content-Length: 9\r\n")).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with steered() as (_, client):
        long = head(client, f"X: {'x' * 2 * server.MAX_HEADER_BYTES}\r\n")
        assert not ask(client, long).startswith(b"HTTP/1.1 2")
        assert client.get("/api/version")


def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.001)
    with steered() as (_, client):
        assert ask(client, b"GET / HTTP/1.1\r\n") == b""


def test_there_is_a_limit_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    with steered() as (_, client), ExitStack() as stack:
        assert client.get("/api/version")
        stack.enter_context(client.events())
        assert ask(client, b"GET / HTTP/1.1\r\n\r\n") == b""
        assert client.get("/api/version")


def test_a_reader_that_reads_nothing_does_not_keep_the_outlet_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "WRITE_SECONDS", math.inf)
    with steered() as (sim, client), connect(sim.tcp_address) as outlet, client.events():
        for _ in range(20):
            sim.call(lambda: sim.journal.add(DeviceLog, 0.0, text="x" * 1_000_000))
        assert exchange(outlet)["PUBACK"] == 1
        assert client.get("/api/version")
        sim.stop()  # while the stream is stuck


def test_a_reader_that_reads_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WRITE_SECONDS", 0.01)
    with steered() as (sim, client), client.events():
        for _ in range(20):
            sim.call(lambda: sim.journal.add(DeviceLog, 0.0, text="x" * 1_000_000))
        while sim.journal._subscriptions:
            assert client.get("/api/version")


def test_many_idle_streams_get_their_events_and_disturb_nothing() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet, ExitStack() as stack:
        streams = [stack.enter_context(client.events()) for _ in range(100)]
        assert exchange(outlet)["PUBACK"] == 1
        client.do({"push": 9})
        for stream in streams:
            while stream.next()[1].get("command") != "push 9":
                pass


def test_many_connections_that_say_nothing_disturb_nothing() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection((client.host, client.port or 0)))
        assert exchange(outlet)["PUBACK"] == 1
        assert client.get("/api/version")
