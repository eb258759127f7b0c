"""The JSON Schema accepts what the loader accepts, and explains each key to editors."""

import json
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft7Validator, Draft202012Validator, ValidationError

from invis_sim.faults.catalogue import KINDS
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.json_schema import _in_both_drafts, scenario_schema
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from invis_sim.scenario.validation import validate
from invis_sim.schema.fields import Path
from tests.cases import for_each
from tests.scenario.random_scenarios import documents, steps

SCHEMA = scenario_schema()
DRAFTS = (Draft7Validator, Draft202012Validator)


class Validator:
    """What editors make of a schema, which know different drafts and must all find the same."""

    def __init__(self, schema: Any) -> None:
        self._validators = [draft(schema) for draft in DRAFTS]

    def validate(self, document: Any) -> None:
        for validator in self._validators:
            validator.validate(document)

    def is_valid(self, document: Any) -> bool:
        """Whether the oldest accepts it: every keyword means the same to all, as a test shows."""
        return bool(self._validators[0].is_valid(document))


VALIDATOR = Validator(SCHEMA)

FLEET = """
    fleet.count = 50
    fleet.first = 7
    fleet.sn = "0003C4{n:05X}"
    fleet.address = "127.0.1.1"
    fleet.ports = "free"
    [firmware.PM]
    [[fleet.outlets]]
    every = 10
    faults = [{ kind = "delay", seconds = 2 }]
    steps = [{ after_seconds = 5, push = 9 }]
    device = { product = "aura" }
    [[fleet.outlets]]
    n = [3, 7]
    sensors = { lux = { start = 5 } }
    [[fleet.outlets]]
    share = 0.1
    description = "Others."
    listen = { ws = false }
"""

