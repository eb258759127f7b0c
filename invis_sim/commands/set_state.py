"""`set`: new values for what the outlet is and knows, and for where it listens."""

from typing import Annotated, Any

import msgspec

from invis_sim.commands.command import MAX_SUMMARY_CHARACTERS, Command, CommandError, Target
from invis_sim.commands.methods import Commandable
from invis_sim.commands.new_address import NewAddress
from invis_sim.device.effects import Effect
from invis_sim.device.state import OutletState
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.schema.describe import format_path, shorten, to_toml_text

__all__ = ["Patch", "SetMethod", "SetState", "Settings"]

__tracebackhide__ = hide_frames

Patch = Annotated[
    dict[str, Any],
    msgspec.Meta(description="Tables and keys as at the top of the file, with new values."),
]
"""Tables of a scenario file that say what the outlet is and knows, with the keys to change."""


class Settings(OutletState, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that `set` can change.

    listen: where the outlet listens.
    """

    listen: NewAddress = NewAddress()


class SetState(Command, frozen=True):
    """New values of the outlet's state, in the tables and keys of a scenario file:
    { sensors = { lux = "inf" }, outlets = { states = [1, 0] } }. Clients get the same pushes as
    after any other change. With { listen = { host = "127.0.0.2" } }, and tcp_port and ws_port, the
    outlet moves to another address, and every connection to the one before ends.
    """

    key = "set"

    state: Patch

    @property
    def new_address(self) -> NewAddress | None:
        listen = self.state.get("listen")
        if not listen:
            return None
        return listen if isinstance(listen, NewAddress) else NewAddress(**listen)

    def apply(self, target: Target) -> tuple[Effect, ...]:
        state = {key: value for key, value in self.state.items() if key != "listen"}
        try:
            return target.outlet.set(state, target.now)
        except ValueError as error:
            raise CommandError(f"{self.key}.{error}") from None

    def summary(self) -> str:
        settings = ", ".join(_settings(self.state))
        if not settings:
            return Command.summary(self)
        return shorten(f"set {settings}", MAX_SUMMARY_CHARACTERS)


def _settings(patch: Any, path: tuple[str, ...] = ()) -> list[str]:
    """Each key that a patch sets, with its value, as `sensors.lux = 5`."""
    found: list[str] = []
    for key, value in patch.items():
        here = (*path, str(key))
        if isinstance(value, dict) and value:
            found += _settings(value, here)
        else:
            found.append(f"{format_path(here)} = {to_toml_text(value)}")
    return found


class SetMethod(Commandable, command=SetState):
    """Adds `set`."""

    def set(self, **tables: Any) -> None:
        """Change what the outlet is or knows: `set(outlets={"states": [1, 0]})`; or move it to
        another address: `set(listen={"host": "127.0.0.2"})`.

        tables: as in a scenario file, a table and the keys to change in it, or a struct in its
        place. Clients get the same pushes as after any other change.

        Raises CommandError, and changes nothing then.
        """
        self.do(SetState(tables))
