"""A fault can be said in one line, as on the command line."""

import pytest

from invis_sim.faults import (
    KINDS,
    Delay,
    Distribution,
    Drop,
    Fault,
    Greeting,
    MalformedJson,
    SetField,
    When,
)
from invis_sim.scenario.inline_fault import parse_fault
from invis_sim.scenario.loading import ScenarioError
from tests.cases import for_each


@for_each(
    ("text", "expected"),
    [
        ("drop", Drop()),
        (" drop : ", Drop()),
        ("delay:seconds=0.5", Delay(seconds=0.5)),
        (
            "delay:seconds={min=1,max=2},overtake=true",
            Delay(seconds=Distribution(min=1, max=2), overtake=True),
        ),
        ("drop:when.nth=3,when.callback=[20, 21]", Drop(when=When(nth=3, callback=(20, 21)))),
        ("drop:when={transport=ws, first=2}", Drop(when=When(transport="ws", first=2))),
        ("malformed_json:how=trailing_comma", MalformedJson(how="trailing_comma")),
        ("malformed_json:how='nan'", MalformedJson(how="nan")),
        ('greeting:text="a=b, c: d\\n"', Greeting(text="a=b, c: d\n")),
        ("set_field:path=sn,value=[1, {a = true}]", SetField(path="sn", value=[1, {"a": True}])),
        ("drop:name=slow-one", Drop(name="slow-one")),
    ],
)
def test_a_line_says_the_same_as_a_table(text: str, expected: Fault) -> None:
    assert parse_fault(text) == expected


@for_each("kind", KINDS)
def test_every_kind_can_be_meant(kind: str) -> None:
    needed = {
        "delay": "seconds=1",
        "slow_accept": "seconds=1",
        "slow_handshake": "seconds=1",
        "idle_close": "seconds=1",
        "throttle": "bytes_per_second=1",
        "set_field": "path=sn",
        "remove_field": "path=sn",
    }
    assert parse_fault(f"{kind}:{needed.get(kind, '')}").kind() == kind


@for_each(
    ("text", "problem"),
    [
        ("dealy:seconds=1", "'dealy:seconds=1': kind: expected "),
        ("", "'': kind: expected "),
        ("delay", "'delay': seconds is missing; expected a number from 0"),
        ("delay:seconds=-1", "'delay:seconds=-1': seconds: expected a number from 0 "),
        ("drop:when.nth=0", "'drop:when.nth=0': when.nth: expected a whole number from 1"),
        ("drop:nth", "'drop:nth': expected KIND or KIND:key=value,…, with values as in TOML"),
        ("drop:a=1,a=2", "'drop:a=1,a=2': expected KIND or KIND:key=value"),
        ("drop:kind=fail", "'drop:kind=fail': kind: expected it before the colon only"),
        ("drop:a=" + "[" * 5000, "'drop:a=[["),
    ],
)
def test_what_is_wrong_with_a_line_is_told(text: str, problem: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_fault(text)
    (found,) = caught.value.problems
    assert found.startswith(problem)


def test_a_long_text_is_not_repeated_with_each_of_its_problems() -> None:
    text = "delay:" + ",".join(f"key{n}=1" for n in range(1000))
    with pytest.raises(ScenarioError) as caught:
        parse_fault(text)
    assert len(caught.value.problems) == 1001  # and `seconds`, which is missing
    assert max(map(len, caught.value.problems)) < 400
