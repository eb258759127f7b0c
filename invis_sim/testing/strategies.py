"""Hypothesis strategies to fuzz a client: its parser, or all of it.

They are made from the structs that are the scenario format (`from_structs.py`), so a new kind of
fault or a new key is generated without a change here. What does not go together with the rest is
omitted rather than filtered, so that no strategy fails Hypothesis' health checks by itself.

They need the extra `hypothesis`: `pip install 'invis-sim[hypothesis]'`.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import msgspec

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.state import Device, Quirks, Timing
from invis_sim.device.update_plan import FaceplateUpdate, OutletUpdate
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import LAYERS, Context, Fault, Layer, TextFault
from invis_sim.faults.kinds.delivery import Duplicate, Split, Throttle
from invis_sim.faults.when import When
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Reply, Request
from invis_sim.scenario.conflicts import conflicts
from invis_sim.scenario.ineffective import as_usual, ineffective_settings
from invis_sim.scenario.listen import Listen, Protocol
from invis_sim.scenario.model import Scenario

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "invis_sim.testing.strategies needs Hypothesis: pip install 'invis-sim[hypothesis]'",
        name="hypothesis",
    ) from error

# Needs Hypothesis as well, so it comes after the message about that.
from invis_sim.testing.from_structs import MAX_SECONDS, FieldName, StructStrategies, json_trees

__all__ = [
    "broken_json",
    "faults",
    "firmware_inventories",
    "packet_ids",
    "requests",
    "scenarios",
    "serial_numbers",
    "whens",
]

MAX_WAIT = 0.05
"""Seconds that a fault waits at most by default: short, since a test waits them many times."""


# What a client may send and receive


def packet_ids() -> st.SearchStrategy[int]:
    """packetIDs: six digits, as documented, and now and then any other integer, even beyond 64
    bits, which real outlets echo as well.

    Example:
        @given(packet_ids())
        def test_an_answer_is_placed_by_its_packet_id(packet_id):
            assert MyClient().place({"packetID": packet_id, "PUBACK": 1}) == packet_id
    """
    return st.one_of(st.integers(100_000, 999_999), st.sampled_from(_ODD_IDS), st.integers())


def serial_numbers() -> st.SearchStrategy[str]:
    """Serial numbers: ten or eleven upper-case hexadecimal digits.

    Example:
        @given(serial_numbers())
        def test_an_outlet_is_known_by_its_serial_number(sn):
            assert MyRegistry([sn]).find(sn).sn == sn
    """
    return st.text("0123456789ABCDEF", min_size=10, max_size=11)


def requests(callback: int | None = None) -> st.SearchStrategy[bytes]:
    """Requests that a client may send: each one whole JSON object in UTF-8 with an integer
    packetID and an integer callbackName, in any of the forms in which JSON can be written, with or
    without callbackArgs.

    callback: the callbackName; None: any, mostly those that the protocol knows.

    Example:
        @given(requests())
        def test_my_proxy_hands_on_any_request(document):
            assert json.loads(MyProxy().hand_on(document)) == json.loads(document)
    """
    names = st.sampled_from([int(number) for number in Callback]) | st.integers()
    return st.builds(
        _request,
        packet_ids(),
        names if callback is None else st.just(callback),
        st.just(msgspec.UNSET) | json_trees(st.none()),
        st.booleans(),
        st.sampled_from(_FORMS),
    )


def broken_json() -> st.SearchStrategy[bytes]:
    """Bytes that are not a JSON document: packets that are cut off, corrupted, not UTF-8, or
    followed by another, and noise.

    Every parser that follows RFC 8259 rejects them, and so do parsers that are a little more
    lenient: NaN, a byte-order mark and UTF-16, which Python's json accepts, are not
    among them (the faults `malformed_json`, `bom` and `utf16` have them).

    Example:
        @given(broken_json())
        def test_the_parser_rejects_invalid_json(data):
            with pytest.raises(ValueError):
                my_parser(data)
    """
    kinds = [kind for kind in KINDS.values() if issubclass(kind, TextFault)]
    texts = st.one_of(_replies(), requests())
    corrupted = st.builds(
        _corrupted,
        st.one_of([struct_strategies().faults_of(kind, without=("enabled",)) for kind in kinds]),
        texts,
        st.integers(0, 2**32),
    )
    cut_off = st.builds(lambda text, share: text[: int(len(text) * share)], texts, st.floats(0, 1))
    two = st.builds(bytes.__add__, texts, texts)
    return st.one_of(corrupted, cut_off, two, st.binary(max_size=100)).map(_ensure_invalid)


# What an outlet may be


def firmware_inventories() -> st.SearchStrategy[FirmwareInventory]:
    """What an outlet may report of its firmware: with and without a faceplate, updates for one, for
    the other, for both or for neither, revisions that are numbers with dots and others that are
    any text, and update checks that fail.

    Example:
        @given(firmware_inventories())
        def test_updates_are_found_in_the_inventory(inventory):
            report = inventory.report()  # the callbackArgs of a reply to callback 20
            newer = report["IM"]["available_fw_rev"] != report["IM"]["fw_rev"]
            assert my_updates(report).im_application == newer
    """
    inventories: st.SearchStrategy[FirmwareInventory] = struct_strategies().structs(
        FirmwareInventory
    )
    return inventories


def whens(max_wait: float = MAX_WAIT) -> st.SearchStrategy[When]:
    """Conditions under which faults apply. Not all of them fit all kinds of faults.

    max_wait: seconds after which they hold at the latest, ≥ 0.

    Example:
        @given(whens())
        def test_conditions_are_shown(when):
            assert "when" in my_dashboard(faults.Drop(when=when))
    """
    conditions: st.SearchStrategy[When] = struct_strategies(max_wait).structs(When)
    return conditions


def faults(layer: Layer | None = None, *, max_wait: float = MAX_WAIT) -> st.SearchStrategy[Fault]:
    """Faults of any kind, enabled, with and without conditions.

    layer: only those of "content", "text", "websocket", "delivery", "connection" or "device".
    max_wait: seconds, ≥ 0, that a delay, an outage, or a kilobyte sent slowly may last; infinite:
    any time, and outages until they are switched off.

    Raises ValueError for a layer that does not exist and a wait below 0.

    Example:
        @given(faults("content"))
        def test_the_client_survives_any_wrong_answer(fault):
            with start_simulator() as sim, sim.inject(fault):
                MyClient(*sim.tcp_address).available_updates(timeout=0.1)
    """
    if layer is not None and layer not in LAYERS:
        raise ValueError(f"expected one of {', '.join(LAYERS)}, found {layer!r}")
    structs = struct_strategies(max_wait)
    kinds = [kind for kind in KINDS.values() if layer in (None, kind.layer)]
    return st.one_of([structs.faults_of(kind, without=("enabled",)) for kind in kinds])


def scenarios(*, max_wait: float = MAX_WAIT, max_faults: int = 3) -> st.SearchStrategy[Scenario]:
    """Scenarios that can be started anywhere: on this machine only, on free ports, on one transport
    or both, in any state, with any faults, some of which are not enabled. Nothing changes by
    itself over time except the readings of sensors.

    max_wait: as for `faults`; restarts and downloads last at most this long as well.
    max_faults: how many a scenario has at most, ≥ 0.

    Example:
        @given(scenarios())
        def test_the_client_gives_up_in_time_whatever_the_outlet_does(scenario):
            with start_simulator(scenario, tcp=True) as sim:
                MyClient(*sim.tcp_address).available_updates(timeout=0.1)
    """
    return _scenarios(struct_strategies(max_wait), max_faults)


# How they are made

_ODD_IDS = (
    *(0, 1, -1, 99_999, 10**6, 2**31, 2**32, 2**50, 2**53 + 1, -(2**63), 2**64, 10**30),
    *(2**200, -(2**200), 10**400),
)


class _Form(NamedTuple):
    """How a document is written: its spaces, and whether it is in ASCII only."""

    separators: tuple[str, str]
    indent: int | None
    ascii_only: bool


_FORMS = [
    _Form(separators, indent, ascii_only)
    for separators, indent in (((",", ":"), None), ((", ", ": "), None), ((" ,", " : "), 2))
    for ascii_only in (True, False)
]


def _request(packet_id: int, callback: int, args: Any, swapped: bool, form: _Form) -> bytes:
    payload = {"callbackName": callback}
    if args is not msgspec.UNSET:
        payload["callbackArgs"] = args
    members: Iterable[tuple[str, Any]] = (("packetID", packet_id), ("payload", payload))
    if swapped:
        members = reversed([*members])
    return json.dumps(
        dict(members),
        separators=form.separators,
        indent=form.indent,
        ensure_ascii=form.ascii_only,
    ).encode()


def _replies() -> st.SearchStrategy[bytes]:
    reports = firmware_inventories().map(FirmwareInventory.to_wire)
    return st.one_of(
        st.builds(Reply.success, serial_numbers(), packet_ids(), st.just(20), reports),
        st.builds(Reply.failure, serial_numbers(), packet_ids()),
    ).map(Reply.encode)


def _corrupted(fault: TextFault, text: bytes, key: int) -> bytes:
    at = Context("reply", Request(packet_id=1, callback=20), "tcp", 1, 0.0)
    at.start_fault(str(key))
    return fault.corrupt(text, at)


def _ensure_invalid(data: bytes) -> bytes:
    """The data, with a bracket in front of it if some parser would accept it."""
    for parse in (json.loads, msgspec.json.decode):
        try:
            parse(data)
        except (ValueError, RecursionError):
            continue
        return b"}" + data
    return data


_DEFAULT = Scenario()

_LASTING: frozenset[FieldName] = frozenset(
    {
        (Timing, "restart_seconds"),
        (Timing, "factory_reset_seconds"),
        (Timing, "faceplate_restart_seconds"),
        (Timing, "calibration_delay_seconds"),
        (FaceplateUpdate, "seconds"),
        (OutletUpdate, "seconds"),
        (OutletUpdate, "www_seconds"),
    }
)
"""Keys of a scenario that say for how long a client has to wait."""


def _exceptions(max_wait: float) -> dict[FieldName, st.SearchStrategy[Any]]:
    """What can be started anywhere, in a short time."""
    wait = min(max_wait, MAX_SECONDS)
    return {
        (Listen, "host"): st.sampled_from(("127.0.0.1", "localhost")),
        (Listen, "tcp_port"): st.sampled_from((None, 0)),
        (Listen, "ws_port"): st.sampled_from((None, 0)),
        (Listen, "mdns"): st.just(False),
        (Listen, "control"): st.just(False),  # it needs what not everyone has installed
        (Listen, "control_host"): st.just("127.0.0.1"),
        (Listen, "control_port"): st.sampled_from((None, 0)),
        (Quirks, "transports"): st.just("both"),
        (Timing, "sensor_seconds"): st.just(0.0) | st.floats(1, 60),
        (Timing, "reconnect_seconds"): st.floats(0, 60),
        (Protocol, "max_packet_bytes"): st.integers(64, 2**17),
        (Protocol, "write_timeout_seconds"): st.floats(0.1, 60),
        (Scenario, "seed"): st.none() | st.integers(0, 2**63 - 1),
        (Scenario, "faults"): st.just(()),  # `_scenarios` adds them
        (Scenario, "steps"): st.just(()),  # which would change the outlet over time
        (Scenario, "fleet"): st.none(),  # what is started is one outlet
        (When, "from_seconds"): st.floats(0, wait),
        (When, "until_seconds"): st.none() | st.floats(0, 3600, exclude_min=True),
        # These multiply: what must not be too long is the sum.
        (Duplicate, "gap"): st.floats(0, wait / 3),
        (Split, "gap"): st.floats(0, wait / 100),
        (Throttle, "bytes_per_second"): st.floats(1000 / max(wait, 1e-6), 1e12),
    }


@cache
def struct_strategies(max_wait: float = MAX_WAIT) -> StructStrategies:
    """Strategies for any struct of a scenario that can be started anywhere.

    max_wait: as for `scenarios`.
    """
    if not max_wait >= 0:
        raise ValueError(f"max_wait: expected a number of seconds from 0, found {max_wait}")
    return StructStrategies(max_wait=max_wait, exceptions=_exceptions(max_wait), lasting=_LASTING)


def _scenarios(structs: StructStrategies, max_faults: int) -> st.SearchStrategy[Scenario]:
    """Scenarios with at most this many faults."""
    required, optional = structs.field_values(Scenario)
    parts = {
        **required,
        **optional,
        "faults": st.lists(
            st.one_of([structs.faults_of(kind) for kind in KINDS.values()]),
            max_size=max_faults,
            unique_by=lambda fault: fault.name or object(),
        ),
        # Much has an effect with these alone, so they vary more often than other keys.
        "product": st.sampled_from((None, "bare", "pro", "pro", *["aura"] * 4)),
        "has_all_lights": st.booleans(),
    }
    return st.fixed_dictionaries(parts).map(_scenario)


def _scenario(given: dict[str, Any]) -> Scenario:
    """The scenario of these parts, without the settings and faults that would have no effect."""
    device: Device = given["device"]
    firmware: FirmwareInventory = given["firmware"]
    product = given.pop("product")
    if firmware.PM is not None and product == "bare":
        product = "pro"
    given["device"] = msgspec.structs.replace(device, product=product)
    if given.pop("has_all_lights"):
        given["quirks"] = msgspec.structs.replace(
            given["quirks"], indicator_light=True, plain_nightlight_on_aura=True
        )
    for path, _ in [*ineffective_settings(given)]:
        table, *inner = map(str, path)
        given[table] = as_usual(given[table], getattr(_DEFAULT, table), inner)
    given["faults"] = tuple(
        fault for fault in given["faults"] if not [*conflicts({**given, "faults": (fault,)})]
    )
    return Scenario(**given)
