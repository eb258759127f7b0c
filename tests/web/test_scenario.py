"""The scenario of a running outlet, read and replaced over HTTP."""

from pathlib import Path

import pytest

from invis_sim import start_fleet
from invis_sim.scenario import parse
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.from_keys import build_step
from tests.server.support import event_texts
from tests.support import connect, exchange, make_request
from tests.web.support import OUTLET, QUIET, Client, steered

PATH = f"{OUTLET}/scenario"
TOML = {"Content-Type": "application/toml"}


def text_of(client: Client) -> str:
    answer = client.request("GET", PATH)
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "application/toml; charset=utf-8",
    )
    text: str = answer.body.decode()
    return text


@pytest.mark.parametrize("name", ["aura", "flaky", "bare", "rev-b"])
def test_an_outlet_is_made_again_from_its_scenario(name: str) -> None:
    assert name in bundled()
    with steered(name, sn="0003C44076") as (sim, client):
        client.do({"set": {"names": {"outlet1": "Lamp"}}})
        client.send("POST", f"{OUTLET}/faults", {"kind": "drop", "enabled": False})
        client.send(
            "POST",
            f"{OUTLET}/steps",
            {"after_seconds": 9, "inject": {"kind": "delay", "seconds": 2}},
        )
        state, text = sim.state, text_of(client)
    with steered(text) as (sim, client):
        assert sim.state == state
        assert [one.enabled for one in sim.faults if one.name == "drop"][-1] is False
        assert text_of(client) == text


def test_another_scenario_changes_what_differs_and_nothing_else() -> None:
    scenario = f"{QUIET}\n[[faults]]\nkind = 'fail'\nwhen = {{ callback = 9 }}\n"
    with steered(scenario) as (sim, client), connect(sim.tcp_address) as outlet:
        assert exchange(outlet, callback=9)["PUBACK"] == 0
        new = f"{scenario}[[faults]]\nkind = 'fail'\nname = 'x'\nwhen = {{ callback = 3 }}\n"
        new += "[outlets]\nstates = [1, 1]\n[[steps]]\nafter_seconds = 60\npush = 9\n"
        answer = client.request("PUT", PATH, new.encode(), TOML)
        assert (answer.status, answer.body) == (
            200,
            {
                "changed": ["outlets.states = [1, 1]", "fault x added", "1 step added"],
                "fixed": [],
            },
        )
        assert b'"callbackName":9' in outlet.recv(4096)  # pushed, on the connection that stayed
        assert exchange(outlet, callback=3)["PUBACK"] == 0
        assert [(one["id"], one["applied"]) for one in client.get(f"{OUTLET}/faults")] == [
            ("fail#1", 1),
            ("x#1", 1),
        ]
        sim.reset("state", "faults")
        assert sim.state.outlets.states == (1, 1)
        assert len(sim.faults) == 2
        again = client.request("PUT", PATH, new.encode(), TOML).body
        assert again == {"changed": [], "fixed": []}


def test_a_scenario_with_problems_changes_nothing() -> None:
    with steered() as (sim, client):
        before = sim.state
        problem = client.request("PUT", PATH, b"[outlets]\nstates = [1, 2]\n", TOML)
        assert problem.status == 422
        assert problem.body["detail"] == (
            "body:2: outlets.states[1]: expected 0 or 1 (0: off; 1: on), found 2"
        )
        assert client.refused("PUT", PATH, {"outlets": {"states": [1, 2]}}).body["problems"] == [
            {"path": "outlets.states[1]", "message": "expected 0 or 1 (0: off; 1: on), found 2"}
        ]
        assert client.request("PUT", PATH, b"\xff", TOML).status == 400
        assert sim.state == before
        assert not sim.journal.events(kind="command")


def test_one_outlet_does_not_become_several() -> None:
    with steered() as (sim, client):
        for body, headers in ((b"fleet.count = 3\n", TOML), ({"fleet": {"count": 3}}, None)):
            answer = client.request("PUT", PATH, body, headers)
            assert answer.status == 422
            assert "fleet: expected a scenario of one outlet" in str(answer.body)
        assert len(sim.journal) == 0


def test_an_outlet_of_a_fleet_is_made_again_alone() -> None:
    text = "[firmware.PM]\n[fleet]\ncount = 2\n[[fleet.outlets]]\nn = 2\nsensors.lux = 5\n"
    with start_fleet(scenario=text, control=True) as fleet, Client(fleet.control_url) as client:
        answer = client.request("GET", "/api/outlets/0003C400002/scenario")
        scenario = parse(answer.body.decode())
        assert scenario.fleet is None
        assert scenario.seed == fleet["0003C400002"].seed
        assert scenario.device.sn == "0003C400002"
        assert scenario.sensors.lux == 5


def test_what_cannot_change_is_said() -> None:
    with steered() as (_, client):
        answer = client.send(
            "PUT", PATH, {"listen": {"tcp_port": 99}, "device": {"product": "pro"}}
        )
        assert answer["fixed"] == ["listen.tcp_port"]


