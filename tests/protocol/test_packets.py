"""Bytes become requests and packets, or an error with its byte; packets become bytes."""

import copy
import json
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.json_object import MAX_NOTES, parse_object
from invis_sim.protocol.json_stream import JsonFramer
from invis_sim.protocol.json_structure import MAX_DEPTH
from invis_sim.protocol.json_text import MAX_DIGITS
from invis_sim.protocol.packets import (
    MalformedPacket,
    Note,
    Packet,
    Push,
    Reply,
    Request,
    encode_json,
    parse_common_request,
    parse_packet,
    parse_request,
)
from tests.cases import for_each

PLAIN = b'{"packetID":221040,"payload":{"callbackName":20}}'


def refused(document: bytes) -> MalformedPacket:
    with pytest.raises(MalformedPacket) as caught:
        parse_request(document)
    return caught.value


def outcome(document: bytes) -> Request | MalformedPacket:
    try:
        return parse_request(document)
    except MalformedPacket as error:
        return error


def integer(digits: str) -> int:
    """`int(digits)` without Python's limit on long ones."""
    return int(Decimal(digits))


def loaded(document: bytes) -> Any:
    return json.loads(document, parse_int=integer)


# --- requests that are as they should be ---


def test_a_plain_request_is_read() -> None:
    assert parse_request(PLAIN) == Request(packet_id=221040, callback=20)


def test_arguments_are_kept_as_they_are() -> None:
    document = (
        b'{"packetID":1,"payload":{"callbackName":2,"callbackArgs":[{"a":[1,null,"\xc3\xa9"]}]}}'
    )
    request = parse_request(document)
    assert request == Request(packet_id=1, callback=2, args=[{"a": [1, None, "é"]}])


@for_each("args", ["null", "[]", "{}", "0", "false", '""'])
def test_empty_arguments_are_arguments(args: str) -> None:
    document = b'{"packetID":1,"payload":{"callbackName":20,"callbackArgs":%b}}' % args.encode()
    request = parse_request(document)
    assert request.args is not msgspec.UNSET
    assert request.args == json.loads(args)
    assert request.problem is None


def test_the_order_of_keys_does_not_matter_and_other_keys_are_ignored() -> None:
    document = b'{"sn":"x","payload":{"more":[],"callbackName":20},"packetID":221040}'
    assert parse_request(document) == parse_request(PLAIN)


SPACE = st.text(" \t\r\n", max_size=3)
IDS = (
    st.integers()
    | st.sampled_from((0, 100_000, 999_999, 10**17, 10**18, -(10**18), 2**63, 2**64, 10**20))
    | st.integers(10**640, 10**641)
)
CALLBACKS = st.integers(0, 30) | st.integers() | st.sampled_from((10**8, 10**9, 10**30))


@given(st.lists(SPACE, min_size=14, max_size=14), IDS, CALLBACKS)
def test_a_plain_request_is_read_like_one_with_more_in_it(
    gaps: list[str], packet_id: int, callback: int
) -> None:
    tokens = f'{{ "packetID" : {packet_id} , "payload" : {{ "callbackName" : {callback} }} }}'
    spaced = zip(gaps, [*tokens.split(), ""], strict=True)
    plain = "".join(gap + token for gap, token in spaced).encode()
    last_braces = plain.rindex(b"}", 0, plain.rindex(b"}"))
    with_more = plain[:last_braces] + b',"other":0' + plain[last_braces:]
    expected = Request(packet_id=packet_id, callback=callback)
    assert parse_request(plain) == parse_request(with_more) == expected


NUMBERS = st.sampled_from(
    [
        "20",
        "-0",
        "-1",
        "2" * 19,
        "1" * 4000,
        "20.0",
        "2e1",
        "0.5",
        "020",
        "+1",
        "true",
        "null",
        '"20"',
    ]
)


