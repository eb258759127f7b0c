"""Firmware updates to their end, well or badly, as the real client follows them."""

import asyncio
import math
from typing import Any, Literal, TypeAlias

import pytest

from invis_sim import SimulatorHandle, start_simulator
from invis_sim.protocol.transport import Transport
from tests.real_client.support import TRANSPORTS, Heard, both_connected, connected, known

pytestmark = [
    pytest.mark.usefixtures("quick_reconnection"),
    pytest.mark.parametrize("transport", TRANSPORTS),
]

SPEED = 300
"""The 40 s of an update of the outlet, half of them silent, take an eighth of a second."""

Module: TypeAlias = Literal["IM", "PM"]
MODULES: tuple[Module, ...] = ("IM", "PM")
TARGETS: dict[Module, int] = {"IM": 1, "PM": 2}

OUTLET = """
    [device]
    product = "pro"
    [firmware.IM]
    fw_rev = "1.0.0"
    available_fw_rev = "1.1.0"
    www_fw_rev = "0.1.2"
    available_www_fw_rev = "0.3.0"
    [firmware.PM]
    fw_rev = "0.5.0"
    available_fw_rev = "0.5.1"
    [timing]
    reconnect_seconds = 1e6  # a client that connects after a restart learns of it, however late
"""
REV_B = OUTLET.replace("[device]", '[device]\nhw_rev = "revB"')

SHOWN = [10 * step for step in range(11)]
"""The percentages that are told of an update, by default."""


class Following:
    """All that a client is told of updates.

    pushes: the arguments of callbacks 22 and 23 as they come, with the callback in front.
    progress, results: what the client makes of them. gone, back: of its connection.
    """

    def __init__(self, client: Any) -> None:
        self.pushes: list[list[int]] = []
        for callback in (22, 23):
            client.on_message(callback, self._hear)
        self.progress = Heard(client.on_ota_progress)
        self.results = Heard(client.on_ota_result)
        self.gone = Heard(client.on_disconnect)
        self.back = Heard(client.on_connect)
        self.resumed = Heard(client.on_message, 21)
        self.information = Heard(client.on_message, 12)

    def _hear(self, message: dict[str, Any]) -> None:
        payload = message["payload"]
        self.pushes.append([payload["callbackName"], *payload["callbackArgs"]])

    def percentages(self, part: int) -> list[int]:
        """The percentages of a part, as the client tells them."""
        everything = self.progress.everything
        return [one.progress for one in everything if one.device_type == part]

    async def result(self) -> tuple[int, int]:
        """The next result, as the client tells it."""
        result = await self.results.next()
        return result.device_type, result.status


async def update(client: Any, module: Module, method: int = 0) -> None:
    from invisoutlet import OtaTarget

    await client.perform_ota_update(OtaTarget(TARGETS[module]), method)


async def revisions(client: Any, module: Module) -> tuple[str, str, bool]:
    """What callback 12 and callback 20 say that a module runs, and whether there is an update."""
    info, updates = await client.get_device_info(), await client.get_available_updates()
    if module == "IM":
        return info.fw_rev, updates.im.fw_rev, updates.im.update_available
    return info.sub_device.fw_rev, updates.pm.fw_rev, updates.pm.update_available


STRAY_1, STRAY_2 = [23, 1, 0], [23, 2, 0]


