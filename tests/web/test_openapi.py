"""The OpenAPI document: valid, whole, and true."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from invis_sim.commands.registry import COMMANDS
from invis_sim.web.api import OPERATIONS
from tests.cases import for_each
from tests.web.support import OUTLET, Client, steered


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with steered() as (_, client):
        yield client


@pytest.fixture(scope="module")
def document(client: Client) -> Any:
    return client.get("/api/openapi.json")


def test_it_is_valid(document: Any) -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator  # which takes long to load

    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_has_every_operation_of_the_api_with_an_id_of_its_own(document: Any) -> None:
    found = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert found == {(one.method, one.path) for one in OPERATIONS if one.path.startswith("/api")}
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids)


def test_every_operation_and_every_parameter_is_described(document: Any) -> None:
    for path, operations in document["paths"].items():
        for one in operations.values():
            assert one["summary"], path
            assert all(p.get("description", "x") for p in one["parameters"]), (path, one)


def resolved(document: Any, schema: Any) -> Any:
    return {**schema, "components": document["components"]}


def test_bodies_are_what_a_scenario_says(document: Any) -> None:
    def body(path: str, method: str) -> Any:
        content = document["paths"][path][method]["requestBody"]["content"]
        return resolved(document, content["application/json"]["schema"])

    commands = body("/api/outlets/{sn}/commands", "post")
    jsonschema_rs.validate(commands, {"push": 9})
    jsonschema_rs.validate(commands, [{"inject": {"kind": "delay", "seconds": 2}}])
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(commands, {"pish": 9})
    faults = body("/api/outlets/{sn}/faults", "post")
    jsonschema_rs.validate(faults, {"kind": "drop"})
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(faults, {"kind": "drip"})
    state = body("/api/outlets/{sn}/state", "patch")
    jsonschema_rs.validate(state, {"outlets": {"states": [1, 0]}})
    assert set(COMMANDS) <= set(document["components"]["schemas"]["CommandTable"]["properties"])


@for_each(
    "path",
    [
        "/api/version",
        "/api/outlets",
        "/api/overview",
        OUTLET,
        f"{OUTLET}/faults",
        f"{OUTLET}/steps",
        "/api/clock",
        f"{OUTLET}/connections",
        "/api/wait?for=up",
    ],
)
def test_answers_are_what_it_says(client: Client, document: Any, path: str) -> None:
    client.send("PUT", f"{OUTLET}/faults", [{"kind": "drop", "enabled": False}])
    template = path.partition("?")[0].replace(OUTLET, "/api/outlets/{sn}")
    answer = document["paths"][template]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    jsonschema_rs.validate(resolved(document, schema), client.get(path))


def test_problems_are_what_it_says(client: Client, document: Any) -> None:
    problem = client.refused("POST", f"{OUTLET}/commands", {"pish": 9}).body
    schema = document["components"]["schemas"]["ProblemDocument"]
    jsonschema_rs.validate(resolved(document, schema), problem)
