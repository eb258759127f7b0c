"""Every problem of a scenario file is reported at once, each with its place and in plain words."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given

from invis_sim.device.sensors import Sensors
from invis_sim.device.state import Device
from invis_sim.scenario.loading import ScenarioError, parse
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from invis_sim.scenario.validation import validate
from invis_sim.schema.fields import Path
from tests.cases import for_each
from tests.scenario.random_scenarios import documents
from tests.scenario.support import problems_of
from tests.scenario.toml import to_toml


def fault(*lines: str) -> str:
    return "\n".join(("[[faults]]", *lines))


def test_all_problems_of_a_file_are_reported_in_the_order_of_its_lines() -> None:
    text = """\
sede = 7
[[faults]]
kind = "dealy"
[listen]
tcp_port = 65536
tcp = 1
[[faults]]
kind = "drop"
when = { nth = 0, fisrt = 1 }
[device]
sn = "3"
"""
    assert [problem.split(": expected")[0] for problem in problems_of(text)] == [
        "1: sede: unknown key; did you mean 'seed'?",
        "3: faults[0].kind",
        "5: listen.tcp_port",
        "6: listen.tcp",
        "9: faults[1].when.fisrt: unknown key; did you mean 'first'?",
        "9: faults[1].when.nth",
        "11: device.sn",
    ]


def test_a_problem_names_file_line_key_what_was_expected_and_what_was_found() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse("\n\n[listen]\nws_port = 99999", "late.toml")
    assert str(caught.value) == (
        "late.toml:4: listen.ws_port: expected a whole number from 0 to 65535 "
        "(a port; 0: any free one), found 99999"
    )


@for_each(
    ("written", "expected"),
    [
        ("seed = true", "expected a whole number from 0 to 9223372036854775807, found true"),
        ("seed = 1.0", "expected a whole number from 0 to 9223372036854775807, found 1.0"),
        ('seed = "7"', 'expected a whole number from 0 to 9223372036854775807, found "7"'),
        ("seed = -1", "expected a whole number from 0 to 9223372036854775807, found -1"),
        ("seed = 9223372036854775808", "to 9223372036854775807, found 9223372036854775808"),
        ("seed = nan", "expected a finite number, found nan"),
        ("seed = 1979-05-27", ", found 1979-05-27"),
        ("description = 3", "expected text, found 3"),
        ("device = 5", "expected a table, found 5"),
        ("listen.tcp = 1", "expected true or false, found 1"),
        ("listen.tcp = 'true'", 'expected true or false, found "true"'),
        ("listen.tcp_port = 65536", "expected a whole number from 0 to 65535 "),
        ("listen.tcp_port = true", "found true"),
        ("listen.ws_path = 'ws'", "expected a path: / and then letters, digits and any of "),
        ("listen.ws_path = '/ws?token=1'", 'found "/ws?token=1"'),
        ("listen.ws_path = '/ws#a'", 'found "/ws#a"'),
        ("listen.ws_path = '/a%20b'", 'found "/a%20b"'),
        ("listen.ws_path = '/a/../b'", 'expected a path without . and .., found "/a/../b"'),
        ("listen.host = '8080'", 'expected an address or a name, found "8080"'),
        ("listen.host = ''", 'expected an address or a name, found ""'),
        ('listen.ws_path = "/w\\n"', 'found "/w\\n"'),
        ("device.sn = '0003c44076'", "expected a serial number: ten or eleven upper-case hexa"),
        ('device.sn = "0003C44076\\n"', 'found "0003C44076\\n"'),
        ("device.sn = '0003C44076FF'", 'found "0003C44076FF"'),
        ("protocol.packet_id = 'six digits'", "; did you mean 'six-digits'?"),
        ("protocol.tcp_terminator = 'aaaaaaaaaaaaaaaaa'", "expected text of at most 16 characters"),
        ("protocol.max_packet_bytes = 2147483648", "expected a whole number from 64 to 1073741824"),
        ("protocol.write_timeout_seconds = 0", "expected a number above 0, found 0"),
        ("protocol.write_timeout_seconds = true", "expected a number above 0, found true"),
        ("protocol.write_timeout_seconds = inf", "expected a finite number, found inf"),
        ("firmware.PM = 3", "expected a table (keys: fw_rev, available_fw_rev), found 3"),
        ("firmware.IM.fw_rev = 0.5", "(a firmware revision, such as 0.5.1), found 0.5"),
        (
            "firmware.update_check = 'fial'",
            'one of "fail", "ok", found "fial"; did you mean \'fail',
        ),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_what_would(written: str, expected: str) -> None:
    (problem,) = problems_of(written)
    assert problem.startswith(f"1: {written.split(' =')[0]}: ")
    assert expected in problem


NUMBER_OR_TEXT = (
    'a number from -1e12 to 1e12 or text of at most 32 characters (as it is, such as "inf")'
)


@for_each(
    ("written", "problem"),
    [
        (
            'device.product = "Pro"',
            'expected one of "aura", "bare", "pro", found "Pro"; did you mean \'pro\'?',
        ),
        ("device.hw_rev = 3", "expected text of at most 256 characters, found 3"),
        ("faceplate.online = 1", "expected true or false, found 1"),
        ("faceplate.radar = 3", "expected a table (keys: fw_ver, hw_type, MAC), found 3"),
        ("outlets.states = 1", "expected a list of 2, each 0 or 1 (0: off; 1: on), found 1"),
        ("outlets.states = [1]", "expected a list of 2, each 0 or 1 (0: off; 1: on), found [1]"),
        ("nightlight.mode = true", "expected 0 or 1 (0: off; 1: on), found true"),
        (
            "nightlight.brightness = 101",
            "expected a whole number from 0 to 100 (percent), found 101",
        ),
        ("color_light.mode = 8", "expected a whole number from 1 to 7, found 8"),
        (
            "color_light.leds = []",
            (
                "expected a list of 1 to 9 of which each is a list "
                "[state, brightness, color, kelvin], found []"
            ),
        ),
        ("names.outlet1 = 1", "expected text, found 1"),
        ("preferences.sys_prefs.mqtt.pass = 3", "expected text, found 3"),
        ("preferences.sys_prefs.mqtt.qos = 3", "expected a whole number from 0 to 2, found 3"),
        (
            "preferences.acc_prefs.homeAwayMode.minOnDuration = -1",
            "expected a whole number from 0, found -1",
        ),
        (
            "sensors.lux = true",
            (
                f"expected {NUMBER_OR_TEXT} or a list of these (not empty) "
                "or a table (keys: start, step, min, max), found true"
            ),
        ),
        (
            "sensors.AQI = 1.5",
            (
                "expected a whole number from -2^53 to 2^53 or a list of these (not empty) "
                "or a table (keys: start, step, min, max), found 1.5"
            ),
        ),
        ("sensors.lux.start = true", "expected a number from -1e12 to 1e12, found true"),
        ("mqtt.connected = 1", "expected true or false, found 1"),
        ("updates.IM.at_part = 'app'", 'expected one of "application", "www", found "app"'),
        ("updates.PM.at_percent = 101", "expected a whole number from 0 to 100, found 101"),
        ("timing.restart_seconds = -1", "expected a number from 0 to 1e9, found -1"),
        ("timing.sensor_seconds = inf", "expected a finite number, found inf"),
        (
            "quirks.names_list = 'wraped'",
            'expected one of "bare", "early", "wrapped", found "wraped"; did you mean \'wrapped\'?',
        ),
        ("listen.mdns = 'yes'", 'expected true or false, found "yes"'),
    ],
)
def test_what_is_wrong_with_what_the_outlet_is_and_knows_is_told_in_words(
    written: str, problem: str
) -> None:
    assert problems_of(written) == [f"1: {written.split(' =')[0]}: {problem}"]


@for_each(
    ("lines", "problem"),
    [
        (["outlets.states = [1,", "2]"], "2: outlets.states[1]: expected 0 or 1 (0: off; 1: on)"),
        (
            ["sensors.lux = [1,", "true]"],
            f"2: sensors.lux[1]: expected {NUMBER_OR_TEXT}, found true",
        ),
        (["sensors.lux = [1,", "nan]"], "2: sensors.lux[1]: expected a finite number, found nan"),
        (["sensors.AQI = [1,", "'inf']"], "2: sensors.AQI[1]: expected a whole number from -2^53 "),
        (
            ["color_light.leds = [", "[1, 50, [400, 0]]]"],
            "2: color_light.leds[0][2][0]: color: expected a whole number from 0 to 360, found 400",
        ),
        (
            ["color_light.leds = [[],", "[1, 50, [40, 0], 300]]"],
            "2: color_light.leds[1][3]: kelvin: expected a whole number from 1000 to 40000, found",
        ),
        (
            ["color_light.leds = [", "[1, 50, 3000]]"],
            (
                "2: color_light.leds[0][2]: color: expected a list of 2: a whole number "
                "from 0 to 360, a whole number from 0 to 100 (percent), found 3000"
            ),
        ),
        (
            ["color_light.leds = [", "[1, 1, [1, 1], 1000, 9]]"],
            "2: color_light.leds[0]: expected a list [state, brightness, color, kelvin], found",
        ),
        (
            ["color_light.leds = [", "{ state = 1 }]"],
            "2: color_light.leds[0]: expected a list [state, brightness, color, kelvin], found",
        ),
        (["sensors.omit = ['lux',", "3]"], "2: sensors.omit[1]: expected text, found 3"),
        (
            ["sensors.lux = {", "start = 1, min = 2 }"],
            "2: sensors.lux.start: start (1) is not betw",
        ),
        (["", "sensors.lux = { step = 1 }"], "2: sensors.lux: start is missing; expected a number"),
        (
            ["", "sensors.omit = ['luxe']"],
            "2: sensors.omit: 'luxe' is not a reading; those are",
        ),
    ],
)
def test_what_is_wrong_inside_a_list_or_a_reading_is_told_where_it_stands(
    lines: list[str], problem: str
) -> None:
    (found,) = problems_of("\n".join(lines))
    assert found.startswith(problem)


def test_each_element_that_is_wrong_is_told() -> None:
    leds = "[[2], [1, 101], [1, 1, [1, 1], 1]]"
    assert [
        found.split(": expected")[0] for found in problems_of(f"color_light.leds = {leds}")
    ] == [
        "1: color_light.leds[0][0]: state",
        "1: color_light.leds[1][1]: brightness",
        "1: color_light.leds[2][3]: kelvin",
    ]


# Steps


def step(*lines: str) -> str:
    return "\n".join(("[[steps]]", *lines))


@for_each(
    ("lines", "problem"),
    [
        (
            [],
            "1: steps[0]: a step happens at a time (after_seconds, every_seconds) or after a req",
        ),
        (["sample = true"], "1: steps[0]: a step happens at a time"),
        (
            ["after_request = { callback = 20 }", "every_seconds = 1", "sample = true"],
            "3: steps[0].every_seconds: does not go with after_request; after_seconds does",
        ),
        (
            ["after_seconds = 1", "after_request = { callback = 20 }", "every_seconds = 2"],
            "4: steps[0].every_seconds: does not go with after_request",
        ),
        (
            ["after_seconds = 1"],
            "1: steps[0]: step has no action; expected one of reset, set, facepl",
        ),
        (["after_seconds = 1", "sample = false"], "1: steps[0]: step has no action; expected"),
        (["after_seconds = 1", "reboot = false"], "1: steps[0]: step has no action; expected"),
        (["after_seconds = 1", "set = {}"], "1: steps[0]: step has no action; expected one"),
        (
            ["after_seconds = -1", "sample = true"],
            "2: steps[0].after_seconds: expected a number from 0 to 1e9, found -1",
        ),
        (
            ["every_seconds = 0", "sample = true"],
            "2: steps[0].every_seconds: expected a number from 0.001 to 1e9, found 0",
        ),
        (
            ["after_second = 1", "every_seconds = 1", "sample = true"],
            "2: steps[0].after_second: unknown key; did you mean 'after_seconds'?",
        ),
        (
            ["after_request = 20", "sample = true"],
            "2: steps[0].after_request: expected a table (keys: callback, nth), found 20",
        ),
        (
            ["after_request = { callbck = 20 }", "sample = true"],
            "2: steps[0].after_request.callbck: unknown key; did you mean 'callback'?",
        ),
        (
            ["after_request = { nth = 2 }", "sample = true"],
            "2: steps[0].after_request: callback is missing; expected a whole number",
        ),
        (
            ["after_request = { callback = 20, nth = 0 }", "sample = true"],
            "2: steps[0].after_request.nth: expected a whole number from 1, found 0",
        ),
        (
            ["after_seconds = 1", "push = '9'"],
            "3: steps[0].push: expected a whole number or a table (keys: callback, args), found",
        ),
        (
            ["after_seconds = 1", "push = 99"],
            (
                "3: steps[0].push: expected one of 9, 11, 12, 15, 18, or "
                "{ callback = …, args = … }, found 99"
            ),
        ),
        (
            ["after_seconds = 1", "[steps.push]", "callback = 22"],
            "4: steps[0].push.callback: expected one of 9, 11, 12, 15, 18, or",
        ),
        (["after_seconds = 1", "push.args = 1"], "3: steps[0].push: callback is missing; expected"),
        (
            ["after_seconds = 1", "reboot = 3"],
            "3: steps[0].reboot: expected true or false or a table (keys: seconds, how), found 3",
        ),
        (
            ["after_seconds = 1", "reboot.how = 'rest'"],
            (
                '3: steps[0].reboot.how: expected one of "blackhole", "close", "close_frame", '
                '"reset", '
                "found \"rest\"; did you mean 'reset'?"
            ),
        ),
        (
            ["after_seconds = 1", "update = 'im'"],
            '3: steps[0].update: expected one of "IM", "PM", found "im"; did you mean \'IM\'?',
        ),
        (
            ["after_seconds = 1", "join_network = 'leave'"],
            '3: steps[0].join_network: expected true or false, found "leave"',
        ),
        (
            ["after_seconds = 1", "faceplate = false"],
            '3: steps[0].faceplate: expected one of "off", "on", "restart", found false',
        ),
        (
            ["after_seconds = 1", "enable = []"],
            "3: steps[0].enable: expected text or a list of these (not empty), found []",
        ),
        (["after_seconds = 1", "enable = [1]"], "3: steps[0].enable[0]: expected text, found 1"),
        (["after_seconds = 1", "set = 3"], "3: steps[0].set: expected a table, found 3"),
        (
            ["after_seconds = 1", "sensors.lux = 3"],
            "3: steps[0].sensors: unknown key; it belongs in set",
        ),
        (
            ["after_seconds = 1", "callback = 20"],
            "3: steps[0].callback: unknown key; it belongs in after_request or push",
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_told(lines: list[str], problem: str) -> None:
    (found,) = problems_of(step(*lines))
    assert found.startswith(problem)


@for_each(
    ("written", "problem"),
    [
        ("sensors.luxx = 1", "sensors.luxx: unknown key; did you mean 'lux'?"),
        ("sensor.lux = 1", "sensor: unknown key; did you mean 'sensors'?"),
        ("lux = 1", "lux: unknown key; it belongs in sensors"),
        ("seed = 1", "seed: unknown key; a step cannot set it"),
        ("listen.tcp = false", "listen.tcp: unknown key; it cannot change while the outlet runs"),
        ("listen.host = 'a.example'", "listen.host: expected an IP address, or "),
        ("sensors.lux = {step = 1}", "sensors.lux: start is missing; expected a number from"),
        ("outlets.states = [1, 2]", "outlets.states[1]: expected 0 or 1 (0: off; 1: on), found 2"),
        ("color_light.leds = [[2]]", "color_light.leds[0][0]: state: expected 0 or 1 "),
        (
            "preferences.sys_prefs.mqtt.pass = 1",
            "preferences.sys_prefs.mqtt.pass: expected text, found 1",
        ),
        ("firmware.PM.fw_rev = 1", "firmware.PM.fw_rev: expected text of at most 64 characters"),
    ],
)
def test_what_is_wrong_deep_in_what_a_step_sets_is_told_where_it_stands(
    written: str, problem: str
) -> None:
    for lines in (
        ("after_seconds = 1", "", f"set.{written}"),
        ("after_seconds = 1", "[steps.set]", written),
        ("after_seconds = 1", "", f"set = {{ {written} }}"),
    ):
        (found,) = problems_of(step(*lines))
        assert found.startswith(f"4: steps[0].set.{problem}")


def test_problems_of_several_steps_and_tables_are_told_at_once() -> None:
    text = step(
        "after_seconds = 'x'",
        "set.outlets.states = [3, 0]",
        "[sensors]",
        "luxx = 1",
        "[[steps]]",
        "sample = true",
        "[quirks]",
        "restart_disconnect = 'fin'",
    )
    assert [found.split(": ")[:2] for found in problems_of(text)] == [
        ["2", "steps[0].after_seconds"],
        ["3", "steps[0].set.outlets.states[0]"],
        ["5", "sensors.luxx"],
        ["6", "steps[1]"],
        ["9", "quirks.restart_disconnect"],
    ]


@pytest.mark.parametrize("key", ["enable", "disable"])
def test_a_step_that_switches_a_fault_that_is_not_there_is_reported(key: str) -> None:
    text = f"""\
