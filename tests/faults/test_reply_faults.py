"""Faults of content answer in valid JSON, and what it says is wrong."""

import re
from datetime import date
from typing import Any, Literal, TypeAlias, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.faults import (
    CollidingPush,
    Fail,
    Fault,
    MalformedJson,
    PushFirst,
    RemoveField,
    SetField,
    Stale,
    UnusualJson,
    When,
    WrongCallback,
    WrongPacketId,
    WrongPuback,
    WrongSn,
)
from invis_sim.faults.fault import ReplyFault
from invis_sim.faults.json_forms import UnusualForm
from invis_sim.faults.kinds.identity import WrongId
from invis_sim.faults.pipeline import Pipeline
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.frames import text_frame, unframe_text
from invis_sim.protocol.json_structure import MAX_DEPTH
from invis_sim.protocol.packets import Packet, Reply, encode_json, read_fields
from tests.cases import for_each
from tests.faults.random_structs import json_trees, paths
from tests.faults.strategies import (
    PACKET_KINDS,
    WRONG_IDS,
    asking_for,
    callbacks,
    context,
    faults,
    json_values,
    packet_ids,
    packets,
    parsed,
    replies,
    request,
    seeds,
    send,
    the,
    unframed,
    written,
)
from tests.support import SN

SnForm: TypeAlias = Literal["other", "lower_case", "empty", "missing"]
PubackForm: TypeAlias = Literal["flipped", "two", "true", "string", "null", "missing"]

REPLY_KINDS = [kind for kind in PACKET_KINDS if issubclass(kind, ReplyFault)]

NEVER = object()
"""Equal to no packetID."""


@given(replies)
def test_fail_refuses_under_the_same_serial_number_and_packet_id(reply: Reply) -> None:
    sent = parsed(Fail().rewrite(reply, context(reply)).encode())
    assert sent == {"sn": SN, "packetID": reply.fields["packetID"], "PUBACK": 0}
    assert list(sent) == ["sn", "packetID", "PUBACK"]


@given(replies)
def test_fail_leaves_the_original_reply(reply: Reply) -> None:
    before = reply.encode()
    Fail().rewrite(reply, context(reply))
    assert reply.encode() == before


def rewritten(how: WrongId, reply: Reply, *previous: int, key: str = "") -> dict[str, Any]:
    """The fields that are sent instead of a reply.

    previous: the packetIDs that the connection asked under before.
    """
    earlier_replies = tuple(Reply.failure(SN, packet_id) for packet_id in previous)
    ctx = context(reply, earlier_replies, key)
    return parsed(WrongPacketId(how=how).rewrite(reply, ctx).encode())


def packet_id_of(how: WrongId, asked: int, *previous: int, key: str = "") -> Any:
    """What stands where the packetID should."""
    return rewritten(how, Reply.failure(SN, asked), *previous, key=key).get("packetID", NEVER)


@pytest.mark.parametrize("how", WRONG_IDS)
@given(reply=replies, previous=st.lists(packet_ids, max_size=2), key=st.text(max_size=3))
def test_a_wrong_packet_id_is_never_the_one_asked_under_and_all_else_is_as_it_was(
    how: WrongId, reply: Reply, previous: list[int], key: str
) -> None:
    sent = rewritten(how, reply, *previous, key=key)
    earlier_replies = parsed(reply.encode())
    assert sent.pop("packetID", NEVER) != earlier_replies.pop("packetID")
    assert list(sent.items()) == list(earlier_replies.items())


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
    ctx = context(reply)
    sent = WrongPacketId(how=how).rewrite(reply, ctx).fields
    if how == "missing":
        assert ctx.details == "no packetID"
    else:
        whole = f"packetID {sent['packetID']!r}"
        assert ctx.details == whole or ctx.details.startswith(whole[:25])
        assert len(ctx.details) < 80
        assert ctx.details == whole or len(whole) > 40


@for_each("how", WRONG_IDS)
@for_each("sign", [1, -1])
def test_a_packet_id_of_absurd_length_is_answered_wrongly_like_any_other(
    how: WrongId, sign: int
) -> None:
    reply = Reply.failure(SN, sign * 10**5000)
    ctx = context(reply, (Reply.failure(SN, sign * 10**5001),))
    sent = parsed(WrongPacketId(how=how).rewrite(reply, ctx).encode())
    assert (sent.get("packetID", NEVER) == sign * 10**5000) is False
    assert len(ctx.details) < 80


# The serial number


SN_FORMS: tuple[SnForm, ...] = ("other", "lower_case", "empty", "missing")


