"""Faults of content: packets are valid JSON with the wrong content."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.faults.fault import Context, ReplyFault
from invis_sim.faults.field_paths import parse_path
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.json_text import encode_int
from invis_sim.protocol.packets import Packet, Push, Reply, encode_json
from invis_sim.schema.describe import shorten

__all__ = [
    "CollidingPush",
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
    """Rejects the request: `PUBACK` 0 without a payload.

    What a client sees: its request rejected, and nothing changed.
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
    """Replies with the wrong packetID.

    What a client sees: a reply that matches none of its requests; its own request times out.
    Stands for: firmware that mixes up two clients, a reply from before a reconnect.

    how: "other": another six-digit number. "previous": that of this connection's request before
    (another number if there was none). "zero", "negative", "huge" (far beyond 64 bits): other
    integers. "string": the digits in quotes. "float": the number plus a half. "missing": no
    packetID at all.
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
        ctx.detail(f"packetID {_short_id(wrong)}")
        return packet.with_field(path, wrong)


class WrongSn(ReplyFault, frozen=True, tag="wrong_sn"):
    """Sends the wrong serial number, or none.

    What a client sees: a packet of an outlet that it does not know.
    Stands for: two outlets that got the same address, a replaced outlet, firmware that lost its
    serial number.

    how: "other": another serial number. "lower_case": its own in lower case (another one if that
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
    """Sends the wrong callbackName in the payload.

    What a client sees: a reply to its request, by its packetID, with content that it did not ask
    for.
    Stands for: firmware that mixes up two requests.

    callback: the callbackName; if omitted, another one of the protocol. A packet without a payload
    is not changed.
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
        ctx.detail(f"callbackName {_short_id(wrong)}")
        return packet.with_field(("payload", "callbackName"), wrong)


class WrongPuback(ReplyFault, frozen=True, tag="wrong_puback"):
    """Replies with the wrong PUBACK.

    What a client sees: a failure with a payload, a success without one, or a PUBACK that is neither
    0 nor 1.
    Stands for: firmware that sets it before it knows the result; another version of the protocol.

    how: "flipped": 0 for 1 and 1 for 0, the payload unchanged. "two": 2. "true": true (false for
    0). "string": in quotes. "null": null. "missing": none at all, as in a push.
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
    """Sets a field of the packet to any value.

    What a client sees: another type, a value out of range, a field that it does not know.
    Stands for: newer or older firmware, sensors that fail, everything without a kind of its own.

    path: where, such as "payload.callbackArgs.IM.fw_rev"; list items by number, from 0, such as
    "payload.callbackArgs[0]". Missing objects on the way are created; any other value on the way
    that is neither an object nor a list is replaced by an object. Lists do not grow: a packet
    without that item is not changed.
    value: any JSON value; null if omitted. A packet that has it there already is not changed.
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
        parse_path(self.path)

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        changed = packet.with_field(parse_path(self.path), self.value)
        if changed.encode() == packet.encode():
            ctx.skip()
            return packet
        ctx.detail(f"{_short(self.path)} = {_short(encode_json(self.value).decode())}")
        return changed


class RemoveField(ReplyFault, frozen=True, tag="remove_field"):
    """Removes a field from the packet.

    What a client sees: a packet without a field that it may rely on.
    Stands for: older firmware, a missing sensor or faceplate.

    path: which, such as "payload.callbackArgs.PM"; list items by number, from 0, such as
    "payload.callbackArgs[0]"; later items move up. A packet that does not have it is not
    changed.
    """

    example = """
        kind = "remove_field"
        path = "payload.callbackArgs.IM.www_fw_rev"
        when = { callback = 20 }
    """

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_path(self.path)

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        rest = packet.without_field(parse_path(self.path))
        if rest.fields == packet.fields:
            ctx.skip()
        ctx.detail(_short(self.path))
        return rest


class Stale(ReplyFault, frozen=True, tag="stale"):
    """Repeats an earlier reply, with the right packetID.

    What a client sees: a reply to its request, with an earlier state.
    Stands for: a cache that was not invalidated.

    replies_ago: how many replies back, on this connection and about the same callback, from 1.
    With fewer replies so far, the packet is not changed.
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
    """Sends an unrelated push just before the reply.

    What a client sees: a packet that is not the reply it waits for.
    Stands for: an outlet whose button a person presses at that moment.

    callback: the push's callbackName.
    args: its callbackArgs, any JSON value.

    Faults of content and text do not act on the push; faults of delivery act on both packets
    together.
    """

    acts_on = ("reply",)
    example = """
        kind = "push_first"
        callback = 9
        args = [1, 0]
    """

    callback: int = 9
    args: Any = msgspec.field(default_factory=lambda: [1, 0])

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        assert ctx.request is not None
        packet_id = _other(ctx.request.packet_id, ctx)  # or it would be a colliding push
        ctx.packets_before.append(Push.of(_sn(packet), packet_id, self.callback, self.args))
        ctx.detail(f"callback {_short_id(self.callback)}")
        return packet


class CollidingPush(PushFirst, frozen=True, tag="colliding_push"):
    """Sends an unrelated push with the request's packetID just before the reply.

    What a client sees: a packet that it takes for the reply if it looks at nothing but the
    packetID; then the reply, which it does not expect any more.
    Stands for: firmware that numbers its pushes without a look at the requests.

    callback: the push's callbackName.
    args: its callbackArgs, any JSON value.

    Faults of content and text do not act on the push; faults of delivery act on both packets
    together.
    """

    example = """
        kind = "colliding_push"
        callback = 9
        args = [1, 0]
        when = { callback = 20 }
    """

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        assert ctx.request is not None
        packet_id = ctx.request.packet_id
        ctx.packets_before.append(Push.of(_sn(packet), packet_id, self.callback, self.args))
        ctx.detail(f"callback {_short_id(self.callback)}, packetID {_short_id(packet_id)}")
        return packet


def _sn(packet: Packet) -> str:
    """The packet's serial number; "" if another fault has made it something else."""
    sn = packet.fields.get("sn")
    return sn if isinstance(sn, str) else ""


def _short(text: str) -> str:
    """A text for the journal, shortened to what fits in a line of the log."""
    return shorten(text, 40)


def _other(packet_id: int, ctx: Context) -> int:
    # One number fewer than there are, and those from the right one on move up: never the right one.
    number = ctx.random.randrange(100_000, 999_999)
    return number + (number >= packet_id) if 100_000 <= packet_id <= 999_999 else number


def _previous(packet_id: int, ctx: Context) -> Any:
    if ctx.earlier_replies:
        previous = ctx.earlier_replies[-1].fields.get("packetID")
        if previous != packet_id:
            return previous
    return _other(packet_id, ctx)


# Each form differs from the request's packetID, in languages in which 7 == 7.0 too. Those computed
# from it differ even if the client rounds numbers beyond 2**53 to floats.
_WRONG_IDS: dict[WrongId, Callable[[int, Context], Any]] = {
    "other": _other,
    "previous": _previous,
    "zero": lambda packet_id, ctx: 0 if packet_id != 0 else _other(packet_id, ctx),
    "negative": lambda packet_id, ctx: -packet_id if packet_id > 0 else 2 * packet_id - 1,
    "string": lambda packet_id, ctx: encode_int(packet_id),
    "float": lambda packet_id, ctx: packet_id + 0.5 if abs(packet_id) < 2**50 else 0.5,
    "huge": lambda packet_id, ctx: 2 * abs(packet_id) + 10**30,
}


def _short_id(wrong: Any) -> str:
    """A packetID of any type for the journal; a client may send one of any length."""
    text = encode_int(wrong) if isinstance(wrong, int) else repr(wrong)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"
