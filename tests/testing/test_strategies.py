"""The strategies for those who fuzz a client: what they draw is what they say, and the outlet
survives all of it.
"""

import json
import socket
import subprocess
import sys
import unittest
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from invis_sim import FaceplateFirmware, Journal
from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.lights import ColorLight
from invis_sim.device.outlet import Outlet
from invis_sim.device.sensors import DECIMALS, READINGS, Drift, Sensors
from invis_sim.device.state import Device, OutletState, SerialNumber
from invis_sim.faults import KINDS, Fault, Refuse, Throttle, When
from invis_sim.faults.delivery import MAX_STEPS
from invis_sim.faults.fault import LAYERS, Layer, ReplyFault, Seconds
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.session import MAX_TEXT_BYTES
from invis_sim.journal import Closed
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import parse_request
from invis_sim.protocol.transport import Transport
from invis_sim.scenario import Scenario, parse
from invis_sim.schema.fields import fields, structs_in
from invis_sim.testing.block import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from invis_sim.testing.strategies import (
    broken_json,
    faults,
    firmware_inventories,
    packet_ids,
    requests,
    scenarios,
    serial_numbers,
    struct_strategies,
    whens,
)
from tests.cases import for_each
from tests.scenario.toml import to_toml
from tests.server.frames import HANDSHAKE, TEXT, client_frame
from tests.server.support import wait_until

T = TypeVar("T")

WITHOUT_REPLY = (
    Callback.RESTART,
    Callback.RESET_NETWORK,
    Callback.FACTORY_RESET,
    Callback.PERFORM_UPDATE,  # of a revB
)

NEVER_DRAWN = {"transports"}
"""Keys of which only the default can be started everywhere."""

BRIEFLY = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
"""For what needs a simulator each time."""


AT_ONCE = 10
"""How many values are drawn in one example: most of the time of an example of one value is spent on
what Hypothesis does around it.
"""


class EnoughDrawn(unittest.SkipTest):
    """Ends the generation of a sample: at a skip, Hypothesis stops at once."""


def sample(
    strategy: st.SearchStrategy[T],
    size: int = 300,
    until: Callable[[list[T]], bool] = lambda drawn: False,
) -> list[T]:
    """Return what the strategy generates, the same each time.

    size: how many values at most. until: whether those generated so far show what the test asks
    for, so that no more are needed.
    """
    drawn: list[T] = []

    @settings(
        max_examples=size // AT_ONCE,
        database=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(strategy, min_size=AT_ONCE, max_size=AT_ONCE))
    def draw(values: list[T]) -> None:
        drawn.extend(values)
        if until(drawn):
            raise EnoughDrawn(f"{len(drawn)} are enough")

    with suppress(EnoughDrawn):
        draw()
    return drawn


def converted(struct: msgspec.Struct) -> object:
    """The struct from its own plain data, which checks every value."""
    return msgspec.convert(msgspec.to_builtins(struct), type(struct))


def assert_forms(strategy: st.SearchStrategy[T], *forms: Callable[[T], bool]) -> None:
    """Check that values of each of the forms are generated."""
    missing = set(forms)

    def all_seen(drawn: list[T]) -> bool:
        missing.difference_update({form for form in missing if any(map(form, drawn[-AT_ONCE:]))})
        return not missing

    sample(strategy, until=all_seen)
    assert not missing


def keys_that_differ(drawn: list[Any], usual: msgspec.Struct) -> set[str]:
    """The keys that any of the structs has another value for than this one."""
    return {
        name
        for name in usual.__struct_fields__
        if any(getattr(struct, name) != getattr(usual, name) for struct in drawn)
    }


def keys_that_vary(drawn: list[Any]) -> set[str]:
    """The keys for which not all of the structs have the same value."""
    return keys_that_differ(drawn, drawn[0])


