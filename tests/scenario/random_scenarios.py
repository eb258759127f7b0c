"""Hypothesis strategies: scenarios that are good, and documents that hardly are."""

import string
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.faults.layer_delivery import Spread
from invis_sim.scenario.model import Device, Listen, Protocol, Scenario

__all__ = ["documents", "scenarios"]

# Strings with a pattern, which Hypothesis would generate too slowly and too wildly.
PATTERNED = {
    "^[0-9A-F]": st.text("0123456789ABCDEF", min_size=10, max_size=11),
    "^/": st.text(string.ascii_letters + "/-._~%!", max_size=5).map("/{}".format),
}

seconds = st.floats(0, 1e9)
spreads = st.one_of(
    st.lists(seconds, min_size=2, max_size=2).map(lambda two: Spread(min=min(two), max=max(two))),
    st.builds(Spread, mean=seconds, stddev=seconds),
    st.builds(Spread, median=st.floats(0.001, 1e9), sigma=seconds),
)


def values(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Values that fit a type; None, which TOML cannot say, only where nothing else is meant."""
    match info:
        case inspect.Metadata(type=inner):
            return values(inner)
        case inspect.NoneType():
            return st.none()
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
        case inspect.VarTupleType(item_type=item, min_length=least):
            return st.lists(values(item), min_size=least or 0, max_size=3).map(tuple)
        case inspect.StructType(cls=struct):
            return spreads if struct is Spread else structs(struct)
        case inspect.UnionType(types=members):
            return st.one_of([values(member) for member in members])
        case _:
            raise NotImplementedError(f"no random values for {info}")


@st.composite
def structs(draw: st.DrawFn, struct: type[Any], most_given: int = 4) -> Any:
    """A struct with some of its fields given; draws again where they do not fit together."""
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    required = [name for name, field in fields.items() if field.required]
    optional = [name for name in fields if name not in required]
    names = draw(st.lists(st.sampled_from(optional), unique=True, max_size=most_given))
    arguments = st.fixed_dictionaries(
        {name: values(inspect.type_info(fields[name].type)) for name in [*required, *names]}
    )
    return draw(arguments.map(lambda given: attempt(struct, given)).filter(is_something))


def attempt(struct: type[Any], arguments: dict[str, Any]) -> Any:
    try:
        return struct(**arguments)
    except ValueError:
        return None


def is_something(value: object) -> bool:
    return value is not None


def have_different_names(faults: list[Fault]) -> bool:
    names = [fault.name for fault in faults if fault.name is not None]
    return len(names) == len(set(names))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Scenarios that a file could say."""
    fields = {field.name: field.type for field in msgspec.structs.fields(Scenario)}
    kinds = st.sampled_from(list(KINDS.values()))
    faults = st.lists(kinds.flatmap(structs), max_size=3).filter(have_different_names)
    arguments = st.fixed_dictionaries(
        {
            "description": st.text(max_size=20),
            "seed": values(inspect.type_info(fields["seed"])),
            "device": structs(Device),
            "firmware": values(inspect.type_info(fields["firmware"])),
            "listen": structs(Listen),
            "protocol": structs(Protocol),
            "faults": faults.map(tuple),
        }
    )
    scenario: Scenario = draw(
        arguments.map(lambda given: attempt(Scenario, given)).filter(is_something)
    )
    return scenario


KEYS = sorted(
    {
        *Scenario.__struct_fields__,
        *("kind", "sn", "IM", "PM", "fw_rev", "tcp", "ws", "tcp_port", "nth", "seconds", "min"),
        *("packet", "transport", "until_seconds", "Kind", "sede", "a b", "", "\n"),
    }
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), 2**63]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([*KINDS, "reply", "push", "tcp", "ws", "dealy", "0003C44076", "/ws"]),
    st.dates(),
    st.times(),
    st.datetimes(),
)

junk = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner.filter(is_something), max_size=3),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    ),
    max_leaves=5,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Scenarios as TOML would give them, with junk here and there; or junk alone."""
    if draw(st.booleans()):
        document = draw(st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text()), junk))
    else:
        document = msgspec.to_builtins(draw(scenarios()))
        for _ in range(draw(st.integers(1, 3))):
            spoil(draw, document)
    cleaned: dict[str, Any] = without_none(document)
    return cleaned


def spoil(draw: st.DrawFn, node: Any) -> None:
    """Puts junk somewhere at or below a table or list."""
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        deeper = [place for place in places if node[place] and isinstance(node[place], dict | list)]
        if not deeper or draw(st.booleans()):
            break
        node = node[draw(st.sampled_from(deeper))]
    if isinstance(node, dict):
        node[draw(st.sampled_from([*places, *KEYS]))] = draw(junk)
    else:
        node.append(draw(junk.filter(is_something)))


def without_none(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_none(item) for key, item in node.items() if item is not None}
    return [without_none(item) for item in node] if isinstance(node, list | tuple) else node
