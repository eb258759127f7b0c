"""The journal as server-sent events."""

import json

import pytest

from invis_sim import faults
from invis_sim.web import broadcast
from tests.support import SN, connect, exchange, make_request
from tests.web.support import OUTLET, steered


def test_entries_come_as_they_are_recorded() -> None:
    with steered() as (sim, client), client.events() as events:
        assert events.lines() == ["retry: 500"]
        client.do({"push": 9})
        number, entry = events.next()
        assert (entry["kind"], entry["command"], number) == ("command", "push 9", "1")
        with connect(sim.tcp_address) as outlet:
            exchange(outlet, packet_id=123456)
            kinds = [events.next()[1] for _ in range(2)]
        assert [one.get("kind", "exchange") for one in kinds] == ["connected", "exchange"]
        assert kinds[1]["packetID"] == 123456


def test_what_came_before_comes_first_and_a_reader_that_reconnects_misses_nothing() -> None:
    with steered() as (_, client):
        for state in (1, 0, 1):
            client.do({"set": {"outlets": {"states": [state, 0]}}})
        with client.events(f"{OUTLET}/events?after=1") as events:
            number, entry = events.next()
            assert entry["number"] == 2
        client.do({"push": 9})
        with client.events(Last_Event_ID=number) as events:
            assert [events.next()[1]["number"] for _ in range(2)] == [3, 4]


def test_an_exchange_comes_again_when_it_is_finished_and_is_not_missed() -> None:
    late = faults.Delay(seconds=1000, when=faults.When(callback=20))
    with (
        steered() as (sim, client),
        connect(sim.tcp_address) as outlet,
        connect(sim.tcp_address) as other_client,
    ):
        exchange(outlet, callback=12)
        exchange(other_client, callback=12)
        sim.inject(late)
        with client.events() as events:
            outlet.sendall(make_request(20))
            begun, entry = events.next()
            assert entry["done"] is False
            exchange(other_client, callback=9)
            other, _ = events.next()
            assert begun == other == str(entry["number"] - 1)  # the id waits for what is unfinished
            sim.clock.advance(1000)
            assert events.next()[1]["command"] == "clock advance 1000"
            number, again = events.next()
            assert (again["number"], again["sent"] != []) == (entry["number"], True)
            assert int(number) == entry["number"] + 2
        with client.events(Last_Event_ID=begun) as events:
            assert events.next()[1]["number"] == entry["number"]


def test_a_filter_selects_events() -> None:
    with steered() as (_, client), client.events(f"{OUTLET}/events?kind=command") as events:
        client.do({"disconnect": True})
        assert events.next()[1]["kind"] == "command"


def test_the_events_of_all_outlets_have_an_id_of_all() -> None:
    with steered() as (_, client), client.events("/api/events?after=0") as events:
        client.do({"push": 9})
        number, entry = events.next()
        assert (number, entry["sn"]) == (f"{SN}=1", SN)
        client.do({"push": 9})
        with client.events("/api/events", Last_Event_ID=number) as again:
            assert again.next()[1]["number"] == 2


def test_the_streams_of_an_outlet_share_a_limited_number_of_filters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "MAX_FILTERS", 2)
    with (
        steered() as (_, client),
        client.events(),
        client.events(f"{OUTLET}/events?kind=log"),
        client.events(),
    ):
        problem = client.refused("GET", f"{OUTLET}/events?kind=command")
        assert (problem.status, problem.body["limit"]) == (503, 2)
        assert "2 filters" in problem.body["detail"]
        assert "content-security-policy" in problem.headers


def test_a_wrong_event_id_is_a_problem() -> None:
    with steered() as (_, client):
        answer = client.request("GET", f"{OUTLET}/events", headers={"Last-Event-ID": "x"})
        assert answer.status == 400
        assert "Last-Event-ID" in json.dumps(answer.body)