def seconds_in(tree: Any, name: str = "") -> Iterator[float]:
    """What a fault's fields say about how long something lasts; infinity for a None there."""
    if isinstance(tree, msgspec.Struct):
        for field in tree.__struct_fields__:
            yield from seconds_in(getattr(tree, field), field)
    elif name in ("seconds", "gap", "max_wait", "from_seconds", "min", "max"):
        spread = name in ("min", "max")
        if tree is not None or not spread:
            yield float("inf") if tree is None else tree


# What a client may send and receive


@given(packet_ids())
def test_a_packet_id_is_an_integer(packet_id: int) -> None:
    assert type(packet_id) is int


def test_packet_ids_are_six_digits_and_others() -> None:
    assert_forms(
        packet_ids(),
        lambda packet_id: 100_000 <= packet_id <= 999_999,
        lambda packet_id: packet_id < -(2**32),
        lambda packet_id: packet_id > 2**64,
    )


@given(serial_numbers())
def test_a_serial_number_is_one_that_a_scenario_takes(sn: str) -> None:
    assert msgspec.convert(sn, SerialNumber) == sn
    assert converted(Device(sn=sn)) == Device(sn=sn)


@given(requests())
def test_a_request_is_read_without_a_problem(document: bytes) -> None:
    read = parse_request(document)
    fields = json.loads(document)
    assert (read.problem, read.notes) == (None, ())
    assert (read.packet_id, read.callback) == (
        fields["packetID"],
        fields["payload"]["callbackName"],
    )


@given(requests(callback=20))
def test_requests_may_be_about_one_callback_only(document: bytes) -> None:
    assert parse_request(document).callback == 20


def test_requests_come_in_many_forms() -> None:
    assert_forms(
        requests(),
        lambda document: b"callbackArgs" in document,
        lambda document: b"callbackArgs" not in document,
        lambda document: b"\n" in document,
        lambda document: b" " not in document,
        lambda document: document.index(b"packetID") > document.index(b"payload"),
        lambda document: not document.isascii(),
        lambda document: parse_request(document).callback in set(Callback),
        lambda document: parse_request(document).callback not in set(Callback),
    )


@given(broken_json())
def test_broken_json_is_refused_by_every_parser(data: bytes) -> None:
    parsers: tuple[Callable[[bytes], object], ...] = (
        json.loads,
        lambda data: json.loads(data.decode()),
        msgspec.json.decode,
        parse_request,
    )
    for parser in parsers:
        with pytest.raises(ValueError):  # noqa: PT011 - that is what they have in common
            parser(data)


def test_broken_json_is_nearly_good_or_nothing_like_it() -> None:
    assert_forms(
        broken_json(),
        lambda data: data == b"",
        lambda data: b'"PUBACK":1' in data,
        lambda data: bool(data) and b"{" not in data,
        lambda data: b"}{" in data,
        lambda data: not data.isascii(),
    )


# What an outlet may be


@given(firmware_inventories())
def test_a_firmware_inventory_is_valid(inventory: FirmwareInventory) -> None:
    assert converted(inventory) == inventory


def test_firmware_inventories_are_with_and_without_updates_and_faceplates() -> None:
    def is_newest(inventory: FirmwareInventory, name: str) -> bool:
        report = inventory.to_wire()["IM"]
        return bool(report[name] == report[f"available_{name}"])

    assert_forms(
        firmware_inventories(),
        lambda inventory: inventory.update_check == "ok",
        lambda inventory: inventory.update_check == "fail",
        lambda inventory: inventory.PM is None,
        lambda inventory: type(inventory.PM) is FaceplateFirmware,
        lambda inventory: is_newest(inventory, "fw_rev"),
        lambda inventory: not is_newest(inventory, "fw_rev"),
        lambda inventory: is_newest(inventory, "www_fw_rev"),
        lambda inventory: not is_newest(inventory, "www_fw_rev"),
    )


@given(whens())
def test_conditions_are_valid(when: When) -> None:
    assert converted(when) == when


