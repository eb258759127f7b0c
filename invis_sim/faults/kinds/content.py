"""Faults of content: the outlet answers in valid JSON, and what it says is wrong."""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.faults.fault import Context, ReplyFault
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.json_stream import MAX_DEPTH
from invis_sim.protocol.packets import Packet, Push, Reply, encode_json

__all__ = [
    "Fail",
    "PushFirst",
    "RemoveField",
    "SetField",
    "Stale",
    "WrongCallback",
    "WrongPacketId",
    "WrongPuback",
    "WrongSn",
]


class Fail(ReplyFault, frozen=True, tag="fail"):
    """Answers `PUBACK` 0, without a payload, whatever was asked.

    What a client sees: its request refused, and nothing changed.
    Stands for: an outlet that cannot do what it is asked: no internet for an update check, a busy
    module.
    """

    acts_on = ("reply",)
    vetoes_request = True
    example = """
        kind = "fail"
        when = { callback = 20, first = 2 }
    """

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        return Reply({**packet.without_field(("payload",)).fields, "PUBACK": 0})


WrongId: TypeAlias = Literal[
    "other", "previous", "zero", "negative", "string", "float", "huge", "missing"
]


class WrongPacketId(ReplyFault, frozen=True, tag="wrong_packet_id"):
    """Answers under a packetID that nobody asked for.

    What a client sees: an answer that it cannot place; its own request runs into its time-out.
    Stands for: firmware that mixes up two clients, an answer from before a reconnect.

    how: "other": another six-digit number. "previous": that of this connection's request before
    (another number if there was none). "zero", "negative", "huge" (far beyond 64 bits): other
    integers. "string": the digits in quotes. "float": the number and a half. "missing": no packetID
    at all.
    """

    acts_on = ("reply",)
    example = """
        kind = "wrong_packet_id"
        how = "previous"
        when = { probability = 0.1 }
    """

    how: WrongId = "other"

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        path = ("packetID",)
        if self.how == "missing":
            ctx.detail("no packetID")
            return packet.without_field(path)
        assert ctx.request is not None
        wrong = _WRONG_IDS[self.how](ctx.request.packet_id, ctx)
        ctx.detail(f"packetID {_shown(wrong)}")
        return packet.with_field(path, wrong)


class WrongSn(ReplyFault, frozen=True, tag="wrong_sn"):
    """Answers under another serial number, or none.

    What a client sees: a packet of an outlet that it does not know.
    Stands for: two outlets that got the same address, a replaced outlet, firmware that lost its
    serial number.

    how: "other": another serial number. "lower_case": its own in lower case (another one where that
    is the same). "empty": "". "missing": no sn at all.
    """

    example = """
        kind = "wrong_sn"
        how = "empty"
        when = { packet = "any" }
    """

    how: Literal["other", "lower_case", "empty", "missing"] = "other"

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        if self.how == "missing":
            ctx.detail("no sn")
            return packet.without_field(("sn",))
        sn = _sn(packet)
        wrong = {"lower_case": sn.lower(), "empty": ""}.get(self.how, sn)
        while wrong == sn:
            wrong = f"{ctx.random.randrange(16**10):010X}"
        ctx.detail(f"sn {_short(repr(wrong))}")
        return packet.with_field(("sn",), wrong)


class WrongCallback(ReplyFault, frozen=True, tag="wrong_callback"):
    """Answers about something else: the payload has another callbackName.

    What a client sees: the answer to its request, by its packetID, with content that it did not ask
    for.
    Stands for: firmware that mixes up two requests.

    callback: the callbackName; left out: another one that the protocol knows. A packet without a
    payload is not touched.
    """

    example = """
        kind = "wrong_callback"
        callback = 12
        when = { callback = 20 }
    """

    callback: int | None = None

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        if packet.callback is None or packet.callback == self.callback:
            ctx.skip()
            return packet
        others = [number for number in Callback if number != packet.callback]
        wrong = int(ctx.random.choice(others)) if self.callback is None else self.callback
        ctx.detail(f"callbackName {_shown(wrong)}")
        return packet.with_field(("payload", "callbackName"), wrong)


