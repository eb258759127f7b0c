"""An outlet, or a journal of it, beside the simulated outlet."""

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import trio

from invis_sim.device.state import OutletState
from invis_sim.journal import Exchange, Journal
from invis_sim.journal.entries import text_of_write
from invis_sim.protocol.packets import MalformedPacket, Reply, parse_packet
from invis_sim.recording.capture import async_capture
from invis_sim.recording.differences import TIERS, Difference, compare_answers
from invis_sim.recording.from_replies import state_from_replies
from invis_sim.recording.questions import QUESTIONS, Answered, simulate
from invis_sim.schema.fields import walk

__all__ = [
    "TIERS",
    "Comparison",
    "answers_in",
    "async_compare",
    "compare_with",
    "load_journal",
]


class Comparison(msgspec.Struct, frozen=True):
    """What came of a comparison.

    differences: the most important tier first.
    unanswered: the questions without an answer from the device, with the reason.
    compared: how many replies were compared.
    """

    differences: tuple[Difference, ...]
    unanswered: tuple[str, ...]
    compared: int

    @property
    def differs_in_more_than_values(self) -> bool:
        """Whether anything but values is another."""
        return any(one.tier != "value" for one in self.differences)

    def manual_of(self, difference: Difference) -> str:
        """Return what the simulator's manual says of the key, in brackets; "" if nothing."""
        name = difference.path[-1] if difference.path else ""
        about = _manual().get(str(name), "")
        return f" ({name}: {about})" if about else ""

    def to_plain(self) -> dict[str, Any]:
        """Return the comparison as plain data, for JSON."""
        return {
            "differences": [
                {
                    "tier": one.tier,
                    "callback": one.question.callback,
                    "args": None if one.question.args is msgspec.UNSET else one.question.args,
                    "path": list(one.path),
                    **({} if one.device is msgspec.UNSET else {"device": one.device}),
                    **({} if one.simulator is msgspec.UNSET else {"simulator": one.simulator}),
                }
                for one in self.differences
            ],
            "unanswered": list(self.unanswered),
            "compared": self.compared,
        }


def compare_with(
    source: str | Path, state: OutletState | None = None, **options: Any
) -> Comparison:
    """Compare an outlet, or a journal of it, with a simulated outlet.

    source: the outlet's host, or the path of a journal file.
    state: the simulated outlet's; None: as like the device as it can be.
    options: as for `async_capture`, for a host.

    Raises ClientError if there is no connection, OSError or ValueError for a file that is not the
    journal of one outlet.
    """
    if isinstance(source, Path):
        return _compare(answers_in(load_journal(source)), state)
    return trio.run(lambda: async_compare(source, state, **options))


async def async_compare(host: str, state: OutletState | None = None, **options: Any) -> Comparison:
    """Compare an outlet with a simulated one. Raises ClientError if there is no connection."""
    captured = await async_capture(host, keep_identity=True, listen=0, **options)
    return _compare(answers_in(captured.exchanges), state)


def load_journal(path: str | os.PathLike[str]) -> Journal:
    """Read the journal of one outlet. Raises OSError, and ValueError that names the line of a
    mistake, or says that the file is of several outlets.
    """
    journal = Journal.load(path)
    sns = dict.fromkeys(entry.sn for entry in journal)
    # An outlet may change its serial number; the file of a fleet begins without one.
    if len(sns) > 1 and not journal.header.sn:
        first, second, *_ = sns
        raise ValueError(
            f"{os.fspath(path)}: expected the journal of one outlet, found {len(sns)} outlets, "
            f"such as {first} and {second}"
        )
    return journal


def answers_in(entries: Iterable[Any]) -> list[Answered]:
    """Return what a journal says that the outlet answered to each question, the last time that it
    was asked. Questions that were not asked are not there.
    """
    answers: dict[Any, Answered] = {}
    for entry in entries:
        if not isinstance(entry, Exchange) or entry.request is None:
            continue
        for question in QUESTIONS:
            if entry.callback == question.callback and entry.request.args == question.args:
                reply = _reply(entry)
                problem = "" if reply else "no reply that can be read"
                answers[str(question)] = Answered(question, reply, problem)
    return list(answers.values())


def _reply(exchange: Exchange) -> Reply | None:
    # A reply may have been sent in several writes.
    for data in (*exchange.sent, exchange.sent_text):
        text = text_of_write(data, exchange.transport)
        try:
            packet = parse_packet(data if text is None else text)
        except MalformedPacket:
            continue
        if isinstance(packet, Reply) and packet.packet_id == exchange.packet_id:
            return packet
    return None


def _compare(answers: list[Answered], state: OutletState | None) -> Comparison:
    if state is None:
        state = state_from_replies(answers).state
    answered = [one for one in answers if one.reply is not None]
    simulated = simulate(state, [one.question for one in answered])
    return Comparison(
        tuple(compare_answers(answered, simulated)),
        tuple(f"{one.question}: {one.problem}" for one in answers if one.reply is None),
        len(answered),
    )


@cache
def _manual() -> Mapping[str, str]:
    """What the manual says of each key of the state that has only one meaning."""
    found: dict[str, set[str]] = {}
    for path, field in walk(OutletState):
        found.setdefault(str(path[-1]), set()).add(field.doc)
    return {name: docs.pop() for name, docs in found.items() if len(docs) == 1}