def test_what_cannot_be_said_any_more_is_named() -> None:
    scenario = "[[faults]]\nkind = 'drop'\n[[steps]]\nafter_seconds = 60\nenable = 'drop'\n"
    with steered(scenario) as (sim, client):
        sim.faults["drop"].remove()
        answer = client.request("GET", PATH)
        assert answer.headers["omitted"].startswith("steps[0].enable: no fault is called 'drop'")
        assert b"steps" not in answer.body


def test_a_step_that_is_over_is_not_taken_again() -> None:
    step = "[[steps]]\nafter_seconds = 10\nset = { outlets = { states = [1, 0] } }\n"
    with steered(f"{QUIET}\n{step}") as (sim, client):
        sim.clock.advance(20)
        sim.set(outlets={"states": [0, 0]})
        client.request("PUT", PATH, f"{QUIET}\n{step}".encode(), TOML)
        sim.clock.advance(20)
        assert sim.state.outlets.states == (0, 0)
        assert client.get(f"{OUTLET}/steps") == []


def test_steps_have_the_time_that_is_left_to_them() -> None:
    steps = """
        [[steps]]
        after_seconds = 100
        push = 9
        [[steps]]
        every_seconds = 45
        sample = true
        [[steps]]
        after_request = { callback = 12, nth = 3 }
        reboot = true
        [[steps]]
        after_request = { callback = 20 }
        push = 11
        [[steps]]
        after_seconds = 10
        push = 12
    """
    slow = {"speed": 1e-6}  # no second passes by itself
    with steered(QUIET + steps, **slow) as (sim, client), connect(sim.tcp_address) as outlet:
        sim.clock.advance(60)
        for callback in (12, 20):
            outlet.sendall(make_request(callback))
            sim.wait_for_request(callback=callback)
        left = [one["left"] for one in client.get(f"{OUTLET}/steps")]
        assert left == [
            {"after_seconds": 40.0, "push": 9},
            {"after_seconds": 30.0, "every_seconds": 45.0, "sample": True},
            {"after_request": {"callback": 12, "nth": 2}, "reboot": True},
            None,
        ]
        text = text_of(client)
        assert parse(text).steps == tuple(build_step(one) for one in left if one is not None)
    with steered(text, **slow) as (sim, client):
        assert text_of(client) == text
        given = []
        for seconds in (39, 1):
            sim.clock.advance(seconds)
            given.append([one for one in event_texts(sim, "command") if one.startswith("step")])
        assert given == [["step 2: sample"], ["step 2: sample", "step 1: push 9"]]


SWITCHED = (
    f"{QUIET}\n[outlets]\nstates = [1, 0]\n[[faults]]\nkind = 'fail'\nwhen = {{callback = 9}}\n"
)


def test_what_was_changed_since_the_start_stays_as_when_a_file_is_saved() -> None:
    with steered() as (sim, client):
        client.request("PUT", PATH, SWITCHED.encode(), TOML)
        sim.set(outlets={"states": [0, 1]})
        assert client.request("PUT", PATH, SWITCHED.encode(), TOML).body["changed"] == []
        assert sim.state.outlets.states == (0, 1)


def test_with_a_reset_the_outlet_is_as_the_scenario_begins() -> None:
    with steered() as (sim, client), connect(sim.tcp_address) as outlet:
        for _ in range(2):
            answer = client.request("PUT", f"{PATH}?reset=all", SWITCHED.encode(), TOML)
            assert answer.status == 200
            assert sim.state.outlets.states == (1, 0)
            assert [(one.name, one.applied, one.enabled) for one in sim.faults] == [
                ("fail", 0, True)
            ]
            outlet.recv(4096)
            assert exchange(outlet, callback=9)["PUBACK"] == 0
            sim.set(outlets={"states": [0, 1]})
            outlet.recv(4096)
            client.send("POST", f"{OUTLET}/faults", {"kind": "drop"})
            sim.faults["fail"].enabled = False
        client.request("PUT", f"{PATH}?reset=faults,counters", SWITCHED.encode(), TOML)
        assert sim.state.outlets.states == (0, 1)
        assert len(sim.faults) == 1


def test_a_reset_of_something_unknown_is_a_problem_and_nothing_is_reloaded() -> None:
    with steered() as (sim, client):
        before = sim.scenario
        problem = client.request("PUT", f"{PATH}?reset=everything", SWITCHED.encode(), TOML)
        assert (problem.status, problem.body["problems"][0]["path"]) == (422, "reset")
        assert sim.scenario == before


def test_the_text_is_a_file_that_the_command_line_takes(tmp_path: Path) -> None:
    with steered("flaky", sn="0003C44076") as (_, client):
        file = tmp_path / "found.toml"
        file.write_text(text_of(client))
    with steered(file) as (_, client):
        assert text_of(client) == file.read_text()
