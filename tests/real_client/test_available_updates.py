"""What a client that we did not write makes of callback 20, and of faults, over both transports."""

import asyncio
from typing import Any, get_args

import pytest

from invis_sim import SimulatorHandle, faults, start_simulator
from invis_sim.faults.fault import Fault
from invis_sim.faults.json_forms import Breakage
from invis_sim.protocol.transport import Transport
from tests.real_client.support import TRANSPORTS, attempt, connected

CLIENT_TIMEOUT = 0.3
"""How long the client waits for a reply, in seconds, in tests in which none comes."""

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)


def get_updates(
    simulator: SimulatorHandle, transport: Transport, timeout: float = 5.0
) -> tuple[Any, str | None]:
    """What `get_available_updates` returns, and the name of the error where it raises one."""

    async def asking() -> tuple[Any, str | None]:
        async with connected(simulator, transport) as client:
            return await attempt(client.get_available_updates, timeout)

    return asyncio.run(asking())


def assert_default_updates(updates: Any) -> None:
    outlet, faceplate = updates.im, updates.pm
    assert (outlet.fw_rev, outlet.available_fw_rev) == ("0.0.1", "0.0.1")
    assert (outlet.www_fw_rev, outlet.available_www_fw_rev) == ("0.1.2", "0.3.0")
    assert (faceplate.fw_rev, faceplate.available_fw_rev) == ("0.5.0", "0.5.1")


def test_it_reads_which_firmware_runs_and_which_is_available(transport: Transport) -> None:
    with start_simulator() as simulator:
        updates, error = get_updates(simulator, transport)
    assert error is None
    assert_default_updates(updates)


def test_it_takes_an_outlet_without_a_faceplate(transport: Transport) -> None:
    with start_simulator("no-faceplate") as simulator:
        updates, error = get_updates(simulator, transport)
    assert error is None
    assert updates.pm is None or updates.pm.fw_rev is None


def test_it_is_told_that_the_update_check_failed(transport: Transport) -> None:
    with start_simulator("update-check-fails") as simulator:
        assert get_updates(simulator, transport) == (None, "InvisOutletCommandError")


ANSWERED: list[Fault] = [
    faults.Delay(seconds=0.05),
    faults.Duplicate(copies=3),
    faults.CloseConnection(moment="after"),
]
ENDED_BY: list[tuple[Fault, str]] = [
    (faults.Fail(), "InvisOutletCommandError"),
    (faults.Drop(), "InvisOutletTimeoutError"),
    (faults.Delay(seconds=60), "InvisOutletTimeoutError"),
    (faults.CloseConnection(moment="before"), "InvisOutletConnectionError"),
    (faults.CloseConnection(moment="middle"), "InvisOutletConnectionError"),
    *(
        (faults.WrongPacketId(how=how), "InvisOutletTimeoutError")
        for how in ("other", "previous", "zero", "negative", "string", "float", "huge", "missing")
    ),
]


@pytest.mark.parametrize("fault", ANSWERED, ids=str)
def test_it_gets_its_answer_in_spite_of(fault: Fault, transport: Transport) -> None:
    with start_simulator() as simulator, simulator.inject(fault):
        updates, error = get_updates(simulator, transport)
        assert error is None
        assert_default_updates(updates)


@pytest.mark.parametrize(("fault", "expected"), ENDED_BY, ids=str)
def test_it_ends_with_a_named_error_on(fault: Fault, expected: str, transport: Transport) -> None:
    with start_simulator() as simulator:
        with simulator.inject(fault):
            assert get_updates(simulator, transport, CLIENT_TIMEOUT) == (None, expected)
        updates, error = get_updates(simulator, transport)
        assert error is None
        assert_default_updates(updates)


# On TCP the client looks for the next object by itself: what follows a whole one does not disturb
# it.
HARMLESS = {"tcp": {"extra_brace", "two_values", "nan"}, "ws": {"nan"}}


@pytest.mark.parametrize("how", get_args(Breakage))
def test_json_that_it_cannot_parse_runs_into_its_time_out(how: Any, transport: Transport) -> None:
    with start_simulator() as simulator, simulator.inject(faults.MalformedJson(how=how)):
        updates, error = get_updates(simulator, transport, CLIENT_TIMEOUT)
    if how in HARMLESS[transport]:
        assert error is None
        assert_default_updates(updates)
    else:
        assert error == "InvisOutletTimeoutError"


def test_a_broken_reply_on_tcp_swallows_those_behind_it_until_it_reconnects(
    transport: Transport,
) -> None:
    async def asking(simulator: SimulatorHandle) -> list[str | None]:
        async with connected(simulator, transport) as client:
            with simulator.inject(faults.MalformedJson(how="truncate")):
                _, first = await attempt(client.get_available_updates, CLIENT_TIMEOUT)
            _, second = await attempt(client.get_available_updates, CLIENT_TIMEOUT)
        return [first, second]

    with start_simulator() as simulator:
        errors = asyncio.run(asking(simulator))
    swallowed = "InvisOutletTimeoutError" if transport == "tcp" else None
    assert errors == ["InvisOutletTimeoutError", swallowed]


@pytest.mark.usefixtures("quick_reconnection")
def test_it_comes_back_by_itself_after_a_close_and_is_served_again(transport: Transport) -> None:
    async def asking(simulator: SimulatorHandle) -> Any:
        back = asyncio.Event()
        async with connected(simulator, transport) as client:
            client.on_connect(back.set)
            with simulator.inject(faults.CloseConnection()):
                _, error = await attempt(client.get_available_updates, CLIENT_TIMEOUT)
            assert error == "InvisOutletConnectionError"
            async with asyncio.timeout(10):
                await back.wait()
            return await client.get_available_updates()

    with start_simulator() as simulator:
        assert_default_updates(asyncio.run(asking(simulator)))
