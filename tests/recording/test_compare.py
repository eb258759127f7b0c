"""Where an outlet and the simulated one differ, in tiers."""

import json
from pathlib import Path

import pytest
from hypothesis import given

from invis_sim import SimulatorHandle, start_fleet, start_simulator
from invis_sim.device.state import OutletState, patched
from invis_sim.recording.compare import answers_in, compare_with
from invis_sim.recording.differences import TIERS, compare_answers
from invis_sim.recording.questions import QUESTIONS, simulate
from tests.cli.process import cli_here
from tests.recording.test_capture import options, ports
from tests.scenario.random_scenarios import states


def compared(device: SimulatorHandle, *arguments: str) -> tuple[int, str]:
    done = cli_here("compare", *ports(device), *arguments)
    assert done.stderr == ""
    return done.returncode, done.stdout


@given(states)
def test_an_outlet_does_not_differ_from_itself(state: OutletState) -> None:
    assert not compare_answers(simulate(state), simulate(state))


def test_a_captured_outlet_does_not_differ_from_what_was_captured(tmp_path: Path) -> None:
    raw, toml = tmp_path / "raw.jsonl", tmp_path / "captured.toml"
    with start_simulator("aura", seed=1) as device:
        cli_here(
            *("capture", *options(device), "-o", str(toml), "--raw", str(raw)),
        )
        assert compared(device)[1] == "no difference in 10 replies\n"
    done = cli_here("compare", str(raw), str(toml))
    assert (done.returncode, done.stdout) == (0, "no difference in 10 replies\n")


def test_tiers_come_in_order_with_what_the_manual_says() -> None:
    with start_simulator("bare") as device:
        found = json.loads(cli_here("compare", *insert(ports(device), "pro"), "--json").stdout)
    order = [one["tier"] for one in found["differences"]]
    assert order == sorted(order, key=list(TIERS).index)
    missing = [one["path"][-1] for one in found["differences"] if one["tier"] == "missing key"]
    assert "PM" in missing
    assert found["compared"] == len(QUESTIONS)


def insert(arguments: list[str], scenario: str) -> list[str]:
    host, *rest = arguments
    return [host, scenario, *rest]


def test_values_alone_are_no_failure_and_volatile_ones_are_not_shown() -> None:
    with start_simulator("[device]\nproduct='pro'\n[outlets]\nstates = [0, 1]\n") as device:
        done = cli_here("compare", *insert(ports(device), "pro"))
    assert done.returncode == 0
    assert "callback 9: payload.callbackArgs[0]: the device has 0, the simulator 1\n" in done.stdout


def test_another_serial_number_is_shown_once_and_not_for_each_reply() -> None:
    state = OutletState()
    other = patched(state, {"device": {"sn": "0003C4BEEF"}})
    found = compare_answers(simulate(state), simulate(other))
    assert [one.path for one in found].count(("sn",)) == 1


def test_a_journal_without_replies_is_not_called_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    with start_simulator() as sim:
        sim.journal.dump(file)
    done = cli_here("compare", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"invis-sim: nothing was compared: {file} has no reply that can be read\n"


def test_a_journal_of_several_outlets_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    header = '{"entry":"journal","sn":"","started":1.0}\n'
    with start_fleet(2) as fleet:
        fleet.set(sensors={"lux": 5})
        lines = [line for outlet in fleet.values() for line in outlet.journal.lines()[1:]]
    file.write_text(header + "".join(f"{line}\n" for line in lines))
    with pytest.raises(ValueError, match="expected the journal of one outlet, found 2 outlets"):
        compare_with(file)


def test_a_file_that_is_not_there_is_not_taken_for_a_host(tmp_path: Path) -> None:
    done = cli_here("compare", str(tmp_path / "mine.jsonl"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("mine.jsonl: No such file or directory\n")


def test_a_key_that_the_simulator_lacks_is_news_with_what_the_manual_says() -> None:
    with start_simulator("[sensors]\ntemphumidity_accuracy = 3\n[firmware.PM]\n") as device:
        done = cli_here("compare", *insert(ports(device), "pro"))
    assert done.returncode == 1
    assert "unknown key (the device sends what the simulator does not):" in done.stdout
    assert "temphumidity_accuracy: seen on real hardware and documented nowhere" in done.stdout


def test_what_is_no_journal_is_said(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("oops\n")
    done = cli_here("compare", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert ":1: not a line of a journal" in done.stderr


def test_a_journal_of_a_simulator_is_compared_by_its_last_answers() -> None:
    with start_simulator("pro") as device:
        compare_with(device.tcp_address[0], tcp_port=device.tcp_address[1], pause=0)
        device.set(outlets={"states": [1, 1]})
        compare_with(device.tcp_address[0], tcp_port=device.tcp_address[1], pause=0)
        answers = answers_in(device.journal)
    (status,) = [one for one in answers if one.question.callback == 9]
    assert status.args == [1, 1]
