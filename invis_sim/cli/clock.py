"""`invis-sim clock`: the time of the outlets of a control server."""

import argparse
from collections.abc import Callable
from typing import Any

from invis_sim.cli import CliError
from invis_sim.cli.argument_types import speed, wait_seconds
from invis_sim.cli.control_client import ControlClient

__all__ = ["clock"]

_VALUES: dict[str, Callable[[str], float]] = {"speed": speed, "advance": wait_seconds}
"""The actions that take a value, and how it is read."""


def clock(args: argparse.Namespace) -> int:
    """Change how time passes, and print what time it is then. Raises CliError."""
    value = _value(args.action, args.value)
    with ControlClient(args) as server:
        match args.action:
            case "show":
                now = server.get("/api/clock")
            case "pause" | "resume":
                now = server.send("PATCH", "/api/clock", {"paused": args.action == "pause"})
            case "speed":
                # JSON has no infinity.
                given = "inf" if value == float("inf") else value
                now = server.send("PATCH", "/api/clock", {"speed": given})
            case "advance":
                # It takes as long as everything that falls due by then.
                now = server.send("POST", "/api/clock/advance", {"seconds": value}, slow=True)
            case "settle":
                now = server.send("POST", "/api/clock/settle", slow=True)
    print(_in_words(now))
    return 0


def _value(action: str, text: str | None) -> float | None:
    parse = _VALUES.get(action)
    try:
        if parse is None:
            if text is not None:
                raise CliError(f"{action} takes no value, found {text!r}", status=2)
            return None
        if text is None:
            raise CliError(f"{action}: a number is missing, as in `clock {action} 60`", status=2)
        return parse(text)
    except argparse.ArgumentTypeError as error:
        raise CliError(f"{action}: {error}", status=2) from None


def _in_words(now: Any) -> str:
    pace = "paused" if now["paused"] else f"speed {float(now['speed']):g}"
    return f"{now['seconds']:.3f} s since the start, {pace}"