def test_each_condition_is_drawn() -> None:
    keys = set(When.__struct_fields__)
    drawn = sample(whens(), until=lambda drawn: keys_that_differ(drawn, When()) == keys)
    assert keys_that_differ(drawn, When()) == keys


@given(faults())
def test_a_fault_is_valid_and_enabled_and_can_be_armed(fault: Fault) -> None:
    assert converted(fault) == fault
    assert Pipeline([fault], seed=1)[fault.display_name].enabled


@pytest.mark.parametrize("layer", LAYERS)
def test_faults_may_be_of_one_layer_and_are_then_of_each_of_its_kinds(layer: Layer) -> None:
    kinds = {kind for kind, fault in KINDS.items() if fault.layer == layer}

    def kinds_of(drawn: list[Fault]) -> set[str]:
        return {fault.kind() for fault in drawn}

    assert kinds_of(sample(faults(layer), until=lambda drawn: kinds_of(drawn) >= kinds)) == kinds


def test_a_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of content, text, .*, found 'repl'"):
        faults("repl")  # type: ignore[arg-type]


@pytest.mark.parametrize("longest", [0.0, 0.05, 2.0])
def test_no_fault_waits_longer_than_asked_for(longest: float) -> None:
    @given(faults(max_wait=longest))
    def test(fault: Fault) -> None:
        assert max(seconds_in(fault), default=0.0) <= longest
        if isinstance(fault, Throttle):
            assert 1000 / fault.bytes_per_second <= max(longest, 1e-6) * 1.001

    test()


def test_faults_may_wait_for_ever() -> None:
    assert_forms(
        faults("connection", max_wait=float("inf")),
        lambda fault: isinstance(fault, Refuse) and fault.seconds is None,
        lambda fault: any(1e6 < seconds < float("inf") for seconds in seconds_in(fault)),
    )


@pytest.mark.parametrize("longest", [-1.0, float("nan")])
def test_a_wait_below_zero_is_refused(longest: float) -> None:
    with pytest.raises(ValueError, match="max_wait: expected a number of seconds from 0"):
        faults(max_wait=longest)


@given(scenarios())
def test_a_scenario_can_be_written_to_a_file_and_read_back(scenario: Scenario) -> None:
    assert parse(to_toml(msgspec.to_builtins(scenario))) == scenario


@given(scenarios(max_wait=float("inf"), max_faults=6))
def test_a_scenario_with_many_faults_and_any_waits_is_valid_as_well(scenario: Scenario) -> None:
    assert parse(to_toml(msgspec.to_builtins(scenario))) == scenario


def test_each_key_of_a_scenario_is_drawn() -> None:
    keys = set(Scenario.__struct_fields__) - {"steps", "fleet"}
    drawn = sample(scenarios(), until=lambda drawn: keys_that_differ(drawn, Scenario()) == keys)
    assert keys_that_differ(drawn, Scenario()) == keys


def test_scenarios_are_drawn_for_every_product_on_one_transport_or_both() -> None:
    assert_forms(
        scenarios(),
        lambda scenario: (scenario.listen.tcp, scenario.listen.ws) == (True, True),
        lambda scenario: (scenario.listen.tcp, scenario.listen.ws) == (True, False),
        lambda scenario: (scenario.listen.tcp, scenario.listen.ws) == (False, True),
        lambda scenario: any(fault.enabled for fault in scenario.faults),
        lambda scenario: not all(fault.enabled for fault in scenario.faults),
        lambda scenario: scenario.product == "bare",
        lambda scenario: scenario.product == "pro",
        lambda scenario: scenario.product == "aura",
        # What only an Aura has is not dropped from all of them.
        lambda scenario: scenario.color_light.mode != ColorLight().mode,
        lambda scenario: scenario.color_light.leds != ColorLight().leds,
    )