@given(NUMBERS, NUMBERS, NUMBERS, st.permutations(range(3)), st.integers(1, 3))
def test_the_fast_way_reads_what_the_thorough_way_reads_without_a_note(
    packet_id: str, again: str, callback: str, order: list[int], count: int
) -> None:
    payload = f'"payload":{{"callbackName":{callback}}}'
    keys = (f'"packetID":{packet_id}', payload, f'"packet\\u0049D":{again}')
    document = f"{{{','.join(keys[at] for at in order[:count])}}}".encode()
    common = parse_common_request(document)
    if common is not None:
        fields, notes = parse_object(document, "a request")
        read = (fields["packetID"], fields["payload"]["callbackName"])
        assert (common.packet_id, common.callback) == read
        assert [type(value) for value in read] == [int, int]
        assert not notes


@for_each("digits", ["-0", "0", "-1", "1" * 18, "1" * 19, "9" * MAX_DIGITS])
@for_each("sign", ["", "-"])
def test_a_packet_id_may_be_any_integer(digits: str, sign: str) -> None:
    written = digits if digits.startswith("-") else sign + digits
    document = b'{"packetID":%b,"payload":{"callbackName":20}}' % written.encode()
    assert parse_request(document).packet_id == integer(written)


@for_each("end", [b"", b"x", b".5", b"e2", b'"', b"}"])
def test_too_many_digits_are_refused_whatever_follows_them(end: bytes) -> None:
    with pytest.raises(MalformedPacket):
        parse_packet(b"9" * 4301 + end)
    with pytest.raises(MalformedPacket):
        parse_request(b'{"packetID":1,"payload":' + b"9" * 4301 + end)


@for_each("sign", ["", "-"])
@for_each("digits", [MAX_DIGITS + 1, 60_000])
def test_an_integer_with_too_many_digits_is_refused_where_it_is(sign: str, digits: int) -> None:
    """To convert it takes a time that grows with the square of its length."""
    document = b'{"packetID":1,"payload":{"callbackName":20,"callbackArgs":["%b",0.%b,1e-%b,%b%b]}}'
    shown = document % (*([b"8" * digits] * 3), sign.encode(), b"9" * digits)
    with pytest.raises(MalformedPacket) as caught:
        parse_request(shown)
    assert caught.value.reason == f"an integer of {digits} digits; at most {MAX_DIGITS} are read"
    assert caught.value.offset == shown.index(sign.encode() + b"9")


def test_a_limit_on_the_digits_of_integers_does_not_limit_packet_ids() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        request = parse_request(b'{"packetID":%b,"payload":{"callbackName":20}}' % (b"9" * 4000))
        reply = Reply.failure("s", request.packet_id).encode()
    finally:
        sys.set_int_max_str_digits(before)
    assert request.packet_id == 10**4000 - 1
    assert reply == b'{"sn":"s","packetID":%b,"PUBACK":0}' % (b"9" * 4000)


# --- requests with a problem, which are answered all the same ---


@for_each(
    ("rest", "reason", "offset"),
    [
        (b"", "no payload", 0),
        (b',"payload":null', "payload is null, not an object", 24),
        (b',"payload":[20]', "payload is an array, not an object", 24),
        (b',"payload":"20"', "payload is a string, not an object", 24),
        (b',"payload":20', "payload is an integer, not an object", 24),
        (b',"payload":2e1', "payload is a fraction, not an object", 24),
        (b',"payload":true', "payload is a boolean, not an object", 24),
        (b',"payload":{}', "no callbackName in the payload", 24),
        (b',"payload":{"callbackname":20}', "no callbackName in the payload", 24),
        (b',"payload":{"callbackName":"20"}', "callbackName is a string, not an integer", 40),
        (b',"payload":{"callbackName":20.0}', "callbackName is a fraction, not an integer", 40),
        (b',"payload":{"callbackName":true}', "callbackName is a boolean, not an integer", 40),
        (b',"payload":{"callbackName":null}', "callbackName is null, not an integer", 40),
        (b',"payload":{"callbackName":[20]}', "callbackName is an array, not an integer", 40),
        (b',"payload":{"callbackName":{}}', "callbackName is an object, not an integer", 40),
    ],
)
def test_whatever_has_a_packet_id_is_a_request_with_its_problem_at_its_byte(
    rest: bytes, reason: str, offset: int
) -> None:
    request = parse_request(b'{"packetID":1%b}' % rest)
    assert request.problem == Note(reason, offset)
    assert (request.packet_id, request.callback) == (1, None)


