"""Hypothesis strategies for those who fuzz a client: its parser, or all of it.

They are made from the structs that are the scenario format, so a new kind of fault or a new key is
drawn without a change here. Nothing is drawn and thrown away: what does not fit with the rest is
left out, so that no strategy fails Hypothesis' health checks by itself.

They need the extra `hypothesis`: `pip install 'invis-sim[hypothesis]'`.
"""

import json
import math
import string
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.device.sensors import READINGS, Sensors
from invis_sim.device.state import Device, Quirks, Timing
from invis_sim.device.update_plan import FaceplateUpdate, OutletUpdate, Updates
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import LAYERS, Context, Fault, Layer, TextFault
from invis_sim.faults.kinds.content import RemoveField, SetField
from invis_sim.faults.kinds.delivery import (
    CloseConnection,
    Distribution,
    Duplicate,
    Split,
    Throttle,
)
from invis_sim.faults.kinds.text import Pad
from invis_sim.faults.when import When
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Reply, Request
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.model import Listen, Protocol, Scenario

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "invis_sim.testing.strategies needs Hypothesis: pip install 'invis-sim[hypothesis]'",
        name="hypothesis",
    ) from error

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

LONGEST_WAIT = 0.05
"""Seconds that a fault waits at the most, unless asked for more."""


# What a client may send and receive


