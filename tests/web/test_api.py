"""The API on a running outlet: each resource with each method."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

import invis_sim
from invis_sim.testing.handle import SimulatorHandle
from tests.support import SN, connect, exchange
from tests.web.support import OUTLET, Client, path_of, steered


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[SimulatorHandle, Client]]:
    """One outlet for the tests of this file; each begins after a reset."""
    with steered() as pair:
        yield pair


@pytest.fixture
def sim(running: tuple[SimulatorHandle, Client]) -> Iterator[SimulatorHandle]:
    yield running[0]
    running[0].clock.speed = 1
    running[0].clock.resume()
    running[0].disconnect()
    running[0].reset()
    running[1].send("DELETE", f"{OUTLET}/steps")
    running[0].journal.clear()


@pytest.fixture
def client(running: tuple[SimulatorHandle, Client], sim: SimulatorHandle) -> Client:
    return running[1]


# Who is there


def test_it_says_what_it_is(client: Client) -> None:
    version = client.get("/api/version")
    assert version == {"name": "invis-sim", "version": invis_sim.__version__}


def test_outlets_are_listed_with_their_addresses(sim: SimulatorHandle, client: Client) -> None:
    (outlet,) = client.get("/api/outlets")
    assert client.get(OUTLET) == outlet
    assert (outlet["sn"], outlet["product"], outlet["seed"]) == (SN, "pro", 7)
    host, port = sim.tcp_address
    assert outlet["transports"]["tcp"] == {"host": host, "port": port, "url": None}
    assert outlet["transports"]["ws"]["url"] == sim.ws_url
    assert (outlet["up"], outlet["updating"], outlet["faceplate_online"]) == (True, False, True)


def test_an_outlet_that_restarts_is_not_up(sim: SimulatorHandle, client: Client) -> None:
    client.send("PATCH", "/api/clock", {"paused": True})
    client.do({"reboot": True})
    assert client.get(OUTLET)["up"] is False


def test_an_outlet_has_its_readings_while_its_faceplate_answers(
    sim: SimulatorHandle, client: Client
) -> None:
    sim.set(sensors={"temp_celsius": 25.5, "lux": "inf", "omit": ["AQI"]})
    readings = client.get(OUTLET)["readings"]
    assert (readings["temp_celsius"], readings["lux"], readings["humidity"]) == (25.5, "inf", 40.0)
    assert "AQI" not in readings
    client.do({"faceplate": "off"})
    assert client.get(OUTLET)["readings"] == {}


def test_an_outlet_says_how_far_its_update_is(sim: SimulatorHandle, client: Client) -> None:
    sim.set(firmware={"IM": {"available_www_fw_rev": "9.0.0"}})
    client.send("PATCH", "/api/clock", {"paused": True})
    assert client.get(OUTLET)["update"] is None
    client.do({"set": {"updates": {"IM": {"silence_seconds": 0}}}}, {"update": "IM"})
    seen = []
    for seconds in (0, 5, 10):
        client.send("POST", "/api/clock/advance", {"seconds": seconds})
        update = client.get(OUTLET)["update"]
        seen.append((update["part"], update["percent"], update["stage"], update["hangs"]))
    assert seen == [
        ("www", 0, "downloading", False),
        ("www", 50, "downloading", False),
        ("outlet", 50, "downloading", False),
    ]


# State


def test_where_an_outlet_listens_is_patched_and_shown(sim: SimulatorHandle, client: Client) -> None:
    _, tcp_port = sim.tcp_address
    client.send("PATCH", f"{OUTLET}/state", {"listen": {"host": "localhost", "ws_port": 0}})
    there = client.get(OUTLET)["transports"]
    assert there["tcp"] == {"host": "127.0.0.1", "port": tcp_port, "url": None}
    assert there["ws"]["url"] == sim.ws_url
    client.send("POST", f"{OUTLET}/commands", {"set": {"listen": {"host": "127.0.0.2"}}})
    assert client.get(OUTLET)["transports"]["tcp"]["host"] == "127.0.0.2"
    with connect(sim.tcp_address) as peer:
        assert exchange(peer)["sn"] == SN
    refused = client.refused("PATCH", f"{OUTLET}/state", {"listen": {"host": "example.org"}})
    assert 'expected an IP address, or "localhost"' in str(refused.body)


def test_the_state_is_read_and_patched(sim: SimulatorHandle, client: Client) -> None:
    done = client.send("PATCH", f"{OUTLET}/state", {"outlets": {"states": [1, 0]}})
    assert sim.state.outlets.states == (1, 0)
    assert client.get(f"{OUTLET}/state")["outlets"] == {"states": [1, 0]}
    assert done["after"] == sim.journal.last_number


def test_what_was_read_can_be_written_again(sim: SimulatorHandle, client: Client) -> None:
    before = sim.state
    client.send("PATCH", f"{OUTLET}/state", client.get(f"{OUTLET}/state"))
    assert sim.state == before


# Commands


def test_commands_are_carried_out_in_order_and_recorded(
    sim: SimulatorHandle, client: Client
) -> None:
    after = client.do({"faceplate": "off"}, {"set": {"outlets": {"states": [1, 1]}}})
    assert not sim.faceplate_online
    given = sim.journal.events(kind="command")
    assert [(one.by, one.command) for one in given] == [  # type: ignore[attr-defined]
        ("API", "faceplate off"),
        ("API", "set outlets.states = [1, 1]"),
    ]
    assert after == sim.journal.last_number


def test_of_a_list_all_commands_are_carried_out_or_none(
    sim: SimulatorHandle, client: Client
) -> None:
    body = [{"set": {"outlets": {"states": [1, 1]}}}, {"enable": "nope"}]
    problem = client.refused("POST", f"{OUTLET}/commands", body)
    assert problem.status == 422
    message = "no fault is called 'nope'; there are: none"
    assert problem.body["problems"] == [{"path": "[1].enable", "message": message}]
    single: list[tuple[Any, str]] = [
        ([{"enable": "nope"}], "[0].enable: "),
        ({"push": 9, "enable": "nope"}, "enable: "),
    ]
    for other, path in single:
        detail = client.refused("POST", f"{OUTLET}/commands", other).body["detail"]
        assert detail.startswith(path)
    assert sim.state.outlets.states == (0, 0)
    assert not sim.journal.events(kind="command")


def test_every_problem_of_a_list_has_its_path(client: Client) -> None:
    body = [{"push": 9}, {"pish": 9}, {"set": {"outlets": {"states": [2, 0]}}}, {}]
    problem = client.refused("POST", f"{OUTLET}/commands", body)
    assert [one["path"] for one in problem.body["problems"]] == [
        "[1].pish",
        "[2].set.outlets.states[0]",
        "[3]",
    ]


def test_the_journal_has_every_change_with_who_asked_for_it(
    sim: SimulatorHandle, client: Client
) -> None:
    step = {"after_seconds": 60, "push": 9}
    number = client.send("POST", f"{OUTLET}/steps", step)["number"]
    client.send("DELETE", f"{OUTLET}/steps/{number}")
    client.send("PATCH", "/api/clock", {"speed": 2, "paused": True})
    client.send("POST", "/api/clock/advance", {"seconds": 1})
    client.send("POST", "/api/clock/settle")
    added = sim.at(**step)
    sim.clock.resume()
    sim.clock.speed = 0.5
    added.remove()
    added.remove()
    given = sim.journal.events(kind="command")
    assert [f"{one.by}: {one.command}" for one in given] == [  # type: ignore[attr-defined]
        f"API: add step {number} {{ after_seconds = 60.0, push = 9 }}",
        f"API: remove step {number}",
        "API: clock speed 2",
        "API: clock pause",
        "API: clock advance 1",
        "API: clock settle",
        f"python: add step {number + 1} {{ after_seconds = 60.0, push = 9 }}",
        "python: clock resume",
        "python: clock speed 0.5",
        f"python: remove step {number + 1}",
    ]


def test_commands_for_all_outlets_are_answered_for_each(
    sim: SimulatorHandle, client: Client
) -> None:
    assert client.send("POST", "/api/commands", {"push": 9}) == {
        SN: {"after": sim.journal.last_number}
    }


@pytest.mark.parametrize("body", [[], {}, [{}], 3, None, "push", [3]])
def test_a_body_without_a_command_is_refused(client: Client, body: Any) -> None:
    assert client.refused("POST", f"{OUTLET}/commands", body).status in (400, 422)


# Faults


def test_a_fault_is_added_counted_switched_and_removed(
    sim: SimulatorHandle, client: Client
) -> None:
    fault = {"kind": "fail", "when": {"callback": 9}}
    (added,) = client.send("POST", f"{OUTLET}/faults", fault)
    assert added["id"] == "fail#1"
    assert (added["enabled"], added["applied"], added["fault"]) == (True, 0, fault)
    with connect(sim.tcp_address) as outlet:
        assert exchange(outlet, callback=9)["PUBACK"] == 0
        (listed,) = client.get(f"{OUTLET}/faults")
        assert (listed["matched"], listed["applied"]) == (1, 1)
        client.send("PATCH", path_of("fail#1"), {"enabled": False})
        assert exchange(outlet, callback=9)["PUBACK"] == 1
    assert client.get(path_of("fail"))[0]["enabled"] is False
    client.send("DELETE", path_of("fail#1"))
    assert client.get(f"{OUTLET}/faults") == []
    assert client.refused("GET", path_of("fail#1")).status == 404


def test_a_list_of_faults_replaces_all_at_once(sim: SimulatorHandle, client: Client) -> None:
    client.send("POST", f"{OUTLET}/faults", [{"kind": "drop"}, {"kind": "drop", "name": "x#/é"}])
    assert client.get(path_of("x#/é#1"))[0]["name"] == "x#/é"
    client.send("PUT", f"{OUTLET}/faults", [{"kind": "delay", "seconds": 1, "enabled": False}])
    (left,) = client.get(f"{OUTLET}/faults")
    assert (left["id"], left["enabled"]) == ("delay#1", False)
    problem = client.refused("PUT", f"{OUTLET}/faults", [{"kind": "drop"}, {"kind": "delay"}])
    assert problem.body["problems"][0]["path"] == "[1]"
    assert [one["id"] for one in client.get(f"{OUTLET}/faults")] == ["delay#1"]
    client.send("PUT", f"{OUTLET}/faults", [])
    assert client.get(f"{OUTLET}/faults") == []


def test_a_wrong_fault_is_refused_in_the_words_of_a_scenario(client: Client) -> None:
    problem = client.refused("POST", f"{OUTLET}/faults", {"kind": "drip"})
    assert problem.body["problems"] == [
        {
            "path": "kind",
            "message": "expected a kind of fault, found \"drip\"; did you mean 'drop'?",
        }
    ]


# Steps


def test_a_step_is_added_listed_carried_out_and_removed(
    sim: SimulatorHandle, client: Client
) -> None:
    step = {"after_seconds": 60.0, "set": {"outlets": {"states": [0, 1]}}, "push": 9}
    added = client.send("POST", f"{OUTLET}/steps", step)
    assert client.get(f"{OUTLET}/steps") == [added]
    assert added["step"] == step
    client.send("POST", f"{OUTLET}/steps", {"every_seconds": 10, "sample": True})
    client.send("POST", "/api/clock/advance", {"seconds": 61})
    assert sim.state.outlets.states == (0, 1)
    (left,) = client.get(f"{OUTLET}/steps")
    client.send("DELETE", f"{OUTLET}/steps/{left['number']}")
    assert client.get(f"{OUTLET}/steps") == []
    assert client.refused("GET", f"{OUTLET}/steps/1").status == 404
    assert client.refused("POST", f"{OUTLET}/steps", {"push": 9}).status == 422


# Connections


def test_connections_are_listed_and_ended(sim: SimulatorHandle, client: Client) -> None:
    with connect(sim.tcp_address) as first, connect(sim.tcp_address) as second:
        exchange(first)
        exchange(second)
        listed = client.get(f"{OUTLET}/connections")
        assert [(one["transport"], one["state"]) for one in listed] == [("tcp", "open")] * 2
        address, port = second.getsockname()
        assert listed[1]["peer"] == f"{address}:{port}"
        path = f"{OUTLET}/connections/{listed[1]['number']}"
        assert client.get(path) == listed[1]
        client.send("DELETE", f"{path}?how=reset")
        with pytest.raises(ConnectionResetError):
            second.recv(1)
        client.send("DELETE", f"{OUTLET}/connections")
        assert first.recv(1) == b""
    assert client.refused("DELETE", path).status == 404


# Journal


def test_the_journal_is_read_in_parts_filtered_and_deleted(
    sim: SimulatorHandle, client: Client
) -> None:
    after = client.do({"push": 9})
    with connect(sim.tcp_address) as outlet:
        exchange(outlet, packet_id=100_001)
        exchange(outlet, packet_id=100_002, callback=12)
    sim.wait_for_request(callback=12)
    path = f"{OUTLET}/journal?after={after}"
    assert {one["kind"] for one in client.get(path) if one["entry"] == "event"} >= {"connected"}
    (asked,) = client.get(f"{path}&callback=12")
    assert (asked["packetID"], asked["outcome"]) == (100_002, "success")
    first, *_ = client.get(f"{path}&limit=2")
    assert first["number"] == after + 1
    assert client.get(f"{path}&packet_id=100001&kind=exchange,log")[0]["callback"] == 20
    client.send("DELETE", f"{OUTLET}/journal")
    assert client.get(path)[0]["command"] == "reset journal"


# Time


def test_time_is_paused_sped_up_advanced_and_settled(sim: SimulatorHandle, client: Client) -> None:
    clock = client.send("PATCH", "/api/clock", {"paused": True, "speed": 2})
    assert (clock["paused"], clock["speed"], sim.clock.paused) == (True, 2.0, True)
    assert client.get("/api/clock") == clock
    moved = client.send("POST", "/api/clock/advance", {"seconds": 100})
    assert moved["seconds"] == pytest.approx(clock["seconds"] + 100)
    client.do({"reboot": {"seconds": 50}})
    client.send("POST", "/api/clock/settle")
    assert client.get(OUTLET)["up"]
    assert client.send("PATCH", "/api/clock", {"speed": "inf"})["speed"] == "inf"
    problem = client.refused("PATCH", "/api/clock", {"speed": 0})
    assert problem.body["problems"][0]["path"] == "speed"
    assert client.refused("POST", "/api/clock/advance", {"seconds": -1}).status == 422


# What is not there


def test_an_unknown_path_a_wrong_method_and_an_unknown_outlet(client: Client) -> None:
    assert client.refused("GET", "/api/outlet").status == 404
    other = client.refused("GET", "/api/outlets/FFFF")
    assert other.body["detail"] == f"no outlet has the serial number 'FFFF'; there are: {SN}"
    wrong = client.refused("POST", f"{OUTLET}/state", {})
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, PATCH, HEAD")
    assert client.request("HEAD", "/api/version").status == 200


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 100_000, b'{"push": NaN}', b"1" * 9999]
)
def test_what_is_not_json_is_a_problem(client: Client, data: bytes) -> None:
    problem = client.refused("POST", f"{OUTLET}/commands", data)
    assert problem.status in (400, 422)


def test_an_unknown_parameter_is_a_problem(client: Client) -> None:
    problem = client.refused("GET", f"{OUTLET}/journal?afer=3")
    assert problem.body["problems"][0]["path"] == "afer"
    assert "did you mean 'after'?" in problem.body["detail"]


def test_the_outlets_ports_are_not_the_control_port(sim: SimulatorHandle, client: Client) -> None:
    """Outages and faults must not cut it off."""
    client.send("POST", f"{OUTLET}/faults", {"kind": "refuse"})
    assert is_refused(sim.tcp_address)
    assert client.get("/api/version")


def is_refused(address: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(address) != 0
