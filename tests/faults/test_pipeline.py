"""A `Pipeline` takes packets through the faults that apply: in order, and reproducibly."""

import tracemalloc
from collections.abc import Callable
from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invis_sim.faults import (
    KINDS,
    Binary,
    BitFlip,
    CloseConnection,
    Coalesce,
    Delay,
    Distribution,
    Drop,
    Duplicate,
    Fail,
    Fault,
    Fragment,
    HalfCloseConnection,
    MalformedJson,
    Pad,
    Reboot,
    RejectHandshake,
    RemoveField,
    Reorder,
    ResetConnection,
    SetField,
    Split,
    Stale,
    StallConnection,
    Throttle,
    Utf16,
    When,
    WrongCallback,
    WrongPacketId,
    WrongSn,
)
from invis_sim.faults.delivery import (
    MAX_STEPS,
    Close,
    Delivery,
    HalfClose,
    LetPass,
    MergeWithNext,
    Reset,
    Stall,
    StartOutage,
    Wait,
    Write,
)
from invis_sim.faults.fault import (
    LAYERS,
    DeliveryFault,
    FrameFault,
    OutageFault,
    ReplyFault,
    TextFault,
)
from invis_sim.faults.pipeline import Pipeline
from invis_sim.faults.session import MAX_TEXT_BYTES, PlannedDelivery
from invis_sim.protocol.packets import Packet, Reply
from invis_sim.protocol.transport import Transport
from tests.cases import examples, for_each
from tests.faults.random_structs import structs
from tests.faults.strategies import (
    MAY_DO_NOTHING,
    PACKET_KINDS,
    applied_faults,
    asking_for,
    faults,
    packets,
    parsed,
    push,
    request,
    seeds,
    send,
    the,
    transports,
    unframed,
    written,
)
from tests.support import SN


def never(text: bytes) -> bytes:
    raise AssertionError(f"{text!r} is framed, though no fault applies to it")


def renamed(given_faults: list[Fault]) -> list[Fault]:
    """The faults with their place in the list as their name."""
    return [
        msgspec.structs.replace(fault, name=str(place)) for place, fault in enumerate(given_faults)
    ]


always = st.just(When(every=1))
"""Of outages: with the first packet, rather than at a time."""


def may_do_nothing(pipeline: Pipeline, transport: Transport) -> set[str]:
    """The names of the faults that may leave alone a packet that they match."""
    return {
        armed.name
        for armed in pipeline
        if isinstance(armed.fault, MAY_DO_NOTHING) or transport not in armed.fault.transports
    }


def test_without_faults_a_packet_goes_down_the_fast_path() -> None:
    session = Pipeline([], seed=1).session("ws", 1)
    assert send(session, frame=never) is None
    assert push(session) is None


def test_a_packet_that_no_fault_matches_goes_down_the_fast_path() -> None:
    conditions = [
        When(callback=20),
        When(transport="ws"),
        When(connection=2),
        When(nth=5),
        When(from_seconds=1),
        When(packet="push"),
    ]
    session = Pipeline([Drop(when=when) for when in conditions], seed=1).session("tcp", 1)
    assert send(session, callback=1, seconds=0.5, frame=never) is None


def test_a_fault_that_is_not_enabled_leaves_the_fast_path_free() -> None:
    assert send(Pipeline([Drop(enabled=False)], seed=1).session("tcp", 1), frame=never) is None


def test_a_fault_for_one_kind_of_push_leaves_the_others_alone() -> None:
    pipeline = Pipeline([Drop(when=When(callback=9, packet="push"))], seed=1)
    session = pipeline.session("tcp", 1)
    assert [session.may_act_on_push(callback) for callback in (9, 15, None)] == [True, False, False]
    assert push(session, 9) is not None
    assert push(session, 15) is None
    (armed,) = pipeline
    pipeline.enable(armed, False)
    assert not session.may_act_on_push(9)
    assert push(session, 9) is None


