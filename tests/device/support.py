"""Outlets as scenario files have them, requests as clients write them, and what comes of both.

Where no time is given, it is the outlet's present.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from invis_sim.device.effects import Answer, Effect, GoOffline, Log
from invis_sim.device.outlet import Outlet
from invis_sim.device.requests import PacketIds
from invis_sim.device.state import OutletState, Product
from invis_sim.protocol.json_positions import Key, offset_of
from invis_sim.protocol.packets import Push, Reply, parse_request
from tests.support import make_request

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

BROKER: dict[str, Any] = {
    "mqtt": {"connected": True},
    "preferences": {"sys_prefs": {"mqtt": {"enabled": 1}}},
}
"""With an MQTT broker that is connected."""


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


def now(outlet: Outlet) -> float:
    """The outlet's present time."""
    return outlet.schedule.now


def handle_request(
    outlet: Outlet, callback: int, args: Any = msgspec.UNSET, seconds: float | None = None
) -> Answer:
    """The answer to a request that is written, and read again.

    seconds: when it arrives; None: now.
    """
    request = parse_request(make_request(callback, args))
    return outlet.handle(request, now(outlet) if seconds is None else seconds)


def change(outlet: Outlet, /, **tables: Any) -> tuple[Effect, ...]:
    """Change the outlet now, by tables of a scenario."""
    return outlet.set(tables, now(outlet))


def push(outlet: Outlet, callback: int, args: Any = msgspec.UNSET) -> tuple[Effect, ...]:
    """Let the outlet push now."""
    return outlet.push(callback, args, now(outlet))


def returned(outlet: Outlet, callback: int, args: Any = msgspec.UNSET) -> Any:
    """The `callbackArgs` of a reply that is a success with a payload."""
    answer = handle_request(outlet, callback, args)
    assert answer.reply is not None
    fields = json.loads(answer.reply.encode())
    assert list(fields) == ["sn", "packetID", "PUBACK", "payload"]
    assert (fields["sn"], fields["packetID"], fields["PUBACK"]) == (outlet.sn, 221_040, 1)
    assert list(fields["payload"]) == ["callbackName", "callbackArgs"]
    assert fields["payload"]["callbackName"] == callback
    assert answer.notes == ()
    return fields["payload"]["callbackArgs"]


def expect_success(
    outlet: Outlet, callback: int, args: Any = msgspec.UNSET
) -> list[tuple[int, Any]]:
    """What is pushed after a reply that is a success without a payload."""
    answer = handle_request(outlet, callback, args)
    assert answer.reply == Reply.success(outlet.sn, 221_040, callback)
    assert answer.notes == ()
    assert answer.mutates or not answer.effects
    return pushed_packets(answer.effects)


def pushes(answer: Answer) -> tuple[Push, ...]:
    """The pushes among the effects of a request."""
    return tuple(effect for effect in answer.effects if isinstance(effect, Push))


def logs(effects: Iterable[Effect]) -> list[str]:
    """The texts of the logs among effects."""
    return [effect.text for effect in effects if isinstance(effect, Log)]


def pushed_packets(effects: Iterable[Effect]) -> list[tuple[int, Any]]:
    """Callback and arguments of pushes, which are in the form that pushes have. Logs are skipped;
    nothing else may be among the effects.
    """
    packets = []
    for effect in effects:
        if isinstance(effect, Log):
            continue
        assert isinstance(effect, Push)
        fields = json.loads(effect.encode())
        assert list(fields) == ["sn", "packetID", "payload"]
        assert type(fields["packetID"]) is int
        assert 100_000 <= fields["packetID"] <= 999_999
        packets.append((fields["payload"]["callbackName"], fields["payload"]["callbackArgs"]))
    return packets


def expect_failure(
    outlet: Outlet, callback: int, args: Any = msgspec.UNSET, at: tuple[Key, ...] | None = None
) -> str:
    """Why a request is rejected, which changes nothing at all.

    at: where in its arguments the note points to; None: anywhere, or nowhere.
    """
    before, due = outlet.state, outlet.schedule.next_due(daemon=False)
    document = make_request(callback, args)
    answer = outlet.handle(parse_request(document), now(outlet))
    assert answer.reply == Reply.failure(outlet.sn, 221_040)
    assert answer.effects == ()
    assert not answer.mutates
    assert outlet.state == before
    assert outlet.schedule.next_due(daemon=False) == due
    (note,) = answer.notes
    offset = note.with_offset(document).offset
    if at is not None:
        assert offset == offset_of(document, "payload", *at)
    assert 0 < len(note.reason) < 300
    return note.reason


class Moment(NamedTuple):
    """Something that an outlet did by itself. callback: 0 where it went offline."""

    seconds: float
    callback: int
    args: Any


def run_timers(
    outlet: Outlet, seconds: float = math.inf, *, restarts: bool = True
) -> list[tuple[float, Effect]]:
    """Run the outlet's timers for a time, and restart it where it wants to.

    seconds: how long; infinite: until only daemon timers are left.
    restarts: whether it does; otherwise time stops as soon as it goes offline.

    Returns the effects, each with its time.
    """
    effects: list[tuple[float, Effect]] = []
    end = now(outlet) + seconds
    while True:
        due = outlet.schedule.next_due(daemon=seconds < math.inf)
        if due is None or due > end:
            break
        ran = outlet.schedule.run_due(due)
        assert ran is not None
        for effect in ran:
            effects.append((now(outlet), effect))
            if isinstance(effect, GoOffline):
                if not restarts:
                    return effects
                effects += [(now(outlet), one) for one in restart(outlet, effect.seconds or 0.0)]
    if seconds < math.inf:
        assert outlet.advance(end) == ()
    return effects


def pass_time(outlet: Outlet, seconds: float = math.inf, *, restarts: bool = True) -> list[Moment]:
    """What clients see of `run_timers`."""
    moments = []
    for time, effect in run_timers(outlet, seconds, restarts=restarts):
        if isinstance(effect, GoOffline):
            moments.append(Moment(time, 0, effect))
        else:
            moments += [Moment(time, callback, args) for callback, args in pushed_packets([effect])]
    return moments


def restart(outlet: Outlet, seconds: float = 3.0) -> list[Effect]:
    """Take the outlet offline for a while, as the server does. The effects are logs alone."""
    effects = list(outlet.go_offline(now(outlet)))
    effects += outlet.advance(now(outlet) + seconds)
    effects += outlet.come_online(now(outlet))
    assert pushed_packets(effects) == []
    return effects


def expect_offline(answer: Answer) -> GoOffline:
    """How it goes offline after a request that it does not answer."""
    assert answer.reply is None
    assert answer.notes == ()
    assert answer.mutates
    (effect,) = answer.effects
    assert isinstance(effect, GoOffline)
    return effect


def connect(outlet: Outlet) -> list[tuple[int, Any]]:
    """What is pushed to a client that has just connected."""
    return pushed_packets(outlet.connect_pushes(now(outlet)))


def updating(outlet: Outlet) -> bool:
    """Whether an update is in progress; to type checkers, another one each time."""
    return outlet.updating


def silent(outlet: Outlet) -> bool:
    """Whether it is silent; to type checkers, another one each time."""
    return outlet.silent


def online(outlet: Outlet) -> bool:
    """Whether its faceplate is there and answers; to type checkers, another one each time."""
    return outlet.faceplate_online


def part(target: Literal["IM", "PM"]) -> int:
    """The number of a target of callback 21."""
    return 1 if target == "IM" else 2
