"""Settings and readings, against a model of what the protocol's reference says.

Whatever is sent goes to two outlets of the same seed, which must say the same, byte for byte.
"""

import copy
import json
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from invis_sim.device.effects import GoOffline
from invis_sim.device.outlet import Outlet
from invis_sim.device.state import Product
from invis_sim.protocol.packets import parse_request
from tests.cases import examples
from tests.device.support import an_outlet, change, now, pushed_packets, pushes
from tests.device.test_preferences import ONLY_WITH, RANGES, deeply, has, leaves, merged, nested
from tests.support import SN, make_request

PRODUCTS: tuple[Product, ...] = ("bare", "pro", "aura")

PREFERENCES: dict[str, Any] = {
    "acc_prefs": {
        "outletPwrIndicatorOn": 1,
        "pmIndicatorBrightness": 50,
        "capacitiveCtrl": 1,
        "aqiColorRGBFeature": 1,
        "motionAwayFeature": 0,
        "adaptiveNightlightFeature": 0,
        "adaptiveMinBrightness": 5,
        "adaptiveMaxBrightness": 80,
        "occupancyNightlightFeature": 0,
        "overrideAdaptiveOccupancyNightlightFeature": 0,
        "magicTouchCtrl": 0,
        "homeAwayMode": {
            "enabled": 0,
            "outlet1Enabled": 1,
            "outlet2Enabled": 1,
            "nightlightEnabled": 1,
            "minBrightness": 10,
            "maxBrightness": 90,
            "minOnDuration": 5,
            "maxOnDuration": 60,
            "minOffDuration": 5,
            "maxOffDuration": 60,
        },
    },
    "sys_prefs": {
        "mqtt": {
            "enabled": 0,
            "mqtt_broker_url": "mqtt://192.0.2.26:1883",
            "user": "mqttuser",
            "pass": "mqttpass",
            "qos": 0,
        },
        "internet": {"ip": 167_903_424, "mainDNS": 16_908_480, "backupDNS": 134_744_072},
    },
}
LUX = ["120.00", "inf", "0.50"]
"""What three samples of the light are, over and over."""

# --- what clients send ---

NEAR = st.sampled_from((0, 1, 2, 3, 100, 101, -1, True, 1.0, "1", None))
ODD = st.sampled_from((0, 100_010, 200_000, 200_010, -10, True, 1.0, "1", None))
LEAVES = st.sampled_from(list(RANGES)).flatmap(
    lambda path: st.tuples(
        st.just(path),
        st.text("aé", max_size=3) if (limits := RANGES[path]) is None else st.integers(*limits),
    )
)
TREES = st.lists(LEAVES, max_size=4).map(
    lambda leaves: [nested(path, value) for path, value in leaves]
)
NAMES = st.lists(
    st.fixed_dictionaries(
        {"accessory": st.integers(1, 3), "name": st.text("abé", max_size=3)},
    ),
    max_size=3,
)
COLORS = st.tuples(st.integers(0, 360), st.integers(0, 100)).map(list)
KELVINS = st.integers(1000, 40_000)
FULL = st.tuples(st.integers(0, 1), st.integers(0, 100), COLORS, KELVINS).map(list)
HSV = st.tuples(st.integers(0, 1), st.integers(0, 100), COLORS).map(list)
WHITE = st.tuples(st.integers(0, 1), st.integers(0, 100), KELVINS).map(list)
MORE = st.tuples(st.integers(0, 7), st.integers(0, 1), st.integers(0, 100)).map(list)


def is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def off() -> list[Any]:
    """The coloured light out of the box."""
    return [5, 2, [[0, 100, [0, 0], 4000] for _ in range(9)], 1, 0, 40]


