"""The catalogue: every kind of fault, in the order in which it is shown."""

import sys

from invis_sim.faults import kinds
from invis_sim.faults.fault import LAYERS, Fault

__all__ = ["KINDS"]


def _kinds() -> dict[str, type[Fault]]:
    """Return the kinds that `kinds/__init__.py` registers: layer by layer; within a layer file by
    file, in a file in the order of their definition.
    """
    registered = [one for one in vars(kinds).values() if isinstance(one, type)]
    files = dict.fromkeys(one.__module__ for one in registered if issubclass(one, Fault))
    classes = [
        one
        for file in files
        for one in vars(sys.modules[file]).values()
        if isinstance(one, type) and one in registered and issubclass(one, Fault)
    ]
    classes.sort(key=lambda one: LAYERS.index(one.layer))
    return {one.kind(): one for one in classes}


KINDS = _kinds()
"""`kind` in a scenario → the class."""
