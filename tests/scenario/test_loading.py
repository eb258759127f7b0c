"""A scenario comes from a file, a text or a shipped name, and takes other values for some keys."""

import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given

from invis_sim.commands.network import RebootOutlet
from invis_sim.commands.push import PushPacket
from invis_sim.device.lights import ColorLight, IndicatorLight, Led, Nightlight
from invis_sim.device.names import Names
from invis_sim.device.preferences import (
    AccPrefs,
    HomeAwayMode,
    MqttPrefs,
    Preferences,
    SysPrefs,
)
from invis_sim.device.sensors import Drift, Sensors
from invis_sim.device.state import (
    Device,
    Faceplate,
    Mqtt,
    Outlets,
    OutletState,
    Quirks,
    Radar,
    Timing,
)
from invis_sim.device.update_plan import FaceplateUpdate, OutletUpdate, Updates
from invis_sim.faults.kinds.delivery import Delay, Distribution, Drop
from invis_sim.faults.when import When
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.loading import (
    OVERRIDES,
    ScenarioError,
    ScenarioSource,
    load,
    override,
    parse,
    resolve,
    with_faults,
)
from invis_sim.scenario.model import Listen, Scenario
from invis_sim.scenario.steps import AfterRequest, Step
from tests.cases import for_each
from tests.scenario.random_scenarios import scenarios
from tests.scenario.toml import to_toml