def packet_ids() -> st.SearchStrategy[int]:
    """packetIDs: six digits, as documented, and now and then any other integer, also beyond 64
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
        st.just(msgspec.UNSET) | _json_trees(st.none()),
        st.booleans(),
        st.sampled_from(_FORMS),
    )


def broken_json() -> st.SearchStrategy[bytes]:
    """Bytes that are no JSON document: packets that are cut off, corrupted, not UTF-8, or followed
    by another, and noise.

    No parser takes one of them whole that keeps to RFC 8259, and neither do parsers that are a
    little more lenient: NaN, a byte-order mark and UTF-16, which Python's json accepts, are not
    among them (the faults `malformed_json`, `bom` and `utf16` have them).

    Example:
        @given(broken_json())
        def test_the_parser_refuses_what_is_no_json(data):
            with pytest.raises(ValueError):
                my_parser(data)
    """
    kinds = [kind for kind in KINDS.values() if issubclass(kind, TextFault)]
    texts = st.one_of(_replies(), requests())
    corrupted = st.builds(
        _corrupted,
        st.one_of([_drawn(LONGEST_WAIT).faults_of(kind) for kind in kinds]),
        texts,
        st.integers(0, 2**32),
    )
    cut_off = st.builds(lambda text, share: text[: int(len(text) * share)], texts, st.floats(0, 1))
    two = st.builds(bytes.__add__, texts, texts)
    return st.one_of(corrupted, cut_off, two, st.binary(max_size=100)).map(_surely_broken)


# What an outlet may be


def firmware_inventories() -> st.SearchStrategy[FirmwareInventory]:
    """What an outlet may say of its firmware: with and without a faceplate, an update for one, for
    the other, for both or for none, revisions that are numbers with dots and others that are any
    text, and update checks that fail.

    Example:
        @given(firmware_inventories())
        def test_updates_are_told_from_the_inventory(inventory):
            report = inventory.report()  # the callbackArgs of a reply to callback 20
            newer = report["IM"]["available_fw_rev"] != report["IM"]["fw_rev"]
            assert my_updates(report).im_application == newer
    """
    inventories: st.SearchStrategy[FirmwareInventory] = _drawn(LONGEST_WAIT).structs(
        FirmwareInventory
    )
    return inventories


def whens(max_wait: float = LONGEST_WAIT) -> st.SearchStrategy[When]:
    """Conditions under which faults apply. Not all of them fit all kinds of faults.

    max_wait: seconds after which they hold at the latest, ≥ 0.

    Example:
        @given(whens())
        def test_conditions_are_shown(when):
            assert "when" in my_dashboard(faults.Drop(when=when))
    """
    conditions: st.SearchStrategy[When] = _drawn(max_wait).structs(When)
    return conditions


def faults(
    layer: Layer | None = None, *, max_wait: float = LONGEST_WAIT
) -> st.SearchStrategy[Fault]:
    """Faults of any kind, enabled, with and without conditions.

    layer: only those of "content", "text", "websocket", "delivery", "connection" or "device".
    max_wait: seconds, ≥ 0, that a delay, an outage, or the trickling of a kilobyte may last;
    infinite: any time, and outages until they are switched off.

    Raises ValueError for a layer that does not exist and a wait below 0.

    Example:
        @given(faults("content"))
        def test_the_client_survives_any_wrong_answer(fault):
            with start_simulator() as sim, sim.inject(fault):
                MyClient(*sim.tcp_address).available_updates(timeout=0.1)
    """
    if layer is not None and layer not in LAYERS:
        raise ValueError(f"expected one of {', '.join(LAYERS)}, found {layer!r}")
    drawn = _drawn(max_wait)
    kinds = [kind for kind in KINDS.values() if layer in (None, kind.layer)]
    return st.one_of([drawn.faults_of(kind) for kind in kinds])


def scenarios(
    *, max_wait: float = LONGEST_WAIT, max_faults: int = 3
) -> st.SearchStrategy[Scenario]:
    """Scenarios that can be started anywhere: on this machine only, on free ports, on one transport
    or both, whatever the outlet is and knows, with any faults, some of which are not enabled.
    Nothing changes by itself over time but the readings of sensors.

    max_wait: as for `faults`; so long restarts and downloads last at the most as well.
    max_faults: how many a scenario has at the most, ≥ 0.

    Example:
        @given(scenarios())
        def test_the_client_gives_up_in_time_whatever_the_outlet_does(scenario):
            with start_simulator(scenario, tcp=True) as sim:
                MyClient(*sim.tcp_address).available_updates(timeout=0.1)
    """
    return _drawn(max_wait).scenarios(max_faults)


# How it is drawn

_ODD_IDS = (
    *(0, 1, -1, 99_999, 10**6, 2**31, 2**32, 2**50, 2**53 + 1, -(2**63), 2**64, 10**30),
    *(2**200, -(2**200), 10**400),
)


class _Form(NamedTuple):
    """How a document is written: with which spaces, whether in ASCII only."""

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
    at.begin(str(key))
    return fault.corrupt(text, at)


def _surely_broken(data: bytes) -> bytes:
    """The data, with a bracket in front of what some parser would take."""
    for parse in (json.loads, msgspec.json.decode):
        try:
            parse(data)
        except (ValueError, RecursionError):
            continue
        return b"}" + data
    return data


def _json_trees(null: st.SearchStrategy[None] | None = None) -> st.SearchStrategy[Any]:
    """Plain data as JSON has it. null: None where there must be none, as in TOML."""
    scalars: list[st.SearchStrategy[Any]] = [
        st.booleans(),
        st.integers(-(2**63), 2**64),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=10),
    ]
    return st.recursive(
        st.one_of(scalars if null is None else [*scalars, null]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    )


_PATH_STEPS = st.sampled_from(
    (".sn", ".packetID", ".PUBACK", ".payload", ".callbackName", ".callbackArgs", ".IM", ".PM")
) | st.integers(0, 999_999).map("[{}]".format)
_PATHS = st.builds(
    lambda first, rest: first + "".join(rest),
    st.sampled_from(("sn", "packetID", "PUBACK", "payload", "payload.callbackArgs.IM", "other")),
    st.lists(_PATH_STEPS, max_size=3),
)
_WEBSOCKET_PATHS = st.text(string.ascii_letters + "/-._~%!", max_size=5).map("/{}".format)
_NUMBERS_WITH_DOTS = st.lists(st.integers(0, 99), min_size=3, max_size=3).map(
    lambda numbers: ".".join(map(str, numbers))
)
_REVISIONS = _NUMBERS_WITH_DOTS | st.text(max_size=64)

_SEVERAL = 40
"""How far above its least an integer goes that has no other bound worth drawing."""

_USUAL = Scenario()

_FOREVER = 1e9
"""Seconds, in place of infinity."""


@cache
def _drawn(max_wait: float) -> "_Drawn":
    if not max_wait >= 0:
        raise ValueError(f"max_wait: expected a number of seconds from 0, found {max_wait}")
    return _Drawn(max_wait)


class _Drawn:
    """Structs, made from what the annotations of their fields allow.

    max_wait: in seconds, ≥ 0; may be infinite.
    """

    MAX_GIVEN = 4
    """So many of a struct's fields that have a default are given another value."""

    def __init__(self, max_wait: float) -> None:
        self._endless = max_wait == math.inf
        self._wait = wait = min(max_wait, _FOREVER)
        self._seconds = st.floats(0, wait)
        spreads = [st.tuples(self._seconds, self._seconds).map(_evenly)]
        if wait > 0:
            # Nearly all of both lies below twice the middle.
            middles = st.floats(0, wait / 2, exclude_min=True)
            sigmas = st.floats(0, 10.0 if self._endless else 0.15)
            spreads += [
                middles.map(lambda mean: Distribution(mean=mean, stddev=mean / 5)),
                st.builds(Distribution, median=middles, sigma=sigmas),
            ]
        self._spreads = st.one_of(spreads)
        self._known: dict[tuple[type, str], st.SearchStrategy[Any]] = {
            (Device, "sn"): serial_numbers(),
            (Listen, "host"): st.sampled_from(("127.0.0.1", "localhost")),
            (Listen, "tcp_port"): st.sampled_from((None, 0)),
            (Listen, "ws_port"): st.sampled_from((None, 0)),
            (Listen, "ws_path"): _WEBSOCKET_PATHS,
            (Listen, "mdns"): st.just(False),
            (Quirks, "transports"): st.just("both"),
            (Timing, "restart_seconds"): self._seconds,
            (Timing, "factory_reset_seconds"): self._seconds,
            (Timing, "faceplate_restart_seconds"): self._seconds,
            (Timing, "calibration_delay_seconds"): self._seconds,
            (Timing, "sensor_seconds"): st.just(0.0) | st.floats(1, 60),
            (Timing, "reconnect_seconds"): st.floats(0, 60),
            (FaceplateUpdate, "seconds"): self._seconds,
            (OutletUpdate, "seconds"): self._seconds,
            (OutletUpdate, "www_seconds"): self._seconds,
            (Sensors, "omit"): st.lists(st.sampled_from(READINGS), max_size=3).map(tuple),
            (Protocol, "max_packet_bytes"): st.integers(64, 2**17),
            (Protocol, "write_timeout_seconds"): st.floats(0.1, 60),
            (Scenario, "seed"): st.none() | st.integers(0, 2**63 - 1),
            (When, "from_seconds"): self._seconds,
            (When, "until_seconds"): st.none() | st.floats(0, 3600, exclude_min=True),
            (SetField, "path"): _PATHS,
            (RemoveField, "path"): _PATHS,
            (Pad, "bytes"): st.integers(2, 3000),
            (CloseConnection, "code"): st.integers(1000, 1003) | st.integers(3000, 4999),
            # These multiply: so long in all, and not each time.
            (Duplicate, "copies"): st.integers(2, 4),
            (Duplicate, "gap"): st.floats(0, wait / 3),
            (Split, "size"): st.none() | st.integers(1, 300),
            (Split, "gap"): st.floats(0, wait / 100),
            (Throttle, "bytes_per_second"): st.floats(1000 / max(wait, 1e-6), 1e12),
        }
        """What the annotation of a field does not tell, or tells too generously."""

    # These instances live as long as the module (`_drawn`), so what they cache may as well.

    @cache  # noqa: B019
    def structs(self, struct: Any) -> st.SearchStrategy[Any]:
        """A struct with some of its fields given."""
        required, optional = self._fields(struct)
        return _some_of(struct, required, optional)

    @cache  # noqa: B019
    def faults_of(self, kind: type[Fault], switched: bool = False) -> st.SearchStrategy[Any]:
        """A fault of a kind. switched: some of them off."""
        required, optional = self._fields(kind)
        if not switched:
            del optional["enabled"]
        optional["when"] = self._conditions(kind)
        return _some_of(kind, required, optional)

    @cache  # noqa: B019
    def scenarios(self, max_faults: int) -> st.SearchStrategy[Scenario]:
        """A scenario. It has no steps, which would change it over time."""
        _, optional = self._fields(Scenario)
        several = st.lists(
            st.one_of([self.faults_of(kind, switched=True) for kind in KINDS.values()]),
            max_size=max_faults,
            unique_by=lambda fault: fault.name or object(),
        )

        def drop_what_has_no_effect(given: dict[str, Any]) -> None:
            for path, _ in [*ineffective_settings({**given, "steps": ()})]:
                table, *inner = map(str, path)
                usual = getattr(_USUAL, table)
                for name in inner:
                    keys = {name: getattr(usual, name)}
                    usual = msgspec.structs.replace(given[table], **keys)
                given[table] = usual

        def scenario(given: dict[str, Any]) -> Scenario:
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
            drop_what_has_no_effect(given)
            fitting = (
                fault
                for fault in given["faults"]
                if not [*Scenario.conflicts({**given, "faults": (fault,)})]
            )
            return Scenario(**{**given, "faults": tuple(fitting)})

        drawn = {
            **optional,
            "faults": several,
            # Much has an effect with these alone, so they are drawn more often than other keys.
            "product": st.sampled_from((None, "bare", "pro", "pro", *["aura"] * 4)),
            "has_all_lights": st.booleans(),
        }
        return st.fixed_dictionaries(drawn).map(scenario)

    def _conditions(self, kind: type[Fault]) -> st.SearchStrategy[When]:
        """Conditions under which a kind can apply."""
        _, optional = self._fields(When)
        if kind.acts_on == ("connection",):
            for name in ("callback", "packet", "per"):
                del optional[name]
        else:
            optional["packet"] = st.sampled_from((*kind.acts_on, "any"))
        optional["transport"] = st.sampled_from(kind.transports)
        conditions: st.SearchStrategy[When] = _some_of(When, {}, optional)
        return conditions

    def _fields(
        self, struct: Any
    ) -> tuple[dict[str, st.SearchStrategy[Any]], dict[str, st.SearchStrategy[Any]]]:
        """A strategy for each field: of those that must be given, and of the others."""
        required: dict[str, st.SearchStrategy[Any]] = {}
        optional: dict[str, st.SearchStrategy[Any]] = {}
        for field in msgspec.structs.fields(struct):
            if struct is Scenario and field.name in ("faults", "steps"):
                continue
            info = inspect.type_info(field.type)
            known = self._known.get((struct, field.name))
            lasts = _is_time(info) or known is self._seconds
            given = field.required or (lasts and self._is_too_long(field.default))
            given = given or struct is Updates  # whose defaults last too long
            values = self._values(info) if known is None else known
            (required if given else optional)[field.name] = values
        return required, optional

    def _is_too_long(self, seconds: Any) -> bool:
        """Whether a field that says for how long cannot be left out. None: for ever."""
        return not self._endless and (seconds is None or seconds > self._wait)

    def _values(self, info: inspect.Type) -> st.SearchStrategy[Any]:
        """Values of a type."""
        match info:
            case inspect.Metadata(type=inspect.FloatType()) if _is_time(info):
                return self._seconds
            case inspect.Metadata(type=inspect.StrType()) if _is_revision(info):
                return _REVISIONS
            case inspect.Metadata(type=inner):
                return self._values(inner)
            case inspect.NoneType():
                return st.none()
            case inspect.AnyType():
                return _json_trees()
            case inspect.BoolType():
                return st.booleans()
            case inspect.IntType():
                return _integers(info)
            case inspect.FloatType(ge=ge, gt=gt, le=le, lt=lt):
                return st.floats(
                    ge if gt is None else gt,
                    le if lt is None else lt,
                    exclude_min=gt is not None,
                    exclude_max=lt is not None,
                    allow_nan=False,
                    allow_infinity=False,
                )
            case inspect.StrType(pattern=str(pattern)):
                return st.from_regex(pattern)
            case inspect.StrType(min_length=least, max_length=most):
                return st.text(min_size=least or 0, max_size=min(most or 20, 20))
            case inspect.LiteralType(values=choices):
                return st.sampled_from(choices)
            case inspect.TupleType(item_types=items):
                return st.tuples(*map(self._values, items))
            case inspect.VarTupleType(item_type=item, min_length=least):
                return st.lists(self._values(item), min_size=least or 0, max_size=3).map(tuple)
            case inspect.StructType(cls=struct):
                return self._spreads if struct is Distribution else self.structs(struct)
            case inspect.UnionType(types=members):
                endless = self._endless or not _is_time(info)
                return st.one_of(
                    [
                        self._values(member)
                        for member in members
                        if endless or not isinstance(member, inspect.NoneType)
                    ]
                )
            case _:
                raise NotImplementedError(f"no strategy for {info}")


