"""`Outlet.handle`: request in, reply out, for every request that there can be."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.firmware import FaceplateFirmware, FirmwareInventory, OutletFirmware
from invis_sim.device.outlet import Outlet, PacketIds
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Packet, Reply, Request, parse_request

SN = "0003C44076"
IM = OutletFirmware(
    fw_rev="0.0.1", available_fw_rev="0.0.1", www_fw_rev="0.1.2", available_www_fw_rev="0.3.0"
)
PM = FaceplateFirmware(fw_rev="0.5.0", available_fw_rev="0.5.1")

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "protocol" / "vectors.json").read_bytes()
)
"""Example exchanges of the documentation and of real clients."""

EXCHANGES = [vector for vector in VECTORS if vector["request"] is not None]


def of_callback(*numbers: int) -> list[Any]:
    return [
        pytest.param(vector, id=f"{vector['callback']} {vector['name']}")
        for vector in EXCHANGES
        if vector["callback"] in numbers
    ]


def outlet_for(vector: dict[str, Any]) -> Outlet:
    """The outlet that the vector speaks of."""
    fails = vector["response"] is not None and vector["response"]["PUBACK"] == 0
    faceplate = PM if vector["variant"] == "deco" else None
    check: Literal["ok", "fail"] = "fail" if fails else "ok"
    return Outlet(SN, FirmwareInventory(IM=IM, PM=faceplate, update_check=check))


def compact(tree: object) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


def reply_of(outlet: Outlet, request: Request) -> Packet:
    reply = outlet.handle(request).reply
    assert reply is not None
    return reply


def ask(packet_id: int = 221040, **fields: Any) -> Request:
    return Request(packet_id=packet_id, callback=20, **fields)


# --- callback 20 ---


@pytest.mark.parametrize("vector", of_callback(20))
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_available_updates_are_answered_as_documented(
    vector: dict[str, Any], separators: tuple[str, str]
) -> None:
    request = parse_request(json.dumps(vector["request"], separators=separators).encode())
    answer = outlet_for(vector).handle(request)
    assert answer.reply is not None
    assert answer.reply.encode() == compact(vector["response"])
    assert answer.pushes == ()


def test_the_vectors_know_success_and_failure_with_and_without_a_faceplate() -> None:
    about = [(vector["variant"], vector["response"]["PUBACK"]) for vector in EXCHANGES[:3]]
    assert about == [("deco", 1), ("any", 0), ("outlet", 1)]


def test_a_failed_update_check_has_no_payload_and_says_why_in_a_note() -> None:
    answer = Outlet(SN, FirmwareInventory(update_check="fail")).handle(ask())
    assert answer.reply == Reply.failure(SN, 221040)
    (note,) = answer.notes
    assert "update check fails" in note.reason


def test_firmware_replaced_at_run_time_shows_in_the_next_answer_and_not_in_earlier_ones() -> None:
    outlet = Outlet(SN, FirmwareInventory(IM=IM))
    before = reply_of(outlet, ask())
    written = before.encode()
    outlet.firmware = FirmwareInventory(IM=msgspec.structs.replace(IM, fw_rev="9.9.9"), PM=PM)
    after = json.loads(reply_of(outlet, ask()).encode())["payload"]["callbackArgs"]
    assert after["IM"]["fw_rev"] == "9.9.9"
    assert after["PM"]["available_fw_rev"] == "0.5.1"
    assert before.encode() == written
    outlet.firmware = FirmwareInventory(update_check="fail")
    assert reply_of(outlet, ask()) == Reply.failure(SN, 221040)
    outlet.firmware = FirmwareInventory(IM=IM)
    assert reply_of(outlet, ask()).encode() == written


def test_a_changed_copy_of_a_reply_does_not_change_the_outlet() -> None:
    outlet = Outlet(SN, FirmwareInventory(IM=IM))
    reply = reply_of(outlet, ask())
    written = reply.encode()
    path = ("payload", "callbackArgs", "IM", "fw_rev")
    assert reply.with_field(path, "x").encode() != written
    assert reply.without_field(path).encode() != written
    assert reply_of(outlet, ask()).encode() == written


@pytest.mark.parametrize("args", [None, [], [1], {}, "x", 0])
def test_arguments_where_none_are_taken_are_ignored_and_noted(args: Any) -> None:
    outlet = Outlet(SN, FirmwareInventory(IM=IM, PM=PM))
    plain, answer = outlet.handle(ask()), outlet.handle(ask(args=args))
    assert answer.reply == plain.reply
    assert plain.notes == ()
    (note,) = answer.notes
    assert "takes no arguments" in note.reason
    assert note.path == ("payload", "callbackArgs")


# --- what it does not know ---


@pytest.mark.parametrize("vector", of_callback(*set(range(100)) - {20}))
def test_a_callback_that_it_does_not_know_fails_with_a_note_and_no_payload(
    vector: dict[str, Any],
) -> None:
    document = compact(vector["request"])
    answer = outlet_for(vector).handle(parse_request(document))
    assert answer.reply is not None
    failure = {"sn": SN, "packetID": vector["request"]["packetID"], "PUBACK": 0}
    assert answer.reply.encode() == compact(failure)
    assert answer.pushes == ()
    (note,) = answer.notes
    number = vector["callback"]
    assert note.reason == f"callback {number} is not known to this outlet"
    assert note.located(document).offset == document.index(b'Name":%d' % number) + 6


@pytest.mark.parametrize(
    "number", [10**9, -(10**20), 10**400, pytest.param(10**5000, id="5001 digits")]
)
def test_a_callback_of_any_size_fails_with_a_short_note(number: int) -> None:
    answer = Outlet(SN, FirmwareInventory()).handle(Request(packet_id=1, callback=number))
    assert answer.reply == Reply.failure(SN, 1)
    (note,) = answer.notes
    assert len(note.reason) < 60


@pytest.mark.parametrize(
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
    answer = Outlet(SN, FirmwareInventory()).handle(request)
    assert answer.reply == Reply.failure(SN, 1)
    assert answer.notes == (request.problem,)


def test_oddities_of_a_request_stay_noted_whether_it_succeeds_or_fails() -> None:
    odd = Note("odd", 3)
    outlet = Outlet(SN, FirmwareInventory())
    assert outlet.handle(ask(notes=(odd,))).notes == (odd,)
    assert outlet.handle(ask(notes=(odd,), args=[])).notes[0] == odd
    outlet.firmware = FirmwareInventory(update_check="fail")
    first, second = outlet.handle(ask(notes=(odd,))).notes
    assert first == odd
    assert second != odd


# --- packetIDs ---


@pytest.mark.parametrize(
    "packet_id",
    [0, -1, 7, 99_999, 1_000_000, 8_989_889, 2**70, pytest.param(10**5000, id="5001 digits")],
)
def test_any_integer_is_echoed_unless_six_digits_are_demanded(packet_id: int) -> None:
    lenient = Outlet(SN, FirmwareInventory())
    strict = Outlet(SN, FirmwareInventory(), packet_ids="six-digits")
    served = reply_of(lenient, ask(packet_id))
    assert served.fields["packetID"] == packet_id
    assert served.fields["PUBACK"] == 1
    answer = strict.handle(ask(packet_id))
    assert answer.reply == Reply.failure(SN, packet_id)
    (note,) = answer.notes
    assert "six-digit" in note.reason
    assert note.path == ("packetID",)


@pytest.mark.parametrize("packet_id", [100_000, 221_040, 999_999])
def test_six_digits_are_always_served(packet_id: int) -> None:
    for packet_ids in get_args(PacketIds):
        outlet = Outlet(SN, FirmwareInventory(), packet_ids=packet_ids)
        answer = outlet.handle(ask(packet_id))
        assert answer.notes == ()
        assert reply_of(outlet, ask(packet_id)).fields["PUBACK"] == 1


# --- anything ---

ARGS = st.just(msgspec.UNSET) | st.sampled_from((None, [], {}, "x", [1, [2]], {"\ud800": 10**400}))
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
REVISIONS = st.text("0.é\ud800", max_size=3)
INVENTORIES = st.builds(
    FirmwareInventory,
    IM=st.builds(OutletFirmware, fw_rev=REVISIONS, available_fw_rev=st.none() | REVISIONS),
    PM=st.none() | st.builds(FaceplateFirmware, fw_rev=REVISIONS),
    update_check=st.sampled_from(("ok", "fail")),
)


@given(ASKED | WITH_A_PROBLEM, INVENTORIES, st.sampled_from(get_args(PacketIds)))
def test_every_request_is_answered(
    request_: Request, inventory: FirmwareInventory, packet_ids: PacketIds
) -> None:
    answer = Outlet(SN, inventory, packet_ids).handle(request_)
    assert answer.reply is not None
    written = json.loads(answer.reply.encode())
    assert (written["sn"], written["packetID"]) == (SN, request_.packet_id)
    if written["PUBACK"] == 1:
        assert list(written) == ["sn", "packetID", "PUBACK", "payload"]
        assert written["payload"] == {"callbackName": 20, "callbackArgs": inventory.report()}
    else:
        assert list(written) == ["sn", "packetID", "PUBACK"]
        assert len(answer.notes) > len(request_.notes)
    assert answer.notes[: len(request_.notes)] == request_.notes
    assert answer.pushes == ()
