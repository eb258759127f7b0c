"""What passes by shows what an outlet is."""

from typing import Any, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.outlet import Outlet
from invis_sim.device.preferences import AddressForm
from invis_sim.device.state import OutletState, Product, Quirks, patched
from invis_sim.protocol.packets import Push, Reply, Request
from invis_sim.recording.observed import Observed
from invis_sim.recording.questions import QUESTIONS, Question, simulate
from tests.cases import for_each
from tests.faults.random_structs import json_trees
from tests.recording.test_from_replies import packets
from tests.scenario.random_scenarios import states

products = st.sampled_from(("bare", "pro", "aura"))


def asked(question: Question) -> Request:
    return Request(packet_id=7, callback=question.callback, args=question.args)


def learnt(observed: Observed, known: OutletState) -> OutletState:
    """The state of a simulated outlet, with what was observed."""
    outlet = Outlet(known)
    outlet.set(observed.parts(known), 0.0)
    return outlet.state


@given(device=states, product=products, known=states, as_known=products, order=st.randoms())
def test_once_everything_was_asked_everything_is_known(
    device: OutletState, product: Product, known: OutletState, as_known: Product, order: Any
) -> None:
    device = device.with_product(product)
    known = known.with_product(as_known)
    known = msgspec.structs.replace(
        known,
        device=msgspec.structs.replace(known.device, sn=device.device.sn),
        quirks=device.quirks,
    )
    observed = Observed()
    answers = simulate(device)
    order.shuffle(answers)
    for one in answers:
        if one.reply is not None:
            observed.reply(asked(one.question), one.reply)
            assert not observed.reply(asked(one.question), one.reply)
    assert packets(learnt(observed, known)) == packets(device)


def test_a_refusal_is_learnt_where_the_scenario_expects_an_answer() -> None:
    odd = {"faceplate": {"attached": False}, "quirks": {"color_light_without_aura": "empty"}}
    device = patched(OutletState(), odd).with_product("aura")  # which looks like a bare one
    known = msgspec.structs.replace(OutletState().with_product("bare"), quirks=device.quirks)
    observed = Observed()
    for one in simulate(device):
        if one.reply is not None:
            observed.reply(asked(one.question), one.reply)
    assert packets(learnt(observed, known)) == packets(device)


@for_each("form", get_args(AddressForm))
def test_addresses_are_read_in_the_form_that_is_known(form: AddressForm) -> None:
    """No reply shows which octet of an integer is the first one."""
    device = OutletState(quirks=Quirks(internet_addresses=form))
    observed = Observed()
    for one in simulate(device):
        assert one.reply is not None
        observed.reply(asked(one.question), one.reply)
    assert packets(learnt(observed, device)) == packets(device)


@given(device=states, product=products, shown=st.sets(st.integers(0, len(QUESTIONS) - 1)))
def test_what_was_not_shown_stays_as_it_was(
    device: OutletState, product: Product, shown: set[int]
) -> None:
    device, known = device.with_product(product), OutletState().with_product(product)
    observed = Observed()
    for index, one in enumerate(simulate(device)):
        if index in shown and one.reply is not None:
            observed.reply(asked(one.question), one.reply)
    after = learnt(observed, known)
    callbacks = {QUESTIONS[index].callback for index in shown}
    for callback, part in ((9, "outlets"), (3, "names"), (1, "preferences"), (11, "sensors")):
        if callback not in callbacks:
            assert getattr(after, part) == getattr(known, part)
    assert after.timing == known.timing


@for_each(
    ("callback", "args", "part", "expected"),
    [
        (10, [2, 1], "outlets", {"states": (0, 1)}),
        (14, [1, 30], "nightlight", {"mode": 1, "brightness": 30}),
        (4, [{"accessory": 1, "name": "Lamp"}], "names", {"outlet1": "Lamp"}),
    ],
)
def test_a_setting_that_was_carried_out_is_known(
    callback: int, args: Any, part: str, expected: dict[str, Any]
) -> None:
    known = OutletState().with_product("pro")
    parts = Observed().setting(Request(packet_id=1, callback=callback, args=args), known)
    assert list(parts) == [part]
    assert {key: getattr(parts[part], key) for key in expected} == expected


def test_after_a_setting_what_was_shown_before_counts_no_more() -> None:
    known, observed = OutletState(), Observed()
    question = Request(packet_id=1, callback=9)
    off = Reply.success("00", 1, 9, [0, 0])
    assert observed.reply(question, off)
    assert observed.setting(Request(packet_id=2, callback=10, args=[1, 1]), known)
    assert "outlets" not in observed.parts(known)
    assert observed.reply(question, off)
    assert observed.parts(known)["outlets"].states == (0, 0)


@for_each(("callback", "args"), [(5, None), (7, None), (21, ["IM"]), (99, []), (20, None)])
def test_no_other_request_sets_what_is_known(callback: int, args: Any) -> None:
    request = Request(packet_id=1, callback=callback, args=args)
    assert Observed().setting(request, OutletState()) == {}


def test_a_push_shows_what_a_reply_would() -> None:
    observed, known = Observed(), OutletState().with_product("aura")
    light = [5, 1, [[1, 40, [120, 100], 4000]] * 9, 1, 0, 40]
    assert observed.push(Push.of("00", 1, 9, [1, 1]))
    assert not observed.push(Push.of("00", 2, 9, [1, 1]))
    assert not observed.reply(Request(packet_id=3, callback=9), Reply.success("00", 3, 9, [1, 1]))
    assert observed.push(Push.of("00", 4, 18, light))
    assert not observed.push(Push.of("00", 5, 22, {"percent": 3}))
    after = learnt(observed, known)
    assert after.outlets.states == (1, 1)
    assert (after.color_light.mode, after.color_light.leds[0].brightness) == (1, 40)


@given(
    callback=st.sampled_from((1, 3, 9, 11, 12, 15, 18, 20)),
    args=st.sampled_from((msgspec.UNSET, [5], [7], "odd")),
    tree=json_trees,
    puback=st.sampled_from((1, 0, None, "1")),
    product=products,
)
def test_nothing_that_comes_raises(
    callback: int, args: Any, tree: Any, puback: Any, product: Product
) -> None:
    known, observed = OutletState().with_product(product), Observed()
    for payload in (tree, {"callbackName": callback, "callbackArgs": tree}):
        observed.reply(
            Request(packet_id=1, callback=callback, args=args), Reply({"payload": payload})
        )
        fields = {"PUBACK": puback, "payload": payload}
        observed.reply(Request(packet_id=1, callback=callback, args=args), Reply(fields))
        observed.push(Push({"payload": payload}))
        observed.parts(known)
