"""Several outlets in a process, steered together over one control port."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from invis_sim.server.several import MAX_NAMED
from tests.web.support import Client, Several, several

COUNT = MAX_NAMED + 3


@pytest.fixture
def outlets() -> Iterator[Several]:
    with several(COUNT, ws=False) as started:
        yield started


@pytest.fixture
def client(outlets: Several) -> Iterator[Client]:
    with Client(outlets.url) as client:
        yield client


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
    assert problem.body["problems"] == [{"path": "enable", "message": message}]
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
