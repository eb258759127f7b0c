"""What can be asked of an outlet without changing anything, and what it answered."""

from collections.abc import Sequence
from typing import Any

import msgspec

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.packets import Reply, Request

__all__ = ["NOT_ASKED", "QUESTIONS", "Answered", "Question", "find_answer", "simulate"]


class Question(msgspec.Struct, frozen=True):
    """A request that changes nothing.

    callback: its `callbackName`. args: its `callbackArgs` as plain data; UNSET: none.
    """

    callback: int
    args: Any = msgspec.UNSET

    def __str__(self) -> str:
        if self.args is msgspec.UNSET:
            return f"callback {self.callback}"
        return f"callback {self.callback} {msgspec.json.encode(self.args).decode()}"


_NUMBERS = (
    Callback.DEVICE_INFORMATION,
    Callback.AVAILABLE_UPDATES,
    Callback.REQUEST_CONFIGURATION,
    Callback.REQUEST_ACCESSORY_NAMES,
    Callback.OUTLET_STATUS,
    Callback.SENSOR_READINGS,
    Callback.NIGHTLIGHT_STATUS,
)

QUESTIONS = (
    *(Question(int(number)) for number in _NUMBERS),
    *(Question(int(Callback.COLOR_LIGHT_STATUS), [light]) for light in (5, 7, 1)),
)
"""All of them, in the order in which they are asked. Callback 18 needs the number of a light: 5 is
the nightlight of an Aura, 7 or 1 its indicator. [documentation of callbacks 17 and 18]"""


class Answered(msgspec.Struct, frozen=True):
    """What came of a question.

    reply: its reply; None: none that could be read came.
    problem: why there is none, for a person; "" where there is one.
    """

    question: Question
    reply: Reply | None
    problem: str = ""

    @property
    def payload(self) -> Any:
        """The payload of a successful reply; None where there is none."""
        if self.reply is None or not self.reply.ok:
            return None
        return self.reply.fields.get("payload")

    @property
    def args(self) -> Any:
        """The `callbackArgs` of a successful reply; None where there are none."""
        payload = self.payload
        return payload.get("callbackArgs") if isinstance(payload, dict) else None


NOT_ASKED = "it was not asked"


def find_answer(answers: Sequence[Answered], question: Question) -> Answered:
    """Return what came of a question; one that was not asked counts as not answered."""
    for one in answers:
        if one.question == question:
            return one
    return Answered(question, None, NOT_ASKED)


def simulate(state: OutletState, questions: Sequence[Question] = QUESTIONS) -> list[Answered]:
    """Return what a simulated outlet in this state answers."""
    outlet = Outlet(state)
    answers = []
    for question in questions:
        request = Request(packet_id=1, callback=question.callback, args=question.args)
        reply = outlet.handle(request, 0.0).reply
        answers.append(Answered(question, reply, "" if reply else "it sends no reply"))
    return answers