[[faults]]
kind = "drop"
name = "late"
[[faults]]
kind = "drop"
[[steps]]
after_seconds = 1
{key} = ["late", "drop"]
[[steps]]
after_seconds = 1
{key} = "lte"
"""
    assert problems_of(text) == [
        f"11: steps[1].{key}: no fault is called 'lte'; there are: 'drop', 'late'"
    ]


def test_a_fault_that_is_wrong_does_not_make_the_steps_wrong_that_switch_it() -> None:
    switch = step("after_seconds = 1", "enable = 'late'")
    for wrong in (fault("kind = 'drp'", "name = 'late'"), "[faults]\nname = 'late'"):
        (found,) = problems_of(f"{wrong}\n{switch}")
        assert ": faults" in found


# What does not fit together

NO_FACEPLATE = "has no effect: this outlet has no faceplate; set product = "
NO_PRO = "has no effect: this outlet is not a Pro; set product = "
NO_AURA = "has no effect: this outlet is not an Aura; set product = "

WITHOUT_EFFECT = [
    ("bare", "sensors.lux = 1", "sensors", f'{NO_FACEPLATE}"pro" or "aura" under [device]'),
    ("bare", "faceplate.sn = 'x'", "faceplate", f'{NO_FACEPLATE}"pro" or "aura" under [device]'),
    ("bare", "nightlight.mode = 1", "nightlight", f'{NO_FACEPLATE}"pro" under [device]'),
    ("bare", "color_light.mode = 1", "color_light", f'{NO_FACEPLATE}"aura" under [device]'),
    ("bare", "indicator_light.mode = 1", "indicator_light", f'{NO_FACEPLATE}"aura" under [device]'),
    ("bare", "updates.PM.steps = 1", "updates.PM", f'{NO_FACEPLATE}"pro" or "aura" under [device]'),
    ("pro", "color_light.mode = 1", "color_light", f'{NO_AURA}"aura" under [device]'),
    ("pro", "indicator_light.mode = 1", "indicator_light", f'{NO_AURA}"aura" under [device]'),
    ("pro", "quirks.max_kelvin = 6500", "quirks.max_kelvin", f'{NO_AURA}"aura" under [device]'),
    (
        "bare",
        "preferences.acc_prefs.capacitiveCtrl = 0",
        "preferences.acc_prefs.capacitiveCtrl",
        f'{NO_FACEPLATE}"pro" or "aura" under [device]',
    ),
    (
        "aura",
        "preferences.acc_prefs.motionAwayFeature = 1",
        "preferences.acc_prefs.motionAwayFeature",
        f'{NO_PRO}"pro" under [device]',
    ),
    (
        "aura",
        "nightlight.mode = 1",
        "nightlight",
        (
            "has no effect: an Aura has a [color_light] in its place; "
            "set plain_nightlight_on_aura = true under [quirks]"
        ),
    ),
    (
        "aura",
        "indicator_light.mode = 1",
        "indicator_light",
        (
            "has no effect: an Aura is without it by default; "
            "set indicator_light = true under [quirks]"
        ),
    ),
]
"""Product, a setting that has no effect with it, where it stands, and what is said of it."""


@for_each(("product", "setting", "key", "message"), WITHOUT_EFFECT)
def test_a_setting_that_the_product_has_no_use_for_is_reported(
    product: str, setting: str, key: str, message: str
) -> None:
    for head in (f"device.product = '{product}'", *["[firmware.IM]"] * (product == "bare")):
        if head.startswith("device"):
            assert problems_of(f"{head}\n{setting}") == [f"2: {key}: {message}"]
        else:
            assert problems_of(f"{setting}\n{head}") == [f"1: {key}: {message}"]
    text = f"device.product = '{product}'\n{step('after_seconds = 1', f'set.{setting}')}"
    assert problems_of(text) == [f"4: steps[0].set.{key}: {message}"]


@for_each(("product", "setting"), [case[:2] for case in WITHOUT_EFFECT])
def test_a_setting_has_an_effect_with_the_product_or_the_quirk_that_it_needs(
    product: str, setting: str
) -> None:
    fitting = "aura" if setting.startswith(("color", "indicator", "quirks")) else "pro"
    quirks = ""
    if product == "aura":
        fitting, quirks = "aura", "plain_nightlight_on_aura = true\nindicator_light = true"
        quirks += '\npreference_keys = "all"'
    elif setting.startswith("indicator"):
        quirks = "indicator_light = true"
    table = f"[quirks]\n{quirks}\n" if quirks else ""
    said = f"{table}{step('after_seconds = 1', f'set.{setting}')}"
    assert problems_of(f"device.product = '{fitting}'\n{setting}\n{said}") == []
    if fitting == "pro":
        assert problems_of(f"{setting}\n[firmware.PM]\n{said}") == []


@for_each(
    "lines", [["faceplate = 'on'"], ["faceplate = 'off'"], ["sample = true"], ["update = 'PM'"]]
)
def test_a_step_that_needs_a_faceplate_is_reported_where_there_is_none(lines: list[str]) -> None:
    key = lines[0].split()[0]
    text = step("after_seconds = 1", *lines)
    message = f'{NO_FACEPLATE}"pro" or "aura" under [device]'
    assert problems_of(text) == [f"3: steps[0].{key}: {message}"]
    for product in ("pro", "aura"):
        assert problems_of(f"device.product = '{product}'\n{text}") == []
    assert problems_of(f"{text}\n[firmware.PM]") == []
    assert problems_of(step("after_seconds = 1", "update = 'IM'")) == []


@for_each(
    "becomes",
    [
        "device.product = 'pro'",
        "device = { product = 'aura' }",
        "firmware.PM.fw_rev = '1'",
        "firmware.PM = {}",
    ],
)
def test_where_a_step_makes_another_product_of_the_outlet_no_setting_is_blamed(
    becomes: str,
) -> None:
    text = "sensors.lux = 1\ncolor_light.mode = 1\n" + step("after_seconds = 1", "sample = true")
    assert len(problems_of(text)) == 3
    for later in (f"set.{becomes}", f"set = {{ {becomes} }}"):
        assert problems_of(f"{text}\n{step('after_seconds = 2', later)}") == []
    others = "set = { device.hw_rev = 'revB', firmware.IM.fw_rev = '2' }"
    assert len(problems_of(f"{text}\n{step('after_seconds = 2', others)}")) == 3


def test_where_a_step_sets_the_quirk_that_a_light_needs_it_is_not_blamed() -> None:
    text = "device.product = 'aura'\nnightlight.mode = 1\nindicator_light.mode = 1\n"
    quirk = "set.quirks.plain_nightlight_on_aura = true"
    (problem,) = problems_of(text + step("after_seconds = 1", quirk))
    assert problem.startswith("3: indicator_light: has no effect")


@for_each(
    "text",
    [
        "[sensors]\n[faceplate]\nattached = true\n[nightlight]\nmode = 0",
        "[updates.PM]\nseconds = 10\n[updates.IM]\nseconds = 1",
        "[color_light]\nleds = [[0, 100, [0, 0], 4000]]",
        "[names]\nnightlight = 'x'",
    ],
)
def test_what_says_the_default_is_no_setting_without_effect(text: str) -> None:
    assert problems_of(text) == []


def test_no_setting_is_blamed_beside_what_is_wrong_with_the_product_itself() -> None:
    setting = "sensors.lux = 1\n"
    for wrong in (
        "device.product = 'por'",
        "[firmware.PM]\nfw_rev = 1",
        "[firmware.PM]\n[device]\nproduct = 'bare'",
        step("after_seconds = 1", "set.device.product = 'por'"),
    ):
        (problem,) = problems_of(setting + wrong)
        assert "sensors" not in problem


def test_from_python_a_setting_without_effect_is_refused_as_well() -> None:
    no_faceplate = r'^sensors: has no effect: this outlet has no faceplate; set product = "pro" or'
    with pytest.raises(ValueError, match=no_faceplate):
        Scenario(sensors=Sensors(lux=1.0))
    with pytest.raises(ValueError, match=no_faceplate):
        msgspec.structs.replace(Scenario(), sensors=Sensors(lux=1.0))
    for changes in ({"sensors": {"lux": 1}}, {"sensors": Sensors(lux=1.0)}):
        with pytest.raises(ValueError, match=r"^steps\[0\]\.set\.sensors: has no effect"):
            Scenario(steps=(Step(after_seconds=1, set=changes),))
    with pytest.raises(ValueError, match=r"^steps\[0\]\.sample: has no effect: this outlet has n"):
        Scenario(steps=(Step(after_seconds=1, sample=True),))
    becomes = Step(after_seconds=1, set={"device": Device(product="pro")})
    assert Scenario(sensors=Sensors(lux=1.0), steps=(becomes,)).sensors.lux == 1.0
    assert Scenario(device=Device(product="pro"), sensors=Sensors(lux=1.0)).product == "pro"


@for_each("written", ["revb", "RevB", "REVB", "rev B", "rev-b", "Rev. B", "revB "])
def test_a_revision_that_is_nearly_a_known_one_is_reported(written: str) -> None:
    assert problems_of(f"device.hw_rev = '{written}'") == [
        (
            '1: device.hw_rev: expected "revA", "revB" or other text, '
            f"found \"{written}\"; did you mean 'revB'?"
        )
    ]
    (problem,) = problems_of(step("after_seconds = 1", f"set.device.hw_rev = '{written}'"))
    assert problem.startswith("3: steps[0].set.device.hw_rev: expected ")
    (problem,) = problems_of("device.hw_rev = 'RevA'")
    assert "did you mean 'revA'?" in problem


@for_each("written", ["revA", "revB", "revC", "", "B", "2.1", "revAB"])
def test_other_revisions_are_text_like_any_other(written: str) -> None:
    assert parse(f"device.hw_rev = '{written}'").device.hw_rev == written


def test_a_bare_outlet_with_firmware_for_a_faceplate_is_reported_at_its_product() -> None:
    text = "[firmware.PM]\n[device]\nproduct = 'bare'"
    assert problems_of(text) == [
        '3: device.product: "bare" has no faceplate, and here is a [firmware.PM]'
    ]
    assert problems_of(text.replace("bare", "aura")) == []


@for_each(
    ("hw_rev", "off", "other"), [("revB", "tcp", "ws"), ("revA", "ws", "tcp"), ("x", "ws", "tcp")]
)
def test_an_outlet_whose_revision_has_only_the_transport_that_is_off_is_reported(
    hw_rev: str, off: str, other: str
) -> None:
    text = f"[listen]\n{off} = false\n[device]\nhw_rev = '{hw_rev}'\n[quirks]\ntransports = "
    assert problems_of(text + "'by_revision'") == [
        (
            f'6: quirks.transports: "by_revision": listen switches off the transport of hw_rev '
            f"'{hw_rev}'"
        )
    ]
    assert problems_of(text + "'both'") == []
    assert problems_of(text.replace(off, other) + "'by_revision'") == []
    (found,) = problems_of(text.replace("hw_rev =", "hw_rve =") + "'by_revision'")
    assert "unknown key" in found


def test_a_fault_on_a_transport_that_the_revision_does_not_have_is_reported() -> None:
    text = fault(
        "kind = 'drop'", "when.transport = 'ws'", "[device]", "hw_rev = 'revB'", "[quirks]"
    )
    assert problems_of(f"{text}\ntransports = 'by_revision'") == [
        (
            "3: faults[0].when.transport: 'drop' never applies: it acts on ws only, which "
            "quirks.transports has off"
        )
    ]
    assert problems_of(f"{text}\ntransports = 'both'") == []


@for_each(
    ("lines", "expected"),
    [
        (
            ['kind = "dealy"'],
            "2: faults[0].kind: expected a kind of fault, found \"dealy\"; did you mean 'delay'?",
        ),
        (['kind = "dealy"'], "found \"dealy\"; did you mean 'delay'?"),
        (["kind = 3"], "2: faults[0].kind: expected one of fail, "),
        (["name = 'x'"], "1: faults[0]: kind is missing; expected one of fail, "),
        (["Kind = 'drop'"], "2: faults[0].Kind: unknown key; did you mean 'kind'?"),
        (["kind = 'delay'"], "1: faults[0]: seconds is missing; expected a number from 0 "),
        (["kind = 'delay'", "seconds = -1"], "3: faults[0].seconds: expected a number from 0 "),
        (["kind = 'delay'", "seconds = nan"], "3: faults[0].seconds: expected a finite number"),
        (["kind = 'delay'", "seconds.min = 1", "seconds.max = inf"], "4: faults[0].seconds.max: "),
        (["kind = 'delay'", "seconds.min = 1"], "3: faults[0].seconds: expected min and max, or "),
        (
            ["kind = 'delay'", "[faults.seconds]", "max = 1", "min = 2"],
            "5: faults[0].seconds.min: min (2) is above max (1)",
        ),
        (
            ["kind = 'close'", "reason = ''", "code = 1005"],
            "4: faults[0].code: 1005 must not be sent in a close frame",
        ),
        (["kind = 'drop'", "name = ''"], "expected text of 1 to 100 characters"),
        (["kind = 'drop'", "name = true"], "expected text of 1 to 100 characters"),
        (["kind = 'drop'", "enabled = 1"], "expected true or false, found 1"),
        (["kind = 'duplicate'", "copies = 1"], "expected a whole number from 2 to 1000, found 1"),
        (["kind = 'drop'", "when = 3"], "3: faults[0].when: expected a table, found 3"),
        (["kind = 'drop'", "when.nth = []"], "from 1 or a list of these (not empty), found []"),
        (
            ["kind = 'drop'", "when.nth = [1, true]"],
            "when.nth[1]: expected a whole number from 1, found true",
        ),
        (["kind = 'drop'", "when.nth = true"], "found true"),
        (["kind = 'drop'", "when.callback = '20'"], "expected a whole number or a list"),
        (["kind = 'drop'", "when.probability = 50"], "expected a number above 0 up to 1, found 50"),
        (["kind = 'drop'", "when.transport = 'udp'"], 'expected one of "tcp", "ws", found "udp"'),
    ],
)
def test_what_is_wrong_with_a_fault_is_told(lines: list[str], expected: str) -> None:
    (problem,) = problems_of(fault(*lines))
    assert expected in problem


@for_each(
    ("when", "message"),
    [
        (["first = 2", "after = 2"], "never applies: no count satisfies first and after"),
        (["nth = [1, 3]", "every = 2"], "never applies: no count satisfies nth and every"),
        (["from_seconds = 3", "until_seconds = 3.0"], "never applies: until_seconds (3) is not"),
    ],
)
def test_conditions_that_exclude_each_other_are_reported_where_when_stands(
    when: list[str], message: str
) -> None:
    for text in (
        fault("kind = 'drop'", "", f"when = {{ {', '.join(when)} }}"),
        fault("kind = 'drop'", "", "when = {", *(f"  {line}," for line in when), "}"),
        fault("kind = 'drop'", "", "[faults.when]", *when),
        fault("kind = 'drop'", "", *(f"when.{line}" for line in when)),
    ):
        (problem,) = problems_of(text)
        assert problem.startswith(f"4: faults[0].when: {message}")


def test_a_condition_that_the_kind_of_fault_rules_out_is_reported_where_it_stands() -> None:
    (problem,) = problems_of(fault("kind = 'fail'", "[faults.when]", "nth = 1", "packet = 'push'"))
    assert problem.startswith("5: faults[0].when.packet: fail acts on reply packets only")


def test_a_fault_on_a_transport_that_is_switched_off_is_reported() -> None:
    text = fault("kind = 'drop'", "when.transport = 'ws'", "[listen]", "ws = false")
    (problem,) = problems_of(text)
    assert problem == (
        "3: faults[0].when.transport: 'drop' never applies: it acts on ws only, "
        "which listen switches off"
    )
    assert problems_of(text.replace("'ws'", "'tcp'")) == []


def test_an_outlet_without_any_transport_is_reported() -> None:
    (problem,) = problems_of("[listen]\ntcp = false\nws = false")
    assert problem.startswith("2: listen.tcp: tcp and ws are both false")


def test_what_does_not_fit_together_is_reported_beside_what_is_wrong_alone() -> None:
    text = fault(
        "kind = 'drop'", "when.transport = 'ws'", "[listen]", "ws = false", "[device]", "x=1"
    )
    assert [problem[:2] for problem in problems_of(text)] == ["3:", "7:"]


def test_a_listen_table_that_is_wrong_does_not_make_faults_wrong() -> None:
    text = fault(
        "kind = 'drop'", "when.transport = 'ws'", "[listen]", "ws = false", "tcp_port = ''"
    )
    assert [problem[:2] for problem in problems_of(text)] == ["6:"]


def test_a_name_that_two_faults_have_is_reported_at_the_second() -> None:
    text = fault("kind = 'drop'", "name = 'a'", fault("kind = 'dorp'", "name = 'a'"))
    assert problems_of(text)[1:] == [
        '6: faults[1].name: expected a name of its own, found that of faults[0]: "a"'
    ]


def test_faults_without_a_name_may_be_of_one_kind() -> None:
    assert problems_of(fault("kind = 'drop'", fault("kind = 'drop'"))) == []


@for_each(
    ("text", "hint"),
    [
        ("Seed = 1", "did you mean 'seed'?"),
        ("firmware.pm = {}", "did you mean 'PM'?"),
        ("tcp_port = 1", "it belongs in [listen]"),
        ("lux = 1", "it belongs in [sensors]"),
        ("MAC = 'x'", "it belongs in [device] or [faceplate]"),
        ("outcome = 'fails'", "it belongs in [updates.IM] or [updates.PM]"),
        ("qos = 1", "it belongs in [preferences.sys_prefs.mqtt]"),
        ("preferences.minOnDuration = 1", "it belongs in acc_prefs.homeAwayMode"),
        ("after_seconds = 1", "it belongs in [[steps]]"),
        ("[update.IM]\noutcome = 'fails'", "did you mean 'updates'?"),
        ("update = 'IM'", "did you mean 'updates'?"),
        ("[name]\noutlet1 = 'x'", "did you mean 'names'?"),
        ("name = 'x'", "it belongs in [[faults]], beside kind"),
        ("reboot = true", "it belongs in [[steps]]"),
        ("start = 1", "known here: "),
        ("preferences.sys_prefs.mqtt.password = 'x'", "did you mean 'pass'?"),
        ("device.mac = 'x'", "did you mean 'MAC'?"),
        ("mqtt.enabled = 1", "known here: connected"),
        ("updates.PM.at_part = 'www'", "did you mean 'at_percent'?"),
        ("fw_rev = '1'", "it belongs in [firmware.IM] or [firmware.PM]"),
        ("firmware.fw_rev = '1'", "it belongs in IM or PM"),
        ("device.seed = 1", "it belongs at the top of the file, before the first [table]"),
        ("device.ws_port = 1", "it belongs in [listen]"),
        ("device.name = 'x'", "known here: sn"),
        ("when = { nth = 1 }", "it belongs in [[faults]], beside kind"),
        (fault("kind = 'drop'", "nth = 1"), "it belongs in when"),
        (fault("kind = 'delay'", "seconds = 1", "mean = 1"), "it belongs in seconds"),
        (fault("kind = 'drop'", "[faults.when]", "name = 'x'"), "it belongs in [[faults]], beside"),
        (fault("kind = 'drop'", "[faults.when]", "kind = 'x'"), "it belongs in [[faults]], beside"),
        (fault("kind = 'drop'", "copies = 2"), "known here: name, enabled, when"),
    ],
)
def test_an_unknown_key_comes_with_a_hint_what_or_where_it_should_be(text: str, hint: str) -> None:
    (problem,) = problems_of(text)
    assert f": unknown key; {hint}" in problem


@for_each(
    ("text", "expected"),
    [
        (
            "[faults]\nkind = 'drop'",
            "1: faults: expected a list of tables, found a table; write [[f",
        ),
        ("faults = 3", "1: faults: expected a list of tables, found 3"),
        ("faults = [\n3]", "2: faults[0]: expected a fault: a table with a kind, found 3"),
        (
            "[[device]]",
            "1: device: expected a table, found [a table]; write [device], not [[device]]",
        ),
        (
            "[steps]\nafter_seconds = 1",
            "1: steps: expected a list of tables, found a table; write [[s",
        ),
        ("steps = 3", "1: steps: expected a list of tables, found 3"),
        ("steps = [\n3]", "2: steps[0]: expected a table, found 3"),
    ],
)
def test_a_table_in_the_place_of_a_list_and_the_reverse_are_told_apart(
    text: str, expected: str
) -> None:
    (problem,) = problems_of(text)
    assert problem.startswith(expected)


def test_odd_keys_are_shown_in_quotes_and_on_one_line() -> None:
    problems = problems_of('"a b" = 1\n"x.y" = 1\n"\\n\\u001b" = 1\n"" = 1')
    keys = [problem.split(": ")[1] for problem in problems]
    assert keys == ['"a b"', '"x.y"', '"\\n\\u001b"', '""']


@for_each(
    "value",
    [
        "0x" + "f" * 5000,
        f'"{"x" * 5000}"',
        f"[{'1, ' * 5000}]",
        "[" * 90 + "]" * 90,
        f"[{'{a = ' * 90}1{'}' * 90}]",
    ],
)
def test_a_value_that_is_long_or_deep_makes_a_short_message(value: str) -> None:
    (problem,) = problems_of(f"seed = {value}")
    assert len(problem) < 200


def test_a_whole_number_will_do_where_a_number_is_asked_for() -> None:
    text = fault("kind = 'delay'", "seconds = 1", "when = { from_seconds = 1, probability = 1 }")
    assert parse(text) == parse(text.replace("1", "1.0"))


# Ways to say what is wrong other than "expected …". The last of very many unknown keys get no hint.
PLAIN = re.compile(
    "unknown key$|unknown key; (did you mean|it belongs|known here|a step cannot)|never applies|"
    "is above max|both false|must not be sent|longer than|which have none|"
    "is not between min and max|is no reading|a step happens|does not go with|has no effect|"
    "no fault is called|has no faceplate|listen switches off"
)


@given(documents())
def test_whatever_a_document_holds_its_problems_have_a_place_and_a_reason(
    document: dict[str, Any],
) -> None:
    scenario, problems = validate(document, Scenario)
    if not problems:
        assert isinstance(scenario, Scenario)
    for problem in problems:
        assert exists(document, problem.path[:-1])
        assert "expected" in problem.message or PLAIN.search(problem.message), problem
        assert "\n" not in problem.key + problem.message


@given(documents())
def test_whatever_a_file_holds_it_is_a_scenario_or_its_problems_have_lines(
    document: dict[str, Any],
) -> None:
    text = to_toml(document)  # each key of the top with its value on a line
    scenario, problems = validate(document, Scenario)
    if not problems:
        assert parse(text) == scenario
        return
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f")
    assert len(caught.value.problems) == len(problems)
    lines = [1 + list(document).index(str(problem.path[0])) for problem in problems]
    said = [re.match(r"f:(\d+): ", problem) for problem in caught.value.problems]
    assert [int(match[1]) for match in said if match] == sorted(lines)


def exists(document: Any, path: Path) -> bool:
    for step in path:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
