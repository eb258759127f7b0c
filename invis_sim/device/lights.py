"""The lights of the faceplate: the plain nightlight of a Pro, and the coloured ones of an Aura.

[documentation of callbacks 14, 15, 17 and 18; the client `invisoutlet`]
"""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from invis_sim.device.arguments import expect_array, expect_int, format_value, reject
from invis_sim.device.preferences import Percent, Switch
from invis_sim.protocol.json_positions import Key

__all__ = [
    "HIGHEST_KELVIN",
    "LOWEST_KELVIN",
    "NIGHTLIGHT_NUMBER",
    "ColorLight",
    "IndicatorLight",
    "Led",
    "Nightlight",
]

STATIC_COLOR = 1
"""The mode in which one entry is for all LEDs."""

STATIC_TEMPERATURE = 2
"""The mode in which an LED is white of some temperature; in all others it has a colour."""

LOWEST_KELVIN, HIGHEST_KELVIN = 1000, 40_000
"""By the documentation. Clients keep to 6500 and less."""

STARRY_NIGHT = 7
"""The mode of two colours, one for the background and one for the stars; 3-6 have a palette."""

NIGHTLIGHT_NUMBER = 5
"""The number of an Aura's nightlight on the wire."""


class Nightlight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plain nightlight of a Pro (callbacks 14 and 15).

    mode: whether it is on.
    brightness: how bright it is when it is on.
    """

    mode: Switch = 0
    brightness: Percent = 100

    def to_wire(self) -> list[int]:
        """Return the `callbackArgs` of callback 15."""
        return [self.mode, self.brightness]

    @classmethod
    def with_args(cls, args: Any) -> "Nightlight":
        """Return the nightlight as set by callback 14. Raises RequestRejected."""
        mode, brightness = expect_array(args, "[mode, brightness]", 2, 2)
        return cls(
            mode=expect_int(mode, "mode", 0, 1, 0),
            brightness=expect_int(brightness, "brightness", 0, 100, 1),
        )


class Led(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One LED, as the list that the wire has: `[state, brightness, [hue, saturation], kelvin]`.

    state: 0: off; 1: on.
    brightness: 0-100.
    color: hue 0-360 and saturation 0-100.
    kelvin: its temperature where it is white, 1000-40000.
    """

    state: Switch = 0
    brightness: Percent = 100
    color: tuple[Annotated[int, msgspec.Meta(ge=0, le=360)], Percent] = (0, 0)
    kelvin: Annotated[int, msgspec.Meta(ge=LOWEST_KELVIN, le=HIGHEST_KELVIN)] = 4000

    def to_wire(self) -> list[Any]:
        """Return the LED as callback 18 shows it."""
        return [self.state, self.brightness, list(self.color), self.kelvin]


