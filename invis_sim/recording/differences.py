"""Where the replies of two outlets differ, in tiers."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from invis_sim.protocol.callbacks import Callback
from invis_sim.recording.questions import Answered, Question, find_answer
from invis_sim.schema.describe import format_path, format_value
from invis_sim.schema.fields import Path

__all__ = ["TIERS", "Difference", "Tier", "compare_answers"]

Tier: TypeAlias = Literal["answer", "unknown key", "missing key", "type", "value"]

TIERS: dict[Tier, str] = {
    "answer": "one of them answers, and the other does not",
    "unknown key": "the device sends what the simulator does not",
    "missing key": "the device does not send what the simulator does",
    "type": "the type of a value is another",
    "value": "a value is another",
}
"""The tiers, the most important first, with what each means."""

# What changes from one moment to the next on every device.
_VOLATILE: dict[int, tuple[Path, ...]] = {Callback.SENSOR_READINGS: ((1,),)}


class Difference(msgspec.Struct, frozen=True):
    """One place where device and simulator differ.

    path: into the payload of the reply; () for the reply as a whole.
    device, simulator: what each has there; UNSET: nothing.
    """

    question: Question
    tier: Tier
    path: Path
    device: Any = msgspec.UNSET
    simulator: Any = msgspec.UNSET

    def __str__(self) -> str:
        where = f"{self.question}: {format_path(self.path) or 'the reply'}"
        device, simulator = _shown(self.device), _shown(self.simulator)
        return f"{where}: the device has {device}, the simulator {simulator}"


def compare_answers(device: Sequence[Answered], simulator: Sequence[Answered]) -> list[Difference]:
    """Return where the answers differ, the most important tier first. What changes from one moment
    to the next, packetIDs and the values of sensors, is excepted. What differs around the payloads,
    such as the serial number, is returned once.
    """
    found: list[Difference] = []
    around: list[Difference] = []
    for one in device:
        for difference in _compare(one, find_answer(simulator, one.question)):
            if difference.path and difference.path[0] != "payload":
                same = msgspec.structs.replace(difference, question=device[0].question)
                if same in around:
                    continue
                around.append(same)
            found.append(difference)
    order = list(TIERS)
    return sorted(found, key=lambda difference: order.index(difference.tier))


def _compare(device: Answered, simulator: Answered) -> Iterator[Difference]:
    question = device.question
    if _outcome(device) != _outcome(simulator):
        yield Difference(question, "answer", (), _outcome(device), _outcome(simulator))
        return
    if device.reply is None or simulator.reply is None:
        return
    # The serial number is as good a value as any other; the packetID is that of the request.
    for key in dict.fromkeys((*device.reply.fields, *simulator.reply.fields)):
        if key != "packetID":
            mine = device.reply.fields.get(key, msgspec.UNSET)
            theirs = simulator.reply.fields.get(key, msgspec.UNSET)
            yield from _walk(question, (key,), mine, theirs)


def _outcome(answered: Answered) -> str:
    if answered.reply is None:
        return "no reply"
    return f"PUBACK {answered.reply.fields.get('PUBACK')!r}"


def _walk(question: Question, path: Path, device: Any, simulator: Any) -> Iterator[Difference]:
    if device is msgspec.UNSET:
        yield Difference(question, "missing key", path, device, simulator)
    elif simulator is msgspec.UNSET:
        yield Difference(question, "unknown key", path, device, simulator)
    elif isinstance(device, dict) and isinstance(simulator, dict):
        for key in dict.fromkeys((*device, *simulator)):
            yield from _walk(
                question,
                (*path, key),
                device.get(key, msgspec.UNSET),
                simulator.get(key, msgspec.UNSET),
            )
    elif isinstance(device, list) and isinstance(simulator, list):
        for index in range(max(len(device), len(simulator))):
            yield from _walk(
                question,
                (*path, index),
                device[index] if index < len(device) else msgspec.UNSET,
                simulator[index] if index < len(simulator) else msgspec.UNSET,
            )
    elif type(device) is not type(simulator):
        yield Difference(question, "type", path, device, simulator)
    elif device != simulator and not _is_volatile(question, path):
        yield Difference(question, "value", path, device, simulator)


def _is_volatile(question: Question, path: Path) -> bool:
    inside = path[2:]  # of the `callbackArgs`
    return path[:2] == ("payload", "callbackArgs") and any(
        inside[: len(one)] == one for one in _VOLATILE.get(question.callback, ())
    )


def _shown(value: Any) -> str:
    return "nothing" if value is msgspec.UNSET else format_value(value)
