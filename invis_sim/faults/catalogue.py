"""The catalogue: every kind of fault, in the order in which it is shown."""

import sys

from invis_sim.faults import kinds
from invis_sim.faults.fault import LAYERS, Fault
from invis_sim.schema.fields import key_docs, own_key_docs
from invis_sim.schema.manual import manual

__all__ = ["KINDS", "kind_manual"]


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


NEXT_KEY, NEXT_PART = "\n", "\n\n"
"""What is between two keys of a manual, and before the first one."""

KINDS = _kinds()
"""`kind` in a scenario → the class."""


def kind_manual(kind: type[Fault]) -> str:
    """Return the manual of a kind, with its keys that a base class describes; not with those of
    every kind. "" where Python has stripped it.
    """
    own, common = own_key_docs(kind), Fault.__struct_fields__
    inherited = [
        f"{name}: {text}"
        for name, text in key_docs(kind).items()
        if name not in own and name not in common
    ]
    if not inherited:
        return manual(kind)
    return f"{manual(kind)}{NEXT_KEY if own else NEXT_PART}{NEXT_KEY.join(inherited)}"
