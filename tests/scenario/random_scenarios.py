"""Hypothesis strategies: scenarios that are good, and documents that hardly are."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from invis_sim.device.firmware import FirmwareInventory
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.model import Device, Listen, Protocol, Scenario
from tests.faults.random_structs import structs

__all__ = ["documents", "scenarios"]


def have_different_names(faults: list[Fault]) -> bool:
    names = [fault.name for fault in faults if fault.name is not None]
    return len(names) == len(set(names))


def attempt(arguments: dict[str, Any]) -> Any:
    try:
        return Scenario(**arguments)
    except ValueError:
        return None


def is_something(value: object) -> bool:
    return value is not None


_faults = st.lists(st.one_of([structs(kind) for kind in KINDS.values()]), max_size=3)

scenarios = (
    st.fixed_dictionaries(
        {
            "description": st.text(max_size=20),
            "seed": st.none() | st.integers(0, 2**63 - 1),
            "device": structs(Device),
            "firmware": structs(FirmwareInventory),
            "listen": structs(Listen),
            "protocol": structs(Protocol),
            "faults": _faults.filter(have_different_names).map(tuple),
        }
    )
    .map(attempt)
    .filter(is_something)
)
"""Scenarios that a file could say."""


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
        document = msgspec.to_builtins(draw(scenarios))
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