@given(st.lists(faults(always), max_size=8), packets, seeds, transports)
def test_any_faults_together_make_a_plan_that_a_connection_can_carry_out(
    several: list[Fault], packet: Packet, seed: int, transport: Transport
) -> None:
    pipeline = Pipeline(renamed(several), seed)
    asked = asking_for(packet)
    plan = pipeline.session(transport, 1).plan(packet, packet.encode(), asked, 0, unframed)
    skipped = {armed.name for armed in pipeline} - set(applied_faults(plan))
    assert skipped <= may_do_nothing(pipeline, transport) or asked is None
    assert all(armed.applied == (armed.name not in skipped) for armed in pipeline)
    if plan is None:
        assert skipped == {armed.name for armed in pipeline}
        return
    assert all(isinstance(one.detail, str) and len(one.detail) < 100 for one in plan.applied)
    assert len(plan.delivery.steps) <= MAX_STEPS
    for step in plan.delivery.steps:
        match step:
            case Wait(seconds):
                assert 0 <= seconds < float("inf")
            case Write(data, rate):
                assert isinstance(data, bytes)
                assert rate is None or 0 < rate < float("inf")
            case Close(code, reason):
                assert code is None or 1000 <= code <= 4999
                assert len(reason.encode()) <= 123
            case LetPass(count, max_wait):
                assert count >= 1
                assert 0 <= max_wait < float("inf")
            case MergeWithNext(max_wait):
                assert 0 <= max_wait < float("inf")
            case StartOutage(outage):
                assert outage.name in {armed.name for armed in pipeline}
                assert outage.seconds is None or 0 <= outage.seconds < float("inf")
            case _:
                assert isinstance(step, Reset | Stall | HalfClose)


@given(st.lists(faults(always), min_size=1, max_size=8), transports)
def test_faults_are_applied_layer_by_layer_and_within_a_layer_in_file_order(
    several: list[Fault], transport: Transport
) -> None:
    expected = [
        str(place)
        for bases in (ReplyFault, TextFault, FrameFault, DeliveryFault, OutageFault)
        for layer in LAYERS
        for place, f in enumerate(several)
        if f.layer == layer and isinstance(f, bases)
    ]
    pipeline = Pipeline(renamed(several), seed=1)
    found = applied_faults(send(pipeline.session(transport, 1)))
    assert found == [name for name in expected if name in found]
    assert set(expected) - set(found) <= may_do_nothing(pipeline, transport)


def test_the_order_in_the_file_does_not_reorder_the_layers() -> None:
    several = (Delay(seconds=2), MalformedJson(how="missing_brace"), Fail())
    for order in permutations(several):
        plan = the(send(Pipeline(order, seed=1).session("tcp", 1)))
        text = Reply.failure(SN, 123_456).encode()[:-1]
        assert plan.delivery == Delivery((Wait(2), Write(text)))
        assert applied_faults(plan) == ["fail", "malformed_json", "delay"]


