"""`Outlet.handle`: request in, reply out, for every request that there can be."""

import json
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.device.outlet import Outlet
from invis_sim.device.requests import PacketIds
from invis_sim.device.state import Device, OutletState, Product, Quirks
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Packet, Reply, Request, parse_request
from tests.cases import for_each
from tests.device.support import FIRMWARE, an_outlet, change, handle_request, now, pushes, returned
from tests.support import SN, make_request

IM = OutletFirmware(
    fw_rev="0.0.1", available_fw_rev="0.0.1", www_fw_rev="0.1.2", available_www_fw_rev="0.3.0"
)
PM = FaceplateFirmware(fw_rev="0.5.0", available_fw_rev="0.5.1")

RESTARTS = (5, 6, 7)
"""The callbacks that nothing answers."""

PRODUCTS: tuple[Product, ...] = ("bare", "pro", "aura")


def with_firmware(inventory: FirmwareInventory, packet_ids: PacketIds = "lenient") -> Outlet:
    return Outlet(OutletState(firmware=inventory), packet_ids=packet_ids)


def reply_of(outlet: Outlet, request: Request) -> Packet:
    reply = outlet.handle(request, now(outlet)).reply
    assert reply is not None
    return reply


def asked(packet_id: int = 221_040, **fields: Any) -> Request:
    return Request(packet_id=packet_id, callback=20, **fields)


# --- callback 20 ---


def test_a_failed_update_check_has_no_payload_and_says_why_in_a_note() -> None:
    answer = with_firmware(FirmwareInventory(update_check="fail")).handle(asked(), 0.0)
    assert answer.reply == Reply.failure(SN, 221_040)
    (note,) = answer.notes
    assert "update check fails" in note.reason


def test_replaced_firmware_shows_in_later_answers_alone() -> None:
    outlet = with_firmware(FirmwareInventory(IM=IM))
    before = reply_of(outlet, asked())
    written = before.encode()
    change(
        outlet, firmware=FirmwareInventory(IM=msgspec.structs.replace(IM, fw_rev="9.9.9"), PM=PM)
    )
    after = json.loads(reply_of(outlet, asked()).encode())["payload"]["callbackArgs"]
    assert after["IM"]["fw_rev"] == "9.9.9"
    assert after["PM"]["available_fw_rev"] == "0.5.1"
    assert before.encode() == written
    change(outlet, firmware=FirmwareInventory(update_check="fail"))
    assert reply_of(outlet, asked()) == Reply.failure(SN, 221_040)
    change(outlet, firmware=FirmwareInventory(IM=IM))
    assert reply_of(outlet, asked()).encode() == written


def test_a_changed_copy_of_a_reply_does_not_change_the_outlet() -> None:
    outlet = with_firmware(FirmwareInventory(IM=IM))
    reply = reply_of(outlet, asked())
    written = reply.encode()
    path = ("payload", "callbackArgs", "IM", "fw_rev")
    assert reply.with_field(path, "x").encode() != written
    assert reply.without_field(path).encode() != written
    assert reply_of(outlet, asked()).encode() == written


# --- arguments where none are taken ---


@for_each("callback", [1, 3, 9, 11, 12, 15, 20, 24, 25])
@for_each("args", [None, [], [1], {}, "x", 0])
def test_arguments_where_none_are_taken_are_ignored_and_noted(callback: int, args: Any) -> None:
    plain = handle_request(an_outlet(), callback)
    answer = handle_request(an_outlet(), callback, args)
    assert plain.reply is not None
    assert plain.reply.fields["PUBACK"] == 1
    assert answer.reply == plain.reply
    assert plain.notes == ()
    (note,) = answer.notes
    assert "takes no arguments" in note.reason
    document = make_request(callback, args)
    assert note.with_offset(document).offset == document.index(b'Args": ') + 7


@for_each("callback", RESTARTS)
def test_arguments_do_not_prevent_a_restart(callback: int) -> None:
    answer = handle_request(an_outlet(), callback, [1])
    assert answer.reply is None
    assert len(answer.notes) == len(answer.effects) == 1


# --- what it does not know ---


@for_each("product", PRODUCTS)
@for_each("number", [0, 8, 13, 16, 19, 22, 23, 29, 99, -1])
@for_each("args", [msgspec.UNSET, [1, 1]])
def test_an_unknown_callback_fails_with_a_note_and_no_payload(
    product: Product, number: int, args: Any
) -> None:
    outlet = an_outlet(product)
    before = outlet.state
    answer = handle_request(outlet, number, args)
    assert answer.reply == Reply.failure(SN, 221_040)
    assert answer.effects == ()
    assert outlet.state == before
    (note,) = answer.notes
    pushed = number in (22, 23)
    why = "is push-only" if pushed else "is not known to this outlet"
    assert note.reason == f"callback {number} {why}"
    document = make_request(number, args)
    assert note.with_offset(document).offset == document.index(b'Name": %d' % number) + 7