@pytest.mark.parametrize("how", SN_FORMS)
@given(packet=packets, key=st.text(max_size=3))
def test_a_wrong_sn_is_never_the_outlets_own_and_all_else_is_as_it_was(
    how: SnForm, packet: Packet, key: str
) -> None:
    earlier_replies = parsed(packet.encode())
    sent = parsed(WrongSn(how=how).rewrite(packet, context(packet, key=key)).encode())
    assert list(sent) == [name for name in earlier_replies if how != "missing" or name != "sn"]
    wrong = sent.pop("sn", None)
    assert wrong != earlier_replies.pop("sn")
    assert sent == earlier_replies
    match how:
        case "other":
            assert re.fullmatch("[0-9A-F]{10}", wrong)
        case "lower_case":
            assert wrong == SN.lower()
        case "empty":
            assert wrong == ""
        case "missing":
            assert wrong is None


@for_each("how", SN_FORMS)
@for_each("sn", ["", "0003044076", "ab", 10**5000, None, {"a": 1}], ids=type)
def test_whatever_has_become_of_the_serial_number_it_becomes_another(how: SnForm, sn: Any) -> None:
    odd = Reply.failure(SN, 7).with_field(("sn",), sn)
    ctx = context()
    sent = WrongSn(how=how).rewrite(odd, ctx).fields
    assert sent.get("sn", NEVER) != sn
    assert len(ctx.details) < 80


# What it is about


@given(packets, st.none() | st.integers(0, 60), st.text(max_size=3))
def test_a_wrong_callback_is_another_and_all_else_is_as_it_was(
    packet: Packet, callback: int | None, key: str
) -> None:
    ctx = context(packet, key=key)
    rewritten = WrongCallback(callback=callback).rewrite(packet, ctx)
    earlier_replies, sent = parsed(packet.encode()), parsed(rewritten.encode())
    if packet.callback is None or packet.callback == callback:
        assert ctx.skipped
        assert rewritten.encode() == packet.encode()
        return
    assert not ctx.skipped
    wrong = sent["payload"].pop("callbackName")
    assert wrong != earlier_replies["payload"].pop("callbackName")
    assert wrong == callback if callback is not None else wrong in set(Callback)
    assert ctx.details == f"callbackName {wrong}"
    assert list(sent.items()) == list(earlier_replies.items())


def test_of_all_callbacks_that_the_protocol_knows_any_may_come_but_that_one() -> None:
    reply = Reply.success(SN, 1, 20, {})
    sent = {WrongCallback().rewrite(reply, context(key=str(n))).callback for n in range(500)}
    assert sent == set(Callback) - {Callback.AVAILABLE_UPDATES}


# PUBACK


PUBACK_FORMS: dict[PubackForm, tuple[Any, Any]] = {
    "flipped": (0, 1),
    "two": (2, 2),
    "true": (True, False),
    "string": ("1", "0"),
    "null": (None, None),
    "missing": (NEVER, NEVER),
}
"""What stands in the place of 1, and of 0."""


@pytest.mark.parametrize("how", PUBACK_FORMS)
@given(reply=replies)
def test_a_wrong_puback_is_what_its_name_says_and_all_else_is_as_it_was(
    how: PubackForm, reply: Reply
) -> None:
    earlier_replies = parsed(reply.encode())
    sent = parsed(WrongPuback(how=how).rewrite(reply, context(reply)).encode())
    assert [name for name in earlier_replies if name in sent] == list(sent)
    of_success, of_failure = PUBACK_FORMS[how]
    expected = of_success if earlier_replies.pop("PUBACK") == 1 else of_failure
    wrong = sent.pop("PUBACK", NEVER)
    assert (type(wrong), wrong) == (type(expected), expected)
    assert sent == earlier_replies


# Any field


Place: TypeAlias = tuple[str, ...]


def place(path: str) -> Place:
    """A path as keys and indices."""
    return tuple(name or str(int(n)) for name, n in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path))


def leaves(tree: Any, at: Place = ()) -> dict[Place, bytes]:
    """All that a tree has no more than one thing at, by where that is."""
    if not tree or not isinstance(tree, dict | list):
        return {at: encode_json(tree)}
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {
        where: leaf
        for step, item in inner
        for where, leaf in leaves(item, (*at, str(step))).items()
    }


def beside(tree: Any, path: str) -> dict[Place, bytes]:
    """The leaves that are neither at or below the path nor on the way to it."""
    way = place(path)
    return {
        where: leaf
        for where, leaf in leaves(tree).items()
        if where[: len(way)] != way and way[: len(where)] != where
    }


