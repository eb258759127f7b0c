"""A recording in place of the outlet: requests are answered as they were when it was made.

journal file ─▶ Recording ─▶ ReplayBackend ──handle──▶ the recorded reply, and pushes on time
                                  └── not recorded ──▶ the simulated outlet, or a refusal
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any

import msgspec

from invis_sim.device.effects import Answer
from invis_sim.device.outlet import Outlet
from invis_sim.journal import Exchange
from invis_sim.journal.entries import text_of_write
from invis_sim.protocol.packets import (
    MalformedPacket,
    Note,
    Push,
    Reply,
    Request,
    encode_json,
    parse_packet,
)
from invis_sim.recording.compare import answers_in, load_journal
from invis_sim.recording.from_replies import state_from_replies
from invis_sim.recording.received import ReceivedReply
from invis_sim.scenario.export import scenario_of
from invis_sim.scenario.model import Scenario
from invis_sim.schema.build import require
from invis_sim.server.session.backend import PendingAnswer

__all__ = ["Recording", "ReplayBackend"]

_NOT_RECORDED = Note("not in the recording")


class _Answer:
    """What a request led to.

    texts: the packets that answered it; none: it was not answered. packet_id: the request's.
    pushes: those until the next request, with their seconds after this one.
    latency: how many seconds after the request it was answered.
    """

    def __init__(
        self,
        texts: tuple[bytes, ...],
        packet_id: int,
        pushes: tuple[tuple[float, Push], ...] = (),
        latency: float = 0.0,
    ) -> None:
        self.pushes = pushes
        self.latency = latency
        self._texts = texts
        self._packet_id = packet_id

    def reply_to(self, request: Request, sn: str) -> Reply | None:
        """Return the reply with the packetID of this request."""
        if not self._texts:
            return None
        if self._template is None:
            # Broken when it was recorded, so it stays as it is.
            fields = {"sn": sn, "packetID": request.packet_id, "PUBACK": 0}
            return ReceivedReply(fields, b"".join(self._texts))
        fields, around = self._template
        fields = {**fields, "packetID": request.packet_id}
        if around is None:
            return ReceivedReply(fields)
        before, after = around
        return ReceivedReply(fields, b"%b%d%b" % (before, request.packet_id, after))

    @cached_property
    def _template(self) -> tuple[dict[str, Any], tuple[bytes, bytes] | None] | None:
        """The fields of the reply, and what is around the packetID in its text, where that can be
        found; None: there is no reply that can be read.
        """
        # Once for each answer, as a request must be answered quickly.
        for text in self._texts:
            try:
                packet = parse_packet(text)
            except MalformedPacket:
                continue
            if isinstance(packet, Reply) and packet.packet_id == self._packet_id:
                return packet.fields, _around_packet_id(text, self._packet_id, packet.fields)
        return None


class Recording:
    """What was recorded, by request.

    scenario: of a simulated outlet that answers as far as the recording shows what it is.
    """

    def __init__(self, entries: Iterable[Any]) -> None:
        exchanges = [one for one in entries if isinstance(one, Exchange)]
        # A proxy records a request when it is answered; what counts is when it came.
        exchanges.sort(key=lambda one: (one.seconds, one.number))
        self.scenario = _scenario(exchanges)
        self.opening: tuple[tuple[float, Push], ...] = ()
        self._answers: dict[tuple[int | None, bytes], list[_Answer]] = {}
        pushes: list[tuple[float, Push]] = []
        request: Exchange | None = None
        for exchange in _once_each(exchanges):
            if exchange.request is not None:
                self._close(request, pushes)
                request, pushes = exchange, []
            elif exchange.outcome == "push":
                since = 0.0 if request is None else request.seconds
                pushes += [(max(0.0, exchange.seconds - since), one) for one in _pushes(exchange)]
        self._close(request, pushes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Recording":
        """Read a journal file. Raises OSError, and ValueError that names the line of a mistake, or
        says that the file is of several outlets, or of none.
        """
        require(isinstance(path, str | os.PathLike), "path", "the path of a journal file", path)
        recording = cls(load_journal(path))
        if not recording._answers and not recording.opening:
            raise ValueError(f"{os.fspath(path)}: no request is recorded in it")
        return recording

    def _close(self, request: Exchange | None, pushes: Sequence[tuple[float, Push]]) -> None:
        """Add a request with what came after it; None: what came before all requests."""
        if request is None:
            self.opening = tuple(pushes)
        elif request.request is not None:
            texts = tuple(text_of_write(data, request.transport) or data for data in request.sent)
            if len(texts) > 1 and request.transport == "tcp":
                texts = (*texts, b"".join(texts))  # one packet in several writes
            answer = _Answer(texts, request.request.packet_id, tuple(pushes), request.latency)
            self._answers.setdefault(_key(request.request), []).append(answer)

    def answers(self, request: Request) -> Sequence[_Answer]:
        """What such a request led to, each time that it came; none: it was not recorded."""
        return self._answers.get(_key(request), ())


class ReplayBackend:
    """Answers requests as recorded: matched by callback and arguments, in the recorded order, and
    from then on with the last answer.

    outlet: the simulated one, whose timers bring the pushes.
    strict: requests that were not recorded are answered `PUBACK` 0, and not by the outlet.
    latency: replies come as late as they were recorded, and not at once.
    """

    def __init__(
        self, outlet: Outlet, recording: Recording, *, strict: bool = False, latency: bool = False
    ) -> None:
        self._outlet = outlet
        self._latency = latency
        self._recording = recording
        self._strict = strict
        self._asked: dict[tuple[int | None, bytes], int] = {}
        self._push_later(recording.opening)

    @classmethod
    def maker(
        cls, recording: Recording, *, strict: bool = False, latency: bool = False
    ) -> Callable[[Outlet], Any]:
        """Return what makes the back end of an outlet, for `open_simulator`."""
        return partial(cls, recording=recording, strict=strict, latency=latency)

    def handle(self, request: Request, now: float) -> Answer | PendingAnswer:
        """Answer a request as recorded. now: simulated seconds since the outlet started."""
        outlet = self._outlet
        answers = self._recording.answers(request)
        if not answers:
            if self._strict:
                return outlet.reject(request, _NOT_RECORDED)
            return outlet.handle(request, now)
        outlet.schedule.move_to(now)
        key = _key(request)
        index = self._asked.get(key, 0)
        self._asked[key] = index + 1
        recorded = answers[min(index, len(answers) - 1)]
        self._push_later(recorded.pushes)
        timers = bool(recorded.pushes)
        answer = Answer(recorded.reply_to(request, outlet.sn), request.notes, mutates=timers)
        if not (self._latency and recorded.latency):
            return answer
        pending = PendingAnswer()
        outlet.schedule.after(recorded.latency, partial(pending.resolve, answer))
        return pending

    def _push_later(self, pushes: Iterable[tuple[float, Push]]) -> None:
        for seconds, push in pushes:
            self._outlet.schedule.after(seconds, partial(_only, push))


def _only(push: Push) -> tuple[Push]:
    return (push,)


def _key(request: Request) -> tuple[int | None, bytes]:
    """What makes two requests the same: the callback and the arguments."""
    args = b"" if request.args is msgspec.UNSET else encode_json(request.args)
    return request.callback, args


def _around_packet_id(
    text: bytes, packet_id: int, fields: dict[str, Any]
) -> tuple[bytes, bytes] | None:
    """Return what is before the packetID of a reply and what is after it; None if that number
    cannot be found in its text.
    """
    found = re.search(rb'"packetID"\s*:\s*(%d)(?![\d.eE])' % packet_id, text)
    if found is None:
        return None
    before, after = text[: found.start(1)], text[found.end(1) :]
    other = packet_id + 1
    try:
        changed = parse_packet(b"%b%d%b" % (before, other, after)).fields
    except MalformedPacket:
        return None
    return (before, after) if changed == {**fields, "packetID": other} else None


def _once_each(exchanges: Iterable[Exchange]) -> Iterable[Exchange]:
    """Yield the exchanges, and a push to several clients, which has an exchange for each, once."""
    seen: dict[bytes, int] = {}
    for exchange in exchanges:
        if exchange.outcome == "push" and exchange.recipients > 1:
            text = exchange.sent_text
            seen[text] = seen.get(text, 0) + 1
            if seen[text] % exchange.recipients != 1:
                continue
        yield exchange


def _pushes(exchange: Exchange) -> Iterable[Push]:
    """Yield the pushes of an exchange that can be read; others were broken by a fault."""
    for data in exchange.sent:
        text = text_of_write(data, exchange.transport)
        try:
            packet = parse_packet(data if text is None else text)
        except MalformedPacket:
            continue
        if isinstance(packet, Push):
            yield packet


def _scenario(exchanges: Sequence[Exchange]) -> Scenario:
    state = state_from_replies(answers_in(exchanges)).state
    # Its readings are in the recording; the simulated outlet adds none of its own.
    timing = msgspec.structs.replace(state.timing, sensor_seconds=0.0)
    return scenario_of(msgspec.structs.replace(state, timing=timing))
