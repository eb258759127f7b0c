"""A scenario that is written and loaded again is the same."""

import math

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import scenario
from invis_sim.device.state import OutletState, Product
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.export import scenario_of, scenario_text
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.toml_text import to_toml
from invis_sim.schema.build import build
from invis_sim.schema.differences import differences
from tests.cases import for_each
from tests.scenario.random_scenarios import scenarios, states

# Text that UTF-8 has, and that TOML does not normalise.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCALARS = TEXTS | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
TABLES = st.dictionaries(
    TEXTS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@for_each("name", bundled())
def test_a_shipped_scenario_is_the_same_after_a_round_trip(name: str) -> None:
    original = scenario.load(name)
    assert scenario.parse(scenario_text(original)) == original


@given(scenarios)
def test_a_scenario_is_the_same_after_a_round_trip(original: Scenario) -> None:
    text = scenario_text(original)
    again = scenario.parse(text)
    assert again == original
    assert scenario_text(again) == text


@given(states, st.sampled_from(["bare", "pro", "aura"]))
def test_what_has_no_effect_is_not_written(state: OutletState, product: Product) -> None:
    found = scenario_of(state.with_product(product), seed=7)
    assert scenario.parse(scenario_text(found)) == found
    assert scenario_of(found.state, seed=7) == found


@given(states, states)
def test_differences_are_a_patch(base: OutletState, value: OutletState) -> None:
    both, problems = build(OutletState, differences(value, base), base=base)
    assert not problems
    assert differences(value, both) == {}


@given(TABLES)
def test_any_table_is_the_same_after_a_round_trip(table: dict[str, object]) -> None:
    assert tomli.loads(to_toml(table)) == table


def test_what_is_written_reads_well() -> None:
    tables = {
        "seed": 7,
        "leds": [[1, 100, [0, 100], 4000]] * 9,
        "device": {"sn": "0003C44076"},
        "firmware": {"PM": {}, "IM": {"fw_rev": "0.0.1"}},
        "faults": [{"kind": "delay", "when": {"callback": 20}}, {"kind": "no_reply"}],
        "odd": {"a b": math.inf, "": "\x7f\n\x9b\u202e\U000e0001é"},
    }
    lights = "  [1, 100, [0, 100], 4000],\n" * 9
    assert to_toml(tables, ("one", "two\nthree\x1b")) == (
        "# one\n# two\n# three\\u001b\n\n"
        f"seed = 7\nleds = [\n{lights}]\n\n"
        '[device]\nsn = "0003C44076"\n\n'
        '[firmware.PM]\n\n[firmware.IM]\nfw_rev = "0.0.1"\n\n'
        '[odd]\n"a b" = inf\n"" = "\\u007F\\n\\u009B\\u202E\\U000E0001é"\n\n'
        '[[faults]]\nkind = "delay"\nwhen = { callback = 20 }\n\n'
        '[[faults]]\nkind = "no_reply"\n'
    )


def test_what_toml_lacks_is_refused() -> None:
    with pytest.raises(TypeError, match="TOML has no NoneType"):
        to_toml({"a": [None]})


def test_a_fault_that_a_step_injects_keeps_its_kind() -> None:
    text = "[[steps]]\nafter_seconds = 1\ninject = { kind = 'delay', seconds = 2 }"
    original = scenario.parse(text)
    assert scenario.parse(scenario_text(original)) == original
