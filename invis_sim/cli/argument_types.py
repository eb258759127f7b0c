"""How arguments of the command line become values. Each raises argparse.ArgumentTypeError."""

import argparse

from invis_sim.protocol.address import Host, is_ip_address
from invis_sim.schema.build import build

__all__ = [
    "control_port",
    "count",
    "duration",
    "host",
    "port",
    "seconds",
    "speed",
    "wait_seconds",
    "whole",
]

_UNITS = {"s": 1, "m": 60, "h": 3600}


def whole(text: str) -> int:
    """Parse a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def count(text: str) -> int:
    """Parse a whole number above 0."""
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return number


def speed(text: str) -> float:
    """Parse a speed: a number above 0, or inf."""
    return _above_zero(text, "a number above 0, or inf")


def seconds(text: str) -> float:
    """Parse a duration above 0."""
    return _above_zero(text, "a number of seconds above 0")


def _above_zero(text: str, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")
    return number


def wait_seconds(text: str) -> float:
    """Parse a duration that may be 0."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, found {text!r}")
    return number


def host(text: str) -> str:
    """Parse the host of an outlet, without a port."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    checked, problems = build(Host, bare)
    if problems:
        raise argparse.ArgumentTypeError(problems[0].message)
    if "/" in bare or (":" in bare and not is_ip_address(bare)):
        raise argparse.ArgumentTypeError(
            f"expected an address or a name, found {text!r}; its ports are options of their own"
        )
    return str(checked)


def port(text: str) -> int:
    """Parse the number of a port to connect to."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, found {text!r}")
    return number


def control_port(text: str) -> int:
    """Parse the port of --control, which is optional: a word behind it may be an argument."""
    try:
        return int(text)
    except ValueError:
        problem = f"expected a port, found {text!r}; write {text!r} before --control"
        raise argparse.ArgumentTypeError(problem) from None


def duration(text: str) -> float:
    """Parse a duration with a unit: 60, 60s, 5m or 1h."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    try:
        return seconds(number) * _UNITS[unit]
    except argparse.ArgumentTypeError:
        expected = "a time such as 60s, 5m or 1h"
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}") from None