def problem_with(path: Path | str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    (problem,) = caught.value.problems
    return problem


@given(scenarios)
def test_every_scenario_can_be_written_to_a_file_and_read_back(scenario: Scenario) -> None:
    assert parse(to_toml(msgspec.to_builtins(scenario))) == scenario


@for_each("text", ["", "\n", "# nothing\r\n", "[device]\n[listen]\n[protocol]"])
def test_an_empty_file_is_a_good_outlet(text: str) -> None:
    assert parse(text) == Scenario()


def test_every_table_of_what_the_outlet_is_and_knows_is_read_as_it_is_written() -> None:
    scenario = parse("""
        [device]
        sn = "11A1F7000FE"
        product = "aura"
        hw_rev = "revB"
        MAC = "02:00:00:00:00:01"
        device = "Unknown"
        [faceplate]
        attached = false
        radar.fw_ver = "2.0"
        [outlets]
        states = [1, 0]
        [nightlight]
        mode = 1
        brightness = 30
        [indicator_light]
        speed = 7
        [color_light]
        mode = 3
        leds = [[1, 50, [360, 100], 1000], [1]]
        [names]
        outlet2 = "Lüfter"
        [preferences.acc_prefs]
        capacitiveCtrl = 0
        homeAwayMode = { minOnDuration = 2 }
        [preferences.sys_prefs.mqtt]
        pass = "secret"
        [sensors]
        omit = ["gas"]
        temp_celsius = 21
        humidity = [40.5, "inf"]
        lux = "inf"
        AQI = { start = 42, step = 3, min = 20, max = 160 }
        pressure = [1, 2]
        [mqtt]
        connected = true
        [updates.IM]
        outcome = "hangs"
        at_part = "www"
        [updates.PM]
        steps = 1
        [timing]
        sensor_seconds = 0
        [quirks]
        stray_result = false
        transports = "by_revision"
        plain_nightlight_on_aura = true
        indicator_light = true
    """)
    expected = OutletState(
        device=Device(
            sn="11A1F7000FE",
            product="aura",
            hw_rev="revB",
            MAC="02:00:00:00:00:01",
            device="Unknown",
        ),
        faceplate=Faceplate(attached=False, radar=Radar(fw_ver="2.0")),
        outlets=Outlets(states=(1, 0)),
        nightlight=Nightlight(mode=1, brightness=30),
        indicator_light=IndicatorLight(speed=7),
        color_light=ColorLight(mode=3, leds=(Led(1, 50, (360, 100), 1000), Led(1))),
        names=Names(outlet2="Lüfter"),
        preferences=Preferences(
            acc_prefs=AccPrefs(capacitiveCtrl=0, homeAwayMode=HomeAwayMode(minOnDuration=2)),
            sys_prefs=SysPrefs(mqtt=MqttPrefs(password="secret")),
        ),
        sensors=Sensors(
            omit=("gas",),
            temp_celsius=21.0,
            humidity=(40.5, "inf"),
            lux="inf",
            AQI=Drift(start=42, step=3, min=20, max=160),
            pressure=(1, 2),
        ),
        mqtt=Mqtt(connected=True),
        updates=Updates(
            IM=OutletUpdate(outcome="hangs", at_part="www"), PM=FaceplateUpdate(steps=1)
        ),
        timing=Timing(sensor_seconds=0),
        quirks=Quirks(
            stray_result=False,
            transports="by_revision",
            plain_nightlight_on_aura=True,
            indicator_light=True,
        ),
    )
    assert scenario.state == expected
    assert scenario.product == "aura"
    assert scenario.transports == ("tcp",)


@for_each(
    ("text", "product"),
    [
        ("", "bare"),
        ("[firmware.PM]", "pro"),
        ("device.product = 'pro'", "pro"),
        ("device.product = 'aura'\n[firmware.PM]", "aura"),
        ("device.product = 'bare'", "bare"),
    ],
)
def test_the_product_is_as_it_is_called_or_as_its_firmware_has_it(text: str, product: str) -> None:
    assert parse(text).product == product


@for_each(
    ("text", "step"),
    [
        ("after_seconds = 1\nsample = true", Step(after_seconds=1, sample=True)),
        ("every_seconds = 0.5\npush = 9", Step(every_seconds=0.5, push=9)),
        (
            "after_seconds = 0\nevery_seconds = 2\npush = { callback = 99, args = { a = [1] } }",
            Step(after_seconds=0, every_seconds=2, push=PushPacket(callback=99, args={"a": [1]})),
        ),
        (
            "after_request = { callback = 20 }\npush.callback = 12",
            Step(after_request=AfterRequest(callback=20), push=PushPacket(callback=12)),
        ),
        (
            "after_request = { callback = 10, nth = 3 }\nreboot = true",
            Step(after_request=AfterRequest(callback=10, nth=3), reboot=True),
        ),
        (
            "after_request = { callback = 10 }\nafter_seconds = 2.5\nsample = true",
            Step(after_request=AfterRequest(callback=10), after_seconds=2.5, sample=True),
        ),
        (
            "after_seconds = 1\nreboot = { seconds = 2, how = 'blackhole' }",
            Step(after_seconds=1, reboot=RebootOutlet(seconds=2, how="blackhole")),
        ),
        ("after_seconds = 1\nreboot = {}", Step(after_seconds=1, reboot=RebootOutlet())),
        ("after_seconds = 1\nfaceplate = 'off'", Step(after_seconds=1, faceplate="off")),
        ("after_seconds = 1\nenable = 'late'", Step(after_seconds=1, enable="late")),
        (
            "after_seconds = 1\ndisable = ['late', 'drop']",
            Step(after_seconds=1, disable=("late", "drop")),
        ),
        ("after_seconds = 1\nupdate = 'PM'", Step(after_seconds=1, update="PM")),
        ("after_seconds = 1\njoin_network = true", Step(after_seconds=1, join_network=True)),
        (
            "after_seconds = 1\nset = { sensors.lux = [1, 'inf'], outlets = { states = [0, 1] } }",
            Step(
                after_seconds=1,
                set={"sensors": {"lux": [1, "inf"]}, "outlets": {"states": [0, 1]}},
            ),
        ),
    ],
)
def test_a_step_of_any_form_is_read_as_it_is_written(text: str, step: Step) -> None:
    faults = "[[faults]]\nkind = 'drop'\n[[faults]]\nkind = 'drop'\nname = 'late'"
    assert parse(f"[firmware.PM]\n{faults}\n[[steps]]\n{text}").steps == (step,)


def test_inline_tables_may_span_lines_and_end_with_a_comma() -> None:
    scenario = parse("""
        [[faults]]
        kind = "delay"
        seconds = {
            min = 1,  # and a comment
            max = 2,
        }
        when = {
            nth = [
                1,
            ],
        }
    """)
    assert scenario.faults == (Delay(seconds=Distribution(min=1, max=2), when=When(nth=(1,))),)


def test_a_file_with_the_line_ends_of_windows_and_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b'\xef\xbb\xbfseed = 7\r\n[device]\r\nsn = "00000000FF"\r\n')
    assert load(path) == Scenario(seed=7, device=Device(sn="00000000FF"))
    path.write_bytes(b"\xef\xbb\xbf\r\n[device]\r\nsn = 7\r\n")
    assert problem_with(path).startswith(f"{path}:3: device.sn: ")


