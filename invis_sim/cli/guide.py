"""`invis-sim guide`: the guides, on a terminal."""

import argparse
import sys

from invis_sim.cli import CliError
from invis_sim.cli.color import paint_for
from invis_sim.cli.width import text_width
from invis_sim.guides import guides, title
from invis_sim.guides.text import as_text

__all__ = ["guide"]


def guide(args: argparse.Namespace) -> int:
    """Print the guide of this name, or a line for each. Raises CliError."""
    found = guides()
    if args.name is not None and args.name not in found:
        raise CliError(f"unknown guide {args.name!r}; known guides: {', '.join(found)}", status=2)
    if args.name is None:
        name_width = max(map(len, found))
        for name, file in found.items():
            print(f"{name:{name_width}}  {title(file.read_text())}")
        print("\nPrint one: `invis-sim guide NAME`. To begin with: `invis-sim guide first-steps`.")
        return 0
    text = found[args.name].read_text()
    paint = paint_for(sys.stdout)
    print(as_text(text, text_width() + 2, lambda heading: paint(heading, "heading")))
    return 0
