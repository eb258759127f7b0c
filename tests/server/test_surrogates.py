"""Half of a surrogate pair, anywhere in a request: an error of the client at most, never ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invis_sim import start_simulator
from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState
from invis_sim.faults import Drop
from invis_sim.journal.text import format_entries
from invis_sim.protocol.packets import MalformedPacket, parse_request
from invis_sim.schema.plain import NOT_UNICODE
from tests.cases import for_each
from tests.server.peers import connected
from tests.support import make_request

HALF = "\ud800"
VECTORS = Path(__file__).parents[1] / "protocol" / "vectors.json"


def requests(value: Any) -> Iterator[dict[str, Any]]:
    """Every request in the vectors."""
    if isinstance(value, dict):
        if "payload" in value and "packetID" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from requests(one)


def form(value: Any) -> object:
    """What two values have in common that differ in texts and numbers alone."""
    if isinstance(value, dict):
        return tuple((key, form(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(form, value))
    return type(value)


def forms() -> list[dict[str, Any]]:
    """A request of each form that the vectors have, for each callback."""
    found: dict[object, dict[str, Any]] = {}
    for one in requests(json.loads(VECTORS.read_text())):
        payload = one["payload"]
        callback = payload.get("callbackName") if isinstance(payload, dict) else None
        found.setdefault((callback, form(one)), one)
    return list(found.values())


def mutations(value: Any) -> Iterator[Any]:
    """The value with a lone surrogate in one place, as a value or as a key."""
    yield from (HALF, [HALF], {HALF: 1}, {"a": {"b": HALF}})
    if isinstance(value, dict):
        for key, item in value.items():
            for mutated in mutations(item):
                yield {**value, key: mutated}
            yield {**{k: v for k, v in value.items() if k != key}, HALF: item}
        yield {**value, HALF: 1}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for mutated in mutations(item):
                yield [*value[:index], mutated, *value[index + 1 :]]


def test_the_device_answers_whatever_place_it_is_in() -> None:
    tried = {
        json.dumps(mutated).encode()
        for one in forms()
        for mutated in mutations(one)
        if isinstance(mutated, dict)
    }
    assert len(tried) > 1000
    for document in tried:
        try:
            request = parse_request(document)
        except MalformedPacket:
            continue
        answer = Outlet(OutletState()).handle(request, 1.0)
        if answer.reply is not None:
            answer.reply.encode()
        for note in answer.notes:
            str(note.with_offset(document)).encode()


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_a_client_is_told_the_place(transport: Any) -> None:
    with start_simulator() as sim, connected(sim, transport) as client:
        request = json.loads(make_request(2))
        request["payload"]["callbackArgs"] = {"acc_prefs": {"capacitiveCtrl": HALF}}
        client.send(client.framed(json.dumps(request).encode()))  # escaped: UTF-8 has no surrogates
        assert client.packet()["PUBACK"] == 0
        (exchange,) = sim.journal.exchanges()
        *_, note = exchange.notes
        assert note.reason.startswith("capacitiveCtrl: expected 0 or 1")
        assert exchange.received is not None
        assert exchange.received[note.offset :].startswith(b'"\\ud800"')
        list(format_entries(sim.journal))
        client.send_request(3)
        assert client.packet()["PUBACK"] == 1


@for_each(
    ("callback", "args", "problem"),
    [
        (4, [{"accessory": 1, "name": HALF}], f"name: {NOT_UNICODE}"),
        (2, {"sys_prefs": {"mqtt": {"user": f"x{HALF}"}}}, f"user: {NOT_UNICODE}"),
        (2, {"acc_prefs": {HALF: 1}}, "unknown preference acc_prefs."),
    ],
)
def test_text_that_is_not_unicode_is_not_kept(callback: int, args: Any, problem: str) -> None:
    packet = {"packetID": 1, "payload": {"callbackName": callback, "callbackArgs": args}}
    request = parse_request(json.dumps(packet).encode())
    outlet = Outlet(OutletState())
    before = outlet.state
    answer = outlet.handle(request, 1.0)
    assert answer.reply is not None
    assert json.loads(answer.reply.encode())["PUBACK"] == 0
    assert problem in [note.reason for note in answer.notes][-1]
    assert outlet.state == before


def test_it_is_an_error_of_whoever_gives_it_to_a_running_outlet() -> None:
    with start_simulator() as sim:
        for give in (
            lambda: sim.do(set={"names": {"outlet1": HALF}}),
            lambda: sim.do(push={"callback": 99, "args": [{HALF: 1}]}),
            lambda: sim.do(inject={"kind": "drop", "name": HALF}),
            lambda: sim.inject(Drop(name=HALF)),
        ):
            with pytest.raises(ValueError, match=NOT_UNICODE):
                give()