def _is_time(info: inspect.Type) -> bool:
    """Whether a type is `Seconds`, or allows for them."""
    if isinstance(info, inspect.UnionType):
        return any(map(_is_time, info.types))
    return _description(info) == "Seconds."


def _is_revision(info: inspect.Type) -> bool:
    return _description(info).startswith("A firmware revision")


def _description(info: inspect.Type) -> str:
    """What the annotation of a field says in words."""
    if not isinstance(info, inspect.Metadata):
        return ""
    described: str = (info.extra_json_schema or {}).get("description", "")
    return described


def _evenly(ends: tuple[float, float]) -> Distribution:
    return Distribution(min=min(ends), max=max(ends))


def _integers(info: inspect.IntType) -> st.SearchStrategy[int]:
    """All of a small range, the lower end of a large one, and any integer where there are no
    bounds.
    """
    least = info.ge if info.gt is None else info.gt + 1
    most = info.le if info.lt is None else info.lt - 1
    if least is None:
        return st.integers(-3, 60) | st.integers(None, most)
    end = least + _SEVERAL
    if most is not None and most < least + 1000:
        return st.integers(least, most)
    return st.integers(least, end)


def _some_of(
    struct: Any,
    required: dict[str, st.SearchStrategy[Any]],
    optional: dict[str, st.SearchStrategy[Any]],
) -> st.SearchStrategy[Any]:
    """The struct with some of the optional fields; those that do not fit with the others are left
    out, from the last one on.
    """
    known = {**required, **optional}
    chosen: st.SearchStrategy[list[str]] = st.just([])
    if optional:
        names = st.sampled_from(sorted(optional))
        chosen = st.lists(names, unique=True, max_size=_Drawn.MAX_GIVEN)

    @st.composite
    def fitting(draw: st.DrawFn) -> Any:
        given = {name: draw(known[name]) for name in (*required, *draw(chosen))}
        while True:
            try:
                return struct(**given)
            except ValueError:
                if len(given) == len(required):
                    raise
                given.popitem()

    return fitting()
