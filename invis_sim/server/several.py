"""Commands for several outlets: carried out on all of them, or on none."""

from collections.abc import Callable, Iterable, Sequence

from invis_sim.commands.command import Command, CommandError
from invis_sim.protocol.hidden_frames import hide_frames
from invis_sim.server.moves import Opened
from invis_sim.server.simulator import Simulator

__all__ = ["do_on_all", "rehearse_on_all", "wait_for_pending_connections"]

__tracebackhide__ = hide_frames

MAX_NAMED = 5
"""How many outlets a problem names: a wrong command for a thousand outlets is one problem."""


def do_on_all(outlets: Sequence[Simulator], commands: Sequence[Command], by: str) -> None:
    """Carry out checked commands on every outlet, in order: on all of them, or on none.

    by: who gives them, for the journals.

    Raises CommandError, whose problems say which outlets they are of where there are several.
    """
    if len(outlets) > 1:
        rehearse_on_all(outlets, lambda outlet: outlet.rehearse(commands))
    opened = _open_on_all(outlets, commands)
    for outlet in outlets:
        outlet.carry_out(commands, by, opened.get(outlet))


def _open_on_all(
    outlets: Sequence[Simulator], commands: Sequence[Command]
) -> dict[Simulator, Opened]:
    """Listen where the commands want each outlet to be, for `carry_out`: two of them may be in each
    other's way. Raises CommandError, and has changed nothing then.
    """
    found: dict[Simulator, Opened] = {}
    for outlet in outlets:
        try:
            opened = outlet.moves.open_for(commands, outlet.rehearse)
        except CommandError as error:
            for other, earlier in found.items():
                other.moves.give_up(earlier)
            several = f" (outlet {outlet.sn})" if len(outlets) > 1 else ""
            raise CommandError(*(f"{one}{several}" for one in error.problems)) from None
        if opened is None:
            break  # and so it is with the others
        found[outlet] = opened
    return found


def rehearse_on_all(outlets: Iterable[Simulator], rehearse: Callable[[Simulator], None]) -> None:
    """Rehearse something on every outlet.

    rehearse: changes nothing, and raises CommandError where it cannot be done.

    Raises CommandError, whose problems say which outlets they are of.
    """
    problems: dict[str, list[str]] = {}
    places = set()
    for outlet in outlets:
        try:
            rehearse(outlet)
        except CommandError as error:
            places.add(error.place)
            for problem in error.problems:
                problems.setdefault(problem, []).append(outlet.sn)
    if problems:
        of_all = CommandError(*(f"{text} ({_named(sns)})" for text, sns in problems.items()))
        of_all.place = places.pop() if len(places) == 1 else None
        raise of_all


async def wait_for_pending_connections(outlets: Sequence[Simulator]) -> None:
    """Return when the clients that have connected by now are served."""
    for outlet in outlets:
        if outlet.has_pending_connection:
            await outlet.wait_for_pending_connections()
    for outlet in outlets[:1]:  # for those that were accepted shortly before, by any outlet
        await outlet.wait_for_pending_connections()


def _named(serial_numbers: Iterable[str]) -> str:
    first, *others = serial_numbers
    if not others:
        return f"outlet {first}"
    named, more = [first, *others[: MAX_NAMED - 1]], len(others) + 1 - MAX_NAMED
    if more > 0:
        return f"outlets {', '.join(named)} and {more} more"
    return f"outlets {', '.join(named[:-1])} and {named[-1]}"
