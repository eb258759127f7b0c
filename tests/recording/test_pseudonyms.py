"""Identity is replaced by value, wherever it occurs, and nothing else is changed."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim import faults
from invis_sim.device.names import Names
from invis_sim.device.state import OutletState, Product, patched
from invis_sim.protocol.packets import encode_json
from invis_sim.recording.from_replies import state_from_replies
from invis_sim.recording.pseudonyms import Pseudonyms, TooManyValues, pseudonymise, replace_in
from invis_sim.recording.questions import Answered, simulate
from tests.faults.random_structs import json_trees
from tests.faults.strategies import context
from tests.scenario.random_scenarios import states

REAL = {
    "device": {"sn": "0003C4AB12", "MAC": "A4:CF:12:34:56:78", "product": "pro"},
    "faceplate": {"sn": "1003C4AB12", "MAC": "A4-CF-12-34-56-79", "radar": {"MAC": "a4cf1234567a"}},
    "names": {"outlet1": "Anna's lamp", "outlet2": "on", "nightlight": "Pro"},
    "preferences": {
        "sys_prefs": {
            "mqtt": {
                "mqtt_broker_url": "mqtt://joe:hunter22@broker.smith-family.net:1883/house",
                "user": "annasmith",
                "pass": "tops3cret",
            },
            "internet": {"ip": "10.1.2.3", "mainDNS": "10.1.2.1"},
        }
    },
}
SECRETS = (
    *("0003C4AB12", "A4:CF:12:34:56:78", "1003C4AB12", "A4-CF-12-34-56-79", "a4cf1234567a"),
    *("Anna's lamp", "smith-family", "joe:", "hunter22", "annasmith", "tops3cret", "house"),
    *("10.1.2.3", "10.1.2.1", "A4CF12345678", "a4:cf:12:34:56:79"),
)
KEY = b"a key"

WORDS = (
    "Lamp",
    "repl",
    "inventory",
    "first_octet_low",
    "null",
    "12345678",
    "\u017f\u212aill",
    "Küche",
)
"""Names: those of settings, of JSON, and others."""


def captured() -> tuple[OutletState, list[Answered]]:
    answers = simulate(patched(OutletState(), REAL).with_product())
    return state_from_replies(answers).state, answers


def raw(answers: list[Answered]) -> list[bytes]:
    return [one.reply.encode() for one in answers if one.reply]


def test_nothing_of_the_identity_is_left() -> None:
    state, answers = captured()
    shown, names = pseudonymise(state, answers, KEY)
    packets = [names.packet(packet) for packet in raw(answers)]
    text = (str(shown) + b"".join(packets).decode()).lower()
    for secret in SECRETS:
        assert secret.lower() not in text
    # 10.1.2.3 as an integer, either way.
    assert str(int.from_bytes((10, 1, 2, 3), "little")) not in text
    # What is recorded and what is simulated go together.
    assert packets == raw(simulate(shown))
    # A second time, nothing is left to be replaced.
    assert [names.packet(packet) for packet in packets] == packets


@given(state=states, product=st.sampled_from(["bare", "pro", "aura"]), name=st.sampled_from(WORDS))
def test_scenario_and_packets_show_the_same_of_any_outlet(
    state: OutletState, product: Product, name: str
) -> None:
    state = msgspec.structs.replace(state, names=Names(outlet1=name)).with_product(product)
    answers = simulate(state)
    packets = raw(answers)
    shown, names = pseudonymise(state_from_replies(answers).state, answers, KEY, packets)
    replaced = [names.packet(packet) for packet in packets]
    assert replaced == raw(simulate(shown))
    assert [names.packet(packet) for packet in replaced] == replaced
    assert replace_in(shown, names) == shown


def test_a_pseudonym_has_the_form_of_what_it_stands_for() -> None:
    state, answers = captured()
    shown, _ = pseudonymise(state, answers, KEY)
    assert len(shown.device.sn) == 10
    assert len(shown.device.MAC or "") == 17
    assert (shown.device.MAC or "")[:3] == "02:"
    mqtt = shown.preferences.sys_prefs.mqtt
    assert mqtt.mqtt_broker_url.startswith("mqtt://user-")
    assert ":1883/" in mqtt.mqtt_broker_url
    assert str(shown.preferences.sys_prefs.internet.ip).startswith("192.0.2.")
    assert shown.device.device == "InvisOutlet"
    assert shown.product == "pro"


def test_the_same_key_gives_the_same_pseudonyms_and_another_key_others() -> None:
    state, answers = captured()
    first, again, other = (pseudonymise(state, answers, key)[0] for key in (KEY, KEY, b"other"))
    assert first == again
    assert first.device.sn != other.device.sn


def test_what_is_no_json_is_searched_too() -> None:
    names = Pseudonyms(KEY)
    names.learn("A4:CF:12:34:56:78", "02:00:00:00:00:01")
    names.learn_address("10.1.2.3", "192.0.2.9")
    names.learn("on", "off")
    low, high = int.from_bytes((10, 1, 2, 3), "little"), int.from_bytes((10, 1, 2, 3), "big")
    garbage = b'{"MAC":"a4cf12345678" on \\xff "on" [%d \xff%d' % (low, high)
    assert names.packet(garbage) == (
        b'{"MAC":"020000000001" on \\xff "off" [%d \xff%d'
        % (int.from_bytes((192, 0, 2, 9), "little"), int.from_bytes((192, 0, 2, 9), "big"))
    )


def test_an_escaped_value_is_found() -> None:
    names = Pseudonyms(KEY)
    names.learn("Küche", "Name 1")
    assert names.packet(b'{"a":"die K\\u00fcche","b":"\\ud83d\\ude00"}') == (
        b'{"a":"die Name 1","b":"\\ud83d\\ude00"}'
    )


def test_a_value_that_its_pseudonym_would_show_gets_another() -> None:
    names = Pseudonyms(KEY)
    names.learn("Name", "Name 3f2a")
    assert "name" not in names.text("Name").lower()


def test_a_key_is_not_replaced_where_an_accessory_has_the_same_name() -> None:
    names = Pseudonyms(KEY)
    names.learn("name", "Lamp")
    assert names.packet(b'[{"accessory":1,"name" :"name"}]') == (
        b'[{"accessory":1,"name" :"Lamp"}]'
    )


def broken_in(how: str) -> Callable[[bytes], bytes]:
    """What a fault makes of a text."""
    fault = faults.MalformedJson(how=how)  # type: ignore[arg-type]
    return lambda text: fault.corrupt(text, context())


ODD_FORMS: Mapping[str, Callable[[bytes], bytes]] = {
    **{how: broken_in(how) for how in ("single_quotes", "unquoted_keys", "comment", "truncate")},
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "in an array": lambda text: b"[%b]" % text,
    "in a string": lambda text: json.dumps({"said": text.decode()}).encode(),
    "escaped": lambda text: json.dumps(json.loads(text)).encode(),
    "with fractions": lambda text: re.sub(rb":([0-9]{8,})", rb":\1.0e0", text),
    "with a byte that is not UTF-8": lambda text: text.replace(b'"sn"', b'"\xff":1,"sn"'),
}
"""How packets arrive of which nothing can be recognised."""


@pytest.mark.parametrize("form", ODD_FORMS)
def test_identity_is_found_where_nothing_could_be_recognised(form: str) -> None:
    _, answers = captured()
    packets = [ODD_FORMS[form](packet) for packet in raw(answers)]
    _, names = pseudonymise(OutletState(), [], KEY, packets)
    shown = b"".join(map(names.packet, packets)).replace(b"\0", b"").decode(errors="replace")
    for secret in SECRETS:
        assert secret.lower() not in shown.lower()
    assert str(int.from_bytes((10, 1, 2, 3), "little")) not in shown


@pytest.mark.parametrize(
    "text",
    [
        "at a4:cf:12:34:56:78",
        "at A4CF12345678",
        "at a4cf.1234.5678",
        "at a4 cf 12 34 56 78",
        "http://u/?name=K%C3%BCche%20oben",
        "S8O8Y2hlIG9iZW4=",
        "KÜCHE OBEN",
        "Ku\u0308che oben",
        "is 50462986",
    ],
)
def test_a_value_is_found_in_other_spellings(text: str) -> None:
    names = Pseudonyms(KEY)
    names.learn("A4:CF:12:34:56:78", "02:00:00:00:00:01")
    names.learn("Küche oben", "Name 1")
    names.learn_address("10.1.2.3", "192.0.2.9")
    shown = names.text(text)
    assert shown != text
    assert names.text(shown) == shown
    assert names.packet(json.dumps([text]).encode()) == encode_json([shown])


def test_half_a_character_is_replaced_too() -> None:
    names = Pseudonyms(KEY)
    names.learn("\ud800lamp", "Name 1")
    assert names.text("\ud800lamp") == "Name 1"


def test_letters_that_count_as_others_do_no_harm() -> None:
    names = Pseudonyms(KEY)
    names.learn("skill", "Name 1")
    assert names.text("\u017f\u212aill") == "Name 1"  # a long s, and the sign of Kelvin


def test_what_has_more_names_than_an_outlet_can_have_is_refused() -> None:
    packets = [b'{"name":"Lamp %d"}' % number for number in range(1000)]
    with pytest.raises(TooManyValues, match="more than 200 values look like identity"):
        pseudonymise(OutletState(), [], KEY, packets)


def test_hardware_is_replaced_in_keys_as_well() -> None:
    names = Pseudonyms(KEY)
    names.learn("0003C4BEEF", "0003C4AAAA", also_as_key=True)
    names.learn("name", "Lamp")
    assert names.packet(b'{"of 0003C4BEEF":{"name":"0003c4beef"}}') == (
        b'{"of 0003C4AAAA":{"name":"0003C4AAAA"}}'
    )
    assert names.tree({"0003C4BEEF": 1}) == {"0003C4AAAA": 1}


@pytest.mark.parametrize("name", ["null", "1234", "true", "],"])
def test_a_name_that_looks_like_something_else_of_json_changes_nothing_of_it(name: str) -> None:
    names = Pseudonyms(KEY)
    names.learn(name, "Lamp")
    packet = b'{"a":[null,1234,true],"b":%b}'
    assert names.packet(packet % json.dumps(name).encode()) == packet % b'"Lamp"'


def test_an_address_that_is_a_small_number_does_not_change_all_small_numbers() -> None:
    names = Pseudonyms(KEY)
    names.learn_address("0.0.0.0", "192.0.2.9")
    names.learn_address("1.0.0.0", "192.0.2.9")
    assert names.tree([0, 1, "0.0.0.0"]) == [0, 1, "0.0.0.0"]


@given(json_trees)
def test_a_packet_without_identity_stays_as_it_is(tree: Any) -> None:
    names = Pseudonyms(KEY)
    names.learn("\U0001f511", "x")
    names.learn("\U0001f511\U0001f511\U0001f511\U0001f511", "y")
    names.learn_address("10.1.2.3", "192.0.2.9")
    packet = json.dumps(tree).encode()
    if "d83d" not in packet.decode():
        assert names.packet(packet) == packet