@for_each("number", [10**9, -(10**20), 10**400, pytest.param(10**5000, id="5001 digits")])
def test_a_callback_of_any_size_fails_with_a_short_note(number: int) -> None:
    answer = Outlet().handle(Request(packet_id=1, callback=number), 0.0)
    assert answer.reply == Reply.failure(SN, 1)
    (note,) = answer.notes
    assert len(note.reason) < 60


@for_each(
    "document",
    [
        b'{"packetID":1}',
        b'{"packetID":1,"payload":[]}',
        b'{"packetID":1,"payload":{}}',
        b'{"packetID":1,"payload":{"callbackName":"20"}}',
        b'{"packetID":1,"payload":{"callbackName":20.0}}',
        b'{"packetID":1,"payload":{"callbackName":true}}',
    ],
)
def test_a_request_with_a_problem_fails_and_the_problem_is_the_note(document: bytes) -> None:
    request = parse_request(document)
    answer = Outlet().handle(request, 0.0)
    assert answer.reply == Reply.failure(SN, 1)
    assert answer.notes == (request.problem,)


def test_oddities_of_a_request_stay_noted_whether_it_succeeds_or_fails() -> None:
    odd = Note("odd", 3)
    outlet = Outlet()
    assert outlet.handle(asked(notes=(odd,)), now(outlet)).notes == (odd,)
    assert outlet.handle(asked(notes=(odd,), args=[]), now(outlet)).notes[0] == odd
    change(outlet, firmware=FirmwareInventory(update_check="fail"))
    first, second = outlet.handle(asked(notes=(odd,)), now(outlet)).notes
    assert first == odd
    assert second != odd


# --- packetIDs ---


@for_each(
    "packet_id",
    [0, -1, 7, 99_999, 1_000_000, 8_989_889, 2**70, pytest.param(10**5000, id="5001 digits")],
)
def test_any_integer_is_echoed_unless_six_digits_are_demanded(packet_id: int) -> None:
    lenient = Outlet()
    strict = Outlet(packet_ids="six-digits")
    served = reply_of(lenient, asked(packet_id))
    assert served.fields["packetID"] == packet_id
    assert served.fields["PUBACK"] == 1
    answer = strict.handle(asked(packet_id), 0.0)
    assert answer.reply == Reply.failure(SN, packet_id)
    (note,) = answer.notes
    assert "six-digit" in note.reason
    assert note.path == ("packetID",)


def test_what_would_change_something_changes_nothing_without_six_digits() -> None:
    outlet = an_outlet(packet_ids="six-digits")
    for callback, args in ((10, [1, 1]), (5, msgspec.UNSET)):
        answer = outlet.handle(
            parse_request(make_request(callback, args, packet_id=7)), now(outlet)
        )
        assert answer.reply == Reply.failure(SN, 7)
        assert answer.effects == ()
    assert returned(outlet, 9) == [0, 0]


@for_each("packet_id", [100_000, 221_040, 999_999])
def test_six_digits_are_always_served(packet_id: int) -> None:
    for packet_ids in get_args(PacketIds):
        outlet = Outlet(packet_ids=packet_ids)
        answer = outlet.handle(asked(packet_id), now(outlet))
        assert answer.notes == ()
        assert reply_of(outlet, asked(packet_id)).fields["PUBACK"] == 1


# --- outlets 1 and 2 ---


@for_each("product", PRODUCTS)
def test_each_outlet_is_switched_by_itself_and_only_a_change_is_pushed(product: Product) -> None:
    outlet = an_outlet(product, outlets={"states": [1, 0]})
    steps = [([2, 1], [1, 1]), ([1, 0], [0, 1]), ([2, 0], [0, 0]), ([1, 1], [1, 0])]
    for args, states in steps:
        for expected in ([9], []):
            answer = handle_request(outlet, 10, args)
            assert answer.reply == Reply.success(SN, 221_040, 10)
            assert [push.callback for push in pushes(answer)] == expected
            assert all(push.fields["payload"]["callbackArgs"] == states for push in pushes(answer))
            assert returned(outlet, 9) == states


# --- anything ---

