"""What a scenario file, the command line and Python say about a wrong value: the same words, at the
place where it is given.
"""

import math
import textwrap
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import FirmwareInventory, OutletFirmware, Scenario, Step, When, faults
from invis_sim.faults import Fault
from invis_sim.scenario import ScenarioError, parse
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.loading import resolve
from invis_sim.scenario.validation import validate
from invis_sim.schema.fields import fields
from tests.cases import for_each

FAULTS: list[tuple[str, Callable[[Any], object], Any]] = [
    ('kind = "malformed_json"\nhow = {}', lambda it: faults.MalformedJson(how=it), "trunc"),
    ('kind = "delay"\nseconds = {}', lambda it: faults.Delay(seconds=it), "2"),
    ('kind = "delay"\nseconds = {}', lambda it: faults.Delay(seconds=it), -1),
    ('kind = "delay"\nseconds = {}', lambda it: faults.Delay(seconds=it), math.inf),
    ('kind = "delay"\nseconds = {}', lambda it: faults.Delay(seconds=it), {"min": 2, "max": 1}),
    ('kind = "delay"\nseconds = {}', lambda it: faults.Delay(seconds=it), {"mn": 2, "max": 1}),
    ('kind = "drop"\nname = {}', lambda it: faults.Drop(name=it), ""),
    ('kind = "drop"\nenabled = {}', lambda it: faults.Drop(enabled=it), 1),
    ('kind = "fail"\nwhen = {}', lambda it: faults.Fail(when=it), {"callbak": 20}),
    ('kind = "fail"\nwhen = {}', lambda it: faults.Fail(when=it), {"packet": "push"}),
    ('kind = "fail"\nwhen = {}', lambda it: faults.Fail(when=it), {"nth": [1, 0]}),
    ('kind = "fail"\nwhen = {}', lambda it: faults.Fail(when=it), {"nth": 3, "first": 2}),
    ('kind = "fail"\nwhen = {}', lambda it: faults.Fail(when=it), "always"),
    ('kind = "push_first"\nargs = {}', lambda it: faults.PushFirst(args=it), [{"b": math.nan}]),
    ('kind = "remove_field"\npath = {}', lambda it: faults.RemoveField(path=it), "a..b"),
    ('kind = "close"\ncode = {}', lambda it: faults.CloseConnection(code=it), 1005),
    ('kind = "no_pong"\nwhen = {}', lambda it: faults.NoPong(when=it), {"transport": "tcp"}),
    ('kind = "no_pong"\nwhen = {}', lambda it: faults.NoPong(when=it), {"callback": 20}),
]


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {toml(item)}' for key, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


def said(build: Callable[[], object]) -> str:
    """What is wrong with a value, without the file and the line."""
    with pytest.raises(ValueError, match=r"\w") as raised:
        build()
    return str(raised.value).removeprefix("<scenario>:")


@for_each(("keys", "build", "value"), FAULTS)
def test_a_wrong_fault_is_refused_in_the_same_words_from_python(
    keys: str, build: Callable[[Any], object], value: Any
) -> None:
    text = keys.format(toml(value))
    _, _, in_file = said(lambda: parse(f"[[faults]]\n{text}")).partition(": faults[0]")
    kind, *settings = text.splitlines()
    option = f"{kind.split()[2][1:-1]}:{','.join(settings)}"
    on_command_line = said(lambda: parse_fault(option)).removeprefix(repr(option))
    in_python = said(lambda: build(value))
    assert in_python == in_file.removeprefix(".").removeprefix(": ")
    assert in_python == on_command_line.removeprefix(": ")


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5000) | st.floats(-1, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.sampled_from(list(faults.KINDS.values())), st.data())
def test_python_accepts_what_a_file_may_have_and_nothing_else(
    kind: type[Fault], data: st.DataObject
) -> None:
    keys = tomli.loads(textwrap.dedent(kind.example))
    del keys["kind"]
    key = data.draw(st.sampled_from([*fields(kind), "when.nth", "when.transport", "when.packet"]))
    if key.startswith("when."):
        keys["when"] = {**keys.get("when", {}), key.removeprefix("when."): data.draw(anything)}
    else:
        keys[key] = data.draw(anything)
    built, problems = validate([{"kind": kind.kind(), **keys}], tuple[Fault, ...])
    if problems:
        with pytest.raises(ValueError, match=r"\w"):
            kind(**keys)
    else:
        assert built == (kind(**keys),)