class ColorLight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The coloured nightlight of an Aura (light 5 of callbacks 17 and 18): a row of 9 LEDs.

    mode: what the LEDs do together: 1 static colour, 2 static temperature, 3 breathing, 4 strobing,
    5 colour cycle, 6 rainbow, 7 starry night.
    leds: each `[state, brightness 0-100, [hue 0-360, saturation 0-100], kelvin 1000-40000]`. One
    is used for all of them; after a few, the others are off.
    speed: how fast modes 3-7 go; the unit is not documented.
    random: whether the colours of modes 3-7 are random.
    level: how bright random colours are.
    """

    mode: Annotated[int, msgspec.Meta(ge=1, le=7)] = STATIC_TEMPERATURE
    leds: Annotated[tuple[Led, ...], msgspec.Meta(min_length=1, max_length=9)] = (Led(),)
    speed: Annotated[int, msgspec.Meta(ge=0, le=7)] = 1
    random: Switch = 0
    level: Percent = 40

    LED_COUNT: ClassVar[int] = 9
    """How many LEDs the row has."""

    def with_all_leds(self) -> "ColorLight":
        """Return the light with every LED of its row."""
        count = self.LED_COUNT
        leds = self.leds * count if len(self.leds) == 1 else (*self.leds, *[Led()] * count)
        return msgspec.structs.replace(self, leds=leds[:count])

    def to_wire(self, light: int, *, full: bool = True) -> list[Any]:
        """Return the `callbackArgs` of callback 18.

        light: the number of this light. full: with what follows the LEDs.
        """
        leds = [led.to_wire() for led in self.leds]
        more = [self.speed, self.random, self.level] if full else []
        return [light, self.mode, leds, *more]

    def with_args(
        self,
        args: list[Any],
        *,
        max_kelvin: int = HIGHEST_KELVIN,
        repeat_palette: bool = False,
        store_random: bool = False,
    ) -> "ColorLight":
        """Return the light, which has all its LEDs, as changed by callback 17.

        args: `[light, mode, leds]`, and up to three more: speed, random, level; omitted ones stay
        as they are. In mode 1 one entry is for the whole row. Otherwise each entry is for one LED,
        from the first, and the others stay: as LEDs in modes 1 and 2, as a palette in modes 3-7.
        Where the device chooses the colours of a palette itself (random), no LED changes.
        max_kelvin: the highest temperature that it takes.
        repeat_palette: fill the row with a palette that is shorter, over and over.
        store_random: change the LEDs also where the device chooses the colours.

        Raises RequestRejected.
        """
        count = len(self.leds)
        mode = expect_int(args[1], "mode", 1, 7, 1)
        entries = expect_array(args[2], f"1 to {count} LEDs", 1, count, 2)
        more = {
            name: expect_int(value, name, 0, highest, index)
            for index, (name, highest, value) in enumerate(
                zip(("speed", "random", "level"), (7, 1, 100), args[3:], strict=False), 3
            )
        }
        is_random = mode > STATIC_TEMPERATURE and more.get("random", self.random) == 1
        # A client sends back the whole row that it has read, also in this mode.
        if mode == STARRY_NIGHT and not is_random and len(entries) not in (2, count):
            reject(f"expected 2 LEDs in mode {mode}, or all {count}, found {len(entries)}", 2)
        form = _TEMPERATURE if mode == STATIC_TEMPERATURE else _COLOR
        leds = [
            _patched(led, entry, index, form, max_kelvin)
            for index, (led, entry) in enumerate(zip(self.leds, entries, strict=False))
        ]
        if mode == STATIC_COLOR and len(entries) == 1:
            leds = [_patched(led, entries[0], 0, form, max_kelvin) for led in self.leds]
        if repeat_palette and STATIC_TEMPERATURE < mode < STARRY_NIGHT:
            leds = [leds[index % len(entries)] for index in range(count)]
        keeps = is_random and not store_random
        row = self.leds if keeps else (*leds, *self.leds[len(leds) :])
        return msgspec.structs.replace(self, mode=mode, leds=row, **more)


class IndicatorLight(ColorLight, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The coloured indicator of an Aura (light 7 of callbacks 17 and 18, or 1): a row of 7 LEDs. It
    exists only with `indicator_light = true` under [quirks]; its number is set there as well.
    """

    LED_COUNT: ClassVar[int] = 7

    leds: Annotated[tuple[Led, ...], msgspec.Meta(min_length=1, max_length=7)] = (Led(),)


class _Form(NamedTuple):
    """How an LED is written.

    words: the elements, for messages.
    change: what an entry says beside state and brightness, from the entry, its place, and the
    highest temperature.
    """

    words: str
    change: Callable[[list[Any], tuple[Key, ...], int], dict[str, Any]]


def _patched(led: Led, entry: Any, index: int, form: _Form, max_kelvin: int) -> Led:
    """Return the LED as changed by an entry of callback 17. Raises RequestRejected.

    index: of the entry. form: how it is written. max_kelvin: the highest temperature.
    """
    place = (2, index)
    entry = expect_array(entry, f"an LED as {form.words}", 3, 4, *place)
    return msgspec.structs.replace(
        led,
        state=expect_int(entry[0], "state", 0, 1, *place, 0),
        brightness=expect_int(entry[1], "brightness", 0, 100, *place, 1),
        **form.change(entry, place, max_kelvin),
    )


def _with_color(entry: list[Any], place: tuple[Key, ...], max_kelvin: int) -> dict[str, Any]:
    """`[state, brightness, [hue, saturation]]`, or with kelvin at the end."""
    hue, saturation = expect_array(entry[2], "[hue, saturation]", 2, 2, *place, 2)
    color = (
        expect_int(hue, "hue", 0, 360, *place, 2, 0),
        expect_int(saturation, "saturation", 0, 100, *place, 2, 1),
    )
    if len(entry) == 3:
        return {"color": color}
    return {"color": color, "kelvin": _kelvin(entry, 3, place, max_kelvin)}


def _with_temperature(entry: list[Any], place: tuple[Key, ...], max_kelvin: int) -> dict[str, Any]:
    """`[state, brightness, kelvin]`, or as `_with_color`, with kelvin."""
    if len(entry) == 4:
        return _with_color(entry, place, max_kelvin)
    if isinstance(entry[2], list):
        reject(f"kelvin: expected a number, found {format_value(entry[2])}", *place, 2)
    return {"kelvin": _kelvin(entry, 2, place, max_kelvin)}


def _kelvin(entry: list[Any], index: int, place: tuple[Key, ...], max_kelvin: int) -> int:
    return expect_int(entry[index], "kelvin", LOWEST_KELVIN, max_kelvin, *place, index)


_COLOR = _Form("[state, brightness, [hue, saturation]]", _with_color)
_TEMPERATURE = _Form("[state, brightness, kelvin]", _with_temperature)