EVERYTHING = """
    description = "Says something for every key but those of faults"
    seed = 7
    [device]
    sn = "0003C44076"
    product = "aura"
    hw_rev = "revB"
    MAC = "02:00:00:00:00:01"
    device = "Unknown"
    [faceplate]
    attached = true
    online = true
    sn = "1003C44077"
    MAC = "02:00:00:00:00:02"
    hw_rev = "revA"
    device = ""
    type = "Aura"
    radar = { fw_ver = "2", hw_type = "x", MAC = "02:00:00:00:00:03" }
    [outlets]
    states = [1, 0]
    [nightlight]
    mode = 1
    brightness = 7
    [color_light]
    mode = 1
    leds = [[1, 100, [360, 100], 1000], [0, 0, [0, 0], 40000]]
    speed = 7
    random = 1
    level = 0
    [indicator_light]
    leds = [[]]
    [names]
    outlet1 = "Lamp"
    outlet2 = "Fan"
    nightlight = ""
    [preferences.acc_prefs]
    outletPwrIndicatorOn = 1
    pmIndicatorBrightness = 1
    capacitiveCtrl = 1
    aqiColorRGBFeature = 1
    motionAwayFeature = 1
    adaptiveNightlightFeature = 1
    adaptiveMinBrightness = 1
    adaptiveMaxBrightness = 1
    adaptiveSensitivity = 1
    occupancyNightlightFeature = 1
    overrideAdaptiveOccupancyNightlightFeature = 1
    magicTouchCtrl = 1
    [preferences.acc_prefs.homeAwayMode]
    enabled = 1
    outlet1Enabled = 1
    outlet2Enabled = 1
    nightlightEnabled = 1
    minBrightness = 1
    maxBrightness = 1
    minOnDuration = 1
    maxOnDuration = 1
    minOffDuration = 1
    maxOffDuration = 1
    [preferences.sys_prefs]
    mqtt = { enabled = 1, mqtt_broker_url = "x", user = "x", pass = "x", qos = 2 }
    internet = { ip = "192.0.2.1", mainDNS = 1, backupDNS = "8.8.8.8" }
    [sensors]
    device_type = 3
    omit = ["gas"]
    occupancy_calibration = "fails"
    temp_valid = 1
    aqi_valid = 1
    temp_celsius = 21.5
    humidity = [40, "inf"]
    BME680_temp_celsius = "inf"
    BME680_humidity = 1
    temphumidity_accuracy = 1
    AQI = [1, 2]
    AQI_accuracy = { start = 0, step = 3, min = 0, max = 3 }
    pressure = 1
    gas = 1
    co2_equiv = 1
    co2_peak_lvl = 1
    co2_accuracy = 1
    bvoc_equiv = 1
    bvoc_accuracy = 1
    lux_valid = 1
    lux = { start = 0, step = 1, min = -1, max = 1 }
    occupancy_valid = 1
    occupancy_state = 1
    distance = 1
    movement_energy = 1
    stationary_energy = 1
    [mqtt]
    connected = true
    [updates]
    release_notes = "a"
    [updates.IM]
    outcome = "fails"
    at_percent = 1
    at_part = "www"
    silence_seconds = 1
    seconds = 1
    www_seconds = 1
    steps = 1
    [updates.PM]
    outcome = "hangs"
    at_percent = 1
    seconds = 1
    steps = 1
    [update_service]
    answer = "slow"
    slow_seconds = 1
    [timing]
    restart_seconds = 1
    factory_reset_seconds = 1
    faceplate_restart_seconds = 1
    sensor_seconds = 1
    calibration_delay_seconds = 1
    reconnect_seconds = 1
    [quirks]
    configuration_form = "early"
    preference_keys = "all"
    unknown_preferences = "ignore"
    bare_preferences = "refuse"
    internet_addresses = "text"
    names_list = "wrapped"
    name_length = 3
    stray_result = false
    update_packet_ids = "request"
    web_update = "alone"
    radar_key = "fw_rev"
    decimals = "numbers"
    color_light_args = "three"
    color_push_puback = true
    color_light_without_aura = "short"
    indicator_light = true
    indicator_number = 1
    max_kelvin = 6500
    short_palette = "repeated"
    random_palette = "stored"
    plain_nightlight_on_aura = true
    missing_parts = "ignored"
    faceplate_pushes = false
    factory_reset = "leaves_network"
    push_order = "before_reply"
    pushes_to_sender = false
    unchanged_pushes = true
    unusable_requests = "ignored"
    outlets_after_restart = "off"
    absent_faceplate = "offline"
    tcp_reads = "one_request"
    binary_messages = "answered"
    restart_disconnect = "close_frame"
    transports = "both"
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
    mdns = true
    mdns_port = 3333
    mdns_hostname = "InvisOutlet-4076"
    control = true
    control_host = "::1"
    control_port = 0
    control_allow_hosts = ["outlet.test"]
    [protocol]
    packet_id = "lenient"
    tcp_terminator = ""
    max_packet_bytes = 64
    write_timeout_seconds = 1
    origins = "none"
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
    [[steps]]
    after_seconds = 1
    every_seconds = 2
    set = { sensors.lux = { start = 1 }, outlets.states = [0, 1], color_light.leds = [[0]] }
    faceplate = "off"
    enable = "a"
    disable = ["a"]
    push = 9
    sample = true
    update = "IM"
    reboot = { seconds = 1, how = "reset" }
    join_network = true
    reset = ["counters", "journal"]
    inject = { kind = "drop", when = { nth = 2 } }
    remove = "a"
    disconnect = { how = "reset", connection = 2 }
    [[steps]]
    after_request = { callback = 20, nth = 3 }
    after_seconds = 1
    push = { callback = 99, args = 1 }
    reboot = true
"""

FITTING: dict[str, set[str]] = {
    "{'nonsense': 1}": {"steps.1.push.args"},
    "[[]]": {
        "color_light.leds",
        "indicator_light.leds",
        "steps.0.set.color_light.leds",
        "steps.1.push.args",
    },
    "-0.5": {
        "sensors.temp_celsius",
        "sensors.humidity",
        "sensors.humidity.0",
        "sensors.humidity.1",
        "sensors.BME680_temp_celsius",
        "sensors.BME680_humidity",
        "sensors.bvoc_equiv",
        "sensors.lux",
        "sensors.lux.start",
        "sensors.lux.min",
        "sensors.lux.max",
        "sensors.AQI_accuracy.start",
        "sensors.AQI_accuracy.min",
        "sensors.AQI_accuracy.max",
        "steps.0.set.sensors.lux",
        "steps.0.set.sensors.lux.start",
        "steps.1.push.args",
    },
    "None": {"steps.1.push.args"},
}
"""Values that are wrong nearly everywhere → where they are not."""


def test_the_schema_is_valid_itself() -> None:
    for draft in (
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
    ):
        jsonschema_rs.meta.validate({**SCHEMA, "$schema": draft})