TABLES = {
    annotation: sorted(set(fields(annotation)) - NEVER_DRAWN)
    for annotation in dict.fromkeys(structs_in(OutletState))
}
"""Every struct type in the state of an outlet → its keys."""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_each_key_of_each_table_can_be_drawn(table: type[msgspec.Struct]) -> None:
    # From the strategy of the table alone: of a whole scenario, most would be about other tables.
    keys = {fields(table)[key].name for key in TABLES[table]}
    drawn = sample(
        struct_strategies().structs(table),
        80 * len(keys),
        until=lambda drawn: keys_that_vary(drawn) >= keys,
    )
    assert keys_that_vary(drawn) == keys


def test_readings_of_every_form_are_drawn() -> None:
    def forms(drawn: list[Sensors]) -> tuple[set[type], ...]:
        return tuple(
            {type(getattr(one, name)) for one in drawn for name in names}
            for names in (DECIMALS, set(READINGS) - set(DECIMALS))
        )

    expected = ({type(None), float, str, tuple, Drift}, {type(None), int, tuple, Drift})
    sensors = struct_strategies().structs(Sensors)
    assert forms(sample(sensors, until=lambda drawn: forms(drawn) == expected)) == expected


def test_coloured_lights_are_drawn_in_many_modes() -> None:
    def varied(drawn: list[ColorLight]) -> bool:
        leds = {len(light.leds) for light in drawn}
        return len({light.mode for light in drawn}) > 3 and leds >= {1, 2, 3}

    assert varied(sample(struct_strategies().structs(ColorLight), until=varied))


@pytest.mark.parametrize("longest", [0.05, 2.0])
def test_a_scenario_starts_anywhere_and_nothing_lasts_longer_than_asked_for(longest: float) -> None:
    @given(scenarios(max_wait=longest))
    def test(scenario: Scenario) -> None:
        timing, updates = scenario.timing, scenario.updates
        lasting = (
            timing.restart_seconds,
            timing.factory_reset_seconds,
            timing.faceplate_restart_seconds,
            timing.calibration_delay_seconds,
            updates.IM.seconds,
            updates.IM.www_seconds,
            0.0 if scenario.product == "bare" else updates.PM.seconds,
        )
        assert max(lasting) <= longest
        assert timing.sensor_seconds == 0 or timing.sensor_seconds >= 1
        # On this machine only, on free ports.
        assert scenario.listen.host in ("127.0.0.1", "localhost")
        assert {scenario.listen.tcp_port, scenario.listen.ws_port} <= {None, 0}

    test()


class Odd(ReplyFault, frozen=True, tag="odd"):
    """A kind that is not in the catalogue."""

    how: Literal["a", "b"]
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    number: Annotated[int, msgspec.Meta(gt=2, lt=6)] = 3
    word: Annotated[str, msgspec.Meta(pattern="^[a-z]{2}$")] = "aa"
    max_wait: Seconds = 5.0


def test_a_struct_that_nobody_has_thought_of_is_drawn_from_its_annotations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(KINDS, "odd", Odd)

    @given(faults("content"))
    def test(fault: Fault) -> None:
        assert converted(fault) == fault
        assert not isinstance(fault, Odd) or fault.max_wait <= 0.05

    test()
    assert_forms(
        faults("content"),
        lambda fault: isinstance(fault, Odd) and fault.how == "a",
        lambda fault: isinstance(fault, Odd) and fault.how == "b",
    )