def test_arguments_without_a_callback_are_kept() -> None:
    request = parse_request(b'{"packetID":1,"payload":{"callbackArgs":[1]}}')
    assert request.callback is None
    assert request.args == [1]


# --- requests with notes ---


@for_each(
    ("document", "request_", "notes"),
    [
        (
            b'{"packetID":1,"packetID":2,"payload":{"callbackName":20}}',
            Request(packet_id=2, callback=20),
            [("'packetID'", 25)],
        ),
        (
            b'{"packetID":1,"packet\\u0049D":2,"payload":{"callbackName":20}}',
            Request(packet_id=2, callback=20),
            [("'packetID'", 30)],
        ),
        (
            b'{"packetID":1,"payload":{"callbackName":9},"payload":{"callbackName":20}}',
            Request(packet_id=1, callback=20),
            [("'payload'", 53)],
        ),
        (
            b'{"packetID":1,"payload":{"callbackName":9,"callbackName":20,"callbackName":21}}',
            Request(packet_id=1, callback=21),
            [("'callbackName'", 57), ("'callbackName'", 75)],
        ),
        (
            b'{"packetID":1,"payload":{"callbackName":9,"callbackArgs":[1,2],"callbackArgs":[3,4]}}',
            Request(packet_id=1, callback=9, args=[3, 4]),
            [("'callbackArgs'", 78)],
        ),
    ],
)
def test_of_keys_that_repeat_the_last_counts_and_each_is_noted(
    document: bytes, request_: Request, notes: list[tuple[str, int]]
) -> None:
    request = parse_request(document)
    assert msgspec.structs.replace(request, notes=()) == request_
    assert [(note.reason, note.offset) for note in request.notes] == [
        (f"key {key} appears again; the last one counts", offset) for key, offset in notes
    ]


def test_the_same_key_in_two_objects_gets_no_note() -> None:
    document = (
        b'{"packetID":1,"payload":{"callbackName":4,"callbackArgs":[{"a":1},{"a":2}]},"a":{"a":3}}'
    )
    assert parse_request(document).notes == ()


def test_a_problem_is_shown_where_it_counts() -> None:
    request = parse_request(
        b'{"packetID":1,"payload":{"callbackName":20},"payload":{"callbackName":"x"}}'
    )
    assert request.problem == Note("callbackName is a string, not an integer", 70)


def test_a_lone_surrogate_is_noted_and_kept() -> None:
    document = (
        rb'{"packetID":1,"payload":{"callbackName":4,"callbackArgs":["\ud83d\udd0c","\ud83d"]}}'
    )
    request = parse_request(document)
    assert request.args == ["\U0001f50c", "\ud83d"]
    assert request.notes == (Note("lone surrogate in string", document.index(rb'"\ud83d"')),)


def test_a_document_gets_a_limited_number_of_notes() -> None:
    repeated = b'"%b":1,' % (b"k" * 5000) * 50
    request = parse_request(b'{%b"packetID":1,"payload":{"callbackName":20}}' % repeated)
    assert request.callback == 20
    assert len(request.notes) == MAX_NOTES
    assert sum(len(note.reason) for note in request.notes) < 1000


# --- what is not a request ---


