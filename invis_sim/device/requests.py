"""From a request to its answer: the checks of the envelope, the handler, and rejection."""

from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.device.arguments import PartMissing, RequestRejected
from invis_sim.device.effects import NO_REPLY, Answer, Effect, WholePayload
from invis_sim.device.handlers import HANDLERS, Query
from invis_sim.device.internals import OutletInternals
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Note, Push, Reply, Request

__all__ = ["PacketIds", "answer", "rejection"]

PacketIds: TypeAlias = Literal["lenient", "six-digits"]
"""Which packetIDs are served: any integer, as real devices do, or 100000-999999, as documented."""


def answer(device: OutletInternals, request: Request, packet_ids: PacketIds) -> Answer:
    """The answer to a request. Never raises: what cannot be done is a reply with `PUBACK` 0.

    device: its schedule is at the time of the request.
    """
    callback = request.callback
    if request.problem is not None:
        return _unusable(device, request, request.problem)
    if packet_ids == "six-digits" and not 100_000 <= request.packet_id <= 999_999:
        note = Note("packetID is not a six-digit integer", path=("packetID",))
        return rejection(device.sn, request, note)
    assert callback is not None  # or there would be a problem
    handler = HANDLERS.get(callback)
    if handler is None:
        return _unusable(device, request, _unknown_callback(callback))
    notes = request.notes
    if not handler.takes_arguments and request.args is not msgspec.UNSET:
        reason = f"callback {callback} takes no arguments; they are ignored"
        notes = (*notes, Note(reason, path=("payload", "callbackArgs")))
    reply_args: Any
    try:
        if isinstance(handler, Query):  # by far the most frequent; it has no effects
            reply_args = handler.answer(device, request.args)
            if type(reply_args) is WholePayload:
                fields = {"sn": device.sn, "packetID": request.packet_id, "PUBACK": 1}
                return Answer(Reply({**fields, "payload": reply_args.payload}), notes)
            return Answer(Reply.success(device.sn, request.packet_id, callback, reply_args), notes)
        reply_args, effects = handler.run(device, request)
    except RequestRejected as rejected:
        if isinstance(rejected, PartMissing) and device.state.quirks.missing_parts == "ignored":
            return Answer(None, (*notes, rejected.note))
        return rejection(device.sn, request, rejected.note)
    reply = None
    if reply_args is not NO_REPLY:
        reply = Reply.success(device.sn, request.packet_id, callback, reply_args)
    quirks = device.state.quirks
    before: tuple[Effect, ...] = ()
    if quirks.push_order == "before_reply":
        before = tuple(effect for effect in effects if isinstance(effect, Push))
        effects = [effect for effect in effects if not isinstance(effect, Push)]
    return Answer(reply, notes, True, tuple(effects), before, quirks.pushes_to_sender)


def _unusable(device: OutletInternals, request: Request, note: Note) -> Answer:
    """The answer to a request that no outlet could understand."""
    if device.state.quirks.unusable_requests == "ignored":
        return Answer(None, (*request.notes, note))
    return rejection(device.sn, request, note)


def rejection(sn: str, request: Request, note: Note) -> Answer:
    """The answer to a request that is rejected: `PUBACK` 0, and nothing has changed.

    note: why.
    """
    return Answer(Reply.failure(sn, request.packet_id), (*request.notes, note))


def _unknown_callback(callback: int) -> Note:
    number = f"{Decimal(callback):.9g}"  # the integer may have any number of digits
    reason = f"callback {number} is not known to this outlet"
    if callback in (Callback.UPDATE_PROGRESS, Callback.UPDATE_RESULT):
        reason = f"callback {number} is push-only"
    return Note(reason, path=("payload", "callbackName"))