def test_without_hypothesis_the_import_says_what_to_install() -> None:
    program = """
import sys
sys.modules["hypothesis"] = None
import invis_sim.testing.strategies
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.stderr.splitlines()[-1] == (
        "ImportError: invis_sim.testing.strategies needs Hypothesis: "
        "pip install 'invis-sim[hypothesis]'"
    )


# Any scenario serves any request


@given(scenarios(max_faults=6), st.lists(requests(), max_size=8), st.integers(0, 2**63 - 1))
def test_any_scenario_answers_any_request_with_a_plan_that_is_bounded(
    scenario: Scenario, documents: list[bytes], seed: int
) -> None:
    outlet = Outlet(scenario.state, packet_ids=scenario.protocol.packet_id, seed=seed)
    pipeline = Pipeline(scenario.faults, seed)
    frames: tuple[tuple[Transport, Callable[[bytes], bytes]], ...] = (
        ("tcp", lambda text: text + scenario.protocol.tcp_terminator.encode()),
        ("ws", text_frame),
    )
    for connection, (transport, frame) in enumerate(frames, 1):
        session = pipeline.session(transport, connection)
        reception = session.admit(0.0, connection)
        assert reception is None or reception.applied
        for seconds, document in enumerate(documents):
            asked = parse_request(document)
            reply = outlet.handle(asked, 0.0).reply
            if reply is None:
                quirks = scenario.quirks
                ignored = "ignored" in (quirks.unusable_requests, quirks.missing_parts)
                assert asked.callback in WITHOUT_REPLY or ignored
                continue
            assert reply.fields["packetID"] == asked.packet_id
            plan = session.plan(reply, reply.encode(), asked, seconds / 100, frame)
            if plan is not None:
                assert plan.applied
                assert len(plan.delivery.steps) <= MAX_STEPS
                assert plan.delivery.size <= MAX_STEPS * (MAX_TEXT_BYTES + 14)
        assert {rule.name for rule in pipeline} == {fault.display_name for fault in scenario.faults}


@BRIEFLY
@given(scenarios(), st.lists(requests(), max_size=8), st.binary(max_size=20))
def test_any_scenario_serves_any_client_over_sockets(
    scenario: Scenario, documents: list[bytes], rest: bytes
) -> None:
    with start_simulator(scenario, speed=float("inf")) as sim:
        connected = 0
        if scenario.listen.tcp:
            connected += says(sim, sim.tcp_address, b"\n".join(documents) + rest)
        if scenario.listen.ws:
            where = urlsplit(sim.ws_url)
            assert where.hostname is not None
            assert where.port is not None
            head = HANDSHAKE.replace(b"/ws", scenario.listen.ws_path.encode(), 1)
            messages = b"".join(client_frame(TEXT, document) for document in documents)
            connected += says(sim, (where.hostname, where.port), head + messages + rest)
        assert len(endings(sim.journal)) == connected
        assert not [why for why in endings(sim.journal) if "internal error" in why]
        numbers = [entry.number for entry in sim.journal]
        assert numbers == [number for number, _ in zip(count(1), numbers, strict=False)]


def says(sim: SimulatorHandle, address: tuple[str, int], data: bytes) -> int:
    """Connects, says this, and hangs up; waits until the outlet is done with it.

    Returns how many connections came about: none where nobody listens at the moment.
    """
    before = sim.call(lambda: len(endings(sim.journal)))
    try:
        client = socket.create_connection(address, timeout=5)
    except ConnectionRefusedError:
        return 0
    with client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the outlet was first to end it
        heard_to_the_end(client)
    wait_until(sim, lambda journal: len(endings(journal)) > before)
    return 1


def heard_to_the_end(client: socket.socket) -> bytes:
    """All that the outlet says."""
    heard = b""
    try:
        while chunk := client.recv(65536):
            heard += chunk
    except ConnectionError:
        pass
    return heard


def endings(journal: Journal) -> list[str]:
    """Why each connection that is over ended."""
    return [event.reason for event in journal.events() if isinstance(event, Closed)]


@for_each("strategy", [scenarios(), st.lists(faults()), whens(), requests()])
def test_a_strategy_is_shown_in_short(strategy: st.SearchStrategy[Any]) -> None:
    """Hypothesis warns of more than 30,000 characters, which may fail the user's test."""
    assert len(repr(strategy)) < 20_000
