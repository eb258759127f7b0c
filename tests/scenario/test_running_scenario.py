"""What runs as a scenario: loaded again, it makes the same."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.outlet import Outlet
from invis_sim.device.state import OutletState
from invis_sim.faults.fault import Fault
from invis_sim.faults.kinds.delivery import Drop
from invis_sim.faults.pipeline import Pipeline
from invis_sim.scenario import parse
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.export import running_scenario, scenario_text
from invis_sim.scenario.loading import load
from invis_sim.scenario.model import Scenario
from invis_sim.testing import strategies
from tests.cases import for_each
from tests.scenario.random_scenarios import states


def running(scenario: Scenario) -> tuple[Outlet, Pipeline]:
    outlet = Outlet(scenario.state, seed=1)
    return outlet, Pipeline(scenario.faults, 1)


def faults_of(pipeline: Pipeline) -> dict[str, Fault]:
    return {
        armed.identity: msgspec.structs.replace(armed.fault, enabled=armed.enabled)
        for armed in pipeline
    }


def exported(scenario: Scenario) -> str:
    """The text that makes such an outlet again."""
    outlet, pipeline = running(scenario)
    found, omitted = running_scenario(
        scenario, outlet.state, faults_of(pipeline).items(), scenario.steps, scenario.seed or 7
    )
    assert omitted == ()
    return scenario_text(found)


@given(strategies.scenarios(max_faults=2))
def test_an_exported_scenario_is_a_fixed_point(scenario: Scenario) -> None:
    text = exported(scenario)
    assert exported(parse(text)) == text


@for_each("name", bundled())
def test_so_is_that_of_every_shipped_one(name: str) -> None:
    text = exported(load(name))
    assert exported(parse(text)) == text


@given(states, st.sampled_from(["bare", "pro", "aura"]))
def test_so_is_any_state_of_any_product(state: OutletState, product: str) -> None:
    made = state.with_product(product)  # type: ignore[arg-type]
    found, _ = running_scenario(Scenario(), made, (), (), 7)
    again, _ = running_scenario(parse(scenario_text(found)), found.state, (), (), 7)
    assert scenario_text(again) == scenario_text(found)


def test_two_faults_of_a_name_get_names_of_their_own_and_a_lost_fault_its_step_omitted() -> None:
    scenario = parse("[[faults]]\nkind='drop'\nname='x'\n[[steps]]\nafter_seconds=1\nenable='x'")
    faults = [("x#1", Drop(name="x")), ("x#2", Drop(name="x"))]
    both, omitted = running_scenario(scenario, scenario.state, faults, scenario.steps, 7)
    assert ([fault.name for fault in both.faults], omitted) == (["x", "x#2"], ())
    none, omitted = running_scenario(scenario, scenario.state, [], scenario.steps, 7)
    assert none.steps == ()
    assert omitted == ("steps[0].enable: no fault is called 'x'; there are: none",)
