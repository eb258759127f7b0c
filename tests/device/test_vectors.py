"""Every example exchange of the reference, with an outlet whose scenario says that it be so."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from invis_sim.device.effects import Effect, GoOffline
from invis_sim.device.outlet import Outlet
from invis_sim.protocol.packets import Push, parse_request
from tests.cases import for_each
from tests.device.support import compact, now, restart, run_timers
from tests.vectors import CASES, VECTORS, cases, name_of, scenario_of


def outlet_of(vector: Mapping[str, Any], product: str) -> Outlet:
    return Outlet(scenario_of(vector, product).state)


def parametrized(*, asked: bool) -> list[Any]:
    return [
        pytest.param(vector, product, id=name_of(vector, product))
        for vector, product in cases(asked=asked)
    ]


def same_but_for_the_packet_id(push: Push, written: Mapping[str, Any]) -> bool:
    """The packetID of a push is the device's own."""
    assert 100_000 <= push.fields["packetID"] <= 999_999
    renumbered = push.with_field(("packetID",), written["packetID"])
    return renumbered.encode() == compact(written)


@for_each(("vector", "product"), parametrized(asked=True))
@for_each("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_a_request_is_answered_byte_for_byte(
    vector: dict[str, Any], product: str, separators: tuple[str, str]
) -> None:
    outlet = outlet_of(vector, product)
    document = json.dumps(vector["request"], separators=separators).encode()
    answer = outlet.handle(parse_request(document), now(outlet))
    pushes = [effect for effect in answer.effects if isinstance(effect, Push)]
    leaves = [effect for effect in answer.effects if isinstance(effect, GoOffline)]
    if vector["response"] is None:
        assert answer.reply is None
        assert len(leaves) == 1
        if vector["pushes"]:
            pushes += afterwards(outlet)[1:]  # the first is who it is
    else:
        assert answer.reply is not None
        assert answer.reply.encode() == compact(vector["response"])
        assert len(answer.notes) == 1 - vector["response"]["PUBACK"]
        assert leaves == []
    assert len(pushes) == len(vector["pushes"])
    for push, written in zip(pushes, vector["pushes"], strict=True):
        assert same_but_for_the_packet_id(push, written)


def afterwards(outlet: Outlet) -> list[Push]:
    """What a client is sent that connects after a restart, before time passes."""
    restart(outlet)
    effects = outlet.connect_pushes(now(outlet))
    return [one for one in effects if isinstance(one, Push)]


def caused(outlet: Outlet, cause: Mapping[str, Any]) -> list[Effect]:
    """What comes of a cause."""
    match cause:
        case {"set": changes}:
            return list(outlet.set(changes, now(outlet)))
        case {"sample": True}:
            return list(outlet.sample(now(outlet)))
        case {"update": target}:
            return list(outlet.start_update(target, now(outlet)))
        case {"request": request}:
            return list(outlet.handle(parse_request(compact(request)), now(outlet)).effects)
        case {"seconds": seconds}:
            return [effect for _, effect in run_timers(outlet, seconds, restarts=False)]
        case {"reboot": _}:
            return []  # `afterwards` restarts it
    raise AssertionError(cause)


@for_each(("vector", "product"), parametrized(asked=False))
def test_a_push_without_a_request_comes_about(vector: dict[str, Any], product: str) -> None:
    outlet = outlet_of(vector, product)
    case = CASES[vector["name"]]
    effects = [effect for cause in case.causes for effect in caused(outlet, cause)]
    if case.reconnects:
        effects = list[Effect](afterwards(outlet))
    (written,) = vector["pushes"]
    pushes = [effect for effect in effects if isinstance(effect, Push)]
    assert any(same_but_for_the_packet_id(push, written) for push in pushes)


def test_there_is_a_case_for_every_example_and_no_other() -> None:
    assert set(CASES) == names()
    assert not any("faults" in case.settings for case in CASES.values())


def names() -> set[str]:
    return {vector["name"] for vector in VECTORS}


def test_an_example_is_identified_by_callback_name_and_variant() -> None:
    keys = [(vector["callback"], vector["name"], vector["variant"]) for vector in VECTORS]
    assert len(keys) == len(set(keys)) == 110


def test_the_examples_are_about_every_callback_of_the_reference() -> None:
    documented = {*range(1, 8), *range(9, 13), 14, 15, 17, 18, *range(20, 29)}
    assert documented <= {vector["callback"] for vector in VECTORS}
