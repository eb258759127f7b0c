"""The shipped scenarios of products, updates and restarts, each run as a client sees it."""

import json
import math
import socket
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import pytest

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.journal.text import summary
from tests.cases import for_each
from tests.support import TIMEOUT, make_request


class Client:
    """Asks over TCP, and keeps what is pushed to it."""

    def __init__(self, simulator: SimulatorHandle) -> None:
        self.pushes: list[tuple[int, Any]] = []
        self._socket = socket.create_connection(simulator.tcp_address, TIMEOUT)
        self._text = ""
        self._asked = 100_000

    def close(self) -> None:
        self._socket.close()

    def ask(self, callback: int, *args: Any) -> dict[str, Any]:
        """The reply. What comes before it is kept."""
        self._asked += 1
        self.send(callback, *args)
        while True:
            packet = self.packet()
            assert packet is not None, "the connection ended without a reply"
            if "PUBACK" in packet:
                assert packet["packetID"] == self._asked
                return packet
            self._keep(packet)

    def args(self, callback: int, *args: Any) -> Any:
        """What a successful reply returns."""
        reply = self.ask(callback, *args)
        assert reply["PUBACK"] == 1
        return reply["payload"]["callbackArgs"]

    def send(self, callback: int, *args: Any) -> None:
        given = list(args) if args else msgspec.UNSET
        self._socket.sendall(make_request(callback, given, self._asked))

    def packet(self) -> dict[str, Any] | None:
        """The next packet; None at the end of the stream, however it ends."""
        while True:
            if self._text:
                try:
                    packet, end = json.JSONDecoder().raw_decode(self._text)
                except ValueError:
                    pass
                else:
                    self._text = self._text[end:]
                    assert isinstance(packet, dict)
                    return packet
            try:
                piece = self._socket.recv(4096)
            except ConnectionResetError:
                return None
            if not piece:
                return None
            self._text += piece.decode()

    def listen(self, enough: Callable[[int, Any], bool] = lambda callback, args: False) -> None:
        """Keeps pushes up to one that is enough, or to the end of the stream."""
        while (packet := self.packet()) is not None:
            assert "PUBACK" not in packet
            self._keep(packet)
            if enough(*self.pushes[-1]):
                return

    def _keep(self, packet: dict[str, Any]) -> None:
        payload = packet["payload"]
        self.pushes.append((payload["callbackName"], payload["callbackArgs"]))

    def of_updates(self) -> list[tuple[int, Any]]:
        return [push for push in self.pushes if push[0] in (21, 22, 23)]


def progress(part: int, last: int = 100) -> list[tuple[int, list[int]]]:
    """The pushes of ten steps."""
    return [(22, [part, percent]) for percent in range(0, last + 1, 10)]


def works(client: Client) -> set[int]:
    """The callbacks that are answered with success."""
    requests: dict[int, list[Any]] = {
        **{number: [] for number in (1, 3, 9, 11, 12, 15, 20)},
        10: [1, 1],
        14: [1, 50],
        17: [5, 1, [[1, 100, [0, 0]]]],
        18: [5],
        26: [30],
        28: [20_000, 40_000],
    }
    return {number for number, args in requests.items() if client.ask(number, *args)["PUBACK"]}


ALWAYS = {1, 3, 9, 10, 12, 20}


@for_each(
    ("name", "kind", "callbacks"),
    [
        ("bare", None, ALWAYS),
        ("pro", "Pro", ALWAYS | {11, 14, 15, 26, 28}),
        ("aura", "Aura", ALWAYS | {11, 17, 18}),
        ("rev-b", "Pro", ALWAYS | {11, 14, 15, 26, 28}),
    ],
)
def test_a_product_answers_what_it_can_do(name: str, kind: str | None, callbacks: set[int]) -> None:
    with start_simulator(name) as sim, closing(Client(sim)) as client:
        assert client.args(12).get("PM", {}).get("type") == kind
        assert works(client) == callbacks


def test_the_bare_outlet_begins_as_its_file_says() -> None:
    with start_simulator("bare") as sim, closing(Client(sim)) as client:
        assert client.args(9) == [1, 0]
        assert len(client.args(3)) == 2
        assert set(client.args(20)) == {"IM"}


def test_the_pro_measures_a_room_that_lives() -> None:
    with start_simulator("pro") as sim, closing(Client(sim)) as client:
        assert [item["name"] for item in client.args(3)] == ["Lamp", "Fan", "Nightlight"]
        assert client.args(15) == [1, 30]
        samples = [client.args(11)[1]]
        for _ in range(11):
            sim.sample()
            samples.append(client.args(11)[1])
        assert [sample["occupancy_state"] for sample in samples] == [0] * 6 + [1] * 6
        assert all((sample["distance"] > 0) == sample["occupancy_state"] for sample in samples)
        still = {name for name in samples[0] if len({str(one[name]) for one in samples}) == 1}
        assert {name for name in still if not name.endswith(("_valid", "accuracy"))} == {
            "co2_peak_lvl"
        }
        assert all(18 <= float(sample["temp_celsius"]) <= 25 for sample in samples)


def test_the_aura_shines_in_two_colours() -> None:
    with start_simulator("aura") as sim, closing(Client(sim)) as client:
        light, mode, leds, *_ = client.args(18, 5)
        assert (light, mode, len(leds)) == (5, 1, 9)
        assert {tuple(led[2]) for led in leds if led[0]} == {(30, 80), (200, 60)}
        assert set(client.args(11)[1]) == {"lux_valid", "lux"}


