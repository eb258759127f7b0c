"""The vendor's update service over HTTP, as a client asks it before it updates an outlet."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from invis_sim.journal.entries import DeviceLog
from invis_sim.testing.handle import SimulatorHandle
from tests.support import TIMEOUT, UPDATES
from tests.web.support import OUTLET, QUIET, Client, steered

SCENARIO = QUIET + UPDATES
IM = "/update-service/IM/IVO1/revA/1.0.0"
PM = "/update-service/PM/PRP1/revA/0.5.0"
NEWEST = {
    "available_fw_rev": "1.1.0",
    "ota_bin_url": "https://updates.invalid/IM/IVO1/revA/1.1.0.bin",
    "message": "Quieter relays.",
}


@pytest.fixture
def running() -> Iterator[tuple[SimulatorHandle, Client]]:
    with steered(SCENARIO) as pair:
        yield pair


@pytest.fixture
def client(running: tuple[SimulatorHandle, Client]) -> Client:
    return running[1]


@pytest.fixture
def sim(running: tuple[SimulatorHandle, Client]) -> SimulatorHandle:
    return running[0]


def answers(client: Client, how: str, **more: Any) -> None:
    client.send("PATCH", f"{OUTLET}/state", {"update_service": {"answer": how, **more}})


def test_it_answers_from_the_inventory(client: Client) -> None:
    answer = client.request("GET", IM)
    assert (answer.status, answer.body) == (200, NEWEST)
    assert answer.headers["content-type"] == "application/json"
    assert client.get(PM)["available_fw_rev"] == "0.5.1"


def test_it_follows_what_is_set_while_it_runs(client: Client) -> None:
    client.do(
        {"set": {"firmware": {"IM": {"available_fw_rev": "2.0.0"}}}},
        {"set": {"updates": {"release_notes": "Dimmer."}}},
    )
    assert client.get(IM) == {
        "available_fw_rev": "2.0.0",
        "ota_bin_url": "https://updates.invalid/IM/IVO1/revA/2.0.0.bin",
        "message": "Dimmer.",
    }


def test_after_the_update_there_is_nothing_newer(sim: SimulatorHandle, client: Client) -> None:
    sim.set(firmware={"IM": {"fw_rev": "1.1.0"}})
    assert client.get(IM.replace("1.0.0", "1.1.0"))["available_fw_rev"] == "1.1.0"


def test_what_no_outlet_has_is_404_with_a_message(client: Client) -> None:
    answer = client.refused("GET", "/update-service/PM/LIP1/revA/0.5.0")
    assert answer.status == 404
    assert answer.body["message"] == answer.body["detail"]
    assert 'no outlet has the firmware "PM/LIP1/revA"' in answer.body["message"]


def test_a_part_of_the_path_may_have_any_character(client: Client) -> None:
    client.do({"set": {"device": {"hw_rev": "rev/ü"}}})
    path = "/update-service/IM/IVO1/rev%2F%C3%BC/1.0.0"
    assert client.get(path)["available_fw_rev"] == "1.1.0"


def test_up_to_date(client: Client) -> None:
    answers(client, "up-to-date")
    for running in ("1.0.0", "0.9"):
        assert client.get(IM.replace("1.0.0", running))["available_fw_rev"] == running


def test_an_error(client: Client) -> None:
    answers(client, "error")
    answer = client.request("GET", IM)
    assert (answer.status, answer.body) == (500, {"message": "Internal Server Error"})


def test_not_json(client: Client) -> None:
    answers(client, "not json")
    answer = client.request("GET", IM)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!doctype html>")


def test_no_url(client: Client) -> None:
    answers(client, "no url")
    assert client.get(IM) == {key: NEWEST[key] for key in ("available_fw_rev", "message")}


def test_slow_is_a_matter_of_simulated_time(sim: SimulatorHandle, client: Client) -> None:
    sim.clock.pause()
    answers(client, "slow", slow_seconds=3600)
    got: list[Any] = []
    with Client(sim.control_url) as other, client.events(f"{OUTLET}/events?kind=log") as events:
        asking = threading.Thread(target=lambda: got.append(other.get(IM)))
        asking.start()
        events.next()  # it has been asked
        sim.clock.advance(3599)
        assert got == []
        sim.clock.advance(1)
        asking.join(TIMEOUT)
    assert got == [NEWEST]


def test_the_journal_says_what_was_asked_and_answered(sim: SimulatorHandle, client: Client) -> None:
    client.get(IM)
    answers(client, "no url")
    client.get(PM.replace("0.5.0", "%22%0A"))
    asked = "the update service is asked about"
    assert [one.text for one in sim.journal if isinstance(one, DeviceLog)] == [
        f'{asked} IM/IVO1/revA, "1.0.0", and answers: "1.1.0"',
        f'{asked} PM/PRP1/revA, "\\"\\n", and answers: no url',
    ]


def test_an_answer_that_does_not_exist_is_refused_in_the_usual_words(client: Client) -> None:
    answer = client.refused("PATCH", f"{OUTLET}/state", {"update_service": {"answer": "late"}})
    assert answer.status == 422
    assert answer.body["problems"][0]["path"] == "update_service.answer"


@pytest.mark.parametrize("header", ["Host", "Origin"])
def test_the_guard_is_that_of_the_control_server(client: Client, header: str) -> None:
    assert client.request("GET", IM, None, {header: "http://evil.test"}).status == 403


def test_it_is_only_asked(client: Client) -> None:
    answer = client.refused("POST", IM, {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
