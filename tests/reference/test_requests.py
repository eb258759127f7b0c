"""Requests at the edges of what the reference allows, and just beyond, to a running outlet of each
product over both transports.

The reference: arguments that are missing, too few, too many, of the wrong type or out of range are
answered `PUBACK` 0, and nothing is changed at all; a request that changes nothing causes no push.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from invis_sim.device.state import Product
from invis_sim.protocol.transport import Transport
from invis_sim.testing.block import start_simulator
from tests.server.peers import Peer, listening
from tests.server.support import TRANSPORTS, failure_reply

NONE: tuple[Product, ...] = ()
PRO: tuple[Product, ...] = ("pro",)
AURA: tuple[Product, ...] = ("aura",)
FACEPLATE = PRO + AURA
ANY: tuple[Product, ...] = ("bare", "pro", "aura")


class Case(NamedTuple):
    """A request, and the products on which it succeeds."""

    callback: int
    args: Any
    products: tuple[Product, ...]


WRONG_TYPES: tuple[Any, ...] = (True, 1.0, 0.5, "1", None, [], [1], {})
"""None of them is an integer."""


def integers(least: int, most: int | None) -> Iterator[tuple[Any, bool]]:
    """Values, and whether each is an integer in this range; None: there is no upper limit."""
    yield from ((least, True), (least - 1, False))
    yield from (
        ((2**31 + 1, True), (2**70, True))
        if most is None
        else (
            (most, True),
            (most + 1, False),
        )
    )
    for value in WRONG_TYPES:
        yield value, False


ACC_PREFS: dict[str, tuple[int, tuple[Product, ...]]] = {
    "outletPwrIndicatorOn": (1, FACEPLATE),
    "pmIndicatorBrightness": (100, FACEPLATE),
    "capacitiveCtrl": (1, FACEPLATE),
    "aqiColorRGBFeature": (1, PRO),
    "motionAwayFeature": (1, PRO),
    "adaptiveNightlightFeature": (1, FACEPLATE),
    "adaptiveMinBrightness": (100, FACEPLATE),
    "adaptiveMaxBrightness": (100, FACEPLATE),
    "adaptiveSensitivity": (10, PRO),
    "occupancyNightlightFeature": (1, PRO),
    "overrideAdaptiveOccupancyNightlightFeature": (1, PRO),
    "magicTouchCtrl": (1, FACEPLATE),
}
"""The integers among the preferences, from 0 → the highest, and who has it. [section 1]"""

HOME_AWAY: dict[str, tuple[int | None, tuple[Product, ...]]] = {
    **dict.fromkeys(("enabled", "outlet1Enabled", "outlet2Enabled"), (1, ANY)),
    "nightlightEnabled": (1, FACEPLATE),
    **dict.fromkeys(("minBrightness", "maxBrightness"), (100, FACEPLATE)),
    **dict.fromkeys(
        ("minOnDuration", "maxOnDuration", "minOffDuration", "maxOffDuration"), (None, ANY)
    ),
}
"""The same of `homeAwayMode`."""


def preferences() -> Iterator[Case]:
    args: Any
    for name, (most, products) in ACC_PREFS.items():
        for value, good in integers(0, most):
            yield Case(2, [{"acc_prefs": {name: value}}], products if good else NONE)
    for name, (limit, products) in HOME_AWAY.items():
        for value, good in integers(0, limit):
            tree = {"acc_prefs": {"homeAwayMode": {name: value}}}
            yield Case(2, [tree], products if good else NONE)
    for value, good in integers(0, 2):
        yield Case(2, [{"sys_prefs": {"mqtt": {"qos": value}}}], ANY if good else NONE)
    for name in ("mqtt_broker_url", "user", "pass"):
        for text in ("", "ü" * 300, "\u0000"):
            yield Case(2, {"sys_prefs": {"mqtt": {name: text}}}, ANY)
        for value in (1, None, ["x"]):
            yield Case(2, [{"sys_prefs": {"mqtt": {name: value}}}], NONE)
    for name in ("ip", "mainDNS", "backupDNS"):
        yield Case(2, [{"sys_prefs": {"internet": {name: 1}}}], NONE)
    good_part = {"acc_prefs": {"homeAwayMode": {"enabled": 0}}, "sys_prefs": {"mqtt": {"qos": 1}}}
    for bad in ({"unknown": 1}, {"acc_prefs": 1}, {"sys_prefs": {"mqtt": {"qos": 3}}}):
        yield Case(2, [{**good_part, **bad}], NONE)
    for args in ([{}], {}):
        yield Case(2, args, ANY)
    for args in (msgspec.UNSET, [], [{}, {}], [1], [[{}]], [None], "x", 1, None):
        yield Case(2, args, NONE)


def names() -> Iterator[Case]:
    args: Any
    name: Any
    for number, products in ((0, NONE), (1, ANY), (2, ANY), (3, FACEPLATE), (4, NONE)):
        yield Case(4, [{"accessory": number, "name": "x"}], products)
    for name in ("", "ä" * 64, "😀" * 64):
        yield Case(4, [{"accessory": 1, "name": name}], ANY)
    for name in ("x" * 65, 1, None):
        yield Case(4, [{"accessory": 1, "name": name}], NONE)
    same = {"accessory": 1, "name": "same"}
    for args in (
        [same, same],
        [same, {"accessory": 9, "name": "x"}],
        [{"accessory": True, "name": "x"}],
        [{"accessory": 1.0, "name": "x"}],
        *([{"accessory": 1}], [{"name": "x"}], [{}], [1], [[same]], same, "x", msgspec.UNSET),
    ):
        yield Case(4, args, NONE)


def pairs(callback: int, products: tuple[Product, ...], *ranges: tuple[int, int]) -> Iterator[Case]:
    """A callback with integers as arguments: each in turn at the edges of its range."""
    args: Any
    usual = [least for least, _ in ranges]
    for index, (least, most) in enumerate(ranges):
        for value, good in integers(least, most):
            args = [*usual[:index], value, *usual[index + 1 :]]
            yield Case(callback, args, products if good else NONE)
    for args in (usual[:-1], [*usual, 1], [usual], {}, 1, None, msgspec.UNSET):
        yield Case(callback, args, NONE)


C, T = [1, 50, [10, 20]], [1, 50, 3000]
FULL = [0, 1, [360, 100], 1000]


def color_lights() -> Iterator[Case]:
    args: Any
    entry: Any
    for args in (
        *([5, 1, [C]], [5, 1, [C] * 9], [5, 1, [FULL]], [5, 1, [C], 1, 0, 5]),
        *([5, 2, [T]], [5, 2, [FULL]], [5, 2, [[1, 50, 1000]]], [5, 2, [[1, 50, 40_000]]]),
        *([5, 3, [C]], [5, 3, [C], 7, 0, 100], [5, 5, [C], 3, 1], [5, 4, [C, C], 0, 1, 0]),
        *([5, 6, [C, C], 3, 0], [5, 7, [C, C]], [5, 7, [C, C], 1, 0], [5, 7, [FULL] * 9, 1, 0, 3]),
    ):
        yield Case(17, args, AURA)
    for entry in (
        *([2, 50, [1, 1]], [1, 101, [1, 1]], [1, 50, [361, 1]], [1, 50, [1, 101]], [1, 50, [1]]),
        *([1, 50], [True, 50, [1, 1]], [1, 5.0, [1, 1]], T, [1, 50, [1, 1], 999], [*FULL, 1], 1),
    ):
        yield Case(17, [5, 1, [C, entry]], NONE)
    for entry in (C, [1, 50, 999], [1, 50, 40_001], [1, 50, "3000"], [1, 50, 3000.0]):
        yield Case(17, [5, 2, [entry]], NONE)
    for args in (
        *([5, 1, []], [5, 1, [C] * 10], [5, 3, []], [5, 3, [C] * 10], [5, 7, [C]], [5, 7, [C] * 3]),
        *([5, 0, [C]], [5, 8, [C]], [1, 1, [C]], [7, 1, [C]], ["5", 1, [C]], [5, True, [C]]),
        *([5, 3, [C], 8], [5, 3, [C], -1], [5, 3, [C], 1, 2], [5, 3, [C], 1, 0, 101]),
        *([5, 1, [C], 1, 0, 5, 6], [5, 1], [5], 5, msgspec.UNSET),
    ):
        yield Case(17, args, NONE)


def others() -> Iterator[Case]:
    args: Any
    for number in (0, 8, 13, 16, 19, 22, 23, 29, -1, 10**30):
        yield Case(number, msgspec.UNSET, NONE)
    for args in ([0], [1], [2], [3], [-1], [True], [], [0, 1], 0, msgspec.UNSET):
        yield Case(27, args, NONE)  # the broker is not connected
    for args in ([1, 0], [2, 0], [1], [0], [3], [1, 2], [True], [], [1, 0, 0], 1, msgspec.UNSET):
        yield Case(21, args, NONE)  # there is nothing to update
    for args in ([7], [1], ["5"], [True], [5, 1], [], 5, msgspec.UNSET):
        yield Case(18, args, NONE)
    yield Case(26, [65_535], PRO)
    yield Case(26, [30], NONE)  # one calibration at a time


CASES = [
    *preferences(),
    *names(),
    *pairs(10, ANY, (1, 2), (0, 1)),
    *pairs(14, PRO, (0, 1), (0, 100)),
    *pairs(28, PRO, (-40_000, 85_000), (0, 100_000)),
    *color_lights(),
    *others(),
]

PUSHED = {10: 9, 14: 15, 17: 18}
"""What is set by a callback → the callback of the push about it."""

SENTINEL = 999_999
"""The packetID of a request that fails: what comes before its reply came of the one before."""


def pushed(peer: Peer) -> list[int]:
    """The callbacks of the pushes that have come."""
    peer.send_request(19, packet_id=SENTINEL)
    found = []
    while (packet := peer.packet()) != failure_reply(SENTINEL):
        assert list(packet) == ["sn", "packetID", "payload"]
        found.append(packet["payload"]["callbackName"])
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("product", ANY)
def test_every_request_succeeds_or_fails_as_the_reference_says(
    product: Product, transport: Transport
) -> None:
    scenario = f"device.product = '{product}'\ntiming.sensor_seconds = 0"
    with start_simulator(scenario) as sim, listening(sim, transport) as peer:
        sim.clock.pause()
        for case in CASES:
            before = sim.state
            peer.send_request(case.callback, case.args)
            reply, pushes, after = peer.packet(), pushed(peer), sim.state
            if product not in case.products:
                assert reply == failure_reply(), case
                assert (pushes, after) == ([], before), case
                continue
            assert reply == {"sn": sim.sn, "packetID": 221_040, "PUBACK": 1}, case
            changes = [PUSHED[case.callback]] * (after != before) if case.callback in PUSHED else []
            assert pushes == changes, case
