"""The outlet returns what is to be done. It calls no code of others, and keeps nothing to be
fetched later.
"""

import inspect
from collections.abc import Iterator
from typing import Any, TypeAlias, get_type_hints

import msgspec

from invis_sim.device import effects
from invis_sim.device.outlet import Outlet
from invis_sim.device.schedule import Schedule, Timer
from invis_sim.device.update_process import UpdateProcess
from invis_sim.protocol.packets import Push
from tests.device.support import FIRMWARE, an_outlet, handle_request, now, pass_time, restart

OPERATIONS = {
    name: function
    for name, function in vars(Outlet).items()
    if inspect.isfunction(function) and not name.startswith("_")
}


def busy_outlet() -> Outlet:
    """An outlet that has done, and is about to do, something of everything."""
    outlet = an_outlet(device={"hw_rev": "revB"}, firmware=FIRMWARE)
    handle_request(outlet, 21, [2])
    restart(outlet)
    outlet.connect_pushes(now(outlet))
    handle_request(outlet, 26, [30])
    handle_request(outlet, 10, [1, 1])
    outlet.force_faceplate_offline(False, now(outlet))
    pass_time(outlet, 1)
    return outlet


Attribute: TypeAlias = tuple[object, str, object]
"""An object, the name of an attribute, and its value or an item of that."""


def attributes(thing: object, seen: set[int]) -> Iterator[Attribute]:
    """Those of every object of the device package that can be reached."""
    if not type(thing).__module__.startswith("invis_sim.device") or id(thing) in seen:
        return
    seen.add(id(thing))
    slots = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    for name in [*getattr(thing, "__dict__", ()), *slots]:
        for value in items(getattr(thing, name)):
            yield thing, name, value
            yield from attributes(value, seen)


def items(value: object) -> Iterator[object]:
    """The value itself, and what it contains."""
    yield value
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from items(item)


def test_no_part_of_the_outlet_keeps_a_function_to_call() -> None:
    kept = list(attributes(busy_outlet(), set()))
    assert {Outlet, Schedule, UpdateProcess, Timer} <= {type(owner) for owner, _, _ in kept}
    hooks = {
        (type(owner).__name__, name)
        for owner, name, value in kept
        if callable(value) and not isinstance(value, type)
    }
    # What a timer does is given to it by the code that makes it, and returns its effects.
    assert hooks == {("Timer", "action")}


def test_no_part_of_the_outlet_keeps_effects() -> None:
    outlet = busy_outlet()
    outlet.set({"outlets": {"states": [0, 0]}}, now(outlet))
    kinds = (effects.GoOffline, effects.Log, Push, effects.Answer)
    assert [name for _, name, value in attributes(outlet, set()) if isinstance(value, kinds)] == []


def test_every_operation_takes_the_time_and_returns_effects() -> None:
    returned: dict[str, Any] = {
        name: get_type_hints(function)["return"] for name, function in OPERATIONS.items()
    }
    assert returned.pop("handle") is returned.pop("reject") is effects.Answer
    assert set(returned.values()) == {tuple[effects.Effect, ...]}
    for name, function in OPERATIONS.items():
        if name != "reject":  # which changes nothing
            assert [*inspect.signature(function).parameters][-1] == "now"


def test_properties_of_the_outlet_are_only_read() -> None:
    for cls in (Outlet, Schedule, Timer, UpdateProcess):
        for member in vars(cls).values():
            assert not isinstance(member, property) or member.fset is None


def test_effects_are_plain_values() -> None:
    for kind in (effects.GoOffline, effects.Log, Push):
        assert issubclass(kind, msgspec.Struct)
        assert kind.__struct_config__.frozen
