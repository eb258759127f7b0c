"""Faults of content: packets are valid JSON with the wrong content."""

from typing import Annotated, Any, Literal

import msgspec

from invis_sim.faults.case import ASKED, Case
from invis_sim.faults.details import short_number, short_text
from invis_sim.faults.fault import Context, ReplyFault
from invis_sim.faults.field_paths import parse_path
from invis_sim.faults.kinds.identity import other_id, sn_of
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Packet, Push, Reply, encode_json

__all__ = [
    "CollidingPush",
    "Fail",
    "PushFirst",
    "RemoveField",
    "SetField",
    "Stale",
    "WrongCallback",
    "WrongPuback",
]


_DEPENDS = "Whether it matters depends on what the client needs of the reply."
_COLLIDES = "Only the missing PUBACK says that it is a push: look at it, or say so."
_NOT_THE_REPLY = "A push is not the reply: its packetID is another one."


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
    cases = (
        Case("notice", "always", "The outlet rejects the request each time."),
        Case(
            "either",
            "once",
            "Only the first reply is a rejection: ask again, or say so.",
            when={"first": 1},
        ),
    )

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        return Reply({**packet.without_field(("payload",)).fields, "PUBACK": 0})


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
    cases = (
        Case(
            "either",
            "other",
            "The packetID is right and the subject is not: clients trust one or both.",
        ),
        Case(
            "either",
            "unknown",
            "The packetID is right and the subject unknown: clients trust one or both.",
            {"callback": 99},
        ),
    )

    callback: int | None = None

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        if packet.callback is None or packet.callback == self.callback:
            ctx.skip()
            return packet
        others = [number for number in Callback if number != packet.callback]
        wrong = int(ctx.random.choice(others)) if self.callback is None else self.callback
        ctx.detail(f"callbackName {short_number(wrong)}")
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
    cases = (
        Case(
            "notice",
            "flipped",
            "The outlet says that it failed, whatever payload comes with it.",
            {"how": "flipped"},
        ),
        *Case.each(
            "either",
            "how",
            ("two", "true", "string", "null", "missing"),
            "A strict client accepts 1 alone, a lenient one what means the same.",
        ),
    )

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
    cases = (
        Case(
            "survive",
            "unknown-member",
            "Newer firmware adds members: ignore what is unknown.",
            {"path": "signal", "value": {"rssi": -61}},
        ),
        Case(
            "survive",
            "unknown-in-payload",
            "Newer firmware adds members: ignore what is unknown.",
            {"path": "payload.revision", "value": 2},
        ),
        *(
            Case("either", label, _DEPENDS, {"path": path, "value": value})
            for label, path, value in (
                ("payload-null", "payload", None),
                ("payload-text", "payload", "busy"),
                ("payload-list", "payload", [1, 2]),
                ("callback-text", "payload.callbackName", "20"),
                ("args-null", "payload.callbackArgs", None),
                ("args-text", "payload.callbackArgs", "busy"),
                ("args-number", "payload.callbackArgs", 10**30),
                ("args-empty-list", "payload.callbackArgs", []),
                ("args-empty-object", "payload.callbackArgs", {}),
                ("args-nested", "payload.callbackArgs", [[[[[[[[[[[[]]]]]]]]]]]]),
                ("sn-number", "sn", 76),
            )
        ),
    )

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
        ctx.detail(f"{short_text(self.path)} = {short_text(encode_json(self.value).decode())}")
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
    cases = (
        *(
            Case("either", label, _DEPENDS, {"path": path})
            for label, path in (
                ("payload", "payload"),
                ("callback", "payload.callbackName"),
                ("args", "payload.callbackArgs"),
            )
        ),
    )

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_path(self.path)

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        rest = packet.without_field(parse_path(self.path))
        if rest.fields == packet.fields:
            ctx.skip()
        ctx.detail(short_text(self.path))
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
    cases = (
        Case(
            "either",
            "1-ago",
            "An earlier state looks like a current one: only a client that asks again can tell.",
            {"replies_ago": 1},
            min_requests=2,
        ),
        Case(
            "either",
            "2-ago",
            "An earlier state looks like a current one: only a client that asks again can tell.",
            {"replies_ago": 2},
            min_requests=3,
        ),
    )

    replies_ago: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        assert ctx.request is not None
        earlier = ctx.earlier_replies_about(ctx.request.callback)
        if len(earlier) < self.replies_ago:
            ctx.skip()
            return packet
        ctx.detail(f"{self.replies_ago} ago")
        stale, path = Reply(earlier[-self.replies_ago].packet.fields), ("packetID",)
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
    cases = (
        *(
            Case("survive", label, _NOT_THE_REPLY, {"callback": callback, "args": args})
            for label, callback, args in (
                ("same-callback", ASKED, [1, 0]),
                ("switches", 9, [0, 1]),
                ("identity", 12, {}),
                ("progress", 22, [3, 50]),
                ("null-args", 11, None),
                ("unknown", 99, ["what is this?"]),
            )
        ),
    )

    callback: int = 9
    args: Any = msgspec.field(default_factory=lambda: [1, 0])

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        assert ctx.request is not None
        packet_id = other_id(ctx.request.packet_id, ctx)  # or it would be a colliding push
        ctx.packets_before.append(Push.of(sn_of(packet), packet_id, self.callback, self.args))
        ctx.detail(f"callback {short_number(self.callback)}")
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
    cases = tuple(
        Case("either", label, _COLLIDES, {"callback": callback, "args": args})
        for label, callback, args in (
            ("same-callback", ASKED, [1, 0]),
            ("switches", 9, [0, 1]),
            ("unknown", 99, ["what is this?"]),
        )
    )

    def rewrite(self, packet: Packet, ctx: Context) -> Packet:
        assert ctx.request is not None
        packet_id = ctx.request.packet_id
        ctx.packets_before.append(Push.of(sn_of(packet), packet_id, self.callback, self.args))
        ctx.detail(f"callback {short_number(self.callback)}, packetID {short_number(packet_id)}")
        return packet