@for_each(
    ("text", "build"),
    [
        ("seed = -1", lambda: Scenario(seed=-1)),
        ('[device]\nsn = "x"', lambda: resolve(Scenario(), sn="x")),
        ("[firmware.IM]\nfw_rev = 5", lambda: OutletFirmware(fw_rev=5)),  # type: ignore[arg-type]
        (
            "[firmware]\nIM = { fw_rev = 5 }",
            lambda: FirmwareInventory(IM={"fw_rev": 5}),  # type: ignore[arg-type]
        ),
        ("[[faults]]\nname = 5\nkind = 'drop'", lambda: faults.Drop(name=5)),  # type: ignore[arg-type]
        ("[[steps]]\nafter_seconds = -1\npush = 9", lambda: Step(after_seconds=-1, push=9)),
        ("[[steps]]\nafter_seconds = 1\npush = 5", lambda: Step(after_seconds=1, push=5)),
        (
            "[[steps]]\nafter_seconds = 1\ninject = { kind = 'dorp' }",
            lambda: Step(after_seconds=1, inject={"kind": "dorp"}),
        ),
        ("faults = ['drop']", lambda: Scenario(faults=("drop",))),  # type: ignore[arg-type]
        ("faults = ['drop']", lambda: resolve(None, ["drop"])),  # type: ignore[list-item]
    ],
)
def test_a_wrong_value_is_refused_where_python_gives_it(
    text: str, build: Callable[[], object]
) -> None:
    in_file = said(lambda: parse(text)).partition(": ")[2]
    assert in_file.endswith(said(build))


def test_python_may_write_what_a_file_may_write() -> None:
    fault = faults.Fail(when={"callback": [9, 20], "nth": 2})  # type: ignore[arg-type]
    assert fault == faults.Fail(when=When(callback=(9, 20), nth=2))
    assert fault.when.callback == (9, 20)
    (given,) = resolve(None, [{"kind": "drop"}]).faults  # type: ignore[list-item]
    assert given == faults.Drop()
    assert Step(after_seconds=1, inject={"kind": "drop"}).commands[0].injects == ("drop",)


@for_each(
    ("value", "found"),
    [({1, 2}, "set"), (b"x", "bytes"), (1j, "complex"), (date(2024, 1, 1), "2024-01-01")],
)
def test_what_no_file_has_is_no_value(value: Any, found: str) -> None:
    # As an encoder sees them, a set is a list and bytes are text.
    for build in (
        lambda: faults.Fail(when=When(callback=value)),
        lambda: faults.Drop(name=value),
        lambda: Scenario(description=value),
        lambda: resolve(None, host=value),
    ):
        with pytest.raises(ValueError, match=rf"^\w+: expected .*, found {found}$"):
            build()


@for_each("source", [5, b"seed = 1", {"seed": 1}, [], faults.Drop()])
def test_what_is_no_source_of_a_scenario_is_refused(source: Any) -> None:
    with pytest.raises(ScenarioError, match=r"^scenario: expected a Scenario, a path, the"):
        resolve(source)


@for_each(
    ("fault", "hint"),
    [
        ("drop", r'found "drop"; write { kind = "drop" }, or in Python faults.Drop\(\)$'),
        (faults.Delay, r"found the class Delay; write Delay\(…\)$"),
        (5, "found 5$"),
    ],
)
def test_what_only_names_a_fault_is_refused_with_a_hint(fault: Any, hint: str) -> None:
    with pytest.raises(ScenarioError, match=rf"^faults\[0\]: expected a fault: .*{hint}"):
        resolve(None, [fault])
    with pytest.raises(ValueError, match=rf"^inject: expected a fault: .*{hint}"):
        Step(after_seconds=1, inject=fault)


def test_an_unknown_override_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match=r"'hots' cannot be overridden; .*did you mean 'host'\?"):
        resolve(None, hots="127.0.0.1")