def below(tree: Any, path: str) -> dict[Place, bytes]:
    """The leaves at or below the path."""
    way = place(path)
    return {where: leaf for where, leaf in leaves(tree).items() if where[: len(way)] == way}


@given(packets, paths, json_trees | st.none())
def test_a_field_that_is_set_is_there_and_all_else_is_as_it_was(
    packet: Packet, path: str, value: Any
) -> None:
    ctx = context(packet)
    rewritten = SetField(path=path, value=value).rewrite(packet, ctx)
    earlier_replies, sent = parsed(packet.encode()), parsed(rewritten.encode())
    if ctx.skipped:
        assert rewritten.encode() == packet.encode()
        return
    assert below(sent, path) == leaves(value, place(path))
    assert beside(sent, path) == beside(earlier_replies, path)
    assert below(earlier_replies, path) != below(sent, path)
    assert len(ctx.details) < 90


REPORT = Reply.success(SN, 123_456, 20, {"IM": {"fw_rev": "1"}, "list": [1, [2, 3], {"a": 4}]})


@for_each(
    ("path", "value", "expected"),
    [
        ("payload.callbackArgs.IM.fw_rev", 13, {"IM": {"fw_rev": 13}}),
        ("payload.callbackArgs.IM.new.deep", True, {"IM": {"fw_rev": "1", "new": {"deep": True}}}),
        ("payload.callbackArgs.IM.fw_rev.x", None, {"IM": {"fw_rev": {"x": None}}}),
        ("payload.callbackArgs.IM[3]", 1.5, {"IM": {"fw_rev": "1", "3": 1.5}}),
        ("payload.callbackArgs.list[1]", {}, {"list": [1, {}, {"a": 4}]}),
        ("payload.callbackArgs.list[1][0]", "x", {"list": [1, ["x", 3], {"a": 4}]}),
        ("payload.callbackArgs.list[2].a", [], {"list": [1, [2, 3], {"a": []}]}),
        ("payload.callbackArgs.list", (1, (2,)), {"list": [1, [2]]}),
    ],
)
def test_the_path_leads_through_objects_and_lists(path: str, value: Any, expected: Any) -> None:
    sent = parsed(SetField(path=path, value=value).rewrite(REPORT, context()).encode())
    earlier_replies = REPORT.fields["payload"]["callbackArgs"]
    assert sent["payload"]["callbackArgs"] == {**earlier_replies, **expected}


@for_each(
    ("path", "value"),
    [
        ("PUBACK", 1),
        ("payload.callbackArgs.IM", {"fw_rev": "1"}),
        ("payload.callbackArgs.list[3]", 1),
        ("payload.callbackArgs.list.name", 1),
    ],
)
def test_a_value_that_is_there_already_or_has_no_place_touches_nothing(
    path: str, value: Any
) -> None:
    ctx = context()
    assert SetField(path=path, value=value).rewrite(REPORT, ctx) == REPORT
    assert ctx.skipped


def test_a_value_of_another_type_is_another_value() -> None:
    ctx = context()
    sent = SetField(path="PUBACK", value=True).rewrite(REPORT, ctx)
    assert not ctx.skipped
    assert b'"PUBACK":true' in sent.encode()


def test_a_value_given_as_a_tuple_is_a_list_to_the_faults_behind_it() -> None:
    packet = SetField(path="payload.x", value=(1, 2)).rewrite(REPORT, context())
    sent = SetField(path="payload.x[1]", value=3).rewrite(packet, context())
    assert sent.fields["payload"]["x"] == [1, 3]


@for_each("kind", [SetField, RemoveField])
@for_each("path", [".sn", "sn.", "a..b", "[0]", "[0].a", "a[", "a[x]", "a]b", "a[1]b"])
def test_what_is_no_path_is_refused(kind: type[SetField | RemoveField], path: str) -> None:
    with pytest.raises(
        ValueError, match=r"^path: expected keys with dots between and \[numbers.* found"
    ):
        kind(path=path)


@pytest.mark.parametrize("kind", [SetField, RemoveField])
def test_a_path_may_be_as_deep_as_a_request_and_no_deeper(
    kind: type[SetField | RemoveField],
) -> None:
    kind(path=".".join("a" * MAX_DEPTH))
    with pytest.raises(ValueError, match=f"^path: expected at most {MAX_DEPTH} keys"):
        kind(path=".".join("a" * (MAX_DEPTH + 1)))


def nested(depth: int) -> list[Any]:
    tree: list[Any] = []
    for _ in range(depth - 1):
        tree = [tree]
    return tree


