"""Faults of content answer in valid JSON, and what it says is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults import Fail, WrongPacketId
from invis_sim.faults.layer_reply import WrongId
from invis_sim.protocol.packets import Reply
from tests.faults.strategies import (
    SN,
    WRONG_IDS,
    context,
    packet_ids,
    parsed,
    replies,
)

NEVER = object()
"""Equal to no packetID."""


@given(replies)
def test_fail_refuses_under_the_same_serial_number_and_packet_id(reply: Reply) -> None:
    sent = parsed(Fail().rewrite(reply, context(reply)).encode())
    assert sent == {"sn": SN, "packetID": reply.fields["packetID"], "PUBACK": 0}
    assert list(sent) == ["sn", "packetID", "PUBACK"]


@given(replies)
def test_fail_leaves_the_honest_reply_as_it_is(reply: Reply) -> None:
    before = reply.encode()
    Fail().rewrite(reply, context(reply))
    assert reply.encode() == before


def rewritten(how: WrongId, reply: Reply, *previous: int, key: str = "") -> dict[str, Any]:
    """The fields that are sent instead of a reply.

    previous: the packetIDs that the connection asked under before.
    """
    honest = tuple(Reply.failure(SN, packet_id) for packet_id in previous)
    at = context(reply, honest, key)
    return parsed(WrongPacketId(how=how).rewrite(reply, at).encode())


def packet_id_of(how: WrongId, asked: int, *previous: int, key: str = "") -> Any:
    """What stands where the packetID should."""
    return rewritten(how, Reply.failure(SN, asked), *previous, key=key).get("packetID", NEVER)


@pytest.mark.parametrize("how", WRONG_IDS)
@given(reply=replies, previous=st.lists(packet_ids, max_size=2), key=st.text(max_size=3))
def test_a_wrong_packet_id_is_never_the_one_asked_under_and_all_else_is_as_it_was(
    how: WrongId, reply: Reply, previous: list[int], key: str
) -> None:
    sent = rewritten(how, reply, *previous, key=key)
    honest = parsed(reply.encode())
    assert sent.pop("packetID", NEVER) != honest.pop("packetID")
    assert list(sent.items()) == list(honest.items())


@pytest.mark.parametrize("how", WRONG_IDS)
@given(asked=packet_ids, key=st.text(max_size=3))
def test_a_wrong_packet_id_is_told_from_the_right_one_where_long_numbers_are_rounded(
    how: WrongId, asked: int, key: str
) -> None:
    wrong = packet_id_of(how, asked, key=key)
    if isinstance(wrong, int | float) and max(abs(wrong), abs(asked)) < 10**300:
        assert float(wrong) != float(asked)


@pytest.mark.parametrize("how", [how for how in WRONG_IDS if how != "missing"])
@given(reply=replies)
def test_a_wrong_packet_id_stands_where_the_right_one_stood(how: WrongId, reply: Reply) -> None:
    assert list(rewritten(how, reply)) == list(reply.fields)


@given(packet_ids, st.integers(0, 1000).map(str))
def test_other_is_six_digits_long(asked: int, key: str) -> None:
    assert 100_000 <= packet_id_of("other", asked, key=key) <= 999_999


@given(st.integers(0, 1000).map(str))
def test_other_is_another_also_where_the_one_asked_under_is_drawn(key: str) -> None:
    drawn = packet_id_of("other", -1, key=key)
    assert packet_id_of("other", drawn, key=key) != drawn


def test_other_can_be_any_number_of_six_digits_but_the_one_asked_under() -> None:
    drawn = {packet_id_of("other", 100_000, key=str(n)) for n in range(3000)}
    assert len(drawn) > 2900
    assert min(drawn) < 101_000
    assert max(drawn) > 999_000


@given(packet_ids, packet_ids)
def test_previous_is_that_of_the_request_before(asked: int, before: int) -> None:
    wrong = packet_id_of("previous", asked, 111_111, before)
    if before != asked:
        assert wrong == before
    else:
        assert 100_000 <= wrong <= 999_999


@given(packet_ids)
def test_previous_is_another_number_where_there_was_no_request_before(asked: int) -> None:
    assert 100_000 <= packet_id_of("previous", asked) <= 999_999


@given(packet_ids)
def test_each_form_of_a_wrong_packet_id_is_what_its_name_says(asked: int) -> None:
    if asked != 0:
        zero = packet_id_of("zero", asked)
        assert (type(zero), zero) == (int, 0)
    negative = packet_id_of("negative", asked)
    assert type(negative) is int
    assert negative < 0
    text = packet_id_of("string", asked)
    assert type(text) is str
    assert parsed(b'{"packetID":' + text.encode() + b"}") == {"packetID": asked}
    fraction = packet_id_of("float", asked)
    assert type(fraction) is float
    assert not fraction.is_integer()
    huge = packet_id_of("huge", asked)
    assert type(huge) is int
    assert huge > 2**64
    assert packet_id_of("missing", asked) is NEVER


def test_the_forms_of_an_everyday_packet_id() -> None:
    assert packet_id_of("negative", 123_456) == -123_456
    assert packet_id_of("string", 123_456) == "123456"
    assert packet_id_of("float", 123_456) == 123_456.5


@pytest.mark.parametrize("how", WRONG_IDS)
@given(reply=replies)
def test_the_journal_learns_which_packet_id_was_sent_instead(how: WrongId, reply: Reply) -> None:
    at = context(reply)
    sent = WrongPacketId(how=how).rewrite(reply, at).fields
    if how == "missing":
        assert at.details == "no packetID"
    else:
        whole = f"packetID {sent['packetID']!r}"
        assert at.details == whole or at.details.startswith(whole[:25])
        assert len(at.details) < 80
        assert at.details == whole or len(whole) > 40


@pytest.mark.parametrize("how", WRONG_IDS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_packet_id_of_absurd_length_is_answered_wrongly_like_any_other(
    how: WrongId, sign: int
) -> None:
    reply = Reply.failure(SN, sign * 10**5000)
    at = context(reply, (Reply.failure(SN, sign * 10**5001),))
    sent = parsed(WrongPacketId(how=how).rewrite(reply, at).encode())
    assert (sent.get("packetID", NEVER) == sign * 10**5000) is False
    assert len(at.details) < 80


def test_content_may_be_wrong_in_two_ways_at_once() -> None:
    reply = Reply.success(SN, 123_456, 1, {"level": 3})
    nameless = WrongPacketId(how="missing").rewrite(reply, context(reply))
    assert Fail().rewrite(nameless, context(reply)).encode() == b'{"sn":"0003C44076","PUBACK":0}'
