"""The scenario of a running outlet, read and replaced over HTTP."""

from pathlib import Path

import pytest

from invis_sim.scenario.bundled import bundled
from tests.support import connect, exchange
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


def test_the_text_is_a_file_that_the_command_line_takes(tmp_path: Path) -> None:
    with steered("flaky", sn="0003C44076") as (_, client):
        file = tmp_path / "found.toml"
        file.write_text(text_of(client))
    with steered(file) as (_, client):
        assert text_of(client) == file.read_text()