def test_within_a_layer_a_later_fault_sees_what_an_earlier_one_made() -> None:
    duplicate, close = Duplicate(copies=2), CloseConnection(moment="middle")
    text = Reply.success(SN, 123_456, 1).encode()
    whole_and_nothing = the(send(Pipeline([duplicate, close], seed=1).session("tcp", 1)))
    assert written(whole_and_nothing.delivery) == [text]
    two_halves = the(send(Pipeline([close, duplicate], seed=1).session("tcp", 1)))
    assert written(two_halves.delivery) == [text[: len(text) // 2]] * 2


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_faults_of_text_act_on_the_text_and_those_of_delivery_on_the_frame_around_it(
    transport: Transport,
) -> None:
    session = Pipeline([Duplicate(), MalformedJson(how="extra_brace")], seed=1).session(
        transport, 1
    )
    plan = the(send(session, frame=lambda text: b"<" + text + b">"))
    text = Reply.success(SN, 123_456, 1).encode()
    assert written(plan.delivery) == [b"<" + text + b"}>"] * 2


def test_a_fault_that_never_matches_changes_nothing_for_those_that_do() -> None:
    session = Pipeline([Drop(when=When(callback=20)), Fail()], seed=1).session("tcp", 1)
    assert applied_faults(send(session, callback=1)) == ["fail"]


def test_every_application_is_counted() -> None:
    pipeline = Pipeline([Drop(when=When(every=3))], seed=1)
    sessions = [pipeline.session("tcp", 1), pipeline.session("ws", 2)]
    assert sum(send(sessions[n % 2]) is not None for n in range(10)) == 3
    assert pipeline["drop"].applied == 3


# What must not get out of hand


def test_a_fault_whose_plan_would_get_too_long_is_skipped_and_says_so() -> None:
    several = [
        Duplicate(copies=1000),
        Duplicate(name="too much", copies=1000),
        Split(name="too fine", size=1),
        CloseConnection(moment="after"),
    ]
    pipeline = Pipeline(several, seed=1)
    plan = the(send(pipeline.session("tcp", 1)))
    detail = {one.fault: one.detail for one in plan.applied}
    skipped = f"skipped: the plan would have more than {MAX_STEPS} steps"
    assert detail == {
        "duplicate": "1000 copies",
        "too much": skipped,
        "too fine": skipped,
        "close": "after",
    }
    text = Reply.success(SN, 123_456, 1).encode()
    assert plan.delivery == Delivery((*[Write(text)] * 1000, Close(1011)))


def test_no_fault_makes_a_plan_longer_than_it_may_be() -> None:
    to_the_brim = [Duplicate(copies=1000), Duplicate(copies=20)]
    for fault in (
        Delay(seconds=1),
        Delay(seconds=1, overtake=True),
        CloseConnection(moment="after"),
        ResetConnection(moment="after"),
        StallConnection(moment="after"),
        HalfCloseConnection(moment="after"),
        Reorder(),
        Coalesce(),
        Reboot(when=When(every=1)),
    ):
        plan = the(send(Pipeline([*to_the_brim, fault], seed=1).session("tcp", 1)))
        assert len(plan.delivery.steps) == MAX_STEPS
        assert plan.delivery.ordered
        assert plan.applied[-1].detail.startswith("skipped: ")


def test_a_fault_whose_text_would_get_too_long_is_skipped_and_says_so() -> None:
    longest = Pad(bytes=8 * 2**20)

    def text(*several: Fault) -> tuple[bytes, str]:
        plan = the(send(Pipeline(several, seed=1).session("tcp", 1)))
        return written(plan.delivery)[0], plan.applied[-1].detail

    padded, _ = text(longest)
    doubled, detail = text(longest, Utf16())
    assert doubled == padded
    assert detail == f"skipped: the text would be longer than {MAX_TEXT_BYTES} bytes"


def test_many_faults_of_every_kind_at_once_are_dealt_with() -> None:
    needed: dict[type[Fault], dict[str, object]] = {
        SetField: {"path": "payload.x", "value": ['"'] * 100},
        RemoveField: {"path": "sn"},
        Delay: {"seconds": 1},
        Throttle: {"bytes_per_second": 9},
    }
    one_of_each = [
        kind(when=When(every=1), **needed.get(kind, {}))  # type: ignore[arg-type]
        for kind in PACKET_KINDS
    ]
    pipeline = Pipeline(one_of_each * 40, seed=1)
    session = pipeline.session("ws", 1)
    for _ in range(3):
        plan = the(send(session, args={}))
        assert len(plan.applied) > 500
        assert 0 < len(plan.delivery.steps) <= MAX_STEPS


def test_what_did_nothing_is_not_applied_and_does_not_count() -> None:
    some = When(times=1)
    pipeline = Pipeline(
        [
            RemoveField(path="payload.x", when=some),
            WrongCallback(when=some),
            Stale(replies_ago=3, when=some),
            Pad(bytes=150, when=some),
            BitFlip(when=some),
        ],
        seed=1,
    )
    session = pipeline.session("tcp", 1)
    applied = [
        applied_faults(send(session, args={} if n < 3 else {"x": "x" * 100})) for n in range(2)
    ]
    assert applied == [["wrong_callback", "pad", "bit_flip"], []]
    assert {armed.name: armed.applied for armed in pipeline} == {
        "remove_field": 0,
        "wrong_callback": 1,
        "stale": 0,
        "pad": 1,
        "bit_flip": 1,
    }
    reply = Reply.success(SN, 1, 1).with_field(("payload", "x"), 1)
    plan = session.plan(reply, reply.encode(), request(1), 0, unframed)
    assert applied_faults(plan) == ["remove_field"]
    assert [applied_faults(send(session)) for _ in range(3)] == [["stale"], [], []]


def test_what_did_nothing_does_not_count_on_its_connection_either() -> None:
    when = When(times=1, per="connection")
    pipeline = Pipeline([RemoveField(path="payload", when=when)], seed=1)
    for n in (1, 2):
        session = pipeline.session("tcp", n)
        assert [applied_faults(send(session)) for _ in range(2)] == [[], []]
        assert [applied_faults(send(session, args={})) for _ in range(2)] == [["remove_field"], []]
    assert pipeline["remove_field"].applied == 2


def test_a_packet_to_which_nothing_was_done_leaves_by_the_fast_path() -> None:
    several = [RemoveField(path="nothing"), Stale(), Pad(bytes=2), Binary(), Fragment()]
    assert send(Pipeline(several, seed=1).session("tcp", 1), frame=unframed) is None


# Chance


Played = list[list[PlannedDelivery | None]]


def played(
    several: list[Fault], seed: int, connections: list[list[int]], order: list[int]
) -> Played:
    """What becomes of each connection's replies.

    connections: of each, the callback numbers of its requests.
    order: which connection is next, once for each request of all.
    """
    pipeline = Pipeline(several, seed)
    transports: tuple[Transport, Transport] = ("tcp", "ws")
    sessions = [pipeline.session(transports[n % 2], n + 1) for n in range(len(connections))]
    plans: Played = [[] for _ in connections]
    for n in order:
        place = len(plans[n])
        callback = connections[n][place]
        reply = Reply.success(SN, 100_000 + place, callback, {"level": place})
        asked = request(100_000 + place, callback)
        plans[n].append(sessions[n].plan(reply, reply.encode(), asked, float(place), unframed))
    return plans


by_connection = st.one_of(
    st.builds(
        When,
        per=st.just("connection"),
        callback=st.none() | st.integers(1, 3),
        every=st.none() | st.integers(1, 3),
        after=st.none() | st.integers(1, 4),
        times=st.none() | st.integers(1, 5),
        probability=st.sampled_from((1.0, 0.7, 0.3)),
        from_seconds=st.sampled_from((0.0, 2.0)),
    ),
    st.builds(
        When,
        transport=st.sampled_from((None, "tcp", "ws")),
        connection=st.none() | st.integers(1, 3),
        probability=st.sampled_from((1.0, 0.7, 0.3)),
    ),
)
"""Conditions that do not count over several connections."""


@given(
    st.lists(faults(by_connection), min_size=1, max_size=5),
    seeds,
    st.lists(st.lists(st.integers(1, 3), max_size=8), min_size=1, max_size=4),
    st.data(),
)
def test_what_happens_on_one_connection_does_not_depend_on_what_others_do(
    several: list[Fault], seed: int, connections: list[list[int]], data: st.DataObject
) -> None:
    one_by_one = [n for n, asked in enumerate(connections) for _ in asked]
    interleaved = data.draw(st.permutations(one_by_one))
    expected = played(several, seed, connections, one_by_one)
    assert played(several, seed, connections, interleaved) == expected
    for n in range(len(connections)):
        alone = [other for other in one_by_one if other == n]
        assert played(several, seed, connections, alone)[n] == expected[n]


CHANCY: tuple[Callable[[When], Fault], ...] = (
    lambda when: Drop(name="chancy", when=msgspec.structs.replace(when, probability=0.5)),
    lambda when: Delay(name="chancy", seconds=Distribution(min=0, max=1), when=when),
    lambda when: WrongPacketId(name="chancy", how="other", when=when),
)


@pytest.mark.parametrize("chancy", CHANCY, ids=["drop", "delay", "wrong_packet_id"])
@given(seed=seeds, other=seeds)
def test_another_seed_makes_other_choices(
    chancy: Callable[[When], Fault], seed: int, other: int
) -> None:
    fault = chancy(When())
    same = played([fault], seed, [[1] * 64], [0] * 64) == played(
        [fault], other, [[1] * 64], [0] * 64
    )
    assert same == (seed == other)


@pytest.mark.parametrize("chancy", CHANCY, ids=["drop", "delay", "wrong_packet_id"])
def test_each_connection_and_each_fault_makes_choices_of_its_own(
    chancy: Callable[[When], Fault],
) -> None:
    one, two = played([chancy(When())], 7, [[1] * 64] * 2, [0] * 64 + [1] * 64)
    assert one != two
    named = msgspec.structs.replace(chancy(When()), name="another")
    assert one != played([named], 7, [[1] * 64], [0] * 64)[0]


steady = faults(by_connection, (Fail, WrongPacketId, MalformedJson, Delay, Drop, CloseConnection))
"""Those of which what they draw and do does not depend on what others made of the packet."""

others = faults(by_connection, set(PACKET_KINDS) - {Split, Duplicate})
"""Those that do not make plans so long that faults are skipped."""


@given(steady, st.lists(others, max_size=3), st.lists(others, max_size=3), seeds)
def test_a_fault_draws_the_same_whatever_other_faults_there_are(
    fault: Fault, before: list[Fault], behind: list[Fault], seed: int
) -> None:
    watched = msgspec.structs.replace(fault, name="watched")

    def applied(several: list[Fault]) -> list[object]:
        plans = played(several, seed, [[1, 2, 3] * 4], [0] * 12)[0]
        return [
            [one for one in plan.applied if one.fault == "watched"] if plan else []
            for plan in plans
        ]

    assert applied([*before, watched, *behind]) == applied([watched])


def test_what_a_fault_draws_is_the_same_on_every_machine() -> None:
    delay = Delay(seconds=Distribution(min=0, max=1))
    plans = played([delay, WrongPacketId()], 7, [[1, 1]], [0, 0])[0]
    assert [one.detail for plan in plans for one in the(plan).applied] == [
        "packetID 303526",
        "0.334 s",
        "packetID 993584",
        "0.468 s",
    ]


# Arming and switching


def test_a_fault_can_be_armed_and_removed_while_connections_are_open() -> None:
    pipeline = Pipeline([], seed=1)
    session = pipeline.session("tcp", 1)
    assert send(session) is None
    armed = pipeline.arm(Drop(name="for a while"))
    assert applied_faults(send(session)) == ["for a while"]
    pipeline.remove(armed)
    assert send(session, frame=never) is None
    pipeline.remove(armed)
    assert list(pipeline) == []


def test_a_fault_armed_later_comes_after_those_of_its_layer() -> None:
    pipeline = Pipeline([Delay(seconds=1), Drop(), MalformedJson()], seed=1)
    session = pipeline.session("tcp", 1)
    send(session)
    pipeline.arm(MalformedJson(name="late"))
    pipeline.arm(Fail())
    assert applied_faults(send(session)) == ["fail", "malformed_json", "late", "delay", "drop"]


@given(st.lists(faults(always), min_size=1, max_size=8), st.data())
def test_the_faults_are_listed_in_the_order_in_which_they_apply(
    several: list[Fault], data: st.DataObject
) -> None:
    several = renamed(several)
    armed = data.draw(st.integers(0, len(several)))
    pipeline = Pipeline(several[:armed], seed=1)
    for fault in several[armed:]:
        pipeline.arm(fault)
    found = applied_faults(send(pipeline.session("ws", 1)))
    assert found == [armed.name for armed in pipeline if armed.applied]
    assert {armed.name for armed in pipeline} - set(found) <= may_do_nothing(pipeline, "ws")


def test_a_fault_can_be_switched_while_connections_are_open() -> None:
    pipeline = Pipeline([Drop(enabled=False)], seed=1)
    session = pipeline.session("tcp", 1)
    assert send(session) is None
    pipeline.enable(pipeline["drop"], True)
    assert pipeline["drop"].enabled
    assert send(session) is not None
    pipeline.enable(pipeline["drop"], False)
    assert send(session) is None


def test_what_passes_while_a_fault_is_off_is_not_counted() -> None:
    pipeline = Pipeline([Drop(when=When(nth=2))], seed=1)
    session = pipeline.session("tcp", 1)
    assert send(session) is None
    pipeline.enable(pipeline["drop"], False)
    assert send(session) is None
    pipeline.enable(pipeline["drop"], True)
    assert send(session) is not None


def test_removing_removes_one_fault_and_not_another_that_is_like_it() -> None:
    pipeline = Pipeline([], seed=1)
    first, second = pipeline.arm(Drop()), pipeline.arm(Drop())
    pipeline.remove(second)
    assert list(pipeline) == [first]


def test_faults_are_found_by_name_or_by_kind() -> None:
    pipeline = Pipeline([Delay(seconds=1, name="slow"), Delay(seconds=2)], seed=1)
    assert pipeline["slow"].fault == Delay(seconds=1, name="slow")
    assert pipeline["delay"].fault == Delay(seconds=2)


def test_asking_for_a_fault_that_is_not_there_says_which_are() -> None:
    pipeline = Pipeline([Drop(), Delay(seconds=1, name="slow")], seed=1)
    with pytest.raises(KeyError, match=r"there are: .*drop.*, .*slow"):
        pipeline["fast"]
    with pytest.raises(KeyError, match="there are: none"):
        Pipeline([], seed=1)["fast"]


names = st.sampled_from([None, "drop", "drop#1", "drop#2", "drop#2#1", "#1"])


@given(st.lists(names, min_size=2, max_size=8))
def test_no_two_faults_share_an_identity_whatever_their_names(several: list[str | None]) -> None:
    pipeline = Pipeline([Drop(name=name) for name in several], seed=1)
    assert len({armed.identity for armed in pipeline}) == len(several)


def test_two_faults_of_one_kind_choose_and_count_for_themselves() -> None:
    half = Delay(seconds=1, when=When(probability=0.5))
    session = Pipeline([half, half], seed=1).session("tcp", 1)
    assert {len(applied_faults(send(session))) for _ in range(50)} == {0, 1, 2}
    by_turns = [
        Drop(when=When(nth=1, per="connection")),
        Drop(name="drop#2", when=When(nth=2, per="connection")),
        Drop(name="other", when=When(nth=3, per="connection")),
    ]
    session = Pipeline(by_turns, seed=1).session("tcp", 1)
    assert [applied_faults(send(session)) for _ in range(4)] == [
        ["drop"],
        ["drop#2"],
        ["other"],
        [],
    ]


def test_a_client_that_invents_callback_numbers_does_not_confuse_the_conditions() -> None:
    session = Pipeline([Drop(when=When(callback=20))], seed=1).session("tcp", 1)
    for callback in range(1000):
        assert (send(session, callback=callback) is not None) == (callback == 20)
        assert (send(session, callback=20) is not None) is True


def test_a_client_that_invents_callback_numbers_takes_no_memory() -> None:
    session = Pipeline([Drop(when=When(callback=20))], seed=1).session("tcp", 1)
    tracemalloc.start()
    try:
        for callback in range(1000, 2000):
            send(session, callback=callback)
        before, _ = tracemalloc.get_traced_memory()
        for callback in range(2000, 5000):
            send(session, callback=callback)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100_000


def test_a_connection_remembers_its_last_original_reply_however_many_there_were() -> None:
    pipeline = Pipeline([WrongPacketId(how="previous", when=When(callback=20))], seed=1)
    mine, other = pipeline.session("tcp", 1), pipeline.session("ws", 2)
    for packet_id in range(200_000, 200_100):
        send(mine, packet_id)
        send(other, 300_000)
        push(mine)
    plan = the(send(mine, 123_456, callback=20))
    assert parsed(written(plan.delivery)[0])["packetID"] == 200_099
    plan = the(send(mine, 654_321, callback=20))
    assert parsed(written(plan.delivery)[0])["packetID"] == 123_456


# From Python


@for_each(
    "build",
    [
        lambda: Delay(seconds=-1),
        lambda: Delay(seconds=float("nan")),
        lambda: Delay(seconds=float("inf")),
        lambda: Delay(seconds=Distribution(min=-1, max=2)),
        lambda: Delay(seconds=Distribution(mean=float("inf"), stddev=1)),
        lambda: Delay(seconds="2"),  # type: ignore[arg-type]
        lambda: Drop(when=When(nth=0)),
        lambda: Drop(when=When(nth=(1, 0))),
        lambda: Drop(when=When(probability=2)),
        lambda: Drop(when=When(from_seconds=float("nan"))),
        lambda: Drop(name=""),
        lambda: Drop(enabled=1),  # type: ignore[arg-type]
        lambda: Split(pieces=1),
        lambda: Throttle(bytes_per_second=0),
        lambda: Throttle(bytes_per_second=float("inf")),
        lambda: Duplicate(copies=10**6),
        lambda: Pad(bytes=2**30),
        lambda: WrongSn(how="nice"),  # type: ignore[arg-type]
        lambda: RejectHandshake(status=200),
        lambda: Reboot(seconds=-1),
    ],
)
def test_a_fault_with_a_value_out_of_range_cannot_be_built(build: Callable[[], Fault]) -> None:
    with pytest.raises(ValueError, match=r"^\w+(\[1\])?: expected .*, found "):
        build()


@settings(max_examples=examples(6))
@given(st.one_of([structs(kind) for kind in KINDS.values()]))
def test_a_fault_of_any_kind_is_armed_as_it_was_given(fault: Fault) -> None:
    armed = Pipeline([], seed=1).arm(fault)
    assert armed.fault == fault
    assert type(armed.fault) is type(fault)
    assert armed.enabled == fault.enabled
    assert armed.name == fault.display_name
