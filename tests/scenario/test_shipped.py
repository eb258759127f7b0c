"""The scenarios that ship with the package do what they say."""

import json
import re
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from invis_sim import start_fleet, start_simulator
from invis_sim.device.outlet import Outlet
from invis_sim.faults import KINDS
from invis_sim.faults.delivery import Close, Wait, Write
from invis_sim.faults.fault import LAYERS, Layer
from invis_sim.faults.json_forms import Breakage
from invis_sim.faults.kinds.identity import WrongId
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.session import PlannedDelivery
from invis_sim.protocol.packets import Reply, Request
from invis_sim.protocol.transport import Transport
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.fleet_check import fleet_notes
from invis_sim.scenario.fleet_outlets import members_of
from invis_sim.scenario.loading import load
from invis_sim.scenario.model import Listen
from tests.cases import for_each

NAMES = [
    "aura",
    "bare",
    "chaos",
    "default",
    "faceplate-comes-and-goes",
    "flaky",
    "fleet-of-fifty",
    "malformed-json",
    "mixed-fleet",
    "no-faceplate",
    "odd-text",
    "odd-websocket",
    "pro",
    "reboots",
    "reboots-often",
    "rev-b",
    "rough-network",
    "slow-updates",
    "small-server",
    "up-to-date",
    "update-available",
    "update-check-fails",
    "update-fails-halfway",
    "update-hangs",
    "update-succeeds",
    "web-update-only",
    "wrong-content",
    "wrong-packet-ids",
]

TOURS: dict[str, Layer] = {
    "wrong-content": "content",
    "odd-text": "text",
    "odd-websocket": "websocket",
    "rough-network": "delivery",
    "small-server": "connection",
    "reboots": "device",
}
"""Scenarios that show what there is of one layer."""


def test_these_scenarios_ship_by_name() -> None:
    assert list(bundled()) == NAMES


@for_each("name", NAMES)
def test_each_says_in_one_sentence_what_it_is_for(name: str) -> None:
    description = load(name).description
    assert re.fullmatch(r"[A-Z][^\n]*[^.\n]\.", description)
    assert ". " not in description


@for_each("name", NAMES)
def test_each_leaves_the_ports_to_whoever_runs_it(name: str) -> None:
    assert load(name).listen == Listen()


@for_each("name", NAMES)
def test_each_runs_with_each_of_its_transports_alone(name: str) -> None:
    scenario = load(name)
    for only in scenario.transports:
        tcp, ws = only == "tcp", only == "ws"
        if scenario.fleet is not None:
            with start_fleet(scenario=scenario, tcp=tcp, ws=ws) as fleet:
                assert all(set(outlet.addresses) == {only} for outlet in fleet.values())
            continue
        with start_simulator(scenario, tcp=tcp, ws=ws) as sim:
            assert sim.tcp_address if only == "tcp" else sim.ws_url