SAME_IN_BOTH_DRAFTS = {
    *("$schema", "$ref", "definitions", "allOf", "anyOf", "oneOf", "enum", "const", "type"),
    *("title", "description", "default", "properties", "required", "additionalProperties"),
    *("items", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}


def schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and those in it; not those that it refers to."""
    if not isinstance(schema, dict):
        return
    yield schema
    inner: list[Any] = [schema.get("items"), schema.get("additionalProperties")]
    for keyword in ("allOf", "anyOf", "oneOf"):
        inner += schema.get(keyword, [])
    for keyword in ("properties", "definitions"):
        inner += schema.get(keyword, {}).values()
    for one in inner:
        yield from schemas(one)


def test_every_keyword_means_the_same_in_the_drafts_that_editors_know() -> None:
    found = list(schemas(SCHEMA))
    assert len(found) > 500
    for schema in found:
        assert schema.keys() <= SAME_IN_BOTH_DRAFTS
        # Draft 7 ignores what is beside a reference, and has lists of schemas for items.
        assert "$ref" not in schema or len(schema) == 1
        assert not isinstance(schema.get("items"), list | bool)


def test_what_is_wrong_with_a_list_is_found_by_both_drafts() -> None:
    for states in ([1, 2], [1], [1, 0, 0]):
        with pytest.raises(ValidationError):
            VALIDATOR.validate({"outlets": {"states": states}})
        for draft in DRAFTS:
            assert not draft(SCHEMA).is_valid({"outlets": {"states": states}})
    VALIDATOR.validate({"outlets": {"states": [1, 0]}})


@for_each("name", bundled())
def test_every_shipped_scenario_is_accepted(name: str) -> None:
    VALIDATOR.validate(tomli.loads(bundled()[name].read_text("utf-8")))


@for_each("kind", KINDS)
def test_the_example_of_every_fault_is_accepted_by_schema_and_loader(kind: str) -> None:
    document = tomli.loads("[[faults]]\n" + textwrap.dedent(KINDS[kind].example))
    assert document["faults"][0]["kind"] == kind
    VALIDATOR.validate(document)
    assert validate(document, Scenario)[1] == []


@given(documents())
def test_whatever_the_loader_accepts_the_schema_accepts(document: dict[str, Any]) -> None:
    if validate(document, Scenario)[1] == []:
        VALIDATOR.validate(document)


def test_everything_is_what_there_is_to_say() -> None:
    """All keys of all tables, so that those are checked that somebody adds later."""

    def missing(struct: type[msgspec.Struct], said: Any, name: str) -> Iterator[str]:
        for field in msgspec.structs.fields(struct):
            here = f"{name}.{field.encode_name}"
            if field.encode_name not in said:
                yield here
            elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
                yield from missing(field.type, said[field.encode_name], here)

    document = tomli.loads(EVERYTHING)
    steps = document["steps"][0] | document["steps"][1]
    omit = [*missing(Scenario, document, ""), *missing(Step, steps, "steps")]
    alike = [f".indicator_light.{name}" for name in ("mode", "speed", "random", "level")]
    # As in color_light; and a fleet has no serial number as a [device] has one.
    assert omit == [*alike, ".fleet"]


def test_a_fleet_is_accepted_by_schema_and_loader() -> None:
    document = tomli.loads(FLEET)
    assert validate(document, Scenario)[1] == []
    VALIDATOR.validate(document)
    for key, value in {"device": {"product": "brown"}, "sensors": {"luxx": 5}, "every": 0}.items():
        with pytest.raises(ValidationError):
            VALIDATOR.validate({"fleet": {"count": 5, "outlets": [{"n": 1, key: value}]}})


@given(st.lists(steps(("a",)), min_size=1, max_size=3))
def test_a_step_in_any_form_is_accepted_by_schema_and_loader(planned: list[Any]) -> None:
    document = {
        "device": {"product": "aura"},
        "quirks": {
            "plain_nightlight_on_aura": True,
            "indicator_light": True,
            "preference_keys": "all",
        },
        "faults": [{"kind": "drop", "name": "a"}],
        "steps": planned,
    }
    VALIDATOR.validate(document)
    scenario, problems = validate(document, Scenario)
    assert problems == []
    said = msgspec.to_builtins(scenario.steps)
    for step, read in zip(planned, said, strict=True):
        for key, value in step.items():
            assert key == "after_request" or plain(read[key]) == plain(value)


def plain(value: Any) -> Any:
    """A value as JSON has it, without what stands for nothing."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    return value


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


@cache
def alone(table: str, index: int | None) -> dict[str, Any] | None:
    """Of everything, one table, or one element of a list of tables, if it is good with little else.

    index: of the element; None: all of the table.
    """
    everything = tomli.loads(EVERYTHING)
    value = everything[table]
    # What the outlet is decides what the others may say.
    document = {name: everything[name] for name in ("device", "quirks")}
    document[table] = value if index is None else [value[index]]
    good = VALIDATOR.is_valid(document) and not validate(document, Scenario)[1]
    return document if good else None


def document_with(path: Path) -> tuple[dict[str, Any], Path]:
    """As little of everything as has this path, and where the path is in it."""
    table, *rest = path
    assert isinstance(table, str)
    if rest and isinstance(rest[0], int) and (document := alone(table, rest[0])) is not None:
        return document, (table, 0, *rest[1:])
    if (document := alone(table, None)) is not None:
        return document, path
    return tomli.loads(EVERYTHING), path


@for_each("path", list(paths(tomli.loads(EVERYTHING)))[1:], ids=str)
@for_each("value", [{"nonsense": 1}, [[]], -0.5, None], ids=repr)
def test_a_value_of_the_wrong_type_is_refused_by_schema_and_loader(path: Path, value: Any) -> None:
    document = with_value(*document_with(path), value)
    if ".".join(map(str, path)) in FITTING[repr(value)]:
        VALIDATOR.validate(document)
        return
    assert not VALIDATOR.is_valid(document)
    assert value is None or validate(document, Scenario)[1]


@for_each(
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


@for_each(
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


@for_each("value", [True, "0003C44076\n", "0003c44076"])
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
    keys = {
        f"{title}.{name}": key
        for title, schema in {"Scenario": SCHEMA, **SCHEMA["definitions"]}.items()
        for name, key in schema.get("properties", {}).items()
        if "default" in key
    }
    assert len(keys) > 100
    # As one schema, since to compile one with all definitions takes a while.
    schema = {"type": "object", "properties": keys, "definitions": SCHEMA["definitions"]}
    Validator(schema).validate({name: key["default"] for name, key in keys.items()})


def test_every_key_and_every_table_is_explained() -> None:
    for title, schema in {"Scenario": SCHEMA, **SCHEMA["definitions"]}.items():
        assert schema["description"], title
        for name, key in schema.get("properties", {}).items():
            assert key.get("description"), (title, name)


def test_a_key_is_explained_in_the_words_of_its_docstring() -> None:
    when = SCHEMA["definitions"]["When"]["properties"]
    assert when["callback"]["description"] == (
        "only packets about this callback number, or one of these. A reply is about its request's."
    )
    assert when["connection"]["description"].endswith("from 1, over both transports.")
    assert when["every"]["description"] == "only every Nth."
    listen = SCHEMA["definitions"]["Listen"]["properties"]
    assert listen["tcp"]["description"] == listen["ws"]["description"]
    assert re.fullmatch(
        "(?s)omitted: 3333 .* Python.\n\nA port; .*", listen["tcp_port"]["description"]
    )


def test_no_two_keys_of_a_table_share_an_explanation() -> None:
    """But for those that are alike in all that there is to say."""
    alike = {"Listen", "Distribution", "When"}
    for title, schema in SCHEMA["definitions"].items():
        texts = [key["description"] for key in schema.get("properties", {}).values()]
        if title not in alike and title not in {kind.__name__ for kind in KINDS.values()}:
            assert len(texts) == len(set(texts)), title


def test_what_a_step_sets_is_completed_and_checked_as_at_the_top_of_the_file() -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"sensors": {"luxx": 1}},
        {"seed": 1},
        {"faults": []},
        {"outlets": {"states": [2, 0]}},
        {"listen": {"mdns": True}},
    )
    assert VALIDATOR.is_valid(
        {"steps": [{"after_seconds": 1, "set": {"listen": {"host": "127.0.0.2"}}}]}
    )
    for changes in wrong:
        assert not VALIDATOR.is_valid({"steps": [{"after_seconds": 1, "set": changes}]})


def test_each_kind_of_fault_can_be_told_by_its_title() -> None:
    references = [item["$ref"] for item in SCHEMA["definitions"]["Fault"]["oneOf"]]
    names = [reference.removeprefix("#/definitions/") for reference in references]
    assert [SCHEMA["definitions"][name]["title"] for name in names] == list(KINDS)


@for_each(("defaults", "least"), [((0, 1), 0), ((None, 1), 1), ((None, None), 2), ((0, None), 2)])
def test_items_with_a_default_may_be_omitted_at_the_end(
    defaults: tuple[int | None, ...], least: int
) -> None:
    # Versions of msgspec before 0.22 ask for one item at least.
    items = [{} if default is None else {"default": default} for default in defaults]
    list_of = _in_both_drafts({"type": "array", "prefixItems": items, "minItems": 1})
    assert list_of["minItems"] == least
