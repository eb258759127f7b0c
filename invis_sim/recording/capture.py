"""A real outlet → a scenario file of one that answers the same, and the packets that it sent.

Only requests that change nothing are sent, one at a time, with a pause between them.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated, Any, TypeAlias

import msgspec
import trio

from invis_sim.client.ask import ask
from invis_sim.client.connection import OutletClient, connect
from invis_sim.client.errors import ClientError, ConnectError, ConnectionLost, NoReply
from invis_sim.client.ports import TCP_PORT, WS_PORT, check_place
from invis_sim.journal.entries import Exchange, Outcome
from invis_sim.journal.jsonl import JournalHeader, encode_entries, encode_header
from invis_sim.protocol.address import host_and_port
from invis_sim.protocol.frames import text_frame, unframe_text
from invis_sim.protocol.packets import MalformedPacket, Push, parse_packet, parse_request
from invis_sim.protocol.transport import Transport
from invis_sim.recording.differences import compare_answers
from invis_sim.recording.from_replies import state_from_replies
from invis_sim.recording.pseudonyms import Pseudonyms, TooManyValues, pseudonymise, replace_in
from invis_sim.recording.questions import QUESTIONS, Answered, Question
from invis_sim.scenario.export import scenario_of, scenario_text
from invis_sim.scenario.listen import Listen
from invis_sim.scenario.model import Scenario
from invis_sim.schema.build import check, require
from invis_sim.server.machine_clock import MachineClock
from invis_sim.server.threads import look_names_up_in_own_threads

__all__ = ["Capture", "CaptureError", "async_capture", "capture", "is_capture"]

TITLE = "Captured from an outlet by `invis-sim capture`."
"""The first line of a scenario file that was captured, as a comment."""

REPLY_SECONDS = 5.0
"""How long a reply may take. Clients that were published wait for 5 to 10 s."""

CONNECT_SECONDS = 5.0

PAUSE_SECONDS = 0.1
"""Between two requests, so that a small device is not asked faster than a client would."""

LISTEN_SECONDS = 6.0
"""Usual time to wait for pushes. A faceplate sends its readings every few seconds. [the Home
Assistant integration]"""

_Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
_MoreSeconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]


MAX_UNASKED_PACKETS, MAX_UNASKED_BYTES = 1000, 2**20
"""How much of what comes unasked is kept, over all: an outlet sends a few packets in that time, and
one that floods its clients must not fill memory and disk.
"""


class CaptureError(Exception):
    """What was captured must not be shown: identity is left in it, or may be."""


class Capture(msgspec.Struct, frozen=True):
    """What was read of an outlet.

    scenario: of a simulated outlet that answers the same.
    notes: where it differs all the same, what could not be read, and what was replaced; a line
    each.
    exchanges: what was asked and answered, and the pushes, in order.
    replaced: how many values were replaced by pseudonyms.
    """

    scenario: Scenario
    notes: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    replaced: int = 0

    def to_toml(self) -> str:
        """Return the text of the scenario file, with the notes as comments at its top."""
        return scenario_text(self.scenario, (TITLE, *self.notes))

    def to_jsonl(self) -> bytes:
        """Return the exchanges as a journal file, which can be replayed."""
        header = encode_header(JournalHeader(sn=self.scenario.device.sn))
        return header + b"\n" + encode_entries(self.exchanges)


def is_capture(head: bytes) -> bool:
    """Return whether a file that begins like this is a scenario that was captured."""
    return head.startswith(f"# {TITLE}".encode())


def capture(host: str, **options: Any) -> Capture:
    """Capture an outlet, and wait for that; the options are those of `async_capture`."""

    async def run() -> Capture:
        look_names_up_in_own_threads()
        return await async_capture(host, **options)

    # Its waits end where a test has frozen the time.
    return trio.run(run, clock=MachineClock())


async def async_capture(
    host: str,
    *,
    tcp_port: int = TCP_PORT,
    ws_port: int = WS_PORT,
    listen: float = LISTEN_SECONDS,
    pause: float = PAUSE_SECONDS,
    timeout: float = REPLY_SECONDS,
    keep_identity: bool = False,
    key: bytes | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Capture:
    """Capture an outlet, on every transport that answers.

    host: a name or an address. tcp_port, ws_port: 1-65535.
    listen: seconds to wait for pushes, ≥ 0. pause: seconds between two requests, ≥ 0.
    timeout: seconds to wait for each reply, above 0.
    keep_identity: do not replace serial numbers, addresses and names by pseudonyms.
    key: the same key gives the same pseudonyms; None: a new one.
    progress: called with what is being done, in a few words.

    Raises ClientError if no transport can be connected to, ValueError for arguments that cannot be.
    """
    check_place(host, tcp_port, ws_port)
    for name, seconds in (("listen", listen), ("pause", pause)):
        check(_Seconds, seconds, name)
    check(_MoreSeconds, timeout, "timeout")
    check(bool, keep_identity, "keep_identity")
    require(isinstance(key, bytes | None), "key", "bytes", key)
    session = _Session(pause, timeout, progress)
    addresses: dict[Transport, str] = {
        "tcp": host_and_port(host, tcp_port),
        "ws": f"ws://{host_and_port(host, ws_port)}/ws",
    }
    errors: dict[Transport, ClientError] = {}
    for transport, address in addresses.items():
        try:
            await session.read(transport, address, listen)
        except ClientError as error:
            errors[transport] = error
    if not session.answers:
        raise errors["tcp"]
    notes = [f"no {transport}: {error.reason}" for transport, error in errors.items()]
    if session.omitted:
        notes.append(f"{session.omitted} more packets came unasked than are kept")
    captured = _recognise(session, notes)
    if keep_identity:
        return captured
    return _without_identity(captured, session, host, os.urandom(32) if key is None else key)


def _recognise(session: "_Session", notes: list[str]) -> Capture:
    """Make a scenario of what was answered. Where the transports disagree, the first one counts."""
    (first, answers), *others = session.answers.items()
    found = state_from_replies(answers)
    notes += found.notes
    for transport, theirs in others:
        notes += [
            f"{one.question}: the answer over {transport} is another than over {first}"
            for one in compare_answers(answers, theirs)
        ]
    listen = Listen(tcp="tcp" in session.answers, ws="ws" in session.answers)
    scenario = scenario_of(found.state, listen=listen)
    sn = scenario.device.sn
    exchanges = [msgspec.structs.replace(one, sn=sn) for one in session.exchanges]
    return Capture(scenario, tuple(dict.fromkeys(notes)), tuple(exchanges))


def _without_identity(captured: Capture, session: "_Session", host: str, key: bytes) -> Capture:
    answers = [one for answers in session.answers.values() for one in answers]
    packets = [packet for exchange in session.exchanges for packet in _packets(exchange)]
    try:
        state, names = pseudonymise(captured.scenario.state, answers, key, packets)
    except TooManyValues as error:
        raise CaptureError(str(error)) from None
    _learn_host(host, names)
    shown = Capture(
        scenario_of(state, listen=captured.scenario.listen),
        tuple(map(names.text, captured.notes)),
        tuple(_pseudonymised(exchange, names) for exchange in captured.exchanges),
        len(names),
    )
    _check(shown, names)
    return shown


def _learn_host(host: str, names: Pseudonyms) -> None:
    """Learn how the outlet was called: notes may show that."""
    try:
        address = ip_address(host)
    except ValueError:
        if host.partition(".")[0].lower() != "localhost":
            names.learn(host, f"outlet-{names.digest(host, 6)}.example")
        return
    if address.is_loopback:
        return
    if address.version == 4:
        names.learn_address(host, "192.0.2.250")
    else:
        names.learn(host, "2001:db8::250")


def _packets(exchange: Exchange) -> tuple[bytes, ...]:
    """Return the packets that were sent, out of their frames."""
    if exchange.transport == "tcp":
        return exchange.sent
    return tuple(text for text in map(unframe_text, exchange.sent) if text is not None)


def _pseudonymised(exchange: Exchange, names: Pseudonyms) -> Exchange:
    sent = tuple(map(names.packet, _packets(exchange)))
    if exchange.transport == "ws":
        sent = tuple(map(text_frame, sent))
    return msgspec.structs.replace(exchange, sent=sent, sn=names.text(exchange.sn))


def _check(shown: Capture, names: Pseudonyms) -> None:
    """Look for identity in what would be written. Raises CaptureError."""
    for exchange in shown.exchanges:
        if _pseudonymised(exchange, names).sent != exchange.sent:
            raise CaptureError(f"identity is left in the raw packet {exchange.number}")
    state = shown.scenario.state
    if replace_in(state, names) != state or names.tree(list(shown.notes)) != list(shown.notes):
        raise CaptureError("identity is left in the scenario")


class _Session:
    """Reads an outlet over one transport after the other, and keeps what it sends.

    answers: by transport. exchanges: in order, over both.
    omitted: how many packets came unasked that were too many to be kept.
    """

    def __init__(self, pause: float, timeout: float, progress: Callable[[str], None]) -> None:
        self.answers: dict[Transport, list[Answered]] = {}
        self.exchanges: list[Exchange] = []
        self.omitted = 0
        self._unasked_packets = self._unasked_bytes = 0
        self._pause = pause
        self._timeout = timeout
        self._progress = progress
        self._started = trio.current_time()
        self._transport: Transport = "tcp"

    async def read(self, transport: Transport, address: str, listen: float) -> None:
        """Ask everything over one transport, and then listen for pushes.

        Raises ClientError if there is no connection.
        """
        self._transport = transport
        answers: list[Answered] = []
        left = list(QUESTIONS)
        while left:
            # A device that closes the connection over a question is asked the next on another.
            try:
                async with connect(address, CONNECT_SECONDS) as client:
                    self.answers[transport] = answers
                    while left:
                        await trio.sleep(self._pause)
                        answers.append(await self._ask(client, left.pop(0)))
                        if answers[-1].reply is None and left:
                            break  # what comes on this connection now may be a late reply
                    if not left:
                        await self._listen(client, listen)
            except ConnectionLost as error:
                self._progress(str(error))
            except ConnectError:
                if not answers:
                    raise
                answers += [Answered(one, None, "the device was away") for one in left]
                left.clear()

    async def _ask(self, client: OutletClient, question: Question) -> Answered:
        self._progress(f"{self._transport}: {question}")
        packet_id = 100_000 + len(self.exchanges)
        asked = trio.current_time() - self._started
        try:
            result = await ask(
                client,
                question.callback,
                question.args,
                packet_id=packet_id,
                timeout=self._timeout,
            )
        except ConnectionLost as error:
            self._add(asked, question, packet_id, "no reply", ())
            return Answered(question, None, error.reason)
        except NoReply as error:
            self.omitted += error.omitted
            others = self._add_pushes(asked, error.others)
            self._add(asked, question, packet_id, "no reply", others)
            shown = f" ({len(others)} other packets came)" if others else ""
            return Answered(question, None, error.reason + shown)
        self.omitted += result.omitted
        others = self._add_pushes(asked, result.others)
        outcome: Outcome = "success" if result.reply.ok else "failure"
        self._add(asked, question, packet_id, outcome, (*others, result.raw))
        return Answered(question, result.reply)

    async def _listen(self, client: OutletClient, seconds: float) -> None:
        self._progress(f"{self._transport}: listening for pushes for {seconds:g} s")
        with trio.move_on_after(seconds), suppress(ConnectionLost):
            async for packet in client.packets():
                self._add_pushes(trio.current_time() - self._started, (packet,))

    def _add_pushes(self, seconds: float, packets: Iterable[bytes]) -> tuple[bytes, ...]:
        """Keep the pushes among the packets as exchanges of their own; return the others. What is
        too much is not kept.
        """
        others = []
        for packet in packets:
            self._unasked_packets += 1
            self._unasked_bytes += len(packet)
            if (
                self._unasked_packets > MAX_UNASKED_PACKETS
                or self._unasked_bytes > MAX_UNASKED_BYTES
            ):
                self.omitted += 1
                continue
            try:
                parsed = parse_packet(packet)
            except MalformedPacket:
                parsed = None
            payload = None if parsed is None else parsed.fields.get("payload")
            number = payload.get("callbackName") if isinstance(payload, dict) else None
            if isinstance(parsed, Push) and type(number) is int:
                self._append(seconds, None, "push", (packet,), number)
            else:
                others.append(packet)
        return tuple(others)

    def _add(
        self,
        seconds: float,
        question: Question,
        packet_id: int,
        outcome: Outcome,
        packets: tuple[bytes, ...],
    ) -> None:
        payload: dict[str, Any] = {"callbackName": question.callback}
        if question.args is not msgspec.UNSET:
            payload["callbackArgs"] = question.args
        received = msgspec.json.encode({"packetID": packet_id, "payload": payload})
        self._append(seconds, received, outcome, packets, None)

    def _append(
        self,
        seconds: float,
        received: bytes | None,
        outcome: Outcome,
        packets: tuple[bytes, ...],
        push_callback: int | None,
    ) -> None:
        self.exchanges.append(
            Exchange(
                number=len(self.exchanges) + 1,
                seconds=seconds,
                transport=self._transport,
                connection=1 + (self._transport == "ws"),
                received=received,
                request=None if received is None else parse_request(received),
                outcome=outcome,
                sent=tuple(map(text_frame, packets)) if self._transport == "ws" else packets,
                done=True,
                push_callback=push_callback,
            )
        )
