"""Faults of text send bytes that are not the JSON which the outlet means."""

import json
from itertools import product

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from invis_sim.faults import MalformedJson
from invis_sim.faults.layer_text import Breakage
from invis_sim.protocol.packets import Packet, Push, Reply
from tests.faults.strategies import BREAKAGES, SN, context, packets

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


def is_json_to_python(text: bytes) -> bool:
    """Whether Python's json takes the text for one JSON document."""
    try:
        json.loads(text, parse_int=str)
    except ValueError:
        return False
    return True


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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("how", BREAKAGES)
def test_the_journal_learns_how_a_packet_was_broken(how: Breakage) -> None:
    at = context()
    MalformedJson(how=how).corrupt(HONEST.encode(), at)
    assert at.details == how


@pytest.mark.parametrize("how", BREAKAGES)
def test_a_push_is_broken_like_a_reply(how: Breakage) -> None:
    push = Push.of(SN, 7, 11, {"level": 3})
    assert not is_json(MalformedJson(how=how).corrupt(push.encode(), context(push)))
