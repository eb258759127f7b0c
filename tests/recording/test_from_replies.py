"""An outlet is recognised by its replies: the state found answers the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import scenario
from invis_sim.device.state import OutletState, Product, patched
from invis_sim.protocol.packets import Reply
from invis_sim.recording.from_replies import state_from_replies
from invis_sim.recording.questions import Answered, simulate
from invis_sim.scenario.bundled import bundled
from tests.cases import for_each
from tests.faults.random_structs import json_trees
from tests.scenario.random_scenarios import states


def packets(state: OutletState) -> list[bytes]:
    return [one.reply.encode() if one.reply else b"" for one in simulate(state)]


@for_each("name", bundled())
def test_a_shipped_scenario_is_recognised(name: str) -> None:
    state = scenario.load(name).state
    found = state_from_replies(simulate(state))
    assert not found.notes
    assert packets(found.state) == packets(state)


@pytest.mark.parametrize("product", ["bare", "pro", "aura"])
@given(state=states)
def test_any_outlet_is_recognised(product: Product, state: OutletState) -> None:
    state = state.with_product(product)
    found = state_from_replies(simulate(state))
    assert not found.notes
    assert packets(found.state) == packets(state)
    # What was found is as short as it can be: to read it again finds nothing else.
    assert state_from_replies(simulate(found.state)) == found


@for_each("absent", ["offline", "omitted", "degraded", "blank"])
@for_each("missing", ["fails", "ignored"])
@for_each("product", ["pro", "aura"])
def test_an_outlet_without_its_faceplate_is_recognised(
    product: Product, missing: str, absent: str
) -> None:
    state = patched(
        OutletState().with_product(product),
        {
            "faceplate": {"attached": False},
            "quirks": {"absent_faceplate": absent, "missing_parts": missing},
        },
    )
    found = state_from_replies(simulate(state))
    assert not found.notes
    assert packets(found.state) == packets(state)


@st.composite
def odd_answers(draw: st.DrawFn) -> list[Answered]:
    """What an outlet answers that has other values in some places, or answers nothing there."""
    answers = simulate(draw(states))
    for index in draw(st.lists(st.integers(0, len(answers) - 1), max_size=4)):
        reply = answers[index].reply
        fields: dict[str, Any] = {} if reply is None else _copied(reply.fields)
        node: Any = fields
        while isinstance(node, dict | list) and node:
            key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if draw(st.booleans()) or not isinstance(node[key], dict | list):
                node[key] = draw(json_trees)
                break
            node = node[key]
        one = answers[index]
        answers[index] = draw(
            st.sampled_from(
                (Answered(one.question, Reply(fields)), Answered(one.question, None, "too slow"))
            )
        )
    return answers


def _copied(tree: Any) -> Any:
    return json.loads(json.dumps(tree))


@given(odd_answers())
def test_whatever_an_outlet_answers_gives_a_state(answers: list[Answered]) -> None:
    found = state_from_replies(answers)
    simulate(found.state)
    assert not any("\n" in note for note in found.notes)


def test_what_no_scenario_can_have_is_noted_and_the_rest_is_kept() -> None:
    answers = simulate(OutletState().with_product("pro"))
    by_number = {one.question.callback: one.reply.fields for one in answers if one.reply}
    by_number[12]["payload"]["callbackArgs"]["IM"] |= {"hw_rev": 7, "colour": "white", "MAC": "x"}
    by_number[9]["payload"]["callbackArgs"] = [0, 2]
    found = state_from_replies(answers)
    assert found.state.device.MAC == "x"
    where = "payload.callbackArgs"
    assert list(found.notes) == [
        f'callback 12: {where}.IM.colour: the device has "white", the simulator nothing',
        f'callback 12: {where}.IM.hw_rev: the device has 7, the simulator "revA"',
        f"callback 9: {where}[1]: the device has 2, the simulator 0",
    ]