@for_each(
    ("document", "reason", "offset"),
    [
        (b"", "not JSON", 0),
        (b" \n", "not JSON", 2),
        (b"hello", "not JSON", 0),
        (b'{"packetID":1', "not JSON", 13),
        (b'{"packetID" 1}', "not JSON", 12),
        (b'{"packetID":01}', "not JSON", 13),
        (b'{"packetID":+1}', "not JSON", 12),
        (b'{"packetID":01,"payload":{"callbackName":20}}', "not JSON", 13),
        (b'{"packetID":-01,"payload":{"callbackName":20}}', "not JSON", 14),
        (b'{"packetID":1,"payload":{"callbackName":020}}', "not JSON", 41),
        (b'{"packetID":1}x', "not JSON", 14),
        (b'{"packetID":1}{"packetID":2}', "not JSON", 14),
        (b'{"packetID":1,"\xc3\xa9":x}', "not JSON", 19),
        (b'{"packetID":1,"a":"\n"}', "not JSON", 19),
        (b'{"packetID":1,"a":"\\x"}', "not JSON", 19),
        (b'\xef\xbb\xbf{"packetID":1}', "not JSON", 0),
        (b'{"packetID":1}\x00', "not JSON", 14),
        (b'{"packetID":NaN}', "not JSON: NaN", 12),
        (b'{"packetID":1,"a":["NaN",Infinity]}', "not JSON: Infinity", 25),
        (b'{"packetID":1,"a":-Infinity}', "not JSON: -Infinity", 18),
        (b'{"packetID":NaNx}}', "not JSON: NaN", 12),
        (b'{"packetID":1,"a":Infinity]]]}}}', "not JSON: Infinity", 18),
        (b'{"packetID":1,"a":"\xff"}', "not UTF-8", 19),
        (b'{"packetID":1,"a":"\xc3"}', "not UTF-8", 19),
        (b'{"packetID":1,"\xc3\xa9":"\xed\xa0\x80"}', "not UTF-8", 20),
        (PLAIN.decode().encode("utf-16-le"), "not JSON", 1),
        (b"  [1]", "a request is a JSON object, this is an array", 2),
        (b'"text"', "a request is a JSON object, this is a string", 0),
        (b'"%b"' % (b"[" * 200), "a request is a JSON object, this is a string", 0),
        (b"\n20", "a request is a JSON object, this is an integer", 1),
        (b"2.5", "a request is a JSON object, this is a fraction", 0),
        (b"true", "a request is a JSON object, this is a boolean", 0),
        (b" null", "a request is a JSON object, this is null", 1),
        (b"{}", "no packetID", 0),
        (b'{"payload":{"callbackName":20}}', "no packetID", 0),
        (b'{"packetid":1,"payload":{"packetID":1}}', "no packetID", 0),
        (b'{"packetID":"221040"}', "packetID is a string, not an integer", 12),
        (b'{ "a":1, "packetID": 221040.0}', "packetID is a fraction, not an integer", 21),
        (b'{"packetID":1e3}', "packetID is a fraction, not an integer", 12),
        (b'{"packetID":true}', "packetID is a boolean, not an integer", 12),
        (b'{"packetID":null}', "packetID is null, not an integer", 12),
        (b'{"packetID":[1]}', "packetID is an array, not an integer", 12),
        (b'{"packetID":{}}', "packetID is an object, not an integer", 12),
        (b'{"\xc3\xa9":1,"packetID":1,"packetID":"x"}', "packetID is a string", 32),
    ],
)
def test_what_cannot_be_answered_says_why_and_at_which_byte(
    document: bytes, reason: str, offset: int
) -> None:
    error = refused(document)
    assert reason in error.reason
    assert error.offset == offset
    assert str(error) == f"{error.reason} (at byte {offset})"


