"""Takes the picture of the page that the README shows: `python -m tests.web.browser.picture`.

The outlet of the picture is in the middle of something: a client asks it, two faults are in force,
its faceplate is being updated.
"""

import socket
from contextlib import suppress
from typing import Any

from playwright.sync_api import sync_playwright

from invis_sim import start_simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.guides.blocks import ROOT
from tests.support import connect, exchange
from tests.web.browser.support import chromium

SCENARIO = """
    seed = 7

    [device]
    product = "pro"
    sn = "0003C44076"

    [outlets]
    states = [1, 0]

    [names]
    outlet1 = "Lamp"
    outlet2 = "Kettle"

    [nightlight]
    mode = 1
    brightness = 60

    [timing]
    sensor_seconds = 0  # no pushes of readings, however long the browser takes to start

    [firmware.PM]
    available_fw_rev = "0.6.0"

    [[faults]]
    name = "slow updates"
    kind = "delay"
    seconds = 0.2
    when = { callback = 20 }

    [[faults]]
    name = "half a reply"
    kind = "malformed_json"
    how = "truncate"
    when = { callback = 12, nth = 2 }
"""

SIZE: Any = {"width": 1280, "height": 740}
"""In pixels: small enough for a picture of less than 200 kB, wide enough for three columns."""


def ask(sim: SimulatorHandle, client: socket.socket) -> None:
    """Have a client meet both faults."""
    for number, callback in enumerate((12, 20, 9, 12, 9, 20)):
        with suppress(ValueError):  # half a reply
            exchange(client, 414_883 + number, callback)
    sim.update("PM")
    sim.clock.advance(6)
    sim.clock.pause()


def take() -> None:
    """Write the picture to where the README has it."""
    path = ROOT / "invis_sim/guides/page.png"
    with (
        start_simulator(SCENARIO, control=True) as sim,
        connect(sim.tcp_address) as client,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium()) as browser,
    ):
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(sim.control_url)
        page.locator("#online", has_text="Online").wait_for()
        ask(sim, client)
        page.get_by_role("log").get_by_text("[2,30]").wait_for()
        page.screenshot(path=path)
        page.goto("about:blank")


if __name__ == "__main__":
    take()
