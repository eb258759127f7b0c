"""Docstrings as manuals: what `invis-sim faults`, `keys` and `schema` show."""

from typing import Any

__all__ = ["NO_MANUALS", "has_manuals", "manual"]

NO_MANUALS = "The manuals are missing: Python strips docstrings with -OO or PYTHONOPTIMIZE=2."
"""What is shown in place of a manual."""


def manual(owner: Any) -> str:
    """Return the docstring of a class or a function; "" where Python has stripped it.

    A class without one does not have that of its base, which would be one of msgspec's.
    """
    import inspect  # only for manuals and schemas: it would slow down every start

    return inspect.cleandoc(owner.__doc__ or "")


def has_manuals() -> bool:
    """Return whether this package has its docstrings."""
    return manual.__doc__ is not None
