"""How a command learns where its outlet is: placeholders in its arguments, and the environment."""

import difflib
import re
from collections.abc import Mapping, Sequence

from invis_sim.protocol.transport import Transport

__all__ = ["PLACEHOLDERS", "PlaceholderError", "check_placeholders", "environment", "fill"]

PLACEHOLDERS: dict[str, str] = {
    "host": "the address of the outlet",
    "port": "its port for the transport of the case",
    "tcp_port": "its port for TCP; in a case over WebSocket, one that refuses",
    "ws_port": "its port for WebSocket; in a case over TCP, one that refuses",
    "ws_url": "its WebSocket, as ws://HOST:PORT/ws",
    "address": "HOST:PORT or ws://HOST:PORT/ws, whichever the case is about",
    "transport": "tcp or ws",
    "sn": "its serial number",
    "control_url": "its control server; it has one only if the command has this",
    "case": "the id of the case; baseline/TRANSPORT in the undisturbed run",
}
"""Each with what replaces it. In the environment they are `INVIS_HOST` and so on."""

_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_WORD = re.compile(r"\{([a-z_]+)\}")


class PlaceholderError(ValueError):
    """A placeholder that there is not."""


def check_placeholders(command: Sequence[str]) -> None:
    """Raise PlaceholderError for a word in braces that resembles a placeholder.

    Any other text in braces is the command's own, such as JSON.
    """
    for argument in command:
        for word in _WORD.findall(argument):
            near = difflib.get_close_matches(word, PLACEHOLDERS, n=1, cutoff=0.75)
            if word not in PLACEHOLDERS and near:
                names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise PlaceholderError(
                    f"{{{word}}} is not a placeholder; did you mean {{{near[0]}}}? "
                    f"There are {names}"
                )


def wants_control(command: Sequence[str]) -> bool:
    """Return whether a command steers its outlet."""
    return any("control_url" in _PLACEHOLDER.findall(argument) for argument in command)


def transports_of(command: Sequence[str]) -> tuple[Transport, ...]:
    """Return the transports that the placeholders of a command are about: both, if it may be
    either.
    """
    names = {name for argument in command for name in _PLACEHOLDER.findall(argument)}
    tcp, ws = "tcp_port" in names, bool({"ws_port", "ws_url"} & names)
    if tcp == ws or names & {"port", "address", "transport"}:
        return ("tcp", "ws")
    return ("tcp",) if tcp else ("ws",)


def fill(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return the command with its placeholders replaced."""
    return [_PLACEHOLDER.sub(lambda match: values[match[1]], argument) for argument in command]


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """Return what the command finds in its environment."""
    return {f"INVIS_{name.upper()}": value for name, value in values.items()}
