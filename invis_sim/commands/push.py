"""`push`: an update that no client asked for."""

from typing import Any

import msgspec

from invis_sim.commands.command import Command, CommandError, Target
from invis_sim.commands.methods import Commandable
from invis_sim.device.effects import Effect
from invis_sim.protocol.callbacks import Callback
from invis_sim.protocol.hidden_frames import hide_frames

__all__ = ["PUSHABLE_STATE", "PushMethod", "PushPacket"]

__tracebackhide__ = hide_frames

PUSHABLE_STATE = (
    Callback.OUTLET_STATUS,
    Callback.SENSOR_READINGS,
    Callback.DEVICE_INFORMATION,
    Callback.NIGHTLIGHT_STATUS,
    Callback.COLOR_LIGHT_STATUS,
)
"""The callbacks whose current state can be pushed without arguments."""


class PushPacket(Command, frozen=True, kw_only=True):
    """A callback number (9, 11, 12, 15, 18): pushes its current state to every connection. Or
    { callback = 99, args = [1] }: pushes these arguments.

    callback: the `callbackName`.
    args: the `callbackArgs`; omitted: the current state, for callbacks 9, 11, 12, 15 and 18.
    """

    key = "push"
    short = "callback"

    callback: int
    args: Any = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.args is msgspec.UNSET and self.callback not in PUSHABLE_STATE:
            known = ", ".join(str(int(number)) for number in PUSHABLE_STATE)
            raise ValueError(
                f"callback: expected one of {known}, or {{ callback = …, args = … }}, "
                f"found {self.callback}"
            )

    def apply(self, target: Target) -> tuple[Effect, ...]:
        try:
            return target.outlet.push(self.callback, self.args, target.now)
        except ValueError as error:
            raise CommandError(f"{self.key}: {error}") from None

    def summary(self) -> str:
        return f"push {self.callback}"  # its arguments are in the journal with the push itself


class PushMethod(Commandable, command=PushPacket):
    """Adds `push`."""

    def push(self, callback: int, args: Any = msgspec.UNSET) -> None:
        """Push an update to every connection.

        callback: the `callbackName`. args: the `callbackArgs`; omitted: the current state, for
        callbacks 9, 11, 12, 15 and 18.

        Raises CommandError where there is no such state now, or the arguments are not JSON.
        """
        self.do(push={"callback": callback} | ({} if args is msgspec.UNSET else {"args": args}))