class WrongPuback(ReplyFault, frozen=True, tag="wrong_puback"):
    """Answers with a PUBACK that does not fit.

    What a client sees: a failure with a payload, a success without one, or a PUBACK that is no 0 or
    1.
    Stands for: firmware that sets it before it knows; another version of the protocol.

    how: "flipped": 0 for 1 and 1 for 0, the payload left as it is. "two": 2. "true": true (false
    for 0). "string": in quotes. "null": null. "missing": none at all, as in a push.
    """

    acts_on = ("reply",)
    example = """
        kind = "wrong_puback"
        how = "flipped"
    """

    how: Literal["flipped", "two", "true", "string", "null", "missing"] = "flipped"

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        ctx.detail(self.how)
        if self.how == "missing":
            return packet.without_field(("PUBACK",))
        puback = packet.fields.get("PUBACK")
        success = puback in (1, "1")
        wrong = {
            "flipped": 0 if success else 1,
            "two": 2,
            "true": success,
            "string": "1" if success else "0",
            "null": None,
        }[self.how]
        return packet.with_field(("PUBACK",), wrong)


class SetField(ReplyFault, frozen=True, tag="set_field"):
    """Puts a value of your choice anywhere into the packet.

    What a client sees: what you say: another type, a value out of range, a field that it does not
    know.
    Stands for: newer or older firmware, sensors that fail, everything that no other kind has.

    path: where, such as "payload.callbackArgs.IM.fw_rev"; list items by number, from 0, such as
    "payload.callbackArgs[0]". Objects on the way are made where they are missing; what is no object
    or list on the way is replaced by an object. Lists do not grow: a packet without that item is
    not touched.
    value: any JSON value; left out: null. A packet that has it there already is not
    touched.
    """

    example = """
        kind = "set_field"
        path = "payload.callbackArgs.IM.available_fw_rev"
        value = 13
        when = { callback = 20 }
    """

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    value: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _keys(self.path)
        msgspec.structs.force_setattr(self, "value", _json(self.value, "value"))

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        changed = packet.with_field(_keys(self.path), self.value)
        if changed.encode() == packet.encode():
            ctx.skip()
            return packet
        ctx.detail(f"{_short(self.path)} = {_short(encode_json(self.value).decode())}")
        return changed


class RemoveField(ReplyFault, frozen=True, tag="remove_field"):
    """Leaves something out of the packet.

    What a client sees: a packet without a field that it may rely on.
    Stands for: older firmware, a sensor or a faceplate that is not there.

    path: what, such as "payload.callbackArgs.PM"; list items by number, from 0, such as
    "payload.callbackArgs[0]"; those behind it move up. A packet that does not have it is not
    touched.
    """

    example = """
        kind = "remove_field"
        path = "payload.callbackArgs.IM.www_fw_rev"
        when = { callback = 20 }
    """

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

    def __post_init__(self) -> None:
        super().__post_init__()
        _keys(self.path)

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        rest = packet.without_field(_keys(self.path))
        if rest.fields == packet.fields:
            ctx.skip()
        ctx.detail(_short(self.path))
        return rest


class Stale(ReplyFault, frozen=True, tag="stale"):
    """Answers as it would have some replies ago.

    What a client sees: an answer to its request, with the state of some time before.
    Stands for: a cache that nobody told of the change.

    replies_ago: how many answers back, on this connection and about the same callback, from 1.
    Where there were not so many yet, the packet is not touched.
    """

    acts_on = ("reply",)
    example = """
        kind = "stale"
        replies_ago = 2
    """

    replies_ago: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        assert ctx.request is not None
        earlier = ctx.earlier_replies_about(ctx.request.callback)
        if len(earlier) < self.replies_ago:
            ctx.skip()
            return packet
        ctx.detail(f"{self.replies_ago} ago")
        stale, path = Reply(earlier[-self.replies_ago].fields), ("packetID",)
        if "packetID" not in packet.fields:
            return stale.without_field(path)
        return stale.with_field(path, packet.fields["packetID"])