SCALARS = st.none() | st.booleans() | st.sampled_from((0, 1, 2, 5, 50, 101, -1, 10**20, 0.5, "x"))
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("acc_prefs", "name", "accessory", "x")), inner, max_size=2
        )
    ),
    max_leaves=6,
)
FITTING = st.sampled_from(
    (
        *([1, 1], [2, 1], [1, 50], [5], [1], [2], [0], [30], [25_000, 50_000], {}, [{}]),
        {"acc_prefs": {"capacitiveCtrl": 0}},
        [{"accessory": 1, "name": "Fan"}],
        [5, 1, [[1, 50, [10, 10]]]],
    )
)
ODD = st.sampled_from(("x", [1, [2]], {"\ud800": 10**400}, [[10**4200]], ["\ud800"]))
ARGS = st.just(msgspec.UNSET) | FITTING | TREES | ODD
NOTES = st.sampled_from((Note("odd", 3), Note("odd"), Note("odd", path=("packetID",))))
ASKED = st.builds(
    Request,
    packet_id=st.integers() | st.just(10**400),
    callback=st.sampled_from(Callback) | st.integers() | st.just(10**400),
    args=ARGS,
    notes=st.lists(NOTES, max_size=2).map(tuple),
)
WITH_A_PROBLEM = st.builds(
    Request, packet_id=st.integers(), callback=st.none(), args=ARGS, problem=NOTES
)
REVISIONS = st.text("0.é", max_size=3)
INVENTORIES = st.builds(
    FirmwareInventory,
    IM=st.builds(OutletFirmware, fw_rev=REVISIONS, available_fw_rev=st.none() | REVISIONS),
    PM=st.none() | st.builds(FaceplateFirmware, fw_rev=REVISIONS),
    update_check=st.sampled_from(("ok", "fail")),
)
STATES = st.builds(
    OutletState,
    device=st.builds(
        Device,
        product=st.none() | st.sampled_from(PRODUCTS),
        hw_rev=st.sampled_from(("revA", "revB")),
    ),
    firmware=INVENTORIES,
    quirks=st.builds(
        Quirks,
        names_list=st.sampled_from(("bare", "wrapped", "early")),
        configuration_form=st.sampled_from(("current", "early")),
        preference_keys=st.sampled_from(("by_product", "all")),
        color_light_args=st.sampled_from(("six", "three")),
        indicator_light=st.booleans(),
        plain_nightlight_on_aura=st.booleans(),
        color_light_without_aura=st.sampled_from(("fail", "short", "empty")),
    ),
)


@given(
    st.lists(ASKED | WITH_A_PROBLEM, min_size=1, max_size=5),
    STATES,
    st.sampled_from(get_args(PacketIds)),
)
def test_every_request_is_answered(
    requests: list[Request], state: OutletState, packet_ids: PacketIds
) -> None:
    outlet = Outlet(state, packet_ids=packet_ids)
    for request in requests:
        before = outlet.state
        answer = outlet.handle(request, now(outlet))
        assert answer.notes[: len(request.notes)] == request.notes
        assert all(json.loads(push.encode())["sn"] == SN for push in pushes(answer))
        if answer.reply is None:
            updates = request.callback == 21 and state.device.hw_rev == "revB"
            assert updates or request.callback in RESTARTS
            assert answer.effects
            continue
        written = json.loads(answer.reply.encode())
        assert (written["sn"], written["packetID"]) == (SN, request.packet_id)
        if written["PUBACK"] == 1:
            assert list(written)[:3] == ["sn", "packetID", "PUBACK"]
            payload = written.get("payload")
            quirks = state.quirks
            forms: dict[int | None, str] = {1: quirks.configuration_form, 3: quirks.names_list}
            if forms.get(request.callback) == "early":  # the payload itself is the tree or list
                assert isinstance(payload, dict if request.callback == 1 else list)
                assert "callbackName" not in payload
            else:
                assert payload is None or payload["callbackName"] == request.callback
        else:
            assert list(written) == ["sn", "packetID", "PUBACK"]
            assert len(answer.notes) > len(request.notes)
            assert answer.effects == ()
            assert outlet.state == before


def quirk_values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a key of [quirks]."""
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    return st.booleans() if hint is bool else st.sampled_from((1000, 6500, 40_000))


QUIRKS = st.builds(
    Quirks, **{name: quirk_values(hint) for name, hint in get_type_hints(Quirks).items()}
)


@given(
    st.lists(ASKED | WITH_A_PROBLEM, min_size=1, max_size=5),
    st.sampled_from(PRODUCTS),
    st.booleans(),
    QUIRKS,
)
def test_whatever_the_quirks_what_is_refused_or_ignored_changes_nothing(
    requests: list[Request], product: str, online: bool, quirks: Quirks
) -> None:
    outlet = an_outlet(None, device={"product": product}, faceplate={"online": online})
    outlet.set({"quirks": quirks}, now(outlet))
    for request in requests:
        before = outlet.state
        answer = outlet.handle(request, now(outlet))
        refused = answer.reply is not None and answer.reply.fields["PUBACK"] == 0
        ignored = answer.reply is None and not answer.effects
        if refused or ignored:
            assert len(answer.notes) > len(request.notes)
            assert (answer.before, answer.effects, outlet.state) == ((), (), before)
        if ignored:
            assert "ignored" in (quirks.missing_parts, quirks.unusable_requests)


@given(st.lists(st.tuples(st.sampled_from(list(range(30))), FITTING | TREES), max_size=8))
def test_every_note_points_into_the_document(requests: list[tuple[int, Any]]) -> None:
    for product in PRODUCTS:
        outlet = an_outlet(product, firmware=FIRMWARE)
        for callback, args in requests:
            document = make_request(callback, args)
            for note in outlet.handle(parse_request(document), now(outlet)).notes:
                offset = note.with_offset(document).offset
                assert offset is None or 0 <= offset < len(document)