NOT_JSON = [
    (float("nan"), ": expected a JSON value, found nan"),
    ([1, {"a": float("-inf")}], "[1].a: expected a JSON value, found -inf"),
    (date(1979, 5, 27), ": expected a JSON value, found date"),
    ({1: 2}, ": expected text as a key, found 1"),
    (b"bytes", ": expected a JSON value, found bytes"),
    ({1, 2}, ": expected a JSON value, found set"),
    (complex(1), ": expected a JSON value, found complex"),
]


@for_each(("value", "message"), NOT_JSON, ids=str)
def test_a_value_that_json_cannot_express_is_refused(value: Any, message: str) -> None:
    for name, build in (
        ("value", lambda: SetField(path="a", value=value)),
        ("args", lambda: PushFirst(args=value)),
    ):
        with pytest.raises(ValueError, match=f"^{name}{re.escape(message)}$"):
            build()


def test_a_value_that_is_nested_too_deep_is_refused() -> None:
    SetField(path="a", value=nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 400):
        with pytest.raises(ValueError, match=r"^value: nested deeper than"):
            SetField(path="a", value=nested(depth))


def test_the_deepest_values_at_the_deepest_paths_can_be_sent_and_broken() -> None:
    deep = SetField(path=".".join("a" * MAX_DEPTH), value=nested(MAX_DEPTH))
    text = deep.rewrite(REPORT, context()).encode()
    assert parsed(text) == msgspec.json.decode(text)
    for how in get_args(UnusualForm):
        assert parsed(UnusualJson(how=how).corrupt(text, context())) == parsed(text)


@given(packets, paths)
def test_a_field_that_is_removed_is_gone_and_all_else_is_as_it_was(
    packet: Packet, path: str
) -> None:
    ctx = context(packet)
    rewritten = RemoveField(path=path).rewrite(packet, ctx)
    earlier_replies, sent = parsed(packet.encode()), parsed(rewritten.encode())
    assert ctx.skipped == (below(earlier_replies, path) == {})
    if ctx.skipped:
        assert rewritten.encode() == packet.encode()
    elif not path.endswith("]"):  # where a list has one item less, others move
        assert below(sent, path) == {}
        assert beside(sent, path) == beside(earlier_replies, path)
    assert len(ctx.details) < 90


def test_a_list_item_that_is_removed_lets_the_others_move_up() -> None:
    sent = RemoveField(path="payload.callbackArgs.list[1]").rewrite(REPORT, context())
    assert sent.fields["payload"]["callbackArgs"]["list"] == [1, {"a": 4}]


# Old answers


