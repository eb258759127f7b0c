"""What an outlet has shown of itself, packet by packet, while others talk with it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Packet, Reply, Request
from invis_sim.recording.from_replies import parts_from_replies
from invis_sim.recording.questions import QUESTIONS, Answered, Question

__all__ = ["READING_CALLBACKS", "Observed"]

_SHOWN_BY: Mapping[int, Callback] = {
    Callback.CONFIGURE: Callback.REQUEST_CONFIGURATION,
    Callback.CONFIGURE_ACCESSORY_NAMES: Callback.REQUEST_ACCESSORY_NAMES,
    Callback.CONTROL_OUTLET: Callback.OUTLET_STATUS,
    Callback.CONTROL_NIGHTLIGHT: Callback.NIGHTLIGHT_STATUS,
    Callback.CONTROL_COLOR_LIGHT: Callback.COLOR_LIGHT_STATUS,
}
"""Callback that sets something → the one that shows it."""

_SET_PARTS = (
    "preferences",
    "names",
    "outlets",
    "nightlight",
    "color_light",
    "indicator_light",
)
"""The parts of a state that these callbacks set."""

READING_CALLBACKS = frozenset(question.callback for question in QUESTIONS)
"""The callbacks whose replies show what an outlet is."""

_Key: TypeAlias = tuple[int, int | None]
"""A question: its callback, and of callback 18 the number of the light."""


class Observed:
    """The newest answer of an outlet to each question that changes nothing, whoever has asked."""

    def __init__(self) -> None:
        self._answers: dict[_Key, Answered] = {}

    def reply(self, request: Request, reply: Reply) -> bool:
        """Take note of a reply, and return whether it shows something new."""
        key = _key(request.callback, request.args)
        return key is not None and self._note(key, reply)

    def push(self, push: Packet) -> bool:
        """Take note of a push, and return whether it shows something new: it has the same payload
        as the reply to the question about it.
        """
        payload = push.fields.get("payload")
        if not isinstance(payload, dict):
            return False
        key = _key(payload.get("callbackName"), payload.get("callbackArgs"))
        return key is not None and self._note(key, Reply({"PUBACK": 1, "payload": payload}))

    def parts(self, known: OutletState) -> dict[str, Any]:
        """Return the parts of the state that have been shown so far. Never raises.

        known: the state as it was known before.
        """
        return parts_from_replies(tuple(self._answers.values()), known)

    def setting(self, request: Request, known: OutletState) -> dict[str, Any]:
        """Return what a request that was carried out has set: the parts of the state that differ.

        known: the state before. What was shown of it before is forgotten.
        """
        shown_by = _SHOWN_BY.get(-1 if request.callback is None else request.callback)
        if shown_by is None:
            return {}
        for key in [key for key in self._answers if key[0] == shown_by]:
            del self._answers[key]
        outlet = Outlet(known)
        outlet.handle(request, 0.0)
        parts = {name: getattr(outlet.state, name) for name in _SET_PARTS}
        return {name: part for name, part in parts.items() if part != getattr(known, name)}

    def _note(self, key: _Key, reply: Reply) -> bool:
        before = self._answers.get(key)
        fields = reply.fields
        if before is not None and before.reply is not None:
            old = before.reply.fields
            if all(old.get(name) == fields.get(name) for name in ("PUBACK", "payload")):
                return False
        callback, light = key
        question = Question(callback, msgspec.UNSET if light is None else [light])
        self._answers[key] = Answered(question, reply)
        return True


def _key(callback: object, args: object) -> _Key | None:
    """Return the key of a question, or of a push; None where it is none of these.

    args: of the question; of a push, whose first argument names the light too.
    """
    if type(callback) is not int or callback not in READING_CALLBACKS:
        return None
    if callback != Callback.COLOR_LIGHT_STATUS:
        return callback, None
    if isinstance(args, list) and args and type(args[0]) is int:
        return (callback, args[0]) if (callback, args[0]) in _LIGHTS else None
    return None


_LIGHTS = frozenset(
    (one.callback, one.args[0]) for one in QUESTIONS if one.callback == Callback.COLOR_LIGHT_STATUS
)
