"""Every example exchange, replayed against an outlet in the state that it speaks of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from invis_sim.device.effects import GoOffline
from invis_sim.device.outlet import Outlet
from invis_sim.device.state import Product
from invis_sim.protocol.packets import Push, parse_request
from tests.device.support import an_outlet, compact, now, pushed_packets, pushes, returned

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "protocol" / "vectors.json").read_bytes()
)

PRODUCTS: dict[str, tuple[Product, ...]] = {
    "any": ("bare", "pro", "aura"),
    "outlet": ("bare",),
    "deco": ("pro",),
    "aura": ("aura",),
}
"""The variant of a vector → the products that answer so."""

OUTLET_FIRMWARE = {
    "fw_rev": "0.0.1",
    "available_fw_rev": "0.0.1",
    "www_fw_rev": "0.1.2",
    "available_www_fw_rev": "0.3.0",
}
FACEPLATE_FIRMWARE = {"fw_rev": "0.5.0", "available_fw_rev": "0.5.1"}

IDENTITY = {
    "device": {"MAC": "02:00:5E:00:53:01"},
    "faceplate": {
        "sn": "1003C44077",
        "MAC": "02:00:5E:00:53:02",
        "radar": {"MAC": "02:00:5E:00:53:03"},
    },
}

SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "available updates, failure": {"firmware": {"update_check": "fail"}},
    "accessory names, as documented": {"quirks": {"names_list": "wrapped"}},
    "outlet status": {"outlets": {"states": [1, 0]}},
    "nightlight status": {"nightlight": {"mode": 1, "brightness": 100}},
    "colour light status": {
        "color_light": {"mode": 2, "leds": [[1, 100, [360, 100], 4000]], "speed": 1, "level": 40}
    },
    "update the outlet, refused: up to date": {"firmware": {"IM": {"fw_rev": "0.0.1"}}},
    "update continues after the restart (revB)": {"device": {"hw_rev": "revB"}},
    "MQTT status, connected": {"mqtt": {"connected": True}},
}
"""What a vector speaks of beside its variant, by its name."""


def outlet_of(vector: dict[str, Any], product: Product) -> Outlet:
    tables: dict[str, Any] = {**IDENTITY, **SETTINGS.get(vector["name"], {})}
    tables.setdefault("firmware", {"IM": OUTLET_FIRMWARE})
    if product == "bare":
        del tables["faceplate"]
    else:
        tables["firmware"] = {"PM": FACEPLATE_FIRMWARE, **tables["firmware"]}
    return an_outlet(product, **tables)


def cases(*, asked: bool) -> list[Any]:
    return [
        pytest.param(vector, product, id=f"{vector['callback']}, {vector['name']}, {product}")
        for vector in VECTORS
        if (vector["request"] is not None) == asked
        for product in PRODUCTS[vector["variant"]]
    ]


def same_but_for_the_packet_id(push: Push, written: dict[str, Any]) -> bool:
    """The packetID of a push is the device's own."""
    ((_, _),) = pushed_packets([push])
    renumbered = push.with_field(("packetID",), written["packetID"])
    return renumbered.encode() == compact(written)


@pytest.mark.parametrize(("vector", "product"), cases(asked=True))
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_a_request_is_answered_byte_for_byte(
    vector: dict[str, Any], product: Product, separators: tuple[str, str]
) -> None:
    outlet = outlet_of(vector, product)
    document = json.dumps(vector["request"], separators=separators).encode()
    answer = outlet.handle(parse_request(document), now(outlet))
    if vector["response"] is None:
        assert answer.reply is None
        (effect,) = answer.effects
        assert isinstance(effect, GoOffline)
        return
    assert answer.reply is not None
    assert answer.reply.encode() == compact(vector["response"])
    assert len(answer.notes) == 1 - vector["response"]["PUBACK"]
    if vector["callback"] == 17:  # its examples leave out the push that a change causes
        assert pushed_packets(answer.effects) == [(18, returned(outlet, 18, [5]))]
        return
    assert not any(isinstance(effect, GoOffline) for effect in answer.effects)
    for push, written in zip(pushes(answer), vector["pushes"], strict=True):
        assert same_but_for_the_packet_id(push, written)


def measured(outlet: Outlet) -> list[Push]:
    return [one for one in outlet.sample(now(outlet)) if isinstance(one, Push)]


def continued(outlet: Outlet) -> list[Push]:
    outlet.start_update("IM", now(outlet))
    outlet.go_offline(now(outlet))
    outlet.come_online(now(outlet))
    effects = outlet.connect_pushes(now(outlet))
    return [one for one in effects if isinstance(one, Push)]


def updated(outlet: Outlet) -> list[Push]:
    effects = list(outlet.start_update("IM", now(outlet)))
    while outlet.updating:
        due = outlet.schedule.next_due()
        assert due is not None
        effects += outlet.schedule.run_due(due) or ()
    return [one for one in effects if isinstance(one, Push)]


CAUSES: dict[int, Callable[[Outlet], list[Push]]] = {
    11: measured,
    21: continued,
    22: updated,
    23: updated,
}
"""A callback that is pushed without a request → what brings it about."""


@pytest.mark.parametrize(("vector", "product"), cases(asked=False))
def test_a_push_without_a_request_comes_about(vector: dict[str, Any], product: Product) -> None:
    pushes = CAUSES[vector["callback"]](outlet_of(vector, product))
    (written,) = vector["pushes"]
    assert any(same_but_for_the_packet_id(push, written) for push in pushes)


def test_every_setting_is_of_a_vector() -> None:
    assert set(SETTINGS) <= {vector["name"] for vector in VECTORS}


def test_the_vectors_speak_of_every_callback_of_the_reference() -> None:
    documented = {*range(1, 8), *range(9, 13), 14, 15, 17, 18, *range(20, 29)}
    assert documented <= {vector["callback"] for vector in VECTORS}