class Client:
    """Asks the outlet of a scenario for updates, time after time, on one connection."""

    def __init__(self, name: str, transport: Transport = "tcp", seed: int = 1) -> None:
        scenario = load(name)
        seed = seed if scenario.seed is None else scenario.seed
        self.outlet = Outlet(scenario.state, packet_ids=scenario.protocol.packet_id, seed=seed)
        pipeline = Pipeline(scenario.faults, seed)
        self.session = pipeline.session(transport, 1)
        self.asked = 0

    def ask(self, callback: int = 20) -> tuple[Reply, PlannedDelivery | None]:
        """The honest reply, and what the faults make of it."""
        self.asked += 1
        request = Request(packet_id=100_000 + self.asked, callback=callback)
        reply = self.outlet.handle(request, 0.0).reply
        assert reply is not None
        return reply, self.session.plan(reply, reply.encode(), request, 0.0, bytes)

    def answers(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            reply, plan = self.ask()
            yield reply.encode() if plan is None else written(plan)


def written(plan: PlannedDelivery) -> bytes:
    return b"".join(step.data for step in plan.delivery.steps if isinstance(step, Write))


def waited(plan: PlannedDelivery) -> float:
    return sum(step.seconds for step in plan.delivery.steps if isinstance(step, Wait))


def outdated(name: str) -> set[str]:
    """What the outlet reports an update for."""
    reply, plan = Client(name).ask()
    assert plan is None
    report = reply.fields["payload"]["callbackArgs"]
    return {
        f"{module} {revision}"
        for module, block in report.items()
        for revision in ("fw_rev", "www_fw_rev")
        if revision in block and block[f"available_{revision}"] != block[revision]
    }


@for_each(
    ("name", "expected"),
    [
        ("default", {"IM www_fw_rev", "PM fw_rev"}),
        ("up-to-date", set()),
        ("update-available", {"IM fw_rev", "IM www_fw_rev", "PM fw_rev"}),
        ("web-update-only", {"IM www_fw_rev"}),
        ("no-faceplate", {"IM fw_rev", "IM www_fw_rev"}),
    ],
)
def test_there_are_updates_for_what_the_name_says(name: str, expected: set[str]) -> None:
    assert outdated(name) == expected


@for_each(
    ("name", "modules"),
    [("default", {"IM", "PM"}), ("up-to-date", {"IM", "PM"}), ("no-faceplate", {"IM"})],
)
def test_a_faceplate_is_reported_where_there_is_one(name: str, modules: set[str]) -> None:
    reply, _ = Client(name).ask()
    assert set(reply.fields["payload"]["callbackArgs"]) == modules


def test_a_failing_update_check_is_answered_without_payload() -> None:
    reply, plan = Client("update-check-fails").ask()
    assert plan is None
    assert reply.fields["PUBACK"] == 0
    assert "payload" not in reply.fields


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_slow_updates_are_late_and_whole_and_nothing_else_is_slow(transport: Transport) -> None:
    client = Client("slow-updates", transport)
    waits = set()
    for _ in range(50):
        reply, plan = client.ask()
        assert plan is not None
        assert written(plan) == reply.encode()
        assert 0.2 <= waited(plan) <= 1.5
        waits.add(waited(plan))
    assert len(waits) > 40
    assert client.ask(callback=12)[1] is None


def good(answer: bytes) -> bool:
    try:
        json.loads(answer, parse_constant=refuse)
    except ValueError:
        return False
    return True


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_malformed_json_breaks_every_other_reply_in_each_way_there_is(transport: Transport) -> None:
    answers = list(Client("malformed-json", transport).answers(40))
    assert [good(answer) for answer in answers] == [False, True] * 10 + [True] * 20
    assert len(set(answers[0:20:2])) == 10
    ways = [getattr(fault, "how", None) for fault in load("malformed-json").faults]
    assert ways == list(typing.get_args(Breakage))


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_wrong_packet_ids_come_with_every_other_reply_in_each_form(transport: Transport) -> None:
    packets = map(json.loads, Client("wrong-packet-ids", transport).answers(30))
    wrong = [packet.get("packetID") != 100_001 + n for n, packet in enumerate(packets)]
    assert wrong == [True, False] * 8 + [False] * 14
    forms = [getattr(fault, "how", None) for fault in load("wrong-packet-ids").faults]
    assert forms == list(typing.get_args(WrongId))


def test_the_previous_packet_id_is_one_that_was_answered_right() -> None:
    answers = list(Client("wrong-packet-ids").answers(3))
    assert json.loads(answers[2])["packetID"] == json.loads(answers[1])["packetID"] == 100_002


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_flaky_shows_each_of_its_faults_and_lets_most_replies_through(transport: Transport) -> None:
    client = Client("flaky", transport)
    plans = [client.ask()[1] for _ in range(300)]
    applied = [touch.fault for plan in plans if plan for touch in plan.applied]
    assert set(applied) == {fault.name for fault in load("flaky").faults}
    assert plans.count(None) > 150
    assert any(isinstance(step, Close) for plan in plans if plan for step in plan.delivery.steps)


def test_flaky_is_the_same_each_time() -> None:
    assert load("flaky").seed is not None
    first, second = (list(Client("flaky").answers(100)) for _ in range(2))
    assert first == second


@for_each(("name", "layer"), TOURS.items())
def test_a_tour_shows_most_of_its_layer_and_nothing_else(name: str, layer: Layer) -> None:
    shown = {fault.kind() for fault in load(name).faults}
    of_layer = {kind for kind, fault in KINDS.items() if fault.layer == layer}
    assert shown <= of_layer
    assert len(shown) > 0.6 * len(of_layer)


def test_there_is_a_tour_of_every_layer_and_chaos_mixes_them_all() -> None:
    assert sorted(TOURS.values()) == sorted(LAYERS)
    assert {fault.layer for fault in load("chaos").faults} == set(LAYERS)
    assert load("chaos").seed is not None


def test_wrong_content_comes_in_ten_ways_and_the_eleventh_answer_is_right() -> None:
    client = Client("wrong-content")
    wrong = []
    for _ in range(22):
        reply, plan = client.ask()
        answer = written(plan) if plan else reply.encode()
        wrong.append(answer != reply.encode())
        if plan is None or "push" not in plan.applied[0].fault:
            assert good(answer)
    # Nothing has changed since the last answer, so the stale one is like it.
    assert wrong == ([True] * 7 + [False] + [True] * 2 + [False]) * 2
    assert client.ask(callback=12)[1] is None


def test_odd_text_begins_with_three_forms_of_the_same_and_goes_on_with_what_is_not_json() -> None:
    client = Client("odd-text")
    for n in range(9):
        reply, plan = client.ask()
        assert plan is not None
        if n < 3:
            assert json.loads(written(plan)) == reply.fields
            assert written(plan) != reply.encode()
        elif n != 5:  # flipped bits may leave JSON
            with pytest.raises(ValueError, match=r"JSON|utf-8|truncated"):
                msgspec.json.decode(written(plan))
    plan = client.ask()[1]
    assert plan is not None
    assert json.loads(written(plan)) == []
    assert client.ask()[1] is None


def test_a_mixed_fleet_has_every_product_and_some_outlets_in_trouble() -> None:
    scenario = load("mixed-fleet")
    assert scenario.seed is not None
    outlets = {one.number: one.scenario for one in members_of(scenario, scenario.seed)}
    assert {one.product for one in outlets.values()} == {"bare", "pro", "aura"}
    assert fleet_notes(scenario) == []
    slow = [n for n, one in outlets.items() if [fault.kind() for fault in one.faults] == ["delay"]]
    assert 3 < len(slow) < 20
    assert [n for n, one in outlets.items() if one.steps] == [7, 17, 27]
    assert [fault.kind() for fault in outlets[13].faults] == ["drop"]
