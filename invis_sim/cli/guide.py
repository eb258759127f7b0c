"""`invis-sim guide`: the guides, on a terminal."""

import argparse
import os
import shutil
import sys

from invis_sim.cli import CliError
from invis_sim.guides import guides, title
from invis_sim.guides.text import as_text

__all__ = ["guide"]

MAX_WIDTH = 100
"""Columns of a line, where the terminal has more: longer lines are hard to read."""


def guide(args: argparse.Namespace) -> int:
    """Print the guide of this name, or a line for each. Raises CliError."""
    found = guides()
    if args.name is not None and args.name not in found:
        raise CliError(f"unknown guide {args.name!r}; known guides: {', '.join(found)}", status=2)
    if args.name is None:
        name_width = max(map(len, found))
        for name, file in found.items():
            print(f"{name:{name_width}}  {title(file.read_text(encoding='utf-8'))}")
        return 0
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    text = found[args.name].read_text(encoding="utf-8")
    print(as_text(text, width, _bold if _shows_colors() else str))
    return 0


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"


def _shows_colors() -> bool:
    """Return whether stdout is a terminal whose user has not asked for no colors."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
