"""`python -m invis_sim` is the command `invis-sim`."""

import sys

from invis_sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
