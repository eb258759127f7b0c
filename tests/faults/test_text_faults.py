"""Faults of text send bytes that are not the JSON which the outlet means."""

import json
import re
from fractions import Fraction
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invis_sim.faults import (
    BitFlip,
    Bom,
    Empty,
    Garbage,
    InvalidUtf8,
    MalformedJson,
    NoObject,
    Pad,
    UnusualJson,
    Utf16,
)
from invis_sim.faults.fault import TextFault
from invis_sim.faults.json_forms import Breakage, UnusualForm
from invis_sim.protocol.packets import Packet, Push, Reply, encode_json
from tests.cases import for_each
from tests.faults.strategies import BREAKAGES, context, json_values, packets, refuse, seeds
from tests.support import SN

Invalid: TypeAlias = Literal["byte", "cut", "overlong", "surrogate"]
ODDITIES: tuple[UnusualForm, ...] = get_args(UnusualForm)
INVALID: tuple[Invalid, ...] = get_args(Invalid)

HONEST = Reply.success(SN, 123_456, 20, {"sn": 'it\'s "é"\\', "n": [1, {}]})
SPACED = b' {\n "sn" : "0003C44076" ,\t"packetID": 7 , "PUBACK" :1 }\r\n'


def broken(how: Breakage, text: bytes) -> bytes:
    return MalformedJson(how=how).corrupt(text, context())


def is_json(text: bytes) -> bool:
    """Whether a strict reader takes the text for one JSON document."""
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True


def is_json_to_python(text: bytes | str) -> bool:
    """Whether Python's json takes the text for one JSON document."""
    try:
        json.loads(text, parse_int=str)
    except ValueError:
        return False
    return True


def is_json_in_any_way(text: bytes) -> bool:
    """Whether a reader takes the text for one JSON document, be it given as bytes or decoded."""
    return is_json(text) or is_json_to_python(text) or is_utf8_json(text)


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_utf8_json(text: bytes) -> bool:
    """Whether Python's json takes the decoded text for one JSON document."""
    return is_utf8(text) and is_json_to_python(text.decode())


def value_of(text: bytes) -> Any:
    """What a document says, read strictly, with numbers as exact as they are written."""
    return json.loads(
        text.decode(), parse_int=Fraction, parse_float=Fraction, parse_constant=refuse
    )


def is_strict_json(text: bytes) -> bool:
    try:
        value_of(text)
    except ValueError:
        return False
    return True


NUMBERS = ("0", "-0", "7", "-120", "1.5", "1e5", "12345678901234567890", "1E-400", "0.10")
documents = st.one_of(
    packets.map(Packet.encode),
    packets.map(lambda packet: json.dumps(packet.fields, indent=1).encode()),
    json_values.map(encode_json),
    st.lists(st.sampled_from(NUMBERS)).map(lambda them: f"[{','.join(them)}]".encode()),
)
"""JSON documents of any kind."""

odd_texts = st.one_of(
    documents,
    st.binary(max_size=30),
    st.builds(lambda text, size: text[:size], documents, st.integers(0, 60)),
    documents.map(lambda text: b"\xef\xbb\xbf" + text),
    documents.map(lambda text: text.decode().encode("utf-16")),
    st.sampled_from((b"", b'"', b"{}", b'""', b'"\xb0"', b"\xff\xfe", b"}", b"null", b" ")),
)
"""What other faults may have made of a text."""


@pytest.mark.parametrize("how", BREAKAGES)
@given(packet=packets)
def test_no_reader_takes_a_malformed_packet_for_json(how: Breakage, packet: Packet) -> None:
    text = broken(how, packet.encode())
    assert not is_json(text)
    assert how == "nan" or not is_json_to_python(text)


