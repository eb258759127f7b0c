"""What a scenario changes over time, or after a request."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.transport import DisconnectMode

__all__ = ["AfterRequest", "Patch", "Step", "StepPush", "StepReboot"]

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Interval = Annotated[float, msgspec.Meta(ge=0.001, le=1e9)]
FaultNames: TypeAlias = str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]

Patch = Annotated[
    dict[str, Any],
    msgspec.Meta(description="Tables and keys as at the top of the file, with new values."),
]
"""What a step sets: tables of the scenario file that say what the outlet is and knows."""


PUSHABLE_STATE = (
    Callback.OUTLET_STATUS,
    Callback.SENSOR_READINGS,
    Callback.DEVICE_INFORMATION,
    Callback.NIGHTLIGHT_STATUS,
    Callback.COLOR_LIGHT_STATUS,
)
"""The callbacks whose present state can be pushed."""


class AfterRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After a request has been answered.

    callback: the request's `callbackName`.
    nth: which of these requests, from 1, over all connections.
    """

    callback: int
    nth: Annotated[int, msgspec.Meta(ge=1)] = 1


class StepPush(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that every connection is told.

    callback: the `callbackName`.
    args: the `callbackArgs`; left out: the present state, for callbacks 9, 11, 12, 15 and 18.
    """

    callback: int
    args: Any = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.args is msgspec.UNSET:
            _check_has_state(self.callback, "callback")


class StepReboot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reboot of the outlet.

    seconds: how long it is away; left out: as [timing] says.
    how: how connections end, as for the fault `reboot`; left out: as [quirks] says.
    """

    seconds: Seconds | None = None
    how: DisconnectMode | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens to the outlet: at a time, again and again, or after a request. Of what
    one step does, the first comes first here.

    after_seconds: so long after the start; with `after_request`, so long after that request.
    every_seconds: again each time after so long, the first time with `after_seconds`, or after the
    same time where that is left out. It does not go with `after_request`.
    after_request: once a request has been answered: { callback = 20, nth = 3 }; with
    `after_seconds`, so long after that.

    set: new values for what the outlet is and knows, in the tables and keys of this file:
    { sensors = { lux = "inf" }, outlets = { states = [1, 0] } }.
    faceplate: "off": the InvisDeco is taken off; "on": it is put back.
    enable: the name of a fault that is to be on from now on, or a list of names.
    disable: the same for faults that are to be off.
    push: a callback number, to tell every connection the present state of it; or { callback = 99,
    args = [1] }.
    sample: true: the sensors take a new sample, which is pushed.
    update: "IM" or "PM": an update starts, as if a client had asked; nothing where it cannot.
    reboot: true, or { seconds = 3, how = "reset" }.
    join_network: true: the outlet is back on the network after a network reset.
    """

    after_seconds: Seconds | None = None
    every_seconds: Interval | None = None
    after_request: AfterRequest | None = None
    set: Patch | None = None
    faceplate: Literal["on", "off"] | None = None
    enable: FaultNames | None = None
    disable: FaultNames | None = None
    push: int | StepPush | None = None
    sample: bool = False
    update: Literal["IM", "PM"] | None = None
    reboot: bool | StepReboot = False
    join_network: bool = False

    def __post_init__(self) -> None:
        conditions = ("after_seconds", "every_seconds", "after_request")
        if all(getattr(self, name) is None for name in conditions):
            raise ValueError(
                "a step happens at a time (after_seconds, every_seconds) or after a request "
                "(after_request)"
            )
        if self.every_seconds is not None and self.after_request is not None:
            raise ValueError("every_seconds: does not go with after_request; after_seconds does")
        actions = [name for name in self.__struct_fields__ if name not in conditions]
        if not any(getattr(self, name) not in (None, False, {}) for name in actions):
            raise ValueError(f"step has no action; expected one of {', '.join(actions)}")
        if isinstance(self.push, int):
            _check_has_state(self.push, "push")

    @property
    def fault_names(self) -> dict[str, tuple[str, ...]]:
        """The faults that it switches: by key, their names."""
        given = {"enable": self.enable, "disable": self.disable}
        return {
            key: (names,) if isinstance(names, str) else names or () for key, names in given.items()
        }


def _check_has_state(callback: int, key: str) -> None:
    """Raises ValueError where a push of this callback cannot do without arguments."""
    if callback not in PUSHABLE_STATE:
        known = ", ".join(str(int(number)) for number in PUSHABLE_STATE)
        raise ValueError(
            f"{key}: expected one of {known}, or {{ callback = …, args = … }}, found {callback}"
        )
