"""The kinds of faults: a file for each layer, or for what belongs together in it.

A line here registers a file: its classes are in the catalogue then, and in `invis_sim.faults`. Each
file has an `__all__` of its kinds.
"""

from typing import TYPE_CHECKING

from invis_sim.faults.kinds.connection import *  # noqa: F403
from invis_sim.faults.kinds.content import *  # noqa: F403
from invis_sim.faults.kinds.delivery import *  # noqa: F403
from invis_sim.faults.kinds.device import *  # noqa: F403
from invis_sim.faults.kinds.identity import *  # noqa: F403
from invis_sim.faults.kinds.interruption import *  # noqa: F403
from invis_sim.faults.kinds.syntax import *  # noqa: F403
from invis_sim.faults.kinds.text import *  # noqa: F403
from invis_sim.faults.kinds.websocket import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers take what is imported with a star as handed on
    # The kinds, and not the files, whose names others of the package have too.
    __all__ = [name for name, value in vars().items() if isinstance(value, type)]