@pytest.mark.parametrize("how", BREAKAGES)
@example(text=b"{}")
@example(text=b"")
@example(text=b"null")
@example(text=b'{"a":{}}')
@example(text=b'{"":""}')
@example(text=SPACED)
@example(text=b'{"a":1}' + b" " * 100)
@given(text=st.binary(max_size=30) | packets.map(lambda packet: json.dumps(packet.fields).encode()))
def test_no_reader_takes_it_for_json_whatever_the_text_was(how: Breakage, text: bytes) -> None:
    sent = broken(how, text)
    assert not is_json(sent)
    assert how == "nan" or not is_json_to_python(sent)


@given(packets, st.lists(st.sampled_from(BREAKAGES), min_size=1, max_size=5))
def test_several_of_them_do_not_mend_each_other(packet: Packet, several: list[Breakage]) -> None:
    text = packet.encode()
    for how in several:
        text = broken(how, text)
    assert not is_json(text)


def test_no_two_of_them_mend_each_other_wherever_the_middle_falls() -> None:
    for length, (one, two) in product(range(40), product(BREAKAGES, BREAKAGES)):
        text = Reply.success(SN, 1, 2, "x" * length).encode()
        assert not is_json(broken(two, broken(one, text))), (one, two, length)


@for_each(
    ("how", "expected"),
    [
        ("missing_brace", b'{"sn":"A","packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"}'),
        ("extra_brace", b'{"sn":"A","packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"}}}'),
        ("trailing_comma", b'{"sn":"A","packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"},}'),
        ("single_quotes", b"{'sn':'A','packetID':7,'PUBACK':1,'payload':{'it's':'\\\"a\\\":b'}}"),
        ("unquoted_keys", b'{sn:"A",packetID:7,PUBACK:1,payload:{it\'s:"\\"a\\":b"}}'),
        (
            "comment",
            b'{/* invis */"sn":"A","packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"}}',
        ),
        (
            "nan",
            b'{"sn":"A","packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"},"rssi":NaN}',
        ),
        ("bare_word", b'{"sn":undefined,"packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"}}'),
        ("two_values", b'{"sn":"A","packetID":7,"PUBACK":1,"payload":{"it\'s":"\\"a\\":b"}}null'),
        ("truncate", b'{"sn":"A","packetID":7,"PUBACK"'),
    ],
)
def test_each_way_of_breaking_is_what_its_name_says(how: Breakage, expected: bytes) -> None:
    reply = Reply(
        {"sn": "A", "packetID": 7, "PUBACK": 1, "payload": {"it's": '"a":b'}},
    )
    assert broken(how, reply.encode()) == expected


@for_each(
    ("how", "expected"),
    [
        ("truncate", b' {\n "sn" : "0003C44076" ,\t"'),
        ("missing_brace", b' {\n "sn" : "0003C44076" ,\t"packetID": 7 , "PUBACK" :1 \r\n'),
        ("trailing_comma", b' {\n "sn" : "0003C44076" ,\t"packetID": 7 , "PUBACK" :1 ,}\r\n'),
        ("unquoted_keys", b' {\n sn : "0003C44076" ,\tpacketID: 7 , PUBACK :1 }\r\n'),
        ("bare_word", b' {\n "sn" : undefined ,\t"packetID": 7 , "PUBACK" :1 }\r\n'),
    ],
)
def test_whitespace_does_not_keep_a_text_from_being_broken_in_the_same_way(
    how: Breakage, expected: bytes
) -> None:
    assert broken(how, SPACED) == expected


@given(packets)
def test_the_first_half_of_a_truncated_packet_is_sent_and_ends_between_characters(
    packet: Packet,
) -> None:
    text = packet.encode()
    half = broken("truncate", text)
    assert text.startswith(half)
    assert len(text) // 2 - 3 <= len(half) <= len(text) // 2
    half.decode()


def test_wherever_the_middle_falls_no_character_is_cut() -> None:
    for length in range(8):
        text = Reply.success(SN, 1, 2, "x" * length + "é€😀" * 20).encode()
        half = broken("truncate", text)
        assert half.decode() == text.decode()[: len(half.decode())]
        assert len(half) >= len(text) // 2 - 3