def test_a_file_may_have_any_name_and_goes_before_a_shipped_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flaky").write_text("seed = 1")
    monkeypatch.chdir(tmp_path)
    assert load("flaky") == Scenario(seed=1)


def test_a_shipped_scenario_is_known_by_its_name() -> None:
    assert load("flaky") == load(bundled()["flaky"])


def test_the_default_outlet_is_the_shipped_one_whatever_files_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "default").write_text("seed = 1")
    monkeypatch.chdir(tmp_path)
    assert resolve() == load(bundled()["default"])


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "changing.toml"
    for seed in (1, 2, 1):
        path.write_text(f"seed = {seed}")
        assert load(path) == Scenario(seed=seed)


def test_the_same_text_in_two_files_is_reported_for_each(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml", "one.toml"):
        path = tmp_path / name
        path.write_text("seed = -1")
        assert problem_with(path).startswith(f"{path}:1: seed: ")


@for_each(
    ("name", "hint"),
    [
        ("slow-update", "; did you mean 'slow-updates'?"),
        ("xyz", "; those are aura, bare, chaos, default, "),
        ("", "; those are aura, bare, chaos, default, "),
    ],
)
def test_a_name_that_is_neither_a_file_nor_shipped_is_reported(name: str, hint: str) -> None:
    problem = problem_with(name)
    assert problem.startswith(
        f"{name!r} is neither a file nor the name of a shipped scenario{hint}"
    )


def test_a_file_that_cannot_be_read_is_reported_with_the_reason(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert problem_with(missing) == f"{missing}: No such file or directory"
    assert problem_with(folder) == f"{folder}: Is a directory"
    assert problem_with("x" * 5000).endswith(f": {os.strerror(errno.ENAMETOOLONG)}")


def test_a_file_that_is_not_utf_8_is_reported_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin-1.toml"
    path.write_bytes("seed = 1\n# caf\xe9\n".encode("latin-1"))
    assert problem_with(path).startswith(f"{path}:2: not UTF-8: ")


@for_each(
    ("text", "problem"),
    [
        ("\n\nseed 7", "f:3: not TOML: expected '=' after a key in a key/value pair (column 6)"),
        ("\nseed = 1\nseed = 2", "f:3: not TOML: cannot overwrite a value (column 9)"),
        ("[outlets]\n[outlets]", "f:2: not TOML: [outlets] is defined twice (column 9)"),
        (
            "outlets.states = [1, 0]\n[outlets]",
            "f:2: not TOML: [outlets] is defined twice (column 9)",
        ),
        (
            "[firmware.'a b']\n[firmware.'a b']",
            'f:2: not TOML: [firmware."a b"] is defined twice (column ',
        ),
        (
            "['(\"x\\']\n['(\"x\\']",
            'f:2: not TOML: ["(\\"x\\\\"] is defined twice (column ',
        ),
        ('["it\'s"]\n["it\'s"]', 'f:2: not TOML: ["it\'s"] is defined twice (column '),
        (
            "firmware.PM = {}\nfirmware.PM.fw_rev = '1'",
            "f:2: not TOML: firmware.PM is given whole already, and nothing can be added to it (",
        ),
        ("faults = []\n[[faults]]", "f:2: not TOML: faults is given whole already"),
        ("seed = [", "f:1: not TOML: invalid value (column 9)"),
        (
            "[listen]\nhost = localhost",
            (
                "f:2: not TOML: invalid value (column 8); "
                "text needs quotes, true and false are in lower case"
            ),
        ),
        ("seed = 1\rlisten = 2", "f:1: not TOML: expected newline or end of document after a stat"),
        ("seed = " + "1" * 5000, "f: a number in it has too many digits"),
        ("seed = " + "[" * 5000 + "]" * 5000, "f: not TOML that can be read: nested too deep"),
    ],
)
def test_a_text_that_is_not_toml_is_reported_with_line_and_column(text: str, problem: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(text, "f")
    (found,) = caught.value.problems
    assert found.startswith(problem)


@for_each(
    ("source", "seed"),
    [
        (Scenario(seed=1), 1),
        ("seed = 2", 2),
        ("# seed\nseed = 3\n", 3),
        ("", None),
        ("flaky", load("flaky").seed),
        (bundled()["flaky"], load("flaky").seed),
        (str(bundled()["flaky"]), load("flaky").seed),
        (None, None),
    ],
)
def test_a_scenario_may_be_meant_in_every_way_in_which_one_can_be_named(
    source: ScenarioSource, seed: int | None
) -> None:
    assert resolve(source).seed == seed
    assert resolve(source, seed=7, sn="00000000FF") == override(
        resolve(source), seed=7, sn="00000000FF"
    )


def test_nothing_means_the_default_scenario_and_no_text_the_empty_one() -> None:
    assert resolve() == load("default")
    assert resolve("") == Scenario()


def test_a_path_with_an_equals_sign_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "python=3.11.toml"
    path.write_text("seed = 8")
    assert resolve(str(path)).seed == 8


GOOD: dict[str, Any] = {
    "sn": "00000000FF",
    "seed": 0,
    "host": "::1",
    "tcp": False,
    "tcp_port": 0,
    "ws": False,
    "ws_port": 65535,
    "ws_path": "/",
    "mdns": True,
    "control": True,
    "control_host": "::1",
    "control_port": 0,
    "control_allow_hosts": ("outlet.test",),
}
"""A value for each key that can be overridden, other than its default."""

BAD: list[tuple[str, Any]] = [
    ("sn", "ff"),
    ("sn", 3),
    ("seed", -1),
    ("seed", True),
    ("seed", 1.0),
    ("host", ""),
    ("tcp", 1),
    ("tcp_port", 65536),
    ("tcp_port", True),
    ("tcp_port", "3333"),
    ("ws", "no"),
    ("ws_port", -1),
    ("ws_path", "ws"),
    ("mdns", 1),
    ("control", "yes"),
    ("control_host", ""),
    ("control_port", 65536),
    ("control_allow_hosts", "outlet.test"),
]


@for_each("name", OVERRIDES)
def test_a_value_replaces_its_key_and_nothing_else(name: str) -> None:
    before = parse("seed = 7\n[firmware.PM]\n[[faults]]\nkind = 'drop'")
    after = override(before, **{name: GOOD[name]})
    table, key = OVERRIDES[name]
    expected = msgspec.to_builtins(before)
    (expected[table] if table else expected)[key] = GOOD[name]
    assert msgspec.to_builtins(after) == expected


def test_the_result_is_a_scenario_that_a_file_could_say() -> None:
    after = override(Scenario(), **{**GOOD, "tcp": True})
    assert parse(to_toml(msgspec.to_builtins(after))) == after


def test_none_leaves_a_key_as_it_is() -> None:
    scenario = load("flaky")
    assert override(scenario, **dict.fromkeys(OVERRIDES)) == scenario


@for_each(("name", "value"), BAD)
def test_a_value_that_does_not_fit_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ScenarioError, match=f"^{name}: expected .*, found "):
        override(Scenario(), **{name: value})


def test_every_value_that_does_not_fit_is_reported() -> None:
    with pytest.raises(ScenarioError) as caught:
        override(Scenario(), sn="", tcp_port=-1, seed=3)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["sn", "tcp_port"]


def test_a_name_that_cannot_be_overridden_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="'port' cannot be overridden; known: sn, seed, host, tcp"):
        override(Scenario(), port=1)


def test_values_that_fit_only_together_may_come_in_any_order() -> None:
    tcp_only = Scenario(listen=Listen(ws=False))
    ws_only = Scenario(listen=Listen(tcp=False))
    assert override(tcp_only, tcp=False, ws=True) == ws_only
    assert override(ws_only, ws=False, tcp=True) == tcp_only


def test_an_outlet_that_nobody_could_reach_is_refused() -> None:
    with pytest.raises(ScenarioError, match="tcp and ws are both false"):
        override(Scenario(), tcp=False, ws=False)


def test_a_transport_that_a_fault_needs_can_be_switched_off_by_an_option_alone() -> None:
    fault = Drop(when=When(transport="ws"))
    scenario = Scenario(faults=(fault,))
    assert scenario.unreachable_faults == ()
    narrowed = override(scenario, ws=False)
    assert (narrowed.listen, narrowed.faults) == (Listen(ws=False), (fault,))
    assert narrowed.unreachable_faults == ("drop",)
    assert override(narrowed, seed=3, ws_port=7).unreachable_faults == ("drop",)
    assert override(scenario, tcp=False) == Scenario(faults=(fault,), listen=Listen(tcp=False))
    # In one place it is a slip.
    never = "'drop' never applies: it acts on ws only, which listen switches off"
    with pytest.raises(ValueError, match=never):
        Scenario(faults=(fault,), listen=Listen(ws=False))
    with pytest.raises(ScenarioError, match=never):
        with_faults(Scenario(listen=Listen(ws=False)), [fault])


@for_each(("hw_rev", "off"), [("revB", "tcp"), ("revA", "ws")])
def test_the_only_transport_of_a_revision_can_be_switched_off_by_an_option(
    hw_rev: str, off: str
) -> None:
    text = f'device.hw_rev = "{hw_rev}"\nquirks.transports = "by_revision"'
    narrowed = override(resolve(text), **{off: False})
    assert narrowed.quirks.transports == "both"
    assert not getattr(narrowed.listen, off)
    other = {"tcp": "ws", "ws": "tcp"}[off]
    assert override(resolve(text), **{other: False}).quirks.transports == "by_revision"
    with pytest.raises(ScenarioError, match="tcp and ws are both false"):
        resolve(text, tcp=False, ws=False)
    # In one place it is a slip.
    with pytest.raises(ScenarioError, match="listen switches off the transport of"):
        resolve(f"{text}\nlisten.{off} = false")


def test_what_an_option_has_switched_off_does_not_hide_other_mistakes() -> None:
    narrowed = override(Scenario(faults=(Drop(when=When(transport="ws")),)), ws=False)
    with pytest.raises(ScenarioError, match="tcp and ws are both false"):
        override(narrowed, tcp=False)
    more = with_faults(narrowed, [Drop(name="another")])
    assert [fault.display_name for fault in more.faults] == ["drop", "another"]
    with pytest.raises(ScenarioError, match=r"^faults\[1\].*'lost' never applies"):
        with_faults(narrowed, [Drop(name="lost", when=When(transport="ws"))])


@for_each("document", ["a = 1", 'a = "\\u0000é\\u007f\\"\\\\"', "a = {b = [1.5, {}]}"])
def test_what_the_tests_write_as_toml_is_read_as_the_same(document: str) -> None:
    data = tomllib.loads(document)
    assert tomllib.loads(to_toml(data)) == data


def test_a_file_is_found_in_a_file_system_that_a_test_has_faked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FakePath(type(Path())):  # type: ignore[misc]
        """As pyfakefs does it: it replaces what `pathlib` hands out."""

        def is_file(self, **_: object) -> bool:
            return str(self) == "only-in-memory"

        def read_bytes(self) -> bytes:
            return b"seed = 7\n"

    with monkeypatch.context() as replaced:
        replaced.setattr("pathlib.Path", lambda *parts: FakePath(*parts))
        loaded = load("only-in-memory")
    assert loaded.seed == 7
