"""A client is run against a real outlet, which a proxy disturbs; here a simulated one is that."""

import re
from collections.abc import Iterator

import pytest

from invis_sim import faults, start_simulator
from invis_sim.gauntlet.real_device import RealDevice
from invis_sim.server import StartError
from invis_sim.testing.handle import SimulatorHandle
from tests.cli.process import cli_here
from tests.gauntlet.support import client, run, script, verdicts
from tests.server.peers import address_of
from tests.web.support import QUIET


@pytest.fixture(scope="module")
def outlet() -> Iterator[SimulatorHandle]:
    with start_simulator(QUIET) as sim:
        yield sim


def real(outlet: SimulatorHandle) -> RealDevice:
    host, port = outlet.tcp_address
    return RealDevice(host, port, address_of(outlet.ws_url)[1])


CASES = ("drop/always/*", "malformed_json/*truncate*", "close/before/*", "wrong_sn/*")


def test_a_client_meets_the_same_faults_as_with_a_simulated_outlet(
    outlet: SimulatorHandle,
) -> None:
    outlet.journal.clear()
    simulated = run(client(timeout=0.5), *CASES, scenario=QUIET, transports=("tcp", "ws"))
    report = run(
        client(timeout=0.5), *CASES, scenario=QUIET, transports=("tcp", "ws"), device=real(outlet)
    )
    assert verdicts(report) == verdicts(simulated)
    assert report.status == "as expected"
    asked = outlet.journal.exchanges()
    assert len(asked) > len(report.cases)
    assert {one.transport for one in asked} == {"tcp", "ws"}


def test_what_repeats_a_case_names_the_device(outlet: SimulatorHandle) -> None:
    report = run(client(), "fail/*", device=real(outlet))
    host, port = outlet.tcp_address
    assert f"--device {host} --device-tcp-port {port}" in report.cases[0].repeat


def test_the_client_gets_the_serial_number_of_the_device() -> None:
    code = "import sys; sys.exit(sys.argv[1] != '0003C4ABCDE')"
    with start_simulator(QUIET, sn="0003C4ABCDE") as outlet:
        report = run(script(code, "{sn}"), "fail/*", device=real(outlet))
    assert "ended with status 0 without a connection" in report.baseline.runs[0].why


def test_a_serial_number_that_cannot_be_is_an_error() -> None:
    wrong = faults.SetField(path="sn", value="x\x1b[31m")
    why = r'127\.0\.0\.1:\d+: sn: expected .*, found "x\\u001b'
    with start_simulator(QUIET, faults=[wrong]) as outlet, pytest.raises(StartError, match=why):
        run(client(), "drop/*", device=real(outlet))


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_a_device_that_is_not_there_is_an_error(outlet: SimulatorHandle, transport: str) -> None:
    with start_simulator(QUIET) as gone:
        device = real(gone)
    with pytest.raises(StartError, match=r"^--device: .*127\.0\.0\.1"):
        run(client(), "drop/*", device=device, transports=(transport,))


def test_the_command_line_says_which_device(outlet: SimulatorHandle) -> None:
    device = real(outlet)
    ports = ("--device-tcp-port", str(device.tcp_port), "--device-ws-port", str(device.ws_port))
    given = ("--transport", "tcp", "--only", "fail/*", "--", *client())
    done = cli_here("gauntlet", "--device", device.host, *ports, *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"(\d+) of \1 cases as expected", done.stdout)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--plan", "all"), "--plan all: does not go with --device"),
        (("--device-tcp-port", "0"), "--device-tcp-port: expected a number from 1 to 65535"),
    ],
)
def test_what_does_not_go_with_a_device_is_refused(options: tuple[str, ...], problem: str) -> None:
    done = cli_here("gauntlet", "--device", "192.0.2.1", *options, "--", "true")
    assert done.returncode == 2
    assert problem in done.stderr
