"""Random packets and faults, and what a test needs to send the ones through the others."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st

from invis_sim.faults import (
    KINDS,
    Binary,
    BitFlip,
    ConnectionLimit,
    Context,
    Delivery,
    Distribution,
    Duplicate,
    Fault,
    Fragment,
    Pad,
    RemoveField,
    SetField,
    Stale,
    UnusualJson,
    Utf16,
    When,
    WrongCallback,
)
from invis_sim.faults.delivery import Wait, Write
from invis_sim.faults.fault import ConnectionFault, EarlierReply
from invis_sim.faults.json_forms import Breakage
from invis_sim.faults.kinds.identity import WrongId
from invis_sim.faults.session import FaultSession, PlannedDelivery
from invis_sim.protocol.packets import Packet, Push, Reply, Request
from invis_sim.protocol.transport import PacketKind, Transport
from tests.faults.random_structs import faults_of
from tests.support import SN

WRONG_IDS: tuple[WrongId, ...] = (
    "other",
    "previous",
    "zero",
    "negative",
    "string",
    "float",
    "huge",
    "missing",
)
BREAKAGES: tuple[Breakage, ...] = (
    "truncate",
    "missing_brace",
    "extra_brace",
    "trailing_comma",
    "single_quotes",
    "unquoted_keys",
    "comment",
    "nan",
    "bare_word",
    "two_values",
)

T = TypeVar("T")

packet_ids = st.one_of(
    st.integers(100_000, 999_999),
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from(
        [99_999, 10**6, 2**50, 2**53 + 1, -(2**63), 2**64, 2**200, -(2**200), 10**30, 10**400]
    ),
)
"""What a client may number its requests with: any integer."""

awkward_texts = st.one_of(
    st.text(max_size=12),
    st.text("'\"\\/:,{}[]é€😀 \n\x00", max_size=12),
    st.sampled_from(['"', "\\", "it's", '{"a":1}', "/* */", "NaN", "undefined", "\ud83d"]),
)

keys = st.one_of(
    st.text(max_size=8),
    st.text("'\"\\:,{}é😀1", max_size=6),
    st.sampled_from(["rssi", "packetID", "", "1", "NaN", "null"]),
)

json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        awkward_texts,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)

callbacks = st.integers(0, 60)

successes = st.builds(Reply.success, st.just(SN), packet_ids, callbacks, json_values)
replies: st.SearchStrategy[Reply] = st.one_of(
    successes,
    st.builds(Reply.success, st.just(SN), packet_ids, callbacks),
    st.builds(Reply.failure, st.just(SN), packet_ids),
)
pushes = st.builds(Push.of, st.just(SN), packet_ids, callbacks, json_values)
packets: st.SearchStrategy[Packet] = st.one_of(replies, pushes)
seeds = st.integers(0, 2**63 - 1)
transports: st.SearchStrategy[Transport] = st.sampled_from(("tcp", "ws"))


PACKET_KINDS = tuple(k for k in KINDS.values() if not issubclass(k, ConnectionFault))
CONNECTION_KINDS = tuple(k for k in KINDS.values() if issubclass(k, ConnectionFault))

MAY_DO_NOTHING: tuple[type[Fault], ...] = (
    WrongCallback,
    SetField,
    RemoveField,
    Stale,
    UnusualJson,
    Utf16,
    Pad,
    BitFlip,
    Binary,
    Fragment,
    Duplicate,
    ConnectionLimit,
)
"""Kinds that leave some packets, or connections, as they are; their manuals say which."""

spreads = st.one_of(
    st.tuples(st.floats(0, 100), st.floats(0, 100)).map(
        lambda ends: Distribution(min=min(ends), max=max(ends))
    ),
    st.builds(Distribution, mean=st.floats(0, 100), stddev=st.floats(0, 1e308)),
    st.builds(Distribution, median=st.floats(1e-300, 1e300), sigma=st.floats(0, 1e308)),
)


def faults(
    when: st.SearchStrategy[When], kinds: Iterable[type[Fault]] = PACKET_KINDS
) -> st.SearchStrategy[Fault]:
    """Any fault of these kinds, enabled, without a name and under one of these conditions (which
    must be about replies).
    """
    return st.one_of([faults_of(kind, when, without=("name", "enabled")) for kind in kinds])


def request(packet_id: int = 123_456, callback: int | None = 1) -> Request:
    return Request(packet_id=packet_id, callback=callback)


def asking_for(packet: Packet) -> Request | None:
    """A request that this packet may be the answer to; None for a push."""
    if isinstance(packet, Push):
        return None
    return request(packet.fields["packetID"], packet.callback)


def context(
    packet: Packet | None = None,
    earlier_replies: tuple[Packet, ...] = (),
    key: str = "",
    transport: Transport = "tcp",
) -> Context:
    """The context of a packet, or of any.

    earlier_replies: each to a request for what it is about.
    """
    asked = request() if packet is None else asking_for(packet)
    replies = tuple(EarlierReply(reply.callback, reply.encode()) for reply in earlier_replies)
    kind: PacketKind = "push" if asked is None else "reply"
    ctx = Context(kind, asked, transport, 1, 0.0, replies)
    ctx.start_fault(key)
    return ctx


def unframed(text: bytes) -> bytes:
    """Puts nothing around a text, as on TCP."""
    return text


def send(
    session: FaultSession,
    packet_id: int = 123_456,
    callback: int = 1,
    seconds: float = 0.0,
    frame: Callable[[bytes], bytes] = unframed,
    args: Any = msgspec.UNSET,
) -> PlannedDelivery | None:
    """Plan a plain reply."""
    reply = Reply.success(SN, packet_id, callback, args)
    return session.plan(reply, reply.encode(), request(packet_id, callback), seconds, frame)


def push(session: FaultSession, callback: int = 1, seconds: float = 0.0) -> PlannedDelivery | None:
    """Plan a plain push."""
    packet = Push.of(SN, 7, callback, {})
    return session.plan(packet, packet.encode(), None, seconds, unframed)


def applied_faults(plan: PlannedDelivery | None) -> list[str]:
    """The names of the faults that were applied to a packet, in the order in which they were."""
    return [] if plan is None else [applied.fault for applied in plan.applied]


def written(delivery: Delivery) -> list[bytes]:
    """What a delivery writes, piece by piece."""
    return [step.data for step in delivery.steps if isinstance(step, Write)]


def waited(delivery: Delivery) -> float:
    """How long a delivery waits in all."""
    return sum(step.seconds for step in delivery.steps if isinstance(step, Wait))


def the(found: T | None) -> T:
    """What must be there."""
    assert found is not None
    return found


def parsed(text: bytes) -> dict[str, Any]:
    """The packet in a text, read strictly by RFC 8259, integers of any length."""
    tree = json.loads(text, parse_int=exactly, parse_constant=refuse)
    assert isinstance(tree, dict)
    return tree


def exactly(digits: str) -> int:
    return int(Decimal(digits))


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