@given(
    st.lists(st.tuples(callbacks.filter(lambda n: n < 4), packet_ids, json_values), max_size=8),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_a_stale_reply_repeats_an_earlier_one_under_the_new_packet_id(
    asked: list[tuple[int, int, Any]], ago: int, callback: int
) -> None:
    session = Pipeline([Stale(replies_ago=ago, when=When(callback=callback, after=1))], 1).session(
        "ws", 1
    )
    earlier_replies: list[Reply] = []
    for about, packet_id, args in asked:
        reply = Reply.success(SN, packet_id, about, args)
        if packet_id % 3 == 0:  # nothing in these tells what they are about
            reply = Reply.failure(SN, packet_id)
        plan = session.plan(reply, reply.encode(), request(packet_id, about), 0, unframed)
        if about == callback and len(earlier_replies) >= max(ago, 1):
            expected = earlier_replies[-ago].with_field(("packetID",), packet_id)
            assert written(the(plan).delivery) == [expected.encode()]
        else:
            assert plan is None
        if about == callback:
            earlier_replies.append(reply)


def test_a_stale_answer_is_as_old_as_it_says() -> None:
    for ago in range(1, 5):
        when = When(nth=5)
        session = Pipeline([Stale(replies_ago=ago, when=when)], seed=1).session("tcp", 1)
        plans = [send(session, packet_id, args=packet_id) for packet_id in range(100_000, 100_005)]
        assert plans[:4] == [None] * 4
        sent = parsed(written(the(plans[4]).delivery)[0])
        assert sent["packetID"] == 100_004
        assert sent["payload"]["callbackArgs"] == 100_004 - ago


def test_a_stale_reply_keeps_what_another_fault_did_to_the_packet_id() -> None:
    old = Reply.success(SN, 1, 20, "old")
    new = Reply.success(SN, 2, 20, "new")
    for how, expected in (("missing", NEVER), ("string", "2")):
        ctx = context(new, (old,))
        wrong = WrongPacketId(how=how).rewrite(new, ctx)  # type: ignore[arg-type]
        sent = parsed(Stale().rewrite(wrong, ctx).encode())
        assert sent.get("packetID", NEVER) == expected
        assert sent["payload"]["callbackArgs"] == "old"


def test_a_stale_reply_may_be_nested_deeper_than_packets_that_are_read_strictly() -> None:
    deep = b'{"packetID":1,"PUBACK":1,"payload":%b%b}' % (b"[" * 200, b"]" * 200)
    old, new = Reply(the(read_fields(deep))), Reply.success(SN, 2, 20)
    session = Pipeline([Stale(when=When(nth=2))], seed=1).session("tcp", 1)
    assert session.plan(old, deep, request(1, 20), 0, unframed) is None
    plan = the(session.plan(new, new.encode(), request(2, 20), 0, unframed))
    assert written(plan.delivery) == [deep.replace(b'"packetID":1', b'"packetID":2')]


# Pushes between


@given(replies, callbacks, json_trees, st.integers(0, 9))
def test_a_push_first_is_a_valid_push_and_the_reply_behind_it_the_original_one(
    reply: Reply, callback: int, args: Any, seed: int
) -> None:
    session = Pipeline([PushFirst(callback=callback, args=args)], seed).session("ws", 1)
    plan = the(session.plan(reply, reply.encode(), asking_for(reply), 0, text_frame))
    first, second = written(plan.delivery)
    assert second == text_frame(reply.encode())
    text = unframe_text(first)
    push = parsed(the(text))
    assert 100_000 <= push.pop("packetID") <= 999_999
    assert push == {"sn": SN, "payload": {"callbackName": callback, "callbackArgs": args}}


@given(replies, st.integers(0, 9))
def test_only_a_colliding_push_bears_the_packet_id_of_the_request(reply: Reply, seed: int) -> None:
    asked = asking_for(reply)
    for fault, collides in ((PushFirst(), False), (CollidingPush(), True)):
        session = Pipeline([fault], seed).session("tcp", 1)
        plan = the(session.plan(reply, reply.encode(), asked, 0, bytes))
        first, second = written(plan.delivery)
        assert second == reply.encode()
        push = parsed(first)
        assert (push.pop("packetID") == the(asked).packet_id) == collides
        assert push == {"sn": SN, "payload": {"callbackName": 9, "callbackArgs": [1, 0]}}


def test_a_push_first_has_the_serial_number_that_faults_gave_the_reply() -> None:
    several = [WrongSn(how="empty"), PushFirst(), MalformedJson(), PushFirst(callback=11, args={})]
    plan = the(send(Pipeline(several, seed=1).session("tcp", 1)))
    first, second, reply = written(plan.delivery)
    assert [parsed(text)["payload"]["callbackName"] for text in (first, second)] == [9, 11]
    assert parsed(first)["sn"] == parsed(second)["sn"] == ""
    assert reply.startswith(b'{"sn":"",')


def test_numbers_of_absurd_length_are_sent_and_shown_shortly() -> None:
    for fault in (WrongCallback(callback=10**5000), PushFirst(callback=10**5000)):
        plan = the(send(Pipeline([fault], seed=1).session("tcp", 1), args={}))
        assert b"0" * 5000 in b"".join(written(plan.delivery))
        assert len(plan.applied[0].detail) < 80


# All of them


@given(
    st.lists(faults(st.just(When(packet="any")), REPLY_KINDS), min_size=1, max_size=6),
    packets,
    st.lists(replies, max_size=3),
    seeds,
)
def test_content_that_is_wrong_in_any_ways_at_once_is_still_valid_json(
    several: list[Fault], packet: Packet, before: list[Reply], seed: int
) -> None:
    earlier_replies = packet.encode()
    session = Pipeline(several, seed).session("tcp", 1)
    for reply in before:
        session.plan(reply, reply.encode(), asking_for(reply), 0, unframed)
    plan = session.plan(packet, packet.encode(), asking_for(packet), 0, unframed)
    for text in written(plan.delivery) if plan else ():
        parsed(text)
    assert packet.encode() == earlier_replies
    if plan is not None and all(one.fault == "set_field" for one in plan.applied):
        assert len(written(plan.delivery)) == 1


def test_content_may_be_wrong_in_two_ways_at_once() -> None:
    reply = Reply.success(SN, 123_456, 1, {"level": 3})
    nameless = WrongPacketId(how="missing").rewrite(reply, context(reply))
    assert Fail().rewrite(nameless, context(reply)).encode() == b'{"sn":"0003C44076","PUBACK":0}'
