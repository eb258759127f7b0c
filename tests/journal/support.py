"""What the tests of the journal share."""

from typing import Any

from hypothesis import strategies as st

from invis_sim.faults.pipeline import AppliedFault
from invis_sim.journal import (
    AddressChanged,
    Closed,
    CommandGiven,
    Connected,
    DeviceLog,
    Event,
    Exchange,
    FaultApplied,
    FaultNote,
    Journal,
    OutageEnded,
    OutageStarted,
    ServerError,
)
from invis_sim.protocol.frames import text_frame
from invis_sim.protocol.packets import Push, parse_request
from tests.support import SN, make_request

REQUEST = make_request()


def record(journal: Journal, received: bytes | None = REQUEST, **more: Any) -> Exchange:
    request = parse_request(received) if received == REQUEST else None
    given = {"seconds": 0.5, "transport": "tcp", "connection": 1, "outcome": "success", **more}
    return journal.record(received=received, request=request, **given)


def pushes(callback: int, args: Any) -> bytes:
    """A push as an outlet sends it."""
    return Push.of(SN, 839379, callback, args).encode()


def an_hour() -> Journal:
    """Two clients, three callbacks, a fault, a push, and something malformed."""
    journal = Journal()
    journal.add(Connected, 0.0, "tcp", 1, peer="127.0.0.1:5001")
    journal.add(Connected, 0.1, "ws", 2, peer="127.0.0.1:5002")
    sent = (b'{"PUBACK":1}',)
    late = (AppliedFault("late", "2 s"),)
    for seconds, transport, connection, received, said, faults in (
        (0.2, "tcp", 1, make_request(packet_id=101), sent, ()),
        (0.3, "ws", 2, make_request(packet_id=102), tuple(map(text_frame, sent)), late),
        (0.4, "tcp", 1, make_request(7, packet_id=103), (b'{"PUBACK', b'":0}'), ()),
        (0.5, "ws", 2, make_request(99, packet_id=102), (), late),
    ):
        request = parse_request(received)
        outcome = "success" if request.callback == 20 else "failure"
        record_as(journal, seconds, transport, connection, received, outcome, said, faults)
    record_as(journal, 0.6, "tcp", 1, b"broken", "malformed", (), ())
    record_as(journal, 0.7, "ws", 2, None, "push", (text_frame(b"{}"),), ())
    journal.add(Closed, 0.8, "tcp", 1, reason="by the client")
    return journal


def record_as(
    journal: Journal,
    seconds: float,
    transport: Any,
    connection: int,
    received: bytes | None,
    outcome: Any,
    sent: tuple[bytes, ...],
    faults: tuple[AppliedFault, ...],
) -> None:
    request = None if received is None or outcome == "malformed" else parse_request(received)
    journal.record(
        seconds, transport, connection, received, request, outcome, sent, faults, done=True
    )


words = st.text(max_size=10)
json_values = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)

optional_words = st.none() | words
sources = st.sampled_from(["fault", "outlet"])
event_fields: dict[type[Event], st.SearchStrategy[dict[str, Any]]] = {
    Connected: st.fixed_dictionaries({"peer": words}),
    Closed: st.fixed_dictionaries({"reason": words}),
    FaultApplied: st.fixed_dictionaries({"fault": words, "detail": words}),
    FaultNote: st.fixed_dictionaries({"fault": words, "text": words}),
    OutageStarted: st.fixed_dictionaries(
        {
            "name": words,
            "source": sources,
            "identity": optional_words,
            "duration": st.none() | st.floats(0, 1e9),
        }
    ),
    OutageEnded: st.fixed_dictionaries(
        {"name": words, "source": sources, "identity": optional_words}
    ),
    AddressChanged: st.fixed_dictionaries({"tcp": optional_words, "ws": optional_words}),
    CommandGiven: st.fixed_dictionaries({"by": words, "command": words, "error": optional_words}),
    DeviceLog: st.fixed_dictionaries({"text": words}),
    ServerError: st.fixed_dictionaries({"text": words}),
}
"""The fields that each kind of event has of its own."""
