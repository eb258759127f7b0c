"""What the faceplate measures: constant, from a list, or drifting.

Field names are the wire's. A new sample is taken in a rhythm, whether anybody asks or not, so what
is read depends on the time and the seed, and not on who reads it.
[documentation of callback 11; the client `invisoutlet`; the vendor's app]
"""

from random import Random
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

__all__ = ["DECIMALS", "READINGS", "Drift", "Sampler", "Sensors"]


Number = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]


class Drift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reading that wanders: each sample is the one before, up to a step more or less.

    start: the first.
    step: how far apart two samples are at the most, ≥ 0.
    min: it never falls below this; left out: no limit.
    max: it never rises above this; left out: no limit.
    """

    start: Number
    step: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.1
    min: Number | None = None
    max: Number | None = None

    def __post_init__(self) -> None:
        low = -float("inf") if self.min is None else self.min
        high = float("inf") if self.max is None else self.max
        if not low <= self.start <= high:
            raise ValueError(f"start ({self.start:g}) is not between min and max")

    def next(self, value: float, draw: Random) -> float:
        """The sample after this one."""
        value += draw.uniform(-self.step, self.step)
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


class Sensors(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the faceplate measures. A reading is a number; a list, of which each sample is the next,
    over and over; or a drift, `{ start = 21.5, step = 0.1, min = 18, max = 25 }`. Left out: what
    the product has by itself. An Aura measures the light alone, unless a reading is given.

    device_type: the number in front of the readings; left out: 1 for a Pro, 2 for an Aura.
    omit: names of readings that the faceplate does not have after all.

    temp_valid: whether temp_celsius and humidity are valid, 0 or 1.
    aqi_valid: whether AQI is valid, 0 or 1.
    temp_celsius: the temperature in °C. Text is sent as it is, as for every reading with decimals.
    humidity: the relative humidity in %.
    BME680_temp_celsius: the temperature in °C, by the air sensor.
    BME680_humidity: the relative humidity in %, by the air sensor.
    temphumidity_accuracy: seen on real hardware and documented nowhere; not there unless given.
    AQI: the index of air quality.
    AQI_accuracy: how sure the AQI is, 0-3.
    pressure: of the air, in Pa.
    gas: the resistance of the gas sensor, in Ohm.
    co2_equiv: carbon dioxide, or what amounts to it, in ppm.
    co2_peak_lvl: its peak, in ppm.
    co2_accuracy: how sure co2_equiv is, 0-3.
    bvoc_equiv: what breath leaves in the air (volatile organic compounds); nobody says in which
    unit.
    bvoc_accuracy: how sure bvoc_equiv is, 0-3.
    lux_valid: whether lux is valid, 0 or 1.
    lux: the light in the room; real devices say "inf" as well.
    occupancy_valid: whether occupancy_state is valid, 0 or 1.
    occupancy_state: 0: nobody; above: somebody. 4, 5 and 6 are stages of a calibration.
    distance: how far off somebody is; nobody says in which unit.
    movement_energy: what the radar sees that moves; nobody says in which unit.
    stationary_energy: what the radar sees that stands still; nobody says in which unit.
    """

    device_type: WholeNumber | None = None
    omit: tuple[str, ...] = ()
    temp_valid: Whole | None = None
    aqi_valid: Whole | None = None
    temp_celsius: Decimal | None = None
    humidity: Decimal | None = None
    BME680_temp_celsius: Decimal | None = None
    BME680_humidity: Decimal | None = None
    temphumidity_accuracy: Whole | None = None
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

    def __post_init__(self) -> None:
        for name in self.omit:
            if name not in READINGS:
                raise ValueError(f"omit: {name!r} is no reading; those are {', '.join(READINGS)}")

    def given(self, aura: bool) -> dict[str, Any]:
        """The readings that there are, by name, in the order of the wire."""
        usual = AURA_DEFAULTS if aura else PRO_DEFAULTS
        readings = ((name, getattr(self, name)) for name in READINGS)
        filled = ((name, usual.get(name) if one is None else one) for name, one in readings)
        return {n: one for n, one in filled if one is not None and n not in self.omit}


READINGS = tuple(name for name in Sensors.__struct_fields__ if name not in ("device_type", "omit"))

DECIMALS = (
    "temp_celsius",
    "humidity",
    "BME680_temp_celsius",
    "BME680_humidity",
    "bvoc_equiv",
    "lux",
)
"""The readings that the wire has as strings. [the vendor's app]"""

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


class Sampler:
    """The sensors at work: one sample after the other, and what calibrations make of them.

    seed: of the drifts.

    sample: the number of the present one, from 0.
    stage: what `occupancy_state` is while that sensor is calibrated; None: it is not.
    """

    def __init__(self, seed: int) -> None:
        self.sample = 0
        self.stage: int | None = None
        self._seed = seed
        self._readings: dict[str, Any] = {}
        self._drifts: dict[str, float] = {}  # reading → where its drift is
        self._offsets: dict[str, float] = {}  # reading → what a calibration has added to it

    def prepare(self, readings: dict[str, Any]) -> None:
        """From now on these are the readings, by name. One that is as it was goes on; of another,
        a drift begins anew, and a calibration is forgotten.
        """
        for name in self._readings:
            if readings.get(name) != self._readings[name]:
                self._drifts.pop(name, None)
                self._offsets.pop(name, None)
        self._readings = readings
        for name, reading in readings.items():
            if isinstance(reading, Drift):
                self._drifts.setdefault(name, reading.start)

    def advance(self) -> None:
        """Takes the next sample."""
        self.sample += 1
        for name, value in self._drifts.items():
            draw = Random(f"{self._seed}/sensors/{name}/{self.sample}")
            self._drifts[name] = self._readings[name].next(value, draw)

    def measures(self, name: str) -> bool:
        """Whether there is such a reading."""
        return name in self._readings

    def calibrate(self, name: str, value: float) -> None:
        """Lets a reading be this now, and differ from it later as it would have."""
        measured = self._measured(name)
        self._offsets[name] = value - (0.0 if isinstance(measured, str) else measured)

    def forget_calibrations(self) -> None:
        """Lets all readings be what the sensors measure."""
        self._offsets.clear()

    def report(self, decimals: Literal["strings", "numbers"]) -> dict[str, Any]:
        """The present readings as callback 11 has them.

        decimals: whether readings with decimals are strings that hold them, as on real devices.
        """
        return {name: self._on_the_wire(name, decimals) for name in self._readings}

    def _on_the_wire(self, name: str, decimals: Literal["strings", "numbers"]) -> Any:
        if name == "occupancy_state" and self.stage is not None:
            return self.stage
        value = self._measured(name)
        if name in self._offsets:
            value = (0.0 if isinstance(value, str) else value) + self._offsets[name]
        if isinstance(value, str):
            return value
        if name not in DECIMALS:
            return round(value)
        text = f"{value:.2f}"
        if name in self._offsets:  # a calibration is in thousandths
            text = f"{value:.3f}".removesuffix("0")
        return text if decimals == "strings" else float(text)

    def _measured(self, name: str) -> float | str:
        reading: Any = self._readings[name]
        if isinstance(reading, tuple):
            reading = reading[self.sample % len(reading)]
        elif isinstance(reading, Drift):
            reading = self._drifts[name]
        return reading if isinstance(reading, str) else float(reading)
