"""Hypothesis strategies for structs, made from what the annotations of their fields allow."""

import string
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from invis_sim.device.sensors import READINGS
from invis_sim.faults import Distribution, Fault, When
from invis_sim.faults.fault import ConnectionFault

__all__ = ["conditions", "faults_of", "json_trees", "paths", "structs"]

# Strings with a pattern, which Hypothesis would generate too slowly and too wildly.
PATTERNED = {
    "^[0-9A-F]": st.text("0123456789ABCDEF", min_size=10, max_size=11),
    "^/": st.text(string.ascii_letters + "/-._~%!", max_size=5).map("/{}".format),
}

seconds = st.floats(0, 1e9)
spreads = st.one_of(
    st.lists(seconds, min_size=2, max_size=2).map(
        lambda two: Distribution(min=min(two), max=max(two))
    ),
    st.builds(Distribution, mean=seconds, stddev=seconds),
    st.builds(Distribution, median=st.floats(0.001, 1e9), sigma=seconds),
)

json_trees = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**64),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
"""What JSON and TOML both know."""

path_steps = st.one_of(
    st.sampled_from((".sn", ".packetID", ".PUBACK", ".payload", ".callbackArgs", ".IM", "[0]")),
    st.text(max_size=3).map(lambda key: "." + key.translate(dict.fromkeys(map(ord, ".[]"))) + "x"),
    st.integers(0, 999_999).map("[{}]".format),
)
paths = st.one_of(
    st.sampled_from(("sn", "payload.callbackArgs", "payload.callbackArgs[0]", "a.b.c")),
    st.builds(
        lambda first, rest: first + "".join(rest),
        st.sampled_from(("sn", "packetID", "PUBACK", "payload", "other")),
        st.lists(path_steps, max_size=3),
    ),
)

FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "path": paths,
    "bytes": st.integers(2, 3000),
    "size": st.none() | st.integers(1, 300),
    "copies": st.integers(2, 4),
    "pieces": st.integers(2, 40),
    "bits": st.integers(1, 1000),
    "omit": st.lists(st.sampled_from(READINGS), max_size=3).map(tuple),
}
"""Fields whose strategy does not follow from their annotation, or would make tests slow."""


def values(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Values that fit a type; None, which TOML cannot say, only where nothing else is meant."""
    match info:
        case inspect.Metadata(type=inner):
            return values(inner)
        case inspect.NoneType():
            return st.none()
        case inspect.AnyType():
            return json_trees
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType(ge=ge, gt=gt, le=le, lt=lt):
            least = ge if gt is None else gt + 1
            most = le if lt is None else lt - 1
            return st.one_of(
                st.integers(least, most), st.integers(least or 0, min(most or 5, (least or 0) + 5))
            )
        case inspect.FloatType(ge=ge, gt=gt, le=le, lt=lt):
            return st.floats(
                ge if gt is None else gt,
                le if lt is None else lt,
                exclude_min=gt is not None,
                exclude_max=lt is not None,
                allow_nan=False,
                allow_infinity=False,
            )
        case inspect.StrType(pattern=str(pattern)):
            return next(s for start, s in PATTERNED.items() if pattern.startswith(start))
        case inspect.StrType(min_length=least, max_length=most):
            return st.text(min_size=least or 0, max_size=min(most or 20, 20))
        case inspect.LiteralType(values=choices):
            return st.sampled_from(choices)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(values, items))
        case inspect.VarTupleType(item_type=item, min_length=least):
            return st.lists(values(item), min_size=least or 0, max_size=3).map(tuple)
        case inspect.StructType(cls=struct):
            return spreads if struct is Distribution else structs(struct)
        case inspect.UnionType(types=members):
            return st.one_of([values(member) for member in members])
        case _:
            raise NotImplementedError(f"no random values for {info}")


def field_values(struct: type[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A strategy for each field: of those that must be given, and of the others."""
    fields = msgspec.structs.fields(struct)
    known = {
        field.name: FIELDS[field.name]
        if field.name in FIELDS
        else values(inspect.type_info(field.type))
        for field in fields
    }
    required = {field.name: known[field.name] for field in fields if field.required}
    return required, {name: value for name, value in known.items() if name not in required}


def structs(struct: type[Any], most_given: int = 4) -> st.SearchStrategy[Any]:
    """A struct with some of its fields given; draws again where they do not fit together."""
    if issubclass(struct, Fault):
        return faults_of(struct, conditions(struct) | st.just(When()))
    required, optional = field_values(struct)
    return _some_of(struct, required, optional, most_given)


def faults_of(
    kind: type[Fault], when: st.SearchStrategy[When], without: tuple[str, ...] = ()
) -> st.SearchStrategy[Any]:
    """A fault of a kind, under one of these conditions.

    without: fields that keep their defaults.
    """
    required, optional = field_values(kind)
    own = {name: value for name, value in optional.items() if name not in ("when", *without)}
    return _some_of(kind, {**required, "when": when}, own, 4)


def conditions(kind: type[Fault]) -> st.SearchStrategy[When]:
    """Conditions under which a kind can apply."""
    _, optional = field_values(When)
    fitting = dict(optional)
    if issubclass(kind, ConnectionFault):
        for name in ("callback", "packet", "per"):
            del fitting[name]
    elif "push" not in kind.acts_on:
        fitting["packet"] = st.sampled_from(("reply", "any"))
    fitting["transport"] = st.sampled_from(kind.transports)
    return _some_of(When, {}, fitting, 4)


def _some_of(
    struct: type[Any],
    required: dict[str, st.SearchStrategy[Any]],
    optional: dict[str, st.SearchStrategy[Any]],
    most_given: int,
) -> st.SearchStrategy[Any]:
    known = {**required, **optional}
    chosen: st.SearchStrategy[list[str]] = st.just([])
    if optional:
        chosen = st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=most_given)

    @st.composite
    def attempts(draw: st.DrawFn) -> Any:
        given = {name: draw(known[name]) for name in (*required, *draw(chosen))}
        try:
            return struct(**given)
        except ValueError:
            return None

    return attempts().filter(is_something)


def is_something(value: object) -> bool:
    return value is not None