class OutletMachine(RuleBasedStateMachine):
    """What an outlet answers and pushes, beside a model in plain lists and dictionaries."""

    @initialize(product=st.sampled_from(PRODUCTS), seed=st.integers(0, 9))
    def begin(self, product: Product, seed: int) -> None:
        lux = [120.0, "inf", 0.5]
        timing = {"sensor_seconds": 0}
        self.outlets: tuple[Outlet, ...] = tuple(
            an_outlet(product, seed=seed, sensors={"lux": lux}, timing=timing) for _ in range(2)
        )
        self.product = product
        self.attached = True
        self.restarting = False
        self.sample = 0
        self.calibrated: list[str] | None = None
        self.forget()

    def forget(self) -> None:
        """The model of what clients can change is as out of the box."""
        self.preferences = copy.deepcopy(PREFERENCES)
        self.names = {1: "Outlet 1", 2: "Outlet 2", 3: "Nightlight"}
        self.states = [0, 0]
        self.nightlight = [0, 100]
        self.color = off()
        self.calibrated = None

    # What the model says

    @property
    def has_faceplate(self) -> bool:
        return self.product != "bare" and self.attached

    @property
    def online(self) -> bool:
        return self.has_faceplate and not self.restarting

    def shown_names(self) -> list[dict[str, Any]]:
        return [
            {"accessory": number, "name": name}
            for number, name in self.names.items()
            if number < 3 or self.online
        ]

    @property
    def kind(self) -> str:
        """The product whose preferences there are at the moment."""
        return self.product if self.online else "bare"

    def shown_preferences(self) -> dict[str, Any]:
        tree = copy.deepcopy(self.preferences)
        for path in ONLY_WITH:
            if not has(self.kind, path):
                block = tree
                for key in path[:-1]:
                    block = block[key]
                block.pop(path[-1], None)
        return tree

    # Sending

    def send(self, callback: int, args: Any = msgspec.UNSET) -> tuple[Any, list[tuple[int, Any]]]:
        """The reply of both outlets, which is the same, and what they push."""
        request = parse_request(make_request(callback, args))
        first, second = (outlet.handle(request, now(outlet)) for outlet in self.outlets)
        assert (first.reply is None) == (second.reply is None)
        assert [one.encode() for one in pushes(first)] == [one.encode() for one in pushes(second)]
        if first.reply is None or second.reply is None:
            return None, []
        assert first.reply.encode() == second.reply.encode()
        reply = json.loads(first.reply.encode())
        assert (reply.pop("sn"), reply.pop("packetID")) == (SN, 221_040)
        if reply["PUBACK"] == 0:
            assert len(first.notes) == 1
        return reply, pushed_packets(first.effects)

    def reads(self, callback: int, expected: Any, args: Any = msgspec.UNSET) -> None:
        """expected: what is returned; None: a failure."""
        reply, pushes = self.send(callback, args)
        assert pushes == []
        if expected is None:
            assert reply == {"PUBACK": 0}
        else:
            payload = {"callbackName": callback, "callbackArgs": expected}
            assert reply == {"PUBACK": 1, "payload": payload}

    def sets(
        self, callback: int, args: Any, good: bool, pushes: list[tuple[int, Any]] | None = None
    ) -> None:
        reply, told_of = self.send(callback, args)
        assert reply == {"PUBACK": int(good)}
        assert told_of == ((pushes or []) if good else [])

    # Settings

    @rule(number=st.integers(1, 2) | NEAR, state=st.integers(0, 1) | NEAR)
    def switch(self, number: Any, state: Any) -> None:
        good = is_integer(number, 1, 2) and is_integer(state, 0, 1)
        pushes = []
        if good and self.states[number - 1] != state:
            self.states[number - 1] = state
            pushes = [(9, list(self.states))]
        self.sets(10, [number, state], good, pushes)

    @rule(mode=st.integers(0, 1) | NEAR, brightness=st.integers(0, 100) | NEAR)
    def light(self, mode: Any, brightness: Any) -> None:
        good = is_integer(mode, 0, 1) and is_integer(brightness, 0, 100)
        good = good and self.product == "pro" and self.online
        pushes = []
        if good and self.nightlight != [mode, brightness]:
            self.nightlight = [mode, brightness]
            pushes = [(15, [mode, brightness])]
        self.sets(14, [mode, brightness], good, pushes)

    @rule(items=NAMES, wrong=st.none() | st.sampled_from(({}, {"accessory": 4, "name": "x"}, 1)))
    def rename(self, items: list[Any], wrong: Any) -> None:
        known = 3 if self.online else 2
        numbers = [item["accessory"] for item in items]
        good = wrong is None and all(number <= known for number in numbers)
        good = good and len(set(numbers)) == len(numbers)
        if good:
            self.names |= {item["accessory"]: item["name"] for item in items}
        self.sets(4, items if wrong is None else [*items, wrong], good)

    @rule(trees=TREES, wrapped=st.booleans(), wrong=st.none() | LEAVES)
    def configure(self, trees: list[Any], wrapped: bool, wrong: Any) -> None:
        tree: dict[str, Any] = {}
        for one in trees:
            tree = deeply(tree, one)
        good = wrong is None and all(has(self.kind, path) for path in leaves(tree))
        if good:
            self.preferences = merged(self.preferences, tree)
        elif wrong is not None:
            tree = deeply(tree, nested(wrong[0], [wrong[1]]))
        self.sets(2, [tree] if wrapped else tree, good)

    @rule(
        mode=st.sampled_from((1, 3, 4, 5, 6, 7, 2, 0, 8)),
        entries=st.lists(HSV, min_size=1, max_size=9)
        | st.lists(WHITE, min_size=1, max_size=9)
        | st.lists(FULL, min_size=1, max_size=9),
        more=st.just([]) | MORE | MORE.map(lambda more: more[:1]),
    )
    def color_light(self, mode: int, entries: list[Any], more: list[int]) -> None:
        white = type(entries[0][2]) is int
        fits = (mode == 2) == white or len(entries[0]) == 4
        good = self.product == "aura" and self.online and 1 <= mode <= 7 and fits
        is_random = mode > 2 and (more[1] if len(more) > 1 else self.color[4]) == 1
        good = good and (mode != 7 or is_random or len(entries) in (2, 9))
        pushes = []
        if good:
            before = copy.deepcopy(self.color)
            fill = len(entries) == 1 and mode == 1
            for index, led in enumerate(self.color[2]):
                if is_random or (not fill and index >= len(entries)):
                    break
                entry = entries[0 if fill else index]
                led[:2] = entry[:2]
                led[2:] = [led[2], entry[2]] if white else [*entry[2:], *led[len(entry) :]]
            self.color[1] = mode
            self.color[3 : 3 + len(more)] = more
            if self.color != before:
                pushes = [(18, self.color)]
        self.sets(17, [5, mode, entries, *more], good, pushes)

    @rule(
        # Hundredths, which are not rounded any more when they are shown.
        temperature=st.integers(-40_000, 85_000) | ODD,
        humidity=st.integers(0, 100_000) | ODD,
    )
    def calibrate(self, temperature: Any, humidity: Any) -> None:
        good = is_integer(temperature, -40_000, 85_000) and is_integer(humidity, 0, 100_000)
        good = good and self.product == "pro" and self.online
        if good:
            exact = (f"{thousandths / 1000:.3f}" for thousandths in (temperature, humidity))
            self.calibrated = [text.removesuffix("0") for text in exact]
        self.sets(28, [temperature, humidity], good)

    # The faceplate

    @rule(attached=st.booleans())
    def attach(self, attached: bool) -> None:
        expected = [12] if attached and not self.attached and self.product != "bare" else []
        self.attached = attached
        for outlet in self.outlets:
            pushed = pushed_packets(change(outlet, faceplate={"attached": attached}))
            assert [callback for callback, _ in pushed] == expected
        if not attached:
            self.restarting = False  # it has no power, and is there when it has some again

    @rule(reset=st.booleans())
    def restart_faceplate(self, reset: bool) -> None:
        good = self.online
        lights = (self.nightlight, self.color)
        if good and reset:
            self.reset_faceplate()
        changed = []
        if self.nightlight != lights[0] and self.product == "pro":
            changed.append((15, self.nightlight))
        if self.color != lights[1]:
            changed.append((18, self.color))
        self.sets(25 if reset else 24, msgspec.UNSET, good, changed)
        self.restarting = self.restarting or good

    def reset_faceplate(self) -> None:
        """The model of what the faceplate keeps is as out of the box."""
        for path in ONLY_WITH:
            new: Any = PREFERENCES
            block = self.preferences
            for key in path[:-1]:
                new, block = new[key], block[key]
            block.pop(path[-1], None)
            if path[-1] in new:
                block[path[-1]] = new[path[-1]]
        self.nightlight = [0, 100]
        self.color = off()
        self.calibrated = None

    @precondition(lambda self: self.restarting)
    @rule()
    def let_the_faceplate_come_back(self) -> None:
        self.restarting = False
        for outlet in self.outlets:
            due = outlet.schedule.next_due(daemon=False)
            assert due is not None
            assert [callback for callback, _ in pushed_packets(outlet.advance(due))] == [12]

    @rule()
    def measure(self) -> None:
        self.sample += 1
        samples = [outlet.sample(now(outlet)) for outlet in self.outlets]
        assert pushed_packets(samples[0]) == pushed_packets(samples[1])
        expected = [(11, self.readings())] if self.online else []
        assert [
            (callback, self.known(args)) for callback, args in pushed_packets(samples[0])
        ] == expected

    # Restarts

    @rule(callback=st.sampled_from((5, 6, 7)))
    def restart(self, callback: int) -> None:
        self.sets_nothing_and_goes(callback)
        for outlet in self.outlets:
            effects = outlet.go_offline(now(outlet)) + outlet.come_online(now(outlet))
            assert pushed_packets(effects) == []
        self.restarting = False
        if callback == 7:
            self.forget()
        first, second = (outlet.connect_pushes(now(outlet)) for outlet in self.outlets)
        assert first == second
        assert [callback for callback, _ in pushed_packets(first)] == [12]

    def sets_nothing_and_goes(self, callback: int) -> None:
        request = parse_request(make_request(callback))
        first, second = (outlet.handle(request, now(outlet)) for outlet in self.outlets)
        assert first == second
        assert first.reply is None
        (gone,) = first.effects
        assert isinstance(gone, GoOffline)
        assert gone.seconds == {5: 3.0, 6: None, 7: 3.0}[callback]

    # From outside

    @rule(
        states=st.lists(st.integers(0, 1), min_size=2, max_size=2), name=st.text("xy", max_size=2)
    )
    def change_from_outside(self, states: list[int], name: str) -> None:
        expected = [(9, states)] if states != self.states else []
        self.states, self.names[2] = list(states), name
        for outlet in self.outlets:
            effects = change(outlet, outlets={"states": states}, names={"outlet2": name})
            assert pushed_packets(effects) == expected

    @rule(wrong=st.sampled_from(({"states": [2, 0]}, {"states": [1]}, {"state": [1, 1]})))
    def change_to_what_cannot_be(self, wrong: dict[str, Any]) -> None:
        for outlet in self.outlets:
            before = outlet.state
            try:
                change(outlet, names={"outlet1": "?"}, outlets=wrong)
            except ValueError:
                assert outlet.state == before
            else:
                raise AssertionError("it has taken what no scenario could say")

    # Readings

    def readings(self) -> list[Any]:
        """What the model knows of the readings."""
        known: dict[str, Any] = {"lux": LUX[self.sample % 3]}
        if self.product == "pro":
            temperature, humidity = self.calibrated or ["21.50", "40.00"]
            known |= {"temp_celsius": temperature, "humidity": humidity, "AQI": 42}
        return [1, known]

    def known(self, args: Any) -> list[Any]:
        """Of readings, those that the model knows."""
        kind, readings = args
        names = ("lux", "temp_celsius", "humidity", "AQI")
        return [kind, {name: readings[name] for name in names if name in readings}]

    @invariant()
    def what_is_read_is_what_was_set(self) -> None:
        if not hasattr(self, "outlets"):
            return
        self.reads(1, self.shown_preferences())
        self.reads(3, self.shown_names())
        self.reads(9, self.states)
        self.reads(15, self.nightlight if self.product == "pro" and self.online else None)
        color = self.color if self.product == "aura" and self.online else None
        self.reads(18, color, [5])
        reply, pushes = self.send(11)
        assert pushes == []
        if self.online:
            assert self.known(reply["payload"]["callbackArgs"]) == self.readings()
        else:
            assert reply == {"PUBACK": 0}
        for callback in (12, 20):
            reply, _ = self.send(callback)
            assert ("PM" in reply["payload"]["callbackArgs"]) == self.online


TestOutletMachine = OutletMachine.TestCase
TestOutletMachine.settings = settings(max_examples=examples(2), stateful_step_count=30)