class PushFirst(ReplyFault, frozen=True, tag="push_first"):
    """Sends a push that has nothing to do with it just before the reply.

    What a client sees: a packet that is not its answer where it waits for one.
    Stands for: an outlet that somebody touches at that moment.

    callback: the push's callbackName.
    args: its callbackArgs, any JSON value.

    The push goes out in good JSON; faults of delivery act on both packets together.
    """

    acts_on = ("reply",)
    example = """
        kind = "push_first"
        callback = 9
        args = [1, 0]
    """

    callback: int = 9
    args: Any = (1, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        msgspec.structs.force_setattr(self, "args", _json(self.args, "args"))

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        packet_id = ctx.random.randint(100_000, 999_999)
        ctx.before.append(Push.of(_sn(packet), packet_id, self.callback, self.args))
        ctx.detail(f"callback {_shown(self.callback)}")
        return packet


def _sn(packet: Packet) -> str:
    """The packet's serial number; "" where another fault has made it something else."""
    sn = packet.fields.get("sn")
    return sn if isinstance(sn, str) else ""


def _json(value: Any, name: str, depth: int = 0) -> Any:
    """The value as JSON has it: with lists for tuples. Raises ValueError where JSON has no such.

    name: of the key that the value stands at.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"{name} is nested deeper than the {MAX_DEPTH} levels expected at most")
    if isinstance(value, list | tuple):
        return [_json(item, name, depth + 1) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _json(item, name, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    found = repr(value) if isinstance(value, float) else type(value).__name__
    raise ValueError(f"{name}: expected a JSON value, found {found}")


_STEP = re.compile(r"(?:^|(?<=.)\.)([^.\[\]]+)|\[(\d{1,6})\]", re.DOTALL)


def _keys(path: str) -> tuple[str | int, ...]:
    """The keys and indices in a path. Raises ValueError where it is no path."""
    keys: list[str | int] = []
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None or (not keys and step[1] is None):
            raise ValueError(
                f"path {_short(repr(path))}: expected keys with dots between and [numbers] for "
                "list items"
            )
        if len(keys) == MAX_DEPTH:
            raise ValueError(f"path: expected at most {MAX_DEPTH} keys and numbers")
        keys.append(step[1] if step[1] is not None else int(step[2]))
        position = step.end()
    return tuple(keys)


def _short(text: str) -> str:
    """A text for the journal, where it must not be long."""
    return text if len(text) <= 40 else f"{text[:39]}…"


def _other(packet_id: int, ctx: Context) -> int:
    drawn = ctx.random.randrange(100_000, 999_999)
    return drawn + (drawn >= packet_id) if 100_000 <= packet_id <= 999_999 else drawn


def _previous(packet_id: int, ctx: Context) -> Any:
    if ctx.earlier_replies:
        previous = ctx.earlier_replies[-1].fields.get("packetID")
        if previous != packet_id:
            return previous
    return _other(packet_id, ctx)


# Each form differs from the request's packetID, also to languages in which 7 == 7.0. Those that are
# computed from it differ even where numbers beyond 2**53 are rounded.
_WRONG_IDS: dict[str, Callable[[int, Context], Any]] = {
    "other": _other,
    "previous": _previous,
    "zero": lambda packet_id, ctx: 0 if packet_id != 0 else _other(packet_id, ctx),
    "negative": lambda packet_id, ctx: -packet_id if packet_id > 0 else 2 * packet_id - 1,
    "string": lambda packet_id, ctx: _digits(packet_id),
    "float": lambda packet_id, ctx: packet_id + 0.5 if abs(packet_id) < 2**50 else 0.5,
    "huge": lambda packet_id, ctx: 2 * abs(packet_id) + 10**30,
}


def _digits(number: int) -> str:
    """`str(number)` without Python's limit on long ones."""
    return str(Decimal(number))


def _shown(wrong: Any) -> str:
    """A number, or another packetID, for the journal; shortened where it is absurdly long."""
    text = _digits(wrong) if isinstance(wrong, int) else repr(wrong)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"
