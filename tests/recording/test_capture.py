"""A real outlet becomes a scenario. Another simulator stands in for the real outlet."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import SimulatorHandle, open_simulator, scenario, start_simulator
from invis_sim.client.errors import ClientError
from invis_sim.device.state import OutletState, Product, Timing
from invis_sim.journal import Journal
from invis_sim.protocol.transport import Transport
from invis_sim.recording.capture import MAX_UNASKED_PACKETS, Capture, async_capture, capture
from invis_sim.recording.questions import QUESTIONS, simulate
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.export import scenario_of
from invis_sim.scenario.listen import Listen
from tests.cli.process import cli_here
from tests.scenario.random_scenarios import states
from tests.support import TIMEOUT, refusing_port

READING = {question.callback for question in QUESTIONS}


async def _captured(state: OutletState, transport: Transport, **options: Any) -> Capture:
    quirks = msgspec.structs.replace(state.quirks, transports="both")
    state = msgspec.structs.replace(state, quirks=quirks)
    listen = Listen(tcp=transport == "tcp", ws=transport == "ws")
    # An outlet that does not answer for parts that it lacks is waited for five times.
    answers_all = quirks.missing_parts != "ignored"
    with refusing_port() as refusing:
        async with open_simulator(scenario_of(state, seed=1, listen=listen)) as device:
            return await async_capture(
                "127.0.0.1",
                tcp_port=device.tcp_address[1] if transport == "tcp" else refusing,
                ws_port=refusing if transport == "tcp" else urlsplit(device.ws_url).port or 0,
                listen=0,
                pause=0,
                timeout=TIMEOUT if answers_all else 0.3,
                **options,
            )


def packets(state: OutletState) -> list[bytes]:
    return [one.reply.encode() for one in simulate(state) if one.reply]


@pytest.mark.parametrize("transport", ["tcp", "ws"])
@pytest.mark.parametrize(
    "name",
    [name for name in bundled() if not scenario.load(name).faults + scenario.load(name).steps],
)
def test_a_shipped_scenario_is_captured_as_it_is(name: str, transport: Transport) -> None:
    state = scenario.load(name).state
    found = trio.run(lambda: _captured(state, transport, keep_identity=True))
    again = scenario.parse(found.to_toml())
    assert again.state == found.scenario.state
    assert packets(again.state) == packets(state)


@given(
    state=states,
    product=st.sampled_from(["bare", "pro", "aura"]),
    transport=st.sampled_from(["tcp", "ws"]),
)
def test_any_outlet_is_captured_as_it_is(
    state: OutletState, product: Product, transport: Transport
) -> None:
    timing = Timing(sensor_seconds=0)  # no new readings while it is read
    state = msgspec.structs.replace(state, timing=timing).with_product(product)
    found = trio.run(lambda: _captured(state, transport, keep_identity=True))
    again = scenario.parse(found.to_toml())
    assert packets(again.state) == packets(state)
    # To capture the captured one finds nothing else.
    assert trio.run(lambda: _captured(again.state, transport, keep_identity=True)).scenario == again


# What the command shows and writes


def ports(sim: SimulatorHandle) -> list[str]:
    """The arguments that name a simulator, to be asked fast."""
    (host, port), ws_port = sim.tcp_address, urlsplit(sim.ws_url).port
    return [host, "--tcp-port", str(port), "--ws-port", str(ws_port), "--pause", "0"]


def options(sim: SimulatorHandle) -> list[str]:
    """The same, without waiting for pushes."""
    return [*ports(sim), "--listen", "0"]


HOME = """
[device]
sn = "0003C4BEEF"
product = "aura"
[names]
outlet1 = "Anna's lamp"
[preferences.sys_prefs.mqtt]
pass = "tops3cret"
"""


def test_what_is_captured_is_written_without_the_identity_and_runs(tmp_path: Path) -> None:
    toml, raw = tmp_path / "mine.toml", tmp_path / "mine.jsonl"
    with start_simulator(HOME) as device:
        done = cli_here("capture", *options(device), "-o", str(toml), "--raw", str(raw))
        asked = {one.callback for one in device.journal.exchanges() if one.request}
    assert done.returncode == 0
    assert asked == READING  # and nothing that changes anything
    assert done.stdout == toml.read_text("utf-8")
    written = toml.read_text("utf-8") + raw.read_text("utf-8")
    for secret in ("0003C4BEEF", "Anna", "tops3cret", "00:03:C4"):
        assert secret not in written
    assert "values were replaced by pseudonyms" in done.stderr
    with start_simulator(toml) as simulated:
        assert simulated.sn != "0003C4BEEF"
        assert simulated.state.product == "aura"
    assert {one.callback for one in Journal.load(raw).exchanges()} == READING


def test_the_same_key_gives_the_same_pseudonyms() -> None:
    with start_simulator(HOME) as device:
        same = [
            cli_here("capture", *options(device), "--pseudonym-key", key).stdout
            for key in ("a", "a", "b")
        ]
    assert same[0] == same[1] != same[2]


@pytest.mark.parametrize("output", ["-o {dir}", "--raw {dir}", "-o {dir}/no/x", "-o {f} --raw {f}"])
def test_what_cannot_be_written_is_refused_before_anything_is_asked(
    output: str, tmp_path: Path
) -> None:
    outputs = output.format(dir=tmp_path, f=tmp_path / "f").split()
    with start_simulator() as device:
        done = cli_here("capture", *options(device), *outputs)
        assert not device.journal.exchanges()
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


# Odd devices


@contextmanager
def odd_device(reply: Callable[[int, int], bytes | None]) -> Iterator[int]:
    """A device on TCP alone, which answers each request with what `reply` makes of its packetID and
    callback, or closes the connection where that is None; its port.
    """

    def serve(connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT)
        with connection, suppress(ConnectionError):
            while line := connection.recv(4096):
                request = json.loads(line)
                answer = reply(request["packetID"], request["payload"]["callbackName"])
                if answer is None:
                    return
                connection.sendall(answer)

    def accept() -> None:
        with suppress(OSError):  # the listener is shut down
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(TIMEOUT)


def of_odd(reply: Callable[[int, int], bytes | None], timeout: float = TIMEOUT) -> Capture:
    with odd_device(reply) as port, refusing_port() as refusing:
        return capture(
            "127.0.0.1",
            tcp_port=port,
            ws_port=refusing,
            listen=0,
            pause=0,
            timeout=timeout,
            keep_identity=True,
        )


def good(packet_id: int, callback: int, args: Any) -> bytes:
    packet = {"sn": "0003C4BEEF", "packetID": packet_id, "PUBACK": 1}
    return json.dumps(
        {**packet, "payload": {"callbackName": callback, "callbackArgs": args}}
    ).encode()


def failed(packet_id: int) -> bytes:
    return json.dumps({"sn": "0003C4BEEF", "packetID": packet_id, "PUBACK": 0}).encode()


def test_a_device_that_fails_everything_is_captured() -> None:
    found = of_odd(lambda packet_id, callback: failed(packet_id))
    assert found.scenario.device.sn == "0003C4BEEF"
    assert found.scenario.firmware.update_check == "fail"
    assert any("callback 9: the reply: the device has" in note for note in found.notes)
    assert found.notes[0].startswith("no ws: ")
    assert not found.scenario.listen.ws


def test_what_could_be_read_of_a_device_that_closes_is_kept() -> None:
    def reply(packet_id: int, callback: int) -> bytes | None:
        return good(packet_id, 9, [1, 1]) if callback == 9 else None

    found = of_odd(reply)
    assert found.scenario.outlets.states == (1, 1)
    assert sum("closed the connection without a reply" in note for note in found.notes) == 9
    assert len(found.exchanges) == len(QUESTIONS)


def test_broken_json_unknown_keys_and_other_types_are_noted_and_in_the_raw_file() -> None:
    def reply(packet_id: int, callback: int) -> bytes | None:
        if callback == 12:
            return b'{"sn":,}\n'
        if callback == 9:
            return good(packet_id, 9, [1, "on"])
        if callback == 20:
            return good(packet_id, 20, {"IM": {"fw_rev": "9.9.9", "colour": "white"}})
        return failed(packet_id)

    found = of_odd(reply, timeout=0.05)
    assert found.scenario.firmware.IM.fw_rev == "9.9.9"
    notes = "\n".join(found.notes)
    assert "callback 12: sent no reply within 0.05 s (1 other packets came)" in notes
    assert 'IM.colour: the device has "white", the simulator nothing' in notes
    assert 'callbackArgs[1]: the device has "on", the simulator 0' in notes
    assert b'{\\"sn\\":,}' in found.to_jsonl()
    assert scenario.parse(found.to_toml()).firmware == found.scenario.firmware


def test_pushes_are_kept_and_are_not_taken_for_replies() -> None:
    push = json.dumps(
        {"sn": "0003C4BEEF", "packetID": 7, "payload": {"callbackName": 9, "callbackArgs": [1, 0]}}
    ).encode()
    found = of_odd(lambda packet_id, callback: push + failed(packet_id))
    assert sum(one.outcome == "push" for one in found.exchanges) == len(QUESTIONS)
    assert {one.push_callback for one in found.exchanges if one.outcome == "push"} == {9}
    assert push in found.exchanges[0].sent


def test_a_flood_of_pushes_is_kept_in_part_and_noted() -> None:
    push = json.dumps({"sn": "0003C4BEEF", "packetID": 7, "payload": {"callbackName": 9}}).encode()
    found = of_odd(lambda packet_id, callback: push * 200 + failed(packet_id))
    pushes = sum(one.outcome == "push" for one in found.exchanges)
    assert pushes == MAX_UNASKED_PACKETS
    assert f"{200 * len(QUESTIONS) - pushes} more packets came unasked than are kept" in found.notes


def test_where_nothing_listens_the_error_says_so() -> None:
    with (
        refusing_port() as port,
        pytest.raises(ClientError, match=r"cannot connect to 127\.0\.0\.1:"),
    ):
        capture("127.0.0.1", tcp_port=port, ws_port=port)
