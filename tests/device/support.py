"""Outlets as scenario files have them, requests as clients write them, and what comes of both."""

import json
import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from invis_sim.device.outlet import Answer, Effect, GoOffline, Outlet, PacketIds
from invis_sim.device.state import OutletState, Product
from invis_sim.protocol.json_positions import Key, offset_of
from invis_sim.protocol.packets import Push, Reply, parse_request

SN = "0003C44076"
FIRMWARE = {
    "IM": {
        "fw_rev": "0.0.1",
        "available_fw_rev": "0.0.9",
        "www_fw_rev": "0.1.2",
        "available_www_fw_rev": "0.3.0",
    },
    "PM": {"fw_rev": "0.5.0", "available_fw_rev": "0.5.1"},
}
"""With an update for each part."""


def an_outlet(
    product: Product | None = "pro",
    *,
    seed: int = 0,
    packet_ids: PacketIds = "lenient",
    **tables: Any,
) -> Outlet:
    """An outlet out of the tables of a scenario."""
    device = {"product": product, **tables.pop("device", {})}
    state = msgspec.convert({"device": device, **tables}, OutletState)
    return Outlet(state, packet_ids=packet_ids, seed=seed)


def compact(tree: object) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


def document_of(callback: int, args: Any = msgspec.UNSET, packet_id: int = 221_040) -> bytes:
    """A request as a client writes it."""
    payload = {"callbackName": callback}
    if args is not msgspec.UNSET:
        payload["callbackArgs"] = args
    return compact({"packetID": packet_id, "payload": payload})


def ask(
    outlet: Outlet, callback: int, args: Any = msgspec.UNSET, seconds: float | None = None
) -> Answer:
    """What comes of a request that is written, and read again."""
    return outlet.handle(parse_request(document_of(callback, args)), seconds)


def returned(outlet: Outlet, callback: int, args: Any = msgspec.UNSET) -> Any:
    """The `callbackArgs` of a reply that is a success with a payload."""
    answer = ask(outlet, callback, args)
    assert answer.reply is not None
    fields = json.loads(answer.reply.encode())
    assert list(fields) == ["sn", "packetID", "PUBACK", "payload"]
    assert (fields["sn"], fields["packetID"], fields["PUBACK"]) == (outlet.sn, 221_040, 1)
    assert list(fields["payload"]) == ["callbackName", "callbackArgs"]
    assert fields["payload"]["callbackName"] == callback
    assert answer.notes == ()
    return fields["payload"]["callbackArgs"]


def done(outlet: Outlet, callback: int, args: Any = msgspec.UNSET) -> list[tuple[int, Any]]:
    """What is pushed after a reply that is a success without a payload."""
    answer = ask(outlet, callback, args)
    assert answer.reply == Reply.success(outlet.sn, 221_040, callback)
    assert answer.notes == ()
    assert answer.mutates or not answer.effects
    return told(answer.effects)


def told(effects: Iterable[Effect]) -> list[tuple[int, Any]]:
    """Callback and arguments of pushes, which are in the form that pushes have."""
    pushes = []
    for one in effects:
        assert isinstance(one, Push)
        fields = json.loads(one.encode())
        assert list(fields) == ["sn", "packetID", "payload"]
        assert type(fields["packetID"]) is int
        assert 100_000 <= fields["packetID"] <= 999_999
        pushes.append((fields["payload"]["callbackName"], fields["payload"]["callbackArgs"]))
    return pushes


def refused(
    outlet: Outlet, callback: int, args: Any = msgspec.UNSET, at: tuple[Key, ...] | None = None
) -> str:
    """Why a request is refused, which changes nothing at all.

    at: where in its arguments the note points to; None: anywhere, or nowhere.
    """
    before, due = outlet.state, outlet.schedule.due(background=False)
    document = document_of(callback, args)
    answer = outlet.handle(parse_request(document))
    assert answer.reply == Reply.failure(outlet.sn, 221_040)
    assert answer.effects == outlet.take() == ()
    assert outlet.state == before
    assert outlet.schedule.due(background=False) == due
    (note,) = answer.notes
    offset = note.with_offset(document).offset
    if at is not None:
        assert offset == offset_of(document, "payload", *at)
    assert 0 < len(note.reason) < 300
    return note.reason


class Moment(NamedTuple):
    """Something that an outlet did by itself. callback: 0 where it went away."""

    seconds: float
    callback: int
    args: Any


def pass_time(outlet: Outlet, seconds: float = math.inf, *, restarts: bool = True) -> list[Moment]:
    """Keeps the outlet's appointments for so long, and lets it restart where it wants to.

    seconds: how long; infinite: until nothing but rhythms are left.
    restarts: whether it does; otherwise time stands still as soon as it goes away.
    """
    moments = []
    end = outlet.schedule.now + seconds
    while True:
        due = outlet.schedule.due(background=seconds < math.inf)
        if due is None or due > end:
            break
        assert outlet.schedule.run_next(due)
        for one in outlet.take():
            if isinstance(one, GoOffline):
                moments.append(Moment(outlet.schedule.now, 0, one))
                if not restarts:
                    return moments
                restart(outlet, one.seconds or 0.0)
            else:
                ((callback, args),) = told([one])
                moments.append(Moment(outlet.schedule.now, callback, args))
    if seconds < math.inf:
        outlet.schedule.run_next(end)
    return moments


def restart(outlet: Outlet, seconds: float = 3.0) -> None:
    """Lets it be away for a while, as the one does who sees to its connections."""
    outlet.go_down()
    end = outlet.schedule.now + seconds
    while outlet.schedule.run_next(end):
        assert outlet.take() == ()
    outlet.come_up()


def away(answer: Answer) -> GoOffline:
    """How it goes away after a request that it does not answer."""
    assert answer.reply is None
    assert answer.notes == ()
    assert answer.mutates
    (one,) = answer.effects
    assert isinstance(one, GoOffline)
    return one


def greeting(outlet: Outlet) -> list[tuple[int, Any]]:
    """What somebody is told who has just connected."""
    return told(outlet.greet())


def updating(outlet: Outlet) -> bool:
    """Whether an update is under way; to type checkers, another one each time."""
    return outlet.updating


def online(outlet: Outlet) -> bool:
    """Whether its faceplate is there and answers; to type checkers, another one each time."""
    return outlet.faceplate_online


def part(target: Literal["IM", "PM"]) -> int:
    """The number of a target of callback 21."""
    return 1 if target == "IM" else 2