def test_revision_b_has_tcp_only_and_restarts_before_it_updates() -> None:
    with start_simulator("rev-b", speed=200) as sim:
        assert not sim.has("ws")
        sim.set(timing={"reconnect_seconds": 1000})
        with closing(Client(sim)) as client:
            client.send(21, 1)
            client.listen()
            assert client.of_updates() == []
        sim.wait_until_up(TIMEOUT)
        with closing(Client(sim)) as client:
            client.listen()  # until it restarts with the new firmware
            pushed = client.of_updates()
            assert pushed[:2] == [(21, [1, 1]), (23, [1, 0])]
            assert pushed[-2:] == [(22, [1, 100]), (23, [1, 1])]
        sim.wait_until_up(TIMEOUT)
        assert sim.state.firmware.IM.fw_rev == "0.1.0"


def test_updates_succeed_with_new_revisions() -> None:
    with start_simulator("update-succeeds", speed=200) as sim:
        with closing(Client(sim)) as client:
            assert client.ask(21, 2)["PUBACK"] == 1
            client.listen(lambda callback, args: (callback, args) == (23, [2, 1]))
            assert client.of_updates() == [(23, [2, 0]), *progress(2), (23, [2, 1])]
            assert "PM" not in client.args(12)
            wait_until(lambda: sim.faceplate_online)
            assert client.args(12)["PM"]["fw_rev"] == "0.5.1"
            client.pushes.clear()
            assert client.ask(21, 1, 0)["PUBACK"] == 1
            client.listen()
            pushed = [(23, [1, 0]), *progress(3), (23, [3, 1]), *progress(1), (23, [1, 1])]
            assert client.of_updates() == pushed
        sim.wait_until_up(TIMEOUT)
        with closing(Client(sim)) as client:
            report = client.args(20)
            assert report["IM"]["fw_rev"] == report["IM"]["available_fw_rev"] == "0.1.0"
            assert report["IM"]["www_fw_rev"] == "0.3.0"
            assert client.args(12)["IM"]["fw_rev"] == "0.1.0"
            assert client.ask(21, 1)["PUBACK"] == 0


def test_updates_fail_halfway_time_after_time() -> None:
    with start_simulator("update-fails-halfway", speed=200) as sim, closing(Client(sim)) as client:
        pushed = [(23, [1, 0]), *progress(3), (23, [3, 1]), *progress(1, 50), (23, [1, 0])]
        for _ in range(2):
            client.pushes.clear()
            assert client.ask(21, 1)["PUBACK"] == 1
            client.listen(lambda callback, args: len(client.of_updates()) == len(pushed))
            assert client.of_updates() == pushed
        client.pushes.clear()
        assert client.ask(21, 2)["PUBACK"] == 1
        pushed = [(23, [2, 0]), *progress(2, 50), (23, [2, 0])]
        client.listen(lambda callback, args: len(client.of_updates()) == len(pushed))
        assert client.of_updates() == pushed
        assert client.args(12)["IM"]["fw_rev"] == "0.0.1"
        assert client.args(12)["PM"]["fw_rev"] == "0.5.0"


@pytest.mark.parametrize("target", [1, 2])
def test_an_update_hangs_until_the_outlet_restarts(target: int) -> None:
    with start_simulator("update-hangs", speed=math.inf) as sim:
        with closing(Client(sim)) as client:
            assert client.ask(21, target)["PUBACK"] == 1
            client.listen(lambda callback, args: (callback, args) == (22, [target, 60]))
            schedule = sim.call(lambda: sim._simulator._outlet.schedule)
            assert schedule.next_due(daemon=False) is None  # nothing more will come
            assert sim.updating
            assert client.ask(21, target)["PUBACK"] == 0
            assert client.of_updates()[-1] == (22, [target, 60])
            client.send(5)
            client.listen()
        sim.wait_until_up(TIMEOUT)
        with closing(Client(sim)) as client:
            assert client.ask(21, target)["PUBACK"] == 1


def test_it_reboots_often_and_tells_who_comes_back() -> None:
    with start_simulator("reboots-often", speed=200) as sim:
        for _ in range(5):
            with closing(Client(sim)) as client:
                client.listen()
            sim.wait_until_up(TIMEOUT)
            with closing(Client(sim)) as client:
                client.listen(lambda callback, args: callback == 12)
                assert client.pushes[0][0] == 12
                assert client.ask(20)["PUBACK"] == 1
        begun = sim.journal.events(kind="outage_started")
        assert len(begun) >= 5
        steps = [summary(event) for event in sim.journal.events(kind="command")]
        assert [one.partition(" {")[0] for one in steps[:5]] == [
            f"step {number}: reboot" for number in (1, 2, 3, 4, 1)
        ]


def test_the_faceplate_comes_and_goes() -> None:
    with (
        start_simulator("faceplate-comes-and-goes", speed=100) as sim,
        closing(Client(sim)) as client,
    ):
        steps = sim.journal.events(kind="command")
        while len(steps) < 4:  # twice off and on
            client.listen(lambda callback, args: callback == 11)
            steps = sim.journal.events(kind="command")
        assert client.args(12)["PM"]["online"] is True
    off, on, off_again, on_again = (step.seconds for step in steps[:4])
    assert [summary(step) for step in steps[:2]] == [
        *("step 1: faceplate off", "step 2: faceplate on")
    ]
    pushed = [one.seconds for one in sim.journal.exchanges(callback=11)]
    assert any(second < off for second in pushed)
    assert any(on < second < off_again for second in pushed)
    assert not any(off < second < on or off_again < second < on_again for second in pushed)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