def test_an_update_of_the_outlet_goes_to_its_end(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            follower, bystander = Following(client), Following(other)
            assert await revisions(client, "IM") == ("1.0.0", "1.0.0", True)
            await update(client, "IM")
            for one, whose in ((follower, client), (bystander, other)):
                assert await one.result() == (1, 1)
                await one.gone.next()
                await one.back.next()
                assert (await one.information.next_args())["IM"]["fw_rev"] == "1.1.0"
                assert await revisions(whose, "IM") == ("1.1.0", "1.1.0", False)
                www = (await whose.get_available_updates()).im.www_fw_rev
                assert www == "0.3.0"
                assert one.pushes == [
                    STRAY_1,
                    *([22, 3, percent] for percent in SHOWN),
                    [23, 3, 1],
                    *([22, 1, percent] for percent in SHOWN),
                    [23, 1, 1],
                ]
                assert one.percentages(3) == one.percentages(1) == SHOWN
                assert len(one.results.everything) == 1  # the client lets no other through
                assert len(one.gone.everything) == 1
            assert not simulator.updating

    with start_simulator(OUTLET, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("method", [0, 1], ids=["by Wi-Fi", "by the outlet"])
def test_an_update_of_the_faceplate_goes_to_its_end_and_connections_stay(
    method: int, transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            follower, bystander = Following(client), Following(other)
            assert await revisions(client, "PM") == ("0.5.0", "0.5.0", True)
            await update(client, "PM", method)
            assert await follower.result() == await bystander.result() == (2, 1)
            # Readings are pushed again once the faceplate is back.
            await Heard(other.on_sensor_data).next()
            assert await revisions(client, "PM") == ("0.5.1", "0.5.1", False)
            assert await revisions(other, "PM") == ("0.5.1", "0.5.1", False)
            assert await revisions(client, "IM") == ("1.0.0", "1.0.0", True)
            for one in (follower, bystander):
                assert one.pushes == [
                    STRAY_2,
                    *([22, 2, percent] for percent in SHOWN),
                    [23, 2, 1],
                ]
                assert one.percentages(2) == SHOWN
                assert len(one.results.everything) == 1
                assert one.gone.everything == []

    with start_simulator(OUTLET, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_while_the_faceplate_restarts_after_an_update_it_is_not_there(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, "PM")
            assert await follower.result() == (2, 1)
            assert (await client.get_device_info()).sub_device is None
            assert (await client.get_available_updates()).pm is None

    scenario = f"{OUTLET}    faceplate_restart_seconds = 1e9\n"
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_two_updates_one_after_the_other_leave_nothing_to_update(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, "IM")
            assert await follower.result() == (1, 1)
            await follower.back.next()
            await known(client)
            await update(client, "PM")
            assert await follower.result() == (2, 1)
            await Heard(client.on_sensor_data).next()
            assert not (await client.get_available_updates()).update_available

    with start_simulator(OUTLET, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_no_stray_result_where_the_scenario_has_none(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, "PM")
            assert await follower.result() == (2, 1)
            assert follower.pushes[0] == [22, 2, 0]

    scenario = OUTLET + "[quirks]\nstray_result = false\n"
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize(
    ("module", "plan", "result", "parts"),
    [
        ("IM", 'at_percent = 40, at_part = "application"', (1, 0), {3: 100, 1: 40}),
        ("IM", 'at_percent = 70, at_part = "www"', (3, 0), {3: 70, 1: None}),
        ("PM", "at_percent = 25", (2, 0), {2: 25}),
    ],
)
def test_one_that_fails_on_its_way_is_told_changes_nothing_and_may_be_tried_again(
    module: Module,
    plan: str,
    result: tuple[int, int],
    parts: dict[int, int | None],
    transport: Transport,
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            before = await revisions(client, module)
            await update(client, module)
            assert await follower.result() == result
            percentages = {part: max(follower.percentages(part), default=None) for part in parts}
            assert percentages == parts
            assert await revisions(client, module) == before
            assert follower.gone.everything == []
            assert not simulator.updating
            simulator.set(updates={module: {"outcome": "success"}})
            await update(client, module)
            assert await follower.result() == (TARGETS[module], 1)

    scenario = f'{OUTLET}\n[updates]\n{module} = {{ outcome = "fails", steps = 20, {plan} }}\n'
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client gives an update up after a moment without news, and not after minutes."""
    for name in ("_OTA_START_TIMEOUT", "_OTA_STALL_TIMEOUT"):
        monkeypatch.setattr(f"invisoutlet.client.{name}", 0.3)


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize(
    ("module", "plan", "parts"),
    [
        ("IM", "at_percent = 40", {3: 100, 1: 40}),
        ("IM", 'at_percent = 5, at_part = "www"', {3: 5, 1: None}),
        ("PM", "at_percent = 95", {2: 95}),
    ],
)
def test_one_that_hangs_is_given_up_by_the_client(
    module: Module, plan: str, parts: dict[int, int | None], transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, module)
            assert await follower.result() == (TARGETS[module], 0)  # which the client makes up
            percentages = {part: max(follower.percentages(part), default=None) for part in parts}
            assert percentages == parts
            stray = [one for one in follower.pushes if one[0] == 23 and one[2] == 0]
            assert stray == [[23, TARGETS[module], 0]]
            assert simulator.updating
            # No other one can start until the outlet has been restarted.
            await update(client, module)
            assert await follower.result() == (TARGETS[module], 0)
            simulator.set(updates={module: {"outcome": "success"}})
            simulator.reboot()
            await follower.back.next()
            await known(client)
            await update(client, module)
            assert await follower.result() == (TARGETS[module], 1)

    scenario = f'{OUTLET}\n[updates]\n{module} = {{ outcome = "hangs", steps = 20, {plan} }}\n'
    with start_simulator(scenario, speed=math.inf) as simulator:  # so no stall but the meant one
        asyncio.run(living(simulator))


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("why", ["refused", "fails_at_start", "nothing new"])
def test_one_that_never_begins_is_given_up_by_the_client(
    why: str, module: Module, transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        if why == "nothing new":
            im = {"available_fw_rev": None, "available_www_fw_rev": None}
            simulator.set(firmware={"IM": im, "PM": {"available_fw_rev": None}})
        else:
            simulator.set(updates={module: {"outcome": why}})
        async with connected(simulator, transport) as client:
            follower = Following(client)
            before = await revisions(client, module)
            await update(client, module)
            assert await follower.result() == (TARGETS[module], 0)
            assert follower.progress.everything == []
            assert await revisions(client, module) == before
            failure = [23, TARGETS[module], 0]
            expected = [failure, failure] if why == "fails_at_start" else []  # stray, and real
            assert follower.pushes == expected
            replied = simulator.journal.exchanges(callback=21)
            outcome = "success" if why == "fails_at_start" else "failure"
            assert [one.outcome for one in replied] == [outcome]

    with start_simulator(OUTLET, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("module", MODULES)
def test_one_may_come_back_with_the_old_revision(module: Module, transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            before = await revisions(client, module)
            await update(client, module)
            assert await follower.result() == (TARGETS[module], 1)
            if module == "IM":
                await follower.back.next()
                assert (await follower.information.next_args())["IM"]["fw_rev"] == "1.0.0"
            else:
                await Heard(client.on_sensor_data).next()
            assert await revisions(client, module) == before
            assert before[2]  # there is still something to update

    scenario = f'{OUTLET}\n[updates]\n{module} = {{ outcome = "keeps_old_revision" }}\n'
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("module", MODULES)
def test_a_second_one_is_refused_while_one_runs_which_goes_on(
    module: Module, transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with both_connected(simulator, transport) as (client, other):
            follower = Following(client)
            await update(client, module)
            await follower.progress.next()
            for one in MODULES:
                await update(other, one)
            await known(other)
            asked = simulator.journal.exchanges(callback=21)
            assert [one.outcome for one in asked] == ["success", "failure", "failure"]
            assert await follower.result() == (TARGETS[module], 1)
            assert follower.percentages(TARGETS[module]) == SHOWN

    scenario = OUTLET + "[updates]\nIM = { seconds = 200 }\nPM = { seconds = 200 }\n"
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("module", MODULES)
def test_a_restart_in_the_middle_of_one_ends_it(module: Module, transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            before = await revisions(client, module)
            await update(client, module)
            await follower.progress.next()
            await client.restart()
            await follower.back.next()
            assert await revisions(client, module) == before
            assert not simulator.updating
            assert follower.results.everything == []

    scenario = OUTLET + "[updates]\nIM = { seconds = 1e6 }\nPM = { seconds = 1e6 }\n"
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_rev_b_restarts_first_and_goes_on_when_the_client_is_back(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, "IM")
            await follower.gone.next()
            await follower.back.next()
            assert (await follower.information.next_args())["IM"]["fw_rev"] == "1.0.0"
            assert await follower.resumed.next_args() == [1, 1]
            assert await follower.result() == (1, 1)
            (request,) = [
                one for one in simulator.journal.exchanges(callback=21) if one.request is not None
            ]
            assert (request.outcome, request.sent) == ("no reply", ())
            assert follower.percentages(1) == SHOWN
            await follower.gone.next()
            await follower.back.next()
            assert (await follower.information.next_args())["IM"]["fw_rev"] == "1.1.0"
            assert await revisions(client, "IM") == ("1.1.0", "1.1.0", False)
            assert len(follower.resumed.everything) == 1  # told once
            assert len(follower.gone.everything) == 2

    with start_simulator(REV_B, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_rev_b_confirms_the_update_of_its_faceplate_by_a_push(transport: Transport) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, "PM")
            assert await follower.resumed.next_args() == [2, 1]
            assert await follower.result() == (2, 1)
            assert follower.percentages(2) == SHOWN
            await Heard(client.on_sensor_data).next()
            assert await revisions(client, "PM") == ("0.5.1", "0.5.1", False)
            assert follower.gone.everything == []

    with start_simulator(REV_B, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


@pytest.mark.parametrize("module", MODULES)
def test_a_rev_b_tells_by_a_push_that_the_update_could_not_start(
    module: Module, transport: Transport
) -> None:
    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            before = await revisions(client, module)
            await update(client, module)
            if module == "IM":
                await follower.back.next()
            assert await follower.resumed.next_args() == [TARGETS[module], 0]
            assert await revisions(client, module) == before
            assert not simulator.updating
            assert follower.pushes == []

    scenario = f'{REV_B}[updates]\n{module} = {{ outcome = "refused" }}\n'
    with start_simulator(scenario, speed=SPEED) as simulator:
        asyncio.run(living(simulator))


def test_a_client_with_a_heartbeat_reconnects_in_the_silence(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time runs faster for the outlet, and so do the heartbeats of the client."""
    if transport == "tcp":
        pytest.skip("only the WebSocket of the client has a heartbeat")
    heartbeat = 0.2
    monkeypatch.setattr("invisoutlet.transport._WS_HEARTBEAT", heartbeat)

    async def living(simulator: SimulatorHandle) -> None:
        async with connected(simulator, transport) as client:
            follower = Following(client)
            await update(client, "IM")
            await follower.gone.next()
            await follower.back.next()
            assert await follower.result() == (1, 1)

    with start_simulator(OUTLET, speed=10 / heartbeat) as simulator:
        asyncio.run(living(simulator))
