"""What the faceplate measures: constant, from a list, or drifting.

Field names are the wire's. A new sample is taken at a fixed interval, whether a client asks or
not, so what is read depends on the time and the seed, and not on how often it is read.
[documentation of callback 11; the client `invisoutlet`; the vendor's app]
"""

import copy
import math
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.device.chance import chance
from invis_sim.schema.build import Checked

__all__ = ["DECIMALS", "READINGS", "Drift", "Sampler", "Sensors"]


Number = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]


class Drift(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reading that wanders: each sample is the one before, up to a step more or less.

    start: the first.
    step: the largest difference of two samples, ≥ 0.
    min: it never falls below this; omitted: no limit.
    max: it never rises above this; omitted: no limit.
    """

    start: Number
    step: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.1
    min: Number | None = None
    max: Number | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        low = -float("inf") if self.min is None else self.min
        high = float("inf") if self.max is None else self.max
        if not low <= self.start <= high:
            raise ValueError(f"start ({self.start:g}) is not between min and max")

    def next(self, value: float, number: float) -> float:
        """Return the sample after this one. number: a random one from 0 to 1."""
        value += self.step * (2 * number - 1)
        if self.min is not None:
            value = max(value, self.min)
        return value if self.max is None else min(value, self.max)


Text = Annotated[str, msgspec.Meta(max_length=32, description='As it is, such as "inf".')]
Decimal: TypeAlias = (
    Number | Text | Annotated[tuple[Number | Text, ...], msgspec.Meta(min_length=1)] | Drift
)
"""A reading with decimals: a constant, a list of which each sample is the next, or a drift."""

WholeNumber = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Whole: TypeAlias = (
    WholeNumber | Annotated[tuple[WholeNumber, ...], msgspec.Meta(min_length=1)] | Drift
)
"""A reading without: the same, in whole numbers."""


class Sensors(Checked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the faceplate measures. A reading is a number; a list, from which each sample takes the
    next, over and over; or a drift, `{ start = 21.5, step = 0.1, min = 18, max = 25 }`. Omitted:
    what the product measures by default. An Aura measures the light alone, unless a reading is
    given.

    device_type: the number in front of the readings; what it means is not documented.
    omit: names of readings that the faceplate does not have.
    occupancy_calibration: how a calibration of the occupancy sensor (26) goes: it "succeeds"; it
    "fails", and occupancy_state ends with 6; or the sensor is "silent", and it does not begin
    (`PUBACK` 0).

    temp_valid: whether temp_celsius and humidity are valid, 0 or 1.
    aqi_valid: whether AQI is valid, 0 or 1.
    temp_celsius: the temperature in °C. Text is sent as it is, as for every reading with decimals.
    humidity: the relative humidity in %.
    BME680_temp_celsius: the temperature in °C, by the air sensor.
    BME680_humidity: the relative humidity in %, by the air sensor.
    AQI: the index of air quality.
    AQI_accuracy: the accuracy of AQI, 0-3. As a constant it is 0 after a reset of the faceplate
    (25) until it is set anew, as are co2_accuracy and bvoc_accuracy.
    pressure: of the air, in Pa.
    gas: the resistance of the gas sensor, in Ohm.
    co2_equiv: the equivalent of carbon dioxide (CO2), in ppm.
    co2_peak_lvl: its peak, in ppm.
    co2_accuracy: the accuracy of co2_equiv, 0-3.
    bvoc_equiv: volatile organic compounds as breath contains them (bVOC), in ppm.
    bvoc_accuracy: the accuracy of bvoc_equiv, 0-3.
    lux_valid: whether lux is valid, 0 or 1.
    lux: the light in the room; real devices say "inf" as well.
    occupancy_valid: whether occupancy_state is valid, 0 or 1.
    occupancy_state: 0: the room is empty; above: it is not: 1 a person moves, 2 is still, 3 both.
    A calibration (26) is 4, and then 5 if it has succeeded, or 6.
    distance: how far off a person is, presumably in cm.
    movement_energy: what the radar sees that moves, presumably 0-100.
    stationary_energy: what the radar sees that does not move, presumably 0-100.
    temphumidity_accuracy: seen on real hardware and documented nowhere; not there unless given.
    """

    device_type: WholeNumber = 1
    omit: tuple[str, ...] = ()
    occupancy_calibration: Literal["succeeds", "fails", "silent"] = "succeeds"
    temp_valid: Whole | None = None
    aqi_valid: Whole | None = None
    temp_celsius: Decimal | None = None
    humidity: Decimal | None = None
    BME680_temp_celsius: Decimal | None = None
    BME680_humidity: Decimal | None = None
    AQI: Whole | None = None
    AQI_accuracy: Whole | None = None
    pressure: Whole | None = None
    gas: Whole | None = None
    co2_equiv: Whole | None = None
    co2_peak_lvl: Whole | None = None
    co2_accuracy: Whole | None = None
    bvoc_equiv: Decimal | None = None
    bvoc_accuracy: Whole | None = None
    lux_valid: Whole | None = None
    lux: Decimal | None = None
    occupancy_valid: Whole | None = None
    occupancy_state: Whole | None = None
    distance: Whole | None = None
    movement_energy: Whole | None = None
    stationary_energy: Whole | None = None
    temphumidity_accuracy: Whole | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.omit:
            if name not in READINGS:
                raise ValueError(
                    f"omit: {name!r} is not a reading; those are {', '.join(READINGS)}"
                )

    def effective(self, product: str) -> dict[str, Any]:
        """Return the readings that a product has, by name, in the order of the wire.

        product: "pro" or "aura"; of "bare", those of a Pro, which no client sees.
        """
        defaults = AURA_DEFAULTS if product == "aura" else PRO_DEFAULTS
        found = {}
        for name in READINGS:
            reading = getattr(self, name)
            if reading is None:
                reading = defaults.get(name)
            if reading is not None and name not in self.omit:
                found[name] = reading
        return found


READINGS = tuple(
    name
    for name in Sensors.__struct_fields__
    if name not in ("device_type", "omit", "occupancy_calibration")
)

Decimals: TypeAlias = Literal["strings", "numbers"]
"""Whether readings with decimals are strings that hold them, as on real devices."""

DECIMALS = (
    "temp_celsius",
    "humidity",
    "BME680_temp_celsius",
    "BME680_humidity",
    "bvoc_equiv",
    "lux",
)
"""The readings that the wire has as strings. [the vendor's app]"""

ACCURACIES = ("AQI_accuracy", "co2_accuracy", "bvoc_accuracy")
"""What the air sensor loses when the faceplate is reset: it begins to learn again."""

PRO_DEFAULTS: dict[str, Any] = {
    "temp_valid": 1,
    "aqi_valid": 1,
    "temp_celsius": 21.5,
    "humidity": 40.0,
    "BME680_temp_celsius": 22.1,
    "BME680_humidity": 39.2,
    "AQI": 42,
    "AQI_accuracy": 3,
    "pressure": 101_325,
    "gas": 51_234,
    "co2_equiv": 600,
    "co2_peak_lvl": 710,
    "co2_accuracy": 3,
    "bvoc_equiv": 0.5,
    "bvoc_accuracy": 3,
    "lux_valid": 1,
    "lux": 120.0,
    "occupancy_valid": 1,
    "occupancy_state": 1,
    "distance": 150,
    "movement_energy": 10,
    "stationary_energy": 20,
}
AURA_DEFAULTS: dict[str, Any] = {"lux_valid": 1, "lux": 120.0}


def _on_wire(
    name: str, value: float | str, decimals: Decimals, *, thousandths: bool = False
) -> Any:
    """Return what callback 11 has of a reading.

    decimals: as for `Sampler.to_wire`. thousandths: whether it may have a third decimal.
    """
    if isinstance(value, str):
        return value
    if name not in DECIMALS:
        return round(value)
    text = f"{value:.3f}".removesuffix("0") if thousandths else f"{value:.2f}"
    return text if decimals == "strings" else float(text)


@lru_cache(maxsize=64)
def _constants_on_wire(readings: tuple[tuple[str, Any], ...], decimals: Decimals) -> dict[str, Any]:
    """Return what callback 11 has of constant readings. The outlets of a fleet share it, as most
    have the same readings.

    readings: names and readings; None: a reading that is not shared, of which there is None.
    """
    return {
        name: None if reading is None else _on_wire(name, reading, decimals)
        for name, reading in readings
    }


def _is_negative_zero(reading: Any) -> bool:
    """Whether the reading is shown with a sign though it is zero, as firmware in C may do."""
    return reading == 0 and math.copysign(1, reading) < 0


class Sampler:
    """The sensors at work: one sample after the other, and what calibrations make of them.

    seed: of the drifts.

    sample: the number of the present one, from 0.
    stage: what `occupancy_state` is of a calibration; None: what the sensor measures.
    """

    def __init__(self, seed: int) -> None:
        self.sample = 0
        self.stage: int | None = None
        self._seed = seed
        self._readings: dict[str, Any] = {}
        # Readings that are no constants, and -0.0, which is equal to 0.0 and looks different.
        self._unshared: tuple[str, ...] = ()
        self._constants: dict[Decimals, dict[str, Any]] = {}  # by the form of decimals
        self._drifts: dict[str, float] = {}  # reading → where its drift is
        self._offsets: dict[str, float] = {}  # reading → what a calibration has added to it
        self._lost: set[str] = set()  # accuracies that are 0 since a reset of the faceplate

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sampler":
        # Commands are tried on a copy of the outlet, and what is only replaced need not be copied:
        # that would be most of the time.
        twin = copy.copy(self)
        twin._drifts = dict(self._drifts)
        twin._offsets = dict(self._offsets)
        twin._lost = set(self._lost)
        memo[id(self)] = twin
        return twin

    def set_readings(self, readings: dict[str, Any]) -> None:
        """Replace the readings. Unchanged ones keep their drift and calibration; changed ones
        restart.

        readings: by name, as `Sensors.effective` returns them.
        """
        for name in self._readings:
            if readings.get(name) != self._readings[name]:
                self._drifts.pop(name, None)
                self._offsets.pop(name, None)
                self._lost.discard(name)
        self._readings = readings
        unshared = []
        for name, reading in readings.items():
            if isinstance(reading, Drift):
                self._drifts.setdefault(name, reading.start)
                unshared.append(name)
            elif isinstance(reading, tuple) or _is_negative_zero(reading):
                unshared.append(name)
        self._unshared = tuple(unshared)
        self._constants = {}

    def restart(self) -> None:
        """Begin again at the first sample, with every drift at its start."""
        self.sample = 0
        for name in self._drifts:
            self._drifts[name] = self._readings[name].start

    def advance(self) -> None:
        """Take the next sample."""
        self.sample += 1
        for name, value in self._drifts.items():
            # A random number of its own for each sample of each reading, so that a drift does not
            # depend on which other readings there are, or were before.
            number = chance(f"{self._seed}/sensors/{name}/{self.sample}")
            self._drifts[name] = self._readings[name].next(value, number)

    def has(self, name: str) -> bool:
        """Whether there is such a reading."""
        return name in self._readings

    def calibrate(self, name: str, value: float) -> None:
        """Make the present reading this value, and shift those after it as much.

        name: of a reading that there is.
        """
        raw = self._raw(name)
        self._offsets[name] = value - (0.0 if isinstance(raw, str) else raw)

    def forget_calibrations(self) -> None:
        """Make all readings what the sensors measure."""
        self._offsets.clear()
        self._lost.clear()

    def reset_calibrations(self) -> None:
        """Lose all calibrations, as a faceplate that is reset does: accuracies are 0 from now on,
        unless they are from a list or a drift.
        """
        self.forget_calibrations()
        self._lost.update(
            name for name in ACCURACIES if isinstance(self._readings.get(name), int | float)
        )

    def to_wire(self, decimals: Decimals) -> dict[str, Any]:
        """Return the present readings as callback 11 has them.

        decimals: whether readings with decimals are strings that hold them, as on real devices.
        """
        if self.stage is not None or self._lost or self._offsets:
            return {name: self._to_wire(name, decimals) for name in self._readings}
        # Most are constants, and every outlet of a fleet pushes them every few seconds.
        if decimals not in self._constants:
            shared = {**self._readings, **dict.fromkeys(self._unshared)}
            readings = tuple(shared.items())
            self._constants[decimals] = _constants_on_wire(readings, decimals)
        unshared = {name: self._to_wire(name, decimals) for name in self._unshared}
        return {**self._constants[decimals], **unshared}

    def _to_wire(self, name: str, decimals: Decimals) -> Any:
        if name == "occupancy_state" and self.stage is not None:
            return self.stage
        if name in self._lost:
            return 0
        value = self._raw(name)
        if name in self._offsets:
            value = (0.0 if isinstance(value, str) else value) + self._offsets[name]
        # A calibration is in thousandths.
        return _on_wire(name, value, decimals, thousandths=name in self._offsets)

    def _raw(self, name: str) -> float | str:
        """What the sensor measures, without its calibration."""
        reading: Any = self._readings[name]
        if isinstance(reading, tuple):
            reading = reading[self.sample % len(reading)]
        elif isinstance(reading, Drift):
            reading = self._drifts[name]
        return reading if isinstance(reading, str) else float(reading)
