"""The JSON Schema accepts what the loader accepts, and explains each key to editors."""

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from invis_sim.faults.catalogue import KINDS
from invis_sim.scenario.loading import shipped
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.schema import scenario_schema
from invis_sim.scenario.validation import Path, validate
from tests.scenario.random_scenarios import documents

SCHEMA = scenario_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

EVERYTHING = """
    description = "Says something for every key but those of faults"
    seed = 7
    [device]
    sn = "0003C44076"
    [firmware]
    update_check = "ok"
    [firmware.IM]
    fw_rev = "1"
    available_fw_rev = "1"
    www_fw_rev = "1"
    available_www_fw_rev = "1"
    [firmware.PM]
    fw_rev = "1"
    available_fw_rev = "1"
    [listen]
    host = "::1"
    tcp = true
    tcp_port = 0
    ws = true
    ws_port = 0
    ws_path = "/"
    [protocol]
    packet_id = "lenient"
    tcp_terminator = ""
    max_packet_bytes = 64
    write_timeout_seconds = 1
    [[faults]]
    kind = "drop"
    name = "a"
    enabled = true
    [faults.when]
    callback = 20
    packet = "any"
    transport = "tcp"
    connection = [1, 2]
    nth = 3
    first = 4
    after = 1
    every = 1
    per = "device"
    probability = 1
    times = 1
    from_seconds = 1
    until_seconds = 2
    [[faults]]
    kind = "delay"
    seconds = { min = 1, max = 2 }
"""


def test_the_schema_is_valid_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_is_accepted(name: str) -> None:
    VALIDATOR.validate(tomli.loads(shipped()[name].read_text("utf-8")))


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_every_fault_is_accepted_by_schema_and_loader(kind: str) -> None:
    document = tomli.loads("[[faults]]\n" + textwrap.dedent(KINDS[kind].example))
    assert document["faults"][0]["kind"] == kind
    VALIDATOR.validate(document)
    assert validate(document, Scenario)[1] == []


@given(documents())
def test_whatever_the_loader_accepts_the_schema_accepts(document: dict[str, Any]) -> None:
    if validate(document, Scenario)[1] == []:
        VALIDATOR.validate(document)


def test_a_scenario_that_says_everything_is_accepted_by_schema_and_loader() -> None:
    document = tomli.loads(EVERYTHING)
    VALIDATOR.validate(document)
    assert validate(document, Scenario)[1] == []


def paths(node: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(node, dict | list):
        for step in node if isinstance(node, dict) else range(len(node)):
            yield from paths(node[step], (*path, step))


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def with_value(document: Any, path: Path, value: Any) -> Any:
    """The document with another value at the path."""
    if not path:
        return value
    changed = document.copy()
    changed[path[0]] = with_value(document[path[0]], path[1:], value)
    return changed


@pytest.mark.parametrize("path", list(paths(tomli.loads(EVERYTHING)))[1:], ids=str)
@pytest.mark.parametrize("value", [{"nonsense": 1}, [[]], -0.5, None], ids=repr)
def test_a_value_of_the_wrong_type_is_refused_by_schema_and_loader(path: Path, value: Any) -> None:
    document = with_value(tomli.loads(EVERYTHING), path, value)
    assert not VALIDATOR.is_valid(document)
    assert value is None or validate(document, Scenario)[1]


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in paths(tomli.loads(EVERYTHING))
        if isinstance(at(tomli.loads(EVERYTHING), path), dict)
    ],
    ids=str,
)
def test_an_unknown_key_is_refused_by_schema_and_loader(path: Path) -> None:
    document = tomli.loads(EVERYTHING)
    at(document, path)["nonsense"] = 1
    assert not VALIDATOR.is_valid(document)
    assert [problem.path for problem in validate(document, Scenario)[1]] == [(*path, "nonsense")]


@pytest.mark.parametrize(
    "text",
    [
        "kind = 'dealy'",
        "name = 'no kind'",
        "kind = 'drop'\ncopies = 2",
        "kind = 'delay'",
        "kind = 1",
    ],
)
def test_a_fault_of_no_known_kind_or_with_keys_of_another_is_refused(text: str) -> None:
    document = tomli.loads(f"[[faults]]\n{text}")
    assert not VALIDATOR.is_valid(document)
    assert validate(document, Scenario)[1]


@pytest.mark.parametrize("value", [True, "0003C44076\n", "0003c44076"])
def test_a_serial_number_is_as_strict_as_the_loader_has_it(value: object) -> None:
    assert not VALIDATOR.is_valid({"device": {"sn": value}})


def nodes(node: Any) -> Iterator[Any]:
    yield node
    for inner in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from nodes(inner)


def test_it_is_plain_data() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_nothing_offers_null_which_toml_cannot_say() -> None:
    assert not [node for node in nodes(SCHEMA) if node is None]
    types = [node["type"] for node in nodes(SCHEMA) if isinstance(node, dict) and "type" in node]
    assert len(types) > 100
    assert "null" not in nodes(types)


def test_every_default_is_valid() -> None:
    for schema in (SCHEMA, *SCHEMA["$defs"].values()):
        for name, key in schema["properties"].items():
            if "default" in key:
                found = Draft202012Validator({**key, "$defs": SCHEMA["$defs"]})
                assert found.is_valid(key["default"]), name


def test_every_key_and_every_table_is_explained() -> None:
    for title, schema in {"Scenario": SCHEMA, **SCHEMA["$defs"]}.items():
        assert schema["description"], title
        for name, key in schema["properties"].items():
            assert key.get("description"), (title, name)


def test_a_key_is_explained_in_the_words_of_its_docstring() -> None:
    when = SCHEMA["$defs"]["When"]["properties"]
    assert when["callback"]["description"] == (
        "only packets about this callback number, or one of these. A reply is about its request's."
    )
    assert when["connection"]["description"].endswith("from 1, over both transports.")
    assert when["every"]["description"] == "only every so-many-th."
    listen = SCHEMA["$defs"]["Listen"]["properties"]
    assert listen["tcp"]["description"] == listen["ws"]["description"]
    assert re.fullmatch(
        "(?s)left out: 3333 .* Python.\n\nA port; .*", listen["tcp_port"]["description"]
    )


def test_each_kind_of_fault_can_be_told_by_its_title() -> None:
    references = [item["$ref"] for item in SCHEMA["properties"]["faults"]["items"]["oneOf"]]
    names = [reference.removeprefix("#/$defs/") for reference in references]
    assert [SCHEMA["$defs"][name]["title"] for name in names] == list(KINDS)
