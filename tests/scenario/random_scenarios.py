"""Hypothesis strategies: scenarios that are good, and documents that hardly are."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from invis_sim.commands.push import PUSHABLE_STATE
from invis_sim.device.state import OutletState
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import Fault
from invis_sim.scenario.ineffective import ineffective_settings
from invis_sim.scenario.model import Listen, Protocol, Scenario
from invis_sim.scenario.steps import Step
from tests.faults.random_structs import json_trees, structs

__all__ = ["documents", "scenarios", "states", "steps"]


def have_different_names(faults: list[Fault]) -> bool:
    names = [fault.name for fault in faults if fault.name is not None]
    return len(names) == len(set(names))


def attempt(arguments: dict[str, Any]) -> Scenario | None:
    try:
        return Scenario(**arguments)
    except ValueError:
        return None


def is_something(value: object) -> bool:
    return value is not None


_faults = st.lists(st.one_of([structs(kind) for kind in KINDS.values()]), max_size=3)

states = structs(OutletState)
"""What an outlet may be and know, with some of its tables given."""

_WHENS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.fixed_dictionaries({"after_seconds": st.floats(0, 1e9)}),
    st.fixed_dictionaries({"every_seconds": st.floats(0.001, 1e9)}),
    st.fixed_dictionaries(
        {"after_seconds": st.floats(0, 1e9), "every_seconds": st.floats(0.001, 1e9)}
    ),
    st.fixed_dictionaries(
        {
            "after_request": st.fixed_dictionaries(
                {"callback": st.integers()}, optional={"nth": st.integers(1, 100)}
            )
        },
        optional={"after_seconds": st.floats(0, 1e9)},
    ),
]

ACTIONS: dict[str, st.SearchStrategy[Any]] = {
    "set": states.map(lambda state: without_defaults(state, OutletState())).filter(bool),
    "faceplate": st.sampled_from(("on", "off")),
    "push": st.sampled_from([int(number) for number in PUSHABLE_STATE])
    | st.fixed_dictionaries(
        {"callback": st.sampled_from([int(number) for number in PUSHABLE_STATE])}
    )
    | st.fixed_dictionaries({"callback": st.integers(-(2**63), 2**63), "args": json_trees}),
    "sample": st.just(True),
    "update": st.sampled_from(("IM", "PM")),
    "reboot": st.just(True)
    | st.fixed_dictionaries(
        {},
        optional={
            "seconds": st.floats(0, 1e9),
            "how": st.sampled_from(("close", "reset", "close_frame", "blackhole")),
        },
    ),
    "join_network": st.just(True),
}
"""What a step does, but for the switching of faults, as a file says it."""


@st.composite
def steps(draw: st.DrawFn, faults: tuple[str, ...] = ()) -> dict[str, Any]:
    """A step, as a file says it.

    faults: the names of those that it may switch.
    """
    step = dict(draw(st.one_of(_WHENS)))
    names = st.sampled_from(faults) if faults else st.nothing()
    known = {
        **ACTIONS,
        **({} if not faults else dict.fromkeys(("enable", "disable"), names | listed(names))),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=2, unique=True))
    return step | {name: draw(known[name]) for name in chosen}


def listed(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.lists(names, min_size=1, max_size=2)


def without_defaults(struct: Any, usual: Any) -> dict[str, Any]:
    """What a file would say of a struct that is not as usual."""
    plain, plainly_usual = msgspec.to_builtins(struct), msgspec.to_builtins(usual)
    return {
        key: value
        for key, value in without_none(plain).items()
        if value != without_none(plainly_usual).get(key)
    }


@st.composite
def _scenarios(draw: st.DrawFn) -> Scenario | None:
    faults = draw(_faults.filter(have_different_names).map(tuple))
    names = tuple(fault.display_name for fault in faults)
    planned = draw(st.lists(steps(names), max_size=2))
    state: OutletState = draw(states)
    return attempt(
        with_effect(
            {
                "description": draw(st.text(max_size=20)),
                "seed": draw(st.none() | st.integers(0, 2**63 - 1)),
                **{name: getattr(state, name) for name in OutletState.__struct_fields__},
                "listen": draw(structs(Listen)),
                "protocol": draw(structs(Protocol)),
                "faults": faults,
                "steps": tuple(msgspec.convert(step, Step) for step in planned),
            }
        )
    )


def with_effect(parts: dict[str, Any]) -> dict[str, Any]:
    """The parts of a scenario without the settings and steps that have no effect."""
    while found := [path for path, _ in ineffective_settings(parts)]:
        for path in found:
            if path[0] != "steps":
                parts[str(path[0])] = getattr(Scenario(), str(path[0]))
        idle = {path[1] for path in found if path[0] == "steps"}
        steps = enumerate(parts["steps"])
        parts["steps"] = tuple(step for index, step in steps if index not in idle)
    return parts


scenarios: st.SearchStrategy[Scenario] = _scenarios().filter(is_something)  # type: ignore[assignment]
"""Scenarios that a file could say."""


KEYS = sorted(
    {
        *Scenario.__struct_fields__,
        *("kind", "sn", "IM", "PM", "fw_rev", "tcp", "ws", "tcp_port", "nth", "seconds", "min"),
        *("packet", "transport", "until_seconds", "Kind", "sede", "a b", "", "\n"),
        *("product", "states", "leds", "mode", "pass", "lux", "start", "outcome", "omit"),
        *("after_seconds", "every_seconds", "after_request", "callback", "set", "push", "reboot"),
    }
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), 2**63]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([*KINDS, "reply", "push", "tcp", "ws", "dealy", "0003C44076", "/ws", "aura"]),
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