@given(packets)
def test_a_nan_is_a_member_more_to_readers_that_take_it(packet: Packet) -> None:
    fields = json.loads(broken("nan", packet.encode()), parse_int=str)
    assert fields.pop("rssi") != 0
    assert fields == json.loads(packet.encode(), parse_int=str)


@for_each("how", BREAKAGES)
def test_the_journal_learns_how_a_packet_was_broken(how: Breakage) -> None:
    ctx = context()
    MalformedJson(how=how).corrupt(HONEST.encode(), ctx)
    assert ctx.details == how


@for_each("how", BREAKAGES)
def test_a_push_is_broken_like_a_reply(how: Breakage) -> None:
    push = Push.of(SN, 7, 11, {"level": 3})
    assert not is_json(MalformedJson(how=how).corrupt(push.encode(), context(push)))


# Valid, and rarely met


@pytest.mark.parametrize("how", ODDITIES)
@given(text=documents)
def test_unusual_json_says_the_same_and_says_so_where_it_is_the_same_text(
    how: UnusualForm, text: bytes
) -> None:
    ctx = context()
    odd = UnusualJson(how=how).corrupt(text, ctx)
    assert value_of(odd) == value_of(text)
    assert ctx.skipped == (odd == text)
    assert ctx.skipped or ctx.details == how
    if is_json(text):
        assert is_json(odd)


def integers(tree: Any) -> list[int]:
    """All integers in a tree."""
    if isinstance(tree, list | dict):
        items = tree if isinstance(tree, list) else tree.values()
        return [found for item in items for found in integers(item)]
    return [tree] if type(tree) is int else []


@given(packets)
def test_a_packet_with_something_to_rewrite_has_each_unusual_form(
    packet: Packet,
) -> None:
    text = packet.encode()
    for how in ODDITIES:
        odd = UnusualJson(how=how).corrupt(text, context())
        numbers = any(0 < abs(number) < 10**15 for number in integers(packet.fields))
        assert (odd != text) == (numbers if how == "exponent_numbers" else True)


@given(packets)
def test_each_unusual_way_is_what_its_name_says(packet: Packet) -> None:
    text = packet.encode()
    members = list(value_of(text).items())
    spaced = UnusualJson(how="whitespace").corrupt(text, context())
    assert re.match(rb'\s+\{\s+"sn"\s+:\s+"0003C44076"\s+,\s+"packetID"\s+:', spaced)
    escaped = UnusualJson(how="escapes").corrupt(text, context())
    assert re.fullmatch(rb'(?:"(?:\\u[0-9a-f]{4})*"|[^"])*', escaped)
    backwards = UnusualJson(how="reversed_keys").corrupt(text, context())
    assert list(value_of(backwards).items()) == members[::-1]
    twice = UnusualJson(how="repeated_key").corrupt(text, context())
    pairs = json.loads(twice, object_pairs_hook=list)
    assert [name for name, _ in pairs] == ["sn", *(name for name, _ in members)]
    assert pairs[0] == ("sn", None)


def test_the_members_of_inner_objects_are_reversed_as_well() -> None:
    text = b'{"a":{"b":1,"c":[{"d":1.50,"e":-0}]},"f":1e400}'
    sent = UnusualJson(how="reversed_keys").corrupt(text, context())
    assert sent == b'{"f":1e400,"a":{"c":[{"e":-0,"d":1.50}],"b":1}}'


@for_each(
    ("number", "expected"),
    [
        ("20", "2e1"),
        ("7", "7e0"),
        ("-100", "-1e2"),
        ("123450", "12345e1"),
        ("0", "0"),
        ("1.5", "1.5"),
        ("1e5", "1e5"),
        ("999999999999999", "999999999999999e0"),
        ("1000000000000000", "1000000000000000"),
    ],
)
def test_a_number_with_an_exponent_is_the_same_number(number: str, expected: str) -> None:
    text = f'{{"20":"20","n":{number}}}'.encode()
    sent = UnusualJson(how="exponent_numbers").corrupt(text, context())
    assert sent == f'{{"20":"20","n":{expected}}}'.encode()
    assert json.loads(sent) == json.loads(text)


