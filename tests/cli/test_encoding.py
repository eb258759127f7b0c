"""What a machine reads is UTF-8, whatever the locale."""

import io
import json
import os
from contextlib import redirect_stdout

import tomli

from invis_sim.cli import main
from invis_sim.testing.block import start_simulator
from tests.cli.process import outlet, process
from tests.support import connect, exchange, make_request

ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}


def output_in_ascii(*arguments: str) -> bytes:
    """What a command prints in a locale that has ASCII alone."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with redirect_stdout(out):
        assert main(arguments) == 0
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return out.buffer.getvalue()


def test_the_schema_is_utf8() -> None:
    text = output_in_ascii("schema").decode()
    assert not text.isascii()
    json.loads(text)


def test_captures_and_comparisons_are_utf8() -> None:
    with start_simulator() as sim:
        sim.set(names={"outlet1": "Küche"})
        tcp, ws = (str(port) for _, port in sim.addresses.values())
        place = ("127.0.0.1", "--tcp-port", tcp, "--ws-port", ws, "--pause", "0")
        captured = output_in_ascii("capture", *place, "--listen", "0", "--keep-identity")
        compared = output_in_ascii("compare", *place, "default", "--json")
    assert tomli.loads(captured.decode())["names"]["outlet1"] == "Küche"
    assert "Küche" in compared.decode()
    json.loads(compared)


def test_packets_that_are_watched_are_utf8() -> None:
    with start_simulator() as sim:
        address = f"127.0.0.1:{sim.tcp_address[1]}"
        with process("watch", address, env=ASCII, encoding="utf-8") as watching:
            sim.wait_for_connection(timeout=30)
            sim.push(99, ["Küche"])
            assert json.loads(watching.line())["payload"]["callbackArgs"] == ["Küche"]


def test_the_json_log_is_utf8() -> None:
    with outlet(env=ASCII, encoding="utf-8") as it, connect(it.tcp_address) as client:
        client.sendall(make_request(4, [[1, "Küche"]]))
        client.recv(4096)
        exchange(client)
        while (entry := json.loads(it.line()))["entry"] != "exchange":
            pass
        assert "Küche" in entry["received"]