@for_each("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\ufeff"])
def test_what_json_does_not_call_whitespace_is_refused_wherever_it_stands(odd: str) -> None:
    tokens = [
        "{",
        '"packetID"',
        ":",
        "1",
        ",",
        '"payload"',
        ":",
        "{",
        '"callbackName"',
        ":",
        "20",
        "}",
        "}",
    ]
    for gap in range(len(tokens) + 1):
        before = "".join(tokens[:gap]).encode()
        error = refused(before + odd.encode() + "".join(tokens[gap:]).encode())
        assert "not JSON" in error.reason
        assert error.offset == len(before)


# --- depth ---


def nested(depth: int, innermost: bytes = b"") -> bytes:
    """An object that is nested so deep, itself included."""
    opening = b'{"packetID":1,"payload":{"callbackName":20,"callbackArgs":'
    return opening + b"[" * (depth - 2) + innermost + b"]" * (depth - 2) + b"}}"


@for_each("innermost", [b"", b"1", b'"[[[["'])
def test_as_deep_as_is_allowed_is_a_request(innermost: bytes) -> None:
    assert parse_request(nested(MAX_DEPTH, innermost)).problem is None


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
@pytest.mark.parametrize("innermost", [b"", b"1"])
def test_deeper_is_malformed_at_the_bracket_that_is_too_deep(depth: int, innermost: bytes) -> None:
    document = nested(depth, innermost)
    error = refused(document)
    assert error.reason == f"nested deeper than {MAX_DEPTH} levels"
    assert error.offset == document.index(b"[") + MAX_DEPTH - 2


@pytest.mark.parametrize("document", [b"[" * 100_000, b'{"a":' * 100_000, b'{"packetID":[' * 9999])
def test_deep_nesting_that_never_ends_is_malformed(document: bytes) -> None:
    refused(document)


@given(st.integers(MAX_DEPTH - 3, MAX_DEPTH + 3), st.sampled_from((b"", b"1", b"{}", b'{"a":1}')))
def test_messages_may_be_as_deep_as_documents_in_a_stream(depth: int, innermost: bytes) -> None:
    document = nested(depth, innermost)
    (framed,) = JsonFramer().feed(document)
    if isinstance(framed, bytes):
        parse_request(document)
    else:
        error = refused(document)
        assert (error.reason, error.offset) == (framed.reason, framed.offset)


# --- anything ---

TOKENS = [
    *"{}[],:",
    " ",
    '"',
    "\\",
    '"packetID":',
    '"payload":{',
    '"callbackName":',
    '"callbackArgs":',
    '"\\ud800"',
    "1",
    "-",
    "1e999",
    "9" * 5000,
    "NaN",
    "-Infinity",
    "x",
    "\x00",
    "é",
    '{"packetID":1,',
    "[" * 70,
]
SOUP = st.lists(st.sampled_from(TOKENS), max_size=12).map(lambda tokens: "".join(tokens).encode())


@given(st.binary() | SOUP | SOUP.map(lambda soup: b'{"packetID":1,"payload":{"a":' + soup))
def test_anything_at_all_is_a_request_or_malformed(document: bytes) -> None:
    result = outcome(document)
    if isinstance(result, MalformedPacket):
        assert 0 <= result.offset <= len(document)
        assert result.reason
    else:
        assert isinstance(loaded(document), dict)
        assert (result.callback is None) == (result.problem is not None)


@given(st.integers(0, len(PLAIN)), st.integers(0, 3), st.binary(max_size=2))
def test_a_request_with_a_few_bytes_changed_is_one_only_if_it_is_json(
    at: int, lost: int, gained: bytes
) -> None:
    document = PLAIN[:at] + gained + PLAIN[at + lost :]
    result = outcome(document)
    if isinstance(result, MalformedPacket):
        assert 0 <= result.offset <= len(document)
    else:
        assert result.packet_id == loaded(document)["packetID"]


# --- notes ---


def test_a_note_with_a_path_is_located_in_the_document() -> None:
    note = Note("odd", path=("payload", "callbackArgs", 1))
    document = b'{"packetID":1,"payload":{"callbackName":20,"callbackArgs":[1, 2]}}'
    assert note.with_offset(document) == Note("odd", document.index(b"2]"))
    assert Note("odd", 3, ("payload",)).with_offset(document).offset == 3
    assert Note("odd").with_offset(document) == Note("odd")


