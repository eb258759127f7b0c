"""The commands that only show something, and what all commands have in common."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import tomli

import invis_sim
from invis_sim.cli import main
from invis_sim.device.firmware import FaceplateFirmware
from invis_sim.device.update_plan import OutletUpdate
from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.when import When
from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.loading import parse
from invis_sim.scenario.model import Scenario
from invis_sim.scenario.steps import Step
from tests.cases import for_each
from tests.cli.process import INVIS_SIM, cli_here


def test_version_is_the_packages() -> None:
    ended = cli_here("--version")
    assert (ended.returncode, ended.stdout) == (0, f"invis-sim {invis_sim.__version__}\n")


@for_each("arguments", [(), ("runn",), ("check",), ("faults", "--x"), ("send", "127.0.0.1")])
def test_a_command_line_that_makes_no_sense_is_status_2_and_one_line(
    arguments: tuple[str, ...],
) -> None:
    ended = cli_here(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("invis-sim")
    assert line.endswith("--help)")


def test_check_tells_every_problem_of_every_file(tmp_path: Path) -> None:
    good, bad, worse = (tmp_path / name for name in ("good.toml", "bad.toml", "worse.toml"))
    good.write_text('description = "Fine."\n')
    bad.write_text('sed = 1\n\n[device]\nsn = "x"\n')
    worse.write_text("[device\n")
    ended = cli_here(
        "check", str(bad), str(good), "slow-updates", str(worse), "no-such", "a/b.toml"
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert [line.partition(": ")[0] for line in ended.stdout.splitlines()] == [
        str(good),
        "slow-updates",
    ]
    assert f"{good}: good: Fine." in ended.stdout
    problems = [line.split(": ")[1] for line in ended.stderr.splitlines()]
    assert problems[:3] == [f"{bad}:1", f"{bad}:4", f"{worse}:1"]
    assert problems[3].startswith("'no-such' is neither a file nor")
    assert problems[4] == "a/b.toml"
    assert len(problems) == 5


def test_check_tells_every_problem_of_steps_and_of_what_the_outlet_is(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("""\
[device]
product = "bear"
[color_light]
leds = [
    [1, 100, [0, 0], 4000],
    [1, 101, [0, 0], 4000],
]
[[steps]]
after_seconds = 1
set.sensors.luxx = 3
[[steps]]
after_second = 1
enable = "nobody"
[[steps]]
after_seconds = 2
enable = "nobody"
""")
    ended = cli_here("check", str(bad))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert [line.removeprefix(f"invis-sim: {bad}:") for line in ended.stderr.splitlines()] == [
        (
            '2: device.product: expected one of "aura", "bare", "pro", found "bear"; '
            "did you mean 'bare'?"
        ),
        (
            "6: color_light.leds[1][1]: brightness: expected a whole number from 0 to 100 "
            "(percent), found 101"
        ),
        "10: steps[0].set.sensors.luxx: unknown key; did you mean 'lux'?",
        "12: steps[1].after_second: unknown key; did you mean 'after_seconds'?",
        "16: steps[2].enable: no fault is called 'nobody'; there are: none",
    ]


def test_check_is_content_with_what_is_good() -> None:
    ended = cli_here("check", *bundled())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(ended.stdout.splitlines()) == len(bundled())


def test_faults_shows_every_kind_with_an_example_that_can_be_used() -> None:
    ended = cli_here("faults")
    assert (ended.returncode, ended.stderr) == (0, "")
    examples = ended.stdout.split("[[faults]]")
    assert len(examples) == len(KINDS) + 1
    for kind in KINDS:
        assert f"\n  {kind} " in ended.stdout


@for_each("kind", KINDS)
def test_faults_tells_all_about_one_kind(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", kind]) == 0
    manual, problems = capsys.readouterr()
    assert problems == ""
    assert manual.startswith(f"{kind}  (")
    _, _, example = manual.partition("Example:")
    assert parse(example).faults[0].kind() == kind
    for key in (*KINDS[kind].__struct_fields__, *When.__struct_fields__):
        assert re.search(rf"^([a-z_]+, )*{key}(, [a-z_]+)*:", manual, re.MULTILINE), key


def test_a_kind_that_is_none_is_status_2_with_the_nearest_one() -> None:
    ended = cli_here("faults", "dely")
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("invis-sim: unknown fault kind 'dely'; did you mean 'delay'?")
    (line,) = cli_here("faults", "xxxxxx").stderr.splitlines()
    assert all(kind in line for kind in KINDS)


def test_scenarios_lists_each_that_ships_with_its_description() -> None:
    ended = cli_here("scenarios")
    assert (ended.returncode, ended.stderr) == (0, "")
    words = " ".join(ended.stdout.split())
    for name, path in bundled().items():
        description = tomli.loads(path.read_text())["description"]
        assert f"{name} {description}" in words
    assert all(len(line) <= 100 for line in ended.stdout.splitlines())


def tables_of(struct: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, Any]]:
    """The tables that a default scenario has, with their structs."""
    for field in msgspec.structs.fields(struct):
        if isinstance(field.default, msgspec.Struct):
            name = f"{path}{field.encode_name}"
            yield name, type(field.default)
            yield from tables_of(type(field.default), f"{name}.")


PARTS_OF_STEPS = ("When:", "Commands, executed in this order:")
TABLES = {**dict(tables_of(Scenario)), "firmware.PM": FaceplateFirmware, "steps": Step}


def test_keys_names_every_table() -> None:
    shown = cli_here("keys").stdout
    for name in TABLES:
        assert f"[{name}]" in shown
    assert "[[faults]]" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())


@for_each("name", TABLES)
def test_keys_says_something_about_every_key_of_a_table(name: str) -> None:
    heading, _, *rest = cli_here("keys", name).stdout.strip().split("\n\n")
    assert heading.strip("[]") == name
    paragraphs = [part for part in rest if part not in PARTS_OF_STEPS]
    fields = msgspec.structs.fields(TABLES[name])
    for field, paragraph in zip(fields, paragraphs, strict=True):
        assert re.match(rf"{field.encode_name}($| = )", paragraph, re.MULTILINE)
        said, _, expected = paragraph.partition("\n    (")
        assert "\n    " in said, f"{field.encode_name} is not described"
        assert expected.endswith(")")
        assert "something else" not in expected


def test_the_default_that_keys_shows_can_be_copied_into_a_scenario() -> None:
    shown = cli_here("keys", "updates.IM").stdout
    lines = [line for line in shown.splitlines() if re.match(r"\w+ = ", line)]
    assert len(lines) == len(OutletUpdate.__struct_fields__)
    assert parse("\n".join(("[updates.IM]", *lines))) == Scenario()


@for_each(
    ("name", "hint"),
    [
        ("sensor", "did you mean 'sensors'?"),
        ("x", "known tables: device, "),
        ("faults", "invis-sim faults"),
    ],
)
def test_a_table_that_is_none_is_status_2_with_a_hint(name: str, hint: str) -> None:
    ended = cli_here("keys", name)
    assert ended.returncode == 2
    assert hint in ended.stderr


def test_schema_is_a_json_schema_that_the_shipped_scenarios_fit() -> None:
    ended = cli_here("schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    schema = json.loads(ended.stdout)
    jsonschema_rs.meta.validate(schema)
    assert {"device", "sensors", "quirks", "steps"} <= set(schema["properties"])
    validator = jsonschema_rs.Draft202012Validator(schema)
    for path in bundled().values():
        validator.validate(tomli.loads(path.read_text()))


def test_output_that_nobody_wants_is_no_error() -> None:
    command = " ".join((*INVIS_SIM, "schema"))
    for ending, status in (("| head -1 >/dev/null", 0), (">&-", 0)):
        script = f"set -o pipefail; {command} {ending}"
        ended = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False
        )
        assert (ended.stderr, ended.returncode) == ("", status)


def test_a_full_disk_is_status_1_and_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*INVIS_SIM, "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (ended.stderr, ended.returncode) == ("invis-sim: No space left on device\n", 1)