@pytest.mark.parametrize("how", ODDITIES)
@given(text=odd_texts)
def test_what_is_no_json_in_utf8_any_more_is_not_made_unusual_nor_good_again(
    how: UnusualForm, text: bytes
) -> None:
    ctx = context()
    sent = UnusualJson(how=how).corrupt(text, ctx)
    if not is_strict_json(text):
        assert ctx.skipped
        assert sent == text
    assert is_utf8_json(sent) == is_utf8_json(text)
    assert is_json_to_python(sent) == is_json_to_python(text)


@given(documents, st.integers(2, 200))
def test_a_padded_text_is_as_long_as_it_says_and_says_the_same(text: bytes, size: int) -> None:
    ctx = context()
    padded = Pad(bytes=size).corrupt(text, ctx)
    if ctx.skipped:
        assert padded == text
        assert len(text) >= size or b"}" not in text
    elif text.lstrip().startswith(b"{"):
        assert len(padded) == size
        assert value_of(padded) == value_of(text)
        assert padded.replace(b" ", b"") == text.replace(b" ", b"")


# Empty, and bytes that are no text


def test_empty_is_nothing_at_all() -> None:
    assert Empty().corrupt(b"{}", context()) == b""


@given(odd_texts, st.none() | st.integers(1, 300), st.text(max_size=3))
def test_garbage_is_as_long_as_it_says_and_no_text_to_anybody(
    text: bytes, size: int | None, key: str
) -> None:
    sent = Garbage(size=size).corrupt(text, context(key=key))
    assert len(sent) == (size or max(1, len(text)))
    assert not is_utf8(sent)
    assert not is_json_in_any_way(sent)


def test_garbage_is_never_taken_for_utf_16_whatever_is_drawn() -> None:
    for key in range(3000):
        sent = Garbage(size=2).corrupt(b"", context(key=str(key)))
        assert not sent.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"))


@pytest.mark.parametrize("how", INVALID)
@example(text=b'"\xb0"')  # would make a whole character of one that is cut
@given(text=odd_texts)
def test_invalid_utf8_is_never_text_whatever_it_was_before(how: Invalid, text: bytes) -> None:
    sent = InvalidUtf8(how=how).corrupt(text, context())
    assert not is_utf8(sent)
    assert not is_json(sent)
    assert how == "surrogate" or not is_json_to_python(sent)


@for_each(
    ("how", "inserted"),
    [
        ("byte", b"\xff"),
        ("cut", b"\xe2\x82"),
        ("overlong", b"\xc0\xaf"),
        ("surrogate", b"\xed\xa0\x80"),
    ],
)
def test_what_is_no_utf8_stands_in_the_first_string(how: Invalid, inserted: bytes) -> None:
    ctx = context()
    sent = InvalidUtf8(how=how).corrupt(b'{"sn":"0"}', ctx)
    assert sent == b'{"' + inserted + b'sn":"0"}'
    assert ctx.details == how


@given(documents)
def test_a_byte_order_mark_is_refused_by_strict_readers_and_in_text(text: bytes) -> None:
    sent = Bom().corrupt(text, context())
    assert sent == b"\xef\xbb\xbf" + text
    assert not is_json(sent)
    assert not is_utf8_json(sent)
    assert json.loads(sent, parse_int=str) == json.loads(text, parse_int=str)


@given(packets, st.sampled_from(get_args(NoObject.__annotations__["how"])))
def test_no_object_is_json_and_no_object(packet: Packet, how: Any) -> None:
    ctx = context()
    sent = NoObject(how=how).corrupt(packet.encode(), ctx)
    assert not isinstance(value_of(sent), dict)
    assert ctx.details == how


