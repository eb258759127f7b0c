"""What the real client makes of the vendor's update service, before it updates an outlet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from invis_sim import SimulatorHandle, start_simulator
from tests.real_client.support import Heard, connected
from tests.support import UPDATES

pytest.importorskip("hypercorn", reason="the control server is not installed: invis-sim[control]")

OUTLET = f"""
    [device]
    product = "{{product}}"
{UPDATES}"""
IMAGES = "https://updates.invalid"


async def check(client: Any, module: str, timeout: float = 10.0) -> Any:
    """Ask as an integration does: with what the outlet says of itself (callback 12)."""
    from invisoutlet import OtaTarget

    info = await client.get_device_info()
    if module == "IM":
        target, of, variant = OtaTarget.INVISOUTLET, info, None
    else:
        target, of, variant = OtaTarget.INVISDECO, info.sub_device, info.sub_device.device_type
    return await client.check_firmware(
        target, of.device, of.hw_rev, of.fw_rev, variant, timeout=timeout
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a test with a client that asks the service of its outlet."""

    def run(
        living: Callable[[SimulatorHandle, Any], Awaitable[None]],
        product: str = "pro",
        **options: Any,
    ) -> None:
        async def run_it(sim: SimulatorHandle) -> None:
            async with connected(sim, "tcp") as client:
                await living(sim, client)

        with start_simulator(OUTLET.format(product=product), control=True, **options) as sim:
            base = f"{sim.control_url}update-service"
            monkeypatch.setattr("invisoutlet.client._OTA_CHECK_BASE", base)
            asyncio.run(run_it(sim))

    return run


@pytest.mark.parametrize(("product", "code"), [("pro", "PRP1"), ("aura", "LIP1")])
def test_it_learns_of_both_updates(run: Callable[..., None], product: str, code: str) -> None:
    async def living(sim: SimulatorHandle, client: Any) -> None:
        outlet, faceplate = await check(client, "IM"), await check(client, "PM")
        assert (outlet.current_fw_rev, outlet.available_fw_rev) == ("1.0.0", "1.1.0")
        assert outlet.ota_bin_url == f"{IMAGES}/IM/IVO1/revA/1.1.0.bin"
        assert (faceplate.current_fw_rev, faceplate.available_fw_rev) == ("0.5.0", "0.5.1")
        assert faceplate.ota_bin_url == f"{IMAGES}/PM/{code}/revA/0.5.1.bin"
        for one in (outlet, faceplate):
            assert one.update_available
            assert one.message == "Quieter relays."

    run(living, product)


def test_an_update_goes_from_the_question_to_the_new_revision(
    run: Callable[..., None], quick_reconnection: None
) -> None:
    async def living(sim: SimulatorHandle, client: Any) -> None:
        from invisoutlet import OtaTarget

        back, results = Heard(client.on_connect), Heard(client.on_ota_result)
        assert (await check(client, "IM")).update_available
        await client.perform_ota_update(OtaTarget.INVISOUTLET)
        assert (await results.next()).status == 1
        await back.next()
        release = await check(client, "IM")
        assert (release.current_fw_rev, release.available_fw_rev) == ("1.1.0", "1.1.0")
        assert not release.update_available

    run(living, speed=300)


def test_it_meets_each_fault_of_the_service(run: Callable[..., None]) -> None:
    async def living(sim: SimulatorHandle, client: Any) -> None:
        from invisoutlet.exceptions import InvisOutletConnectionError

        sim.set(update_service={"answer": "up-to-date"})
        assert not (await check(client, "IM")).update_available
        sim.set(update_service={"answer": "no url"})
        release = await check(client, "IM")
        assert (release.available_fw_rev, release.ota_bin_url) == ("1.1.0", "")
        sim.set(update_service={"answer": "error"})
        with pytest.raises(InvisOutletConnectionError, match="500"):
            await check(client, "IM")
        sim.set(update_service={"answer": "slow"})
        with pytest.raises(InvisOutletConnectionError, match="Firmware check failed"):
            await check(client, "IM", timeout=0.3)
        sim.set(update_service={"answer": "not json"})
        # It does not make an error of its own out of this one, as it does of the others.
        with pytest.raises(ValueError, match="Expecting value"):
            await check(client, "IM")
        sim.set(update_service={"answer": "inventory"})
        assert (await check(client, "IM")).update_available

    run(living)


def test_a_product_that_no_outlet_is_gets_an_error(run: Callable[..., None]) -> None:
    async def living(sim: SimulatorHandle, client: Any) -> None:
        from invisoutlet import OtaTarget
        from invisoutlet.exceptions import InvisOutletConnectionError

        with pytest.raises(InvisOutletConnectionError, match="404"):
            await client.check_firmware(OtaTarget.INVISOUTLET, "InvisOutlet", "revZ", "1.0.0")

    run(living)
