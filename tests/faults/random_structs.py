"""Random structs of any size that a scenario file could say, for tests that start nothing."""

from hypothesis import strategies as st
from msgspec import inspect

from invis_sim.testing import from_structs

__all__ = ["conditions", "faults_of", "json_trees", "paths", "structs"]


def any_integers(info: inspect.IntType) -> st.SearchStrategy[int]:
    """Integers of the whole range, and often its lower end."""
    least = info.ge if info.gt is None else info.gt + 1
    most = info.le if info.lt is None else info.lt - 1
    low = least or 0
    return st.one_of(st.integers(least, most), st.integers(low, min(most or low + 5, low + 5)))


_any = from_structs.StructStrategies(integers=any_integers)

structs = _any.structs
faults_of = _any.faults_of
conditions = _any.conditions
json_trees = from_structs.json_trees()
paths = from_structs.paths