@given(odd_texts)
def test_utf16_is_never_utf8_and_says_the_same_to_those_who_expect_it(text: bytes) -> None:
    ctx = context()
    sent = Utf16().corrupt(text, ctx)
    assert ctx.skipped == (not is_utf8(text))
    if ctx.skipped:
        assert sent == text
    else:
        assert sent.decode("utf-16") == text.decode()
        assert sent.startswith(b"\xff\xfe")
        assert not is_json(sent)
        assert not is_utf8(sent)


# Bits


@given(odd_texts, st.integers(1, 1000), st.text(max_size=3))
def test_as_many_bits_are_flipped_as_it_says_each_another_one(
    text: bytes, bits: int, key: str
) -> None:
    ctx = context(key=key)
    sent = BitFlip(bits=bits).corrupt(text, ctx)
    assert len(sent) == len(text)
    flipped = [
        8 * n + bit
        for n, (was, now) in enumerate(zip(text, sent, strict=True))
        for bit in range(8)
        if (was ^ now) >> bit & 1
    ]
    assert len(flipped) == min(bits, 8 * len(text))
    assert ctx.skipped == (text == b"")
    shown = ", ".join(map(str, flipped[:5])) + (", …" if len(flipped) > 5 else "")
    assert ctx.details == f"bits {shown}"


def test_every_bit_can_be_flipped() -> None:
    drawn = {BitFlip().corrupt(b"{}", context(key=str(n))) for n in range(500)}
    assert len(drawn) == 16


# All of them

BROKEN: tuple[TextFault, ...] = (
    *(MalformedJson(how=how) for how in BREAKAGES),
    Empty(),
    Garbage(),
    *(InvalidUtf8(how=how) for how in INVALID),
    Bom(),
    Utf16(),
)
"""Those that promise that no strict reader takes the text for JSON."""

HARMLESS: tuple[TextFault, ...] = (*(UnusualJson(how=how) for how in ODDITIES), Pad(bytes=400))
"""Those that promise that it says the same."""


@given(odd_texts, st.sampled_from(BROKEN))
def test_whatever_a_text_was_no_strict_reader_takes_a_broken_one(
    text: bytes, fault: TextFault
) -> None:
    if isinstance(fault, Utf16) and not is_utf8(text):
        return  # not touched
    assert not is_json(fault.corrupt(text, context()))


@given(packets, st.lists(st.sampled_from((*BROKEN, *HARMLESS)), min_size=1, max_size=6), seeds)
def test_what_is_broken_stays_broken_whatever_else_befalls_it(
    packet: Packet, several: list[TextFault], seed: int
) -> None:
    text = packet.encode()
    for n, fault in enumerate(several):
        text = fault.corrupt(text, context(key=f"{seed}/{n}"))
    if any(fault in BROKEN for fault in several):
        assert not is_json(text)
    else:
        assert value_of(text) == value_of(packet.encode())


def test_no_two_text_faults_mend_each_other_wherever_the_middle_falls() -> None:
    for length, one, two in product((0, 1, 2, 3, 17), BROKEN, (*BROKEN, *HARMLESS)):
        text = Reply.success(SN, 1, 2, "x" * length).encode()
        sent = two.corrupt(one.corrupt(text, context()), context())
        assert not is_json(sent), (one, two, length)


def shown(fault: TextFault) -> str:
    return " ".join((fault.kind(), getattr(fault, "how", "")))


@for_each("how", BREAKAGES)
def test_hostile_text_is_broken_in_time_linear_in_it(how: Breakage) -> None:
    text = b'{"' + b'\\"' * 200_000  # a string that never ends, of nothing but quotes
    assert not is_json(broken(how, text))  # in an instant: not within hours, if it were quadratic


@pytest.mark.parametrize("fault", [*BROKEN, *HARMLESS, BitFlip()], ids=shown)
def test_a_text_of_hundreds_of_kilobytes_is_dealt_with_in_an_instant(fault: TextFault) -> None:
    text = Reply.success(SN, 1, 2, ['"', "é", 20, {"a": {}}] * 7500).encode()
    for _ in range(2):
        text = fault.corrupt(text, context())
    assert len(text) < 2.5 * 2**20