def test_a_note_reads_as_its_reason_and_its_byte() -> None:
    assert str(Note("odd")) == "odd"
    assert str(Note("odd", 3)) == "odd (at byte 3)"


# --- packets ---

TEXT = st.text('aé\U0001f50c"\\\n\x00/', max_size=6) | st.just("\ud83d") | st.just("\udd0ca")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((2**63, 2**64, -(2**64), 10**700))
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(TEXT, VALUES, max_size=4)


def test_keys_leave_in_the_order_of_the_wire() -> None:
    success = Reply.success("0003C44076", 221040, 20, {"IM": {"fw_rev": "0.0.1"}})
    assert success.encode() == (
        b'{"sn":"0003C44076","packetID":221040,"PUBACK":1,'
        b'"payload":{"callbackName":20,"callbackArgs":{"IM":{"fw_rev":"0.0.1"}}}}'
    )
    push = Push.of("11A1A7000B", 839379, 22, [1, 96])
    assert push.encode() == (
        b'{"sn":"11A1A7000B","packetID":839379,"payload":{"callbackName":22,"callbackArgs":[1,96]}}'
    )


def test_a_failure_and_a_success_without_data_have_no_payload() -> None:
    assert Reply.failure("s", 1).encode() == b'{"sn":"s","packetID":1,"PUBACK":0}'
    assert Reply.success("s", 1, 10).encode() == b'{"sn":"s","packetID":1,"PUBACK":1}'


@for_each("args", [None, [], {}, 0])
def test_empty_data_is_data(args: Any) -> None:
    assert loaded(Reply.success("s", 1, 9, args).encode())["payload"] == {
        "callbackName": 9,
        "callbackArgs": args,
    }


