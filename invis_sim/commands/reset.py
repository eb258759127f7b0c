"""`reset`: back to how the scenario began."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from invis_sim.commands.command import (
    ClearJournal,
    ComeOnline,
    Command,
    CommandEffect,
    ResetSteps,
    Target,
)
from invis_sim.commands.methods import Commandable
from invis_sim.protocol.hidden_frames import hide_frames

__all__ = ["Reset", "ResetMethod", "What"]

__tracebackhide__ = hide_frames

What: TypeAlias = Literal["faults", "state", "counters", "journal", "seed", "steps", "all"]


class Reset(Command, frozen=True):
    """What to reset to the start of the scenario: one of these words, or a list of them.
    "faults": only the faults of the scenario remain, enabled as there. "state": everything that
    the outlet is and knows; an update, a calibration or a restart in progress is cancelled.
    "counters": the counts of faults and steps start at zero. "journal": deletes its entries.
    "seed": random numbers start again from the seed. "steps": the steps of the scenario start
    again, their times from now. "all": all of these.
    """

    key = "reset"

    what: What | Annotated[tuple[What, ...], msgspec.Meta(min_length=1)]

    def apply(self, target: Target) -> tuple[CommandEffect, ...]:
        parts = {self.what} if isinstance(self.what, str) else set(self.what)
        everything = "all" in parts
        effects: list[CommandEffect] = []
        # The journal first, so that it begins with what comes of the reset.
        if everything or "journal" in parts:
            effects.append(ClearJournal())
        if everything or "faults" in parts:
            target.faults.reset()
        if everything or "counters" in parts:
            target.faults.reset_counters()
            effects.append(ResetSteps())
        if everything or "seed" in parts:
            # A connection that comes next draws what the first one drew.
            target.faults.reseed(target.last_connection)
            target.outlet.reseed(target.now)
        if everything or "state" in parts:
            effects.append(ComeOnline(from_reboot=True))
            effects += target.outlet.reset(target.now)
        if everything or "steps" in parts:
            effects.append(ResetSteps(restart=True))
        return tuple(effects)


class ResetMethod(Commandable, command=Reset):
    """Adds `reset`."""

    def reset(self, *what: What) -> None:
        """Go back to how the scenario began.

        what: "faults", "state", "counters", "journal", "seed", "steps" or "all"; none given: all.
        Connections stay.
        """
        self.do(reset=what or ("all",))
