"""Several outlets in a process, steered together over one control port."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from invis_sim.server.several import MAX_NAMED
from tests.support import connect, exchange
from tests.web.support import Client, Several, several

COUNT = MAX_NAMED + 3


@pytest.fixture
def outlets() -> Iterator[Several]:
    with several(COUNT, ws=False) as started:
        yield started


def given(client: Client) -> dict[str, list[str]]:
    """The commands that each outlet has carried out."""
    found = defaultdict(list)
    for entry in client.get("/api/journal?kind=command"):
        found[entry["sn"]].append(entry["command"])
    return dict(found)


def test_a_command_for_all_is_carried_out_by_each(outlets: Several, client: Client) -> None:
    answer = client.send("POST", "/api/commands", [{"push": 9}, {"faceplate": "off"}])
    assert list(answer) == list(outlets.names)
    assert given(client) == {name: ["push 9", "faceplate off"] for name in outlets.names}


def test_a_problem_of_one_outlet_names_it_and_no_outlet_does_anything(
    outlets: Several, client: Client
) -> None:
    *others, last = outlets.names
    for name in others:
        client.send("POST", f"/api/outlets/{name}/faults", {"kind": "drop", "enabled": False})
    before = given(client)
    problem = client.refused("POST", "/api/commands", [{"push": 9}, {"enable": "drop"}])
    message = f"no fault is called 'drop'; there are: none (outlet {last})"
    assert problem.body["problems"] == [{"path": "[1].enable", "message": message}]
    assert given(client) == before


def test_a_problem_of_many_outlets_names_the_first_of_them(
    outlets: Several, client: Client
) -> None:
    problem = client.refused("POST", "/api/commands", [{"push": 9}, {"enable": "drop"}])
    named = f"outlets {', '.join(outlets.names[:MAX_NAMED])} and 3 more"
    assert problem.body["detail"].endswith(f"there are: none ({named})")
    assert given(client) == {}


def test_a_change_of_time_is_in_the_journal_of_each(outlets: Several, client: Client) -> None:
    client.send("POST", "/api/clock/advance", {"seconds": 5})
    assert given(client) == {name: ["clock advance 5"] for name in outlets.names}


# At a glance, and selected


def numbers(client: Client, query: str) -> list[int]:
    """The places of the outlets that a query selects, from 1."""
    whole = client.get(f"/api/overview?{query}")
    listed = [one["sn"] for one in client.get(f"/api/outlets?{query}")]
    assert [one["sn"] for one in whole["outlets"]] == listed
    assert whole["found"] == len(listed)
    return [int(sn[-4:]) for sn in listed]


def test_outlets_are_selected_by_what_they_are(outlets: Several, client: Client) -> None:
    client.send("PATCH", "/api/clock", {"paused": True})
    first, second, third, *_ = outlets.names
    for sn, command in (
        (first, {"set": {"names": {"outlet2": "Lamp in the hall"}}}),
        (second, {"reboot": True}),
        (second, {"inject": {"kind": "drop"}}),
        (third, {"inject": {"kind": "drop", "enabled": False}}),
        (third, {"set": {"device": {"product": "aura"}}}),
    ):
        client.send("POST", f"/api/commands?sn={sn}", command)
    with connect(outlets.outlets[3].tcp_address) as other:
        exchange(other)
        every = list(range(1, COUNT + 1))
        assert numbers(client, "") == every
        assert numbers(client, "search=LAMP") == [1]
        assert numbers(client, f"search={third[-6:]}") == [3]
        assert numbers(client, "up=false") == numbers(client, "faulty=true") == [2]
        assert numbers(client, "up=true&faulty=false") == [1, *every[2:]]
        assert numbers(client, "product=aura") == [3]
        assert numbers(client, "connected=true") == [4]
        assert numbers(client, f"sn={third},{first}") == [1, 3]
        assert numbers(client, f"sn={third},{first}&search=lamp") == [1]
        found = client.get("/api/overview?connected=true")["outlets"]
    assert found == [
        {
            "sn": outlets.names[3],
            "product": "pro",
            "up": True,
            "updating": False,
            "connections": 1,
            "requests": 1,
            "faults": 0,
            "faults_applied": 0,
        }
    ]
    assert client.get(f"/api/outlets/{outlets.names[3]}")["counters"]["requests"] == 1


def test_an_overview_comes_in_parts(outlets: Several, client: Client) -> None:
    client.send("POST", f"/api/commands?sn={outlets.names[0]}", {"reboot": {"seconds": 1e6}})
    whole = client.get("/api/overview?limit=3&offset=2")
    assert [one["sn"] for one in whole["outlets"]] == list(outlets.names[2:5])
    assert (whole["all"], whole["found"], whole["up"]) == (COUNT, COUNT, COUNT - 1)
    assert client.get(f"/api/overview?offset={COUNT}")["outlets"] == []
    assert client.get("/api/overview?limit=0&up=true")["found"] == COUNT - 1


def test_commands_are_for_those_that_are_selected(outlets: Several, client: Client) -> None:
    first, second, *_, last = outlets.names
    answer = client.send("POST", f"/api/commands?sn={last},{first}", {"push": 9})
    assert list(answer) == [first, last]
    client.send("POST", f"/api/commands?search={second}", {"push": 12})
    assert given(client) == {first: ["push 9"], second: ["push 12"], last: ["push 9"]}


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("search=nothing", 404, "no outlet is selected"),
        ("sn=0003C49999", 404, "no outlet has the serial number '0003C49999'; did you mean"),
        ("product=lamp", 422, 'product: expected one of "aura", "bare", "pro"'),
        ("up=perhaps", 422, "up: expected true or false"),
        ("serial=1", 422, "serial: unknown key"),
    ],
)
def test_a_selection_of_nothing_is_a_problem(
    outlets: Several, client: Client, query: str, status: int, detail: str
) -> None:
    problem = client.refused("POST", f"/api/commands?{query}", {"push": 9})
    assert problem.status == status
    assert detail in problem.body["detail"]
    assert given(client) == {}