@pytest.mark.parametrize("digits", ["1" + "0" * 18, "9" * 20, "9" * 4299, "9" * 4300, "9" * 60_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_of_any_size_are_exact(sign: str, digits: str) -> None:
    written = sign + digits
    encoded = Reply.failure("s", integer(written)).encode()
    assert encoded == b'{"sn":"s","packetID":%b,"PUBACK":0}' % written.encode()


@given(FIELDS)
def test_a_packet_reads_back_as_it_was(fields: dict[str, Any]) -> None:
    encoded = Packet(fields).encode()
    assert encoded == encode_json(fields)
    assert loaded(encoded) == fields
    assert list(loaded(encoded)) == list(fields)
    assert b" " not in encoded


def test_what_no_encoder_takes_is_written_all_the_same() -> None:
    fields = {"\ud83d": [10**5000, {"a": None, "b": (True, 0.5, Callback.MQTT)}], "c": "é\udd0c"}
    assert Packet(fields).encode() == (
        b'{"\\ud83d":[1%b,{"a":null,"b":[true,0.5,27]}],"c":"\\u00e9\\udd0c"}' % (b"0" * 5000)
    )


@for_each(
    ("fields", "callback"),
    [
        ({"payload": {"callbackName": 20}}, 20),
        ({"payload": {"callbackName": "20"}}, None),
        ({"payload": {"callbackName": True}}, None),
        ({"payload": {}}, None),
        ({"payload": [20]}, None),
        ({}, None),
    ],
)
def test_a_packet_knows_its_callback(fields: dict[str, Any], callback: int | None) -> None:
    assert Packet(fields).callback == callback
    assert type(Packet(fields).callback) is type(callback)


# --- changed copies of packets ---

REPLY = Reply.success("s", 1, 9, {"list": [10, {"deep": 11}, 12], "5": {"five": 5}})


def args_of(packet: Packet) -> Any:
    return packet.fields["payload"]["callbackArgs"]


def in_args(*path: str | int) -> tuple[str | int, ...]:
    return ("payload", "callbackArgs", *path)


def test_a_field_is_set_where_it_is_and_keeps_its_place() -> None:
    changed = REPLY.with_field(("packetID",), "x")
    assert list(changed.fields) == list(REPLY.fields)
    assert changed.fields == {**REPLY.fields, "packetID": "x"}
    assert isinstance(changed, Reply)


def test_a_new_field_comes_last_and_objects_on_its_way_are_made() -> None:
    changed = REPLY.with_field(("a", "b", "c"), 1)
    assert changed.fields == {**REPLY.fields, "a": {"b": {"c": 1}}}
    assert REPLY.with_field(("sn", "x"), 1).fields == {**REPLY.fields, "sn": {"x": 1}}


def test_elements_of_lists_are_set_and_removed_by_index() -> None:
    assert args_of(REPLY.with_field(in_args("list", 1, "deep"), 0))["list"] == [10, {"deep": 0}, 12]
    assert args_of(REPLY.with_field(in_args("list", 2), 0))["list"] == [10, {"deep": 11}, 0]
    assert args_of(REPLY.without_field(in_args("list", 0)))["list"] == [{"deep": 11}, 12]
    assert args_of(REPLY.without_field(in_args("list", 1, "deep")))["list"] == [10, {}, 12]


@for_each("step", [3, -1, -4, "0", "x"])
def test_a_list_is_left_alone_where_it_has_no_such_element(step: str | int) -> None:
    assert REPLY.with_field(in_args("list", step), 0) == REPLY
    assert REPLY.without_field(in_args("list", step)) == REPLY


def test_a_number_that_names_a_key_means_that_key() -> None:
    assert args_of(REPLY.with_field(in_args(5, "six"), 6))["5"] == {"five": 5, "six": 6}
    assert "5" not in args_of(REPLY.without_field(in_args(5)))


@for_each("path", [("x",), ("sn", "x"), ("PUBACK", 0), in_args("x", "y"), in_args("list", 0, "x")])
def test_removing_what_is_not_there_changes_nothing(path: tuple[str | int, ...]) -> None:
    assert REPLY.without_field(path) == REPLY


STEPS = st.sampled_from(("payload", "callbackArgs", "list", "deep", "5", "x", 0, 1, 2, 5, -1))
PATHS = st.lists(STEPS, min_size=1, max_size=5).map(tuple)


@given(PATHS, VALUES)
def test_a_packet_never_changes(path: tuple[str | int, ...], value: Any) -> None:
    before = copy.deepcopy(REPLY.fields)
    REPLY.with_field(path, value)
    REPLY.without_field(path)
    assert REPLY.fields == before


@given(st.lists(TEXT, min_size=1, max_size=4).map(tuple), FIELDS, VALUES)
def test_what_is_set_is_there_and_what_is_removed_is_not(
    path: tuple[str, ...], fields: dict[str, Any], value: Any
) -> None:
    packet = Packet({path[0]: {}, **fields} if len(path) == 1 else {**fields, path[0]: {}})
    changed = packet.with_field(path, value)
    found: Any = changed.fields
    for step in path:
        found = found[step]
    assert found == value
    removed: Any = changed.without_field(path).fields
    for step in path[:-1]:
        removed = removed[step]
    assert path[-1] not in removed
    others = {key: member for key, member in packet.fields.items() if key != path[0]}
    assert {key: changed.fields[key] for key in others} == others


# --- packets that are read ---


@given(FIELDS, st.sampled_from((0, 1, None, True, "1")))
def test_a_packet_that_is_written_and_read_is_the_same(fields: dict[str, Any], puback: Any) -> None:
    reply = Reply({**fields, "PUBACK": puback})
    assert parse_packet(reply.encode()) == reply
    fields.pop("PUBACK", None)
    push = Push(fields)
    assert parse_packet(push.encode()) == push


@given(IDS, CALLBACKS, VALUES)
def test_what_the_outlet_makes_is_read_with_its_properties(
    packet_id: int, callback: int, args: Any
) -> None:
    reply = parse_packet(Reply.success("s", packet_id, callback, args).encode())
    assert isinstance(reply, Reply)
    assert (reply.sn, reply.packet_id, reply.callback, reply.args) == (
        "s",
        packet_id,
        callback,
        args,
    )
    assert (reply.puback, reply.ok) == (1, True)
    push = parse_packet(Push.of("s", packet_id, callback, args).encode())
    assert isinstance(push, Push)
    assert (push.sn, push.packet_id, push.callback, push.args) == ("s", packet_id, callback, args)


def test_a_failure_is_read_as_a_reply_that_is_not_ok() -> None:
    reply = parse_packet(Reply.failure("s", 1).encode())
    assert isinstance(reply, Reply)
    assert (reply.puback, reply.ok) == (0, False)
    assert (reply.callback, reply.args) == (None, msgspec.UNSET)


@for_each("puback", [b"null", b"true", b'"1"', b"1.0", b"[1]", b"2"])
def test_a_strange_puback_makes_a_reply_that_is_not_ok(puback: bytes) -> None:
    reply = parse_packet(b'{"packetID":1,"PUBACK":%b}' % puback)
    assert isinstance(reply, Reply)
    assert reply.puback == (2 if puback == b"2" else None)
    assert not reply.ok


def test_unknown_members_are_kept_in_their_order() -> None:
    packet = parse_packet(b'{"x":[1],"PUBACK":1,"payload":{"more":{"a":null},"callbackName":9}}')
    assert list(packet.fields.items()) == [
        ("x", [1]),
        ("PUBACK", 1),
        ("payload", {"more": {"a": None}, "callbackName": 9}),
    ]
    assert (packet.sn, packet.packet_id, packet.callback) == (None, None, 9)


@for_each(
    "document", [b"{}", b'{"sn":1,"packetID":"1","payload":[]}', b'{"packetID":true,"payload":{}}']
)
def test_a_packet_without_usable_members_is_a_push_of_nothing(document: bytes) -> None:
    packet = parse_packet(document)
    assert isinstance(packet, Push)
    assert (packet.sn, packet.packet_id, packet.callback) == (None, None, None)
    assert packet.args is msgspec.UNSET


def test_of_keys_that_repeat_in_a_packet_the_last_counts() -> None:
    packet = parse_packet(b'{"packetID":1,"packetID":2,"PUBACK":1,"PUBACK":0}')
    assert packet == Reply({"packetID": 2, "PUBACK": 0})


@for_each(
    ("document", "reason", "offset"),
    [
        (b"", "not JSON", 0),
        (b'{"PUBACK":1', "not JSON", 11),
        (b'{"PUBACK":NaN}', "not JSON: NaN", 10),
        (b'{"PUBACK":1,"sn":"\xff"}', "not UTF-8", 18),
        (b" [1]", "a packet is a JSON object, this is an array", 1),
        (b"null", "a packet is a JSON object, this is null", 0),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested deeper", MAX_DEPTH + 4),
    ],
)
def test_what_is_not_a_packet_says_why_and_at_which_byte(
    document: bytes, reason: str, offset: int
) -> None:
    with pytest.raises(MalformedPacket) as caught:
        parse_packet(document)
    assert reason in caught.value.reason
    assert caught.value.offset == offset


@given(st.binary() | SOUP | SOUP.map(lambda soup: b'{"PUBACK":1,"payload":{"a":' + soup))
def test_anything_at_all_is_a_packet_or_malformed(document: bytes) -> None:
    packet: Packet | MalformedPacket
    try:
        packet = parse_packet(document)
    except MalformedPacket as error:
        packet = error
    if isinstance(packet, MalformedPacket):
        assert 0 <= packet.offset <= len(document)
    else:
        assert packet.fields == loaded(document)
