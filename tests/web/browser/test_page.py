"""The page in a real browser: what a user sees and does, and what clients of the outlet notice."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invis_sim import Journal, faults, start_simulator
from invis_sim.faults.catalogue import KINDS
from invis_sim.testing.handle import SimulatorHandle
from tests.support import connect, exchange, make_request
from tests.web.browser.support import NARROW, WIDE, Tab, two_outlets
from tests.web.support import QUIET

UPDATES = """
    [firmware.PM]
    fw_rev = "0.5.0"
    available_fw_rev = "0.5.1"
"""

PRO = QUIET + UPDATES
AURA = PRO.replace('"pro"', '"aura"')


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorHandle]:
    """One outlet for the tests of this file; each begins after a reset."""
    with start_simulator(PRO, control=True) as sim:
        yield sim


@pytest.fixture
def sim(running: SimulatorHandle) -> Iterator[SimulatorHandle]:
    yield running
    running.clock.speed = 1
    running.clock.resume()
    running.disconnect()
    running.reset()
    running.journal.clear()


def receive(client: socket.socket) -> Any:
    return json.loads(client.recv(65536))


# The outlet


def test_a_press_reaches_a_connected_client(sim: SimulatorHandle, tab: Tab) -> None:
    with connect(sim.tcp_address) as client:
        exchange(client, callback=9)
        tab.open(sim)
        tab.role("switch", "Outlet 2").click()
        assert receive(client)["payload"] == {"callbackName": 9, "callbackArgs": [0, 1]}
        tab.wait_for_switch("Outlet 2", on=True)
        tab.wait_for_switch("Outlet 1", on=False)


def test_a_request_of_a_client_moves_the_switch(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    with connect(sim.tcp_address) as client:
        client.sendall(make_request(10, [1, 1]))
        tab.wait_for_switch("Outlet 1", on=True)
        assert tab.page.locator("#shown1").inner_text() == "on"


def test_the_keyboard_is_enough(sim: SimulatorHandle, tab: Tab) -> None:
    with connect(sim.tcp_address) as client:
        exchange(client)
    tab.open(sim, NARROW)
    keyboard = tab.page.keyboard
    # The links to the journal and the guides; the choice of one outlet is disabled.
    for _ in range(3):
        keyboard.press("Tab")
    tab.wait_for_focus("#switch1")
    keyboard.press("Space")
    tab.wait_for_switch("Outlet 1", on=True)
    tab.page.locator(".skip").focus()
    keyboard.press("Enter")
    tab.wait_for_focus("#journal-title")
    for _ in range(30):
        keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    keyboard.press("Enter")
    tab.page.locator("details[open] .facts").wait_for()


def test_the_faceplate_is_taken_off_and_put_on(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.role("switch", "Faceplate").click()
    tab.wait("#faceplate-status", "taken off")
    assert not sim.state.faceplate.attached
    tab.page.locator("#sensors").wait_for(state="hidden")
    tab.role("switch", "Faceplate").click()
    tab.page.locator("#sensors").wait_for()
    assert sim.state.faceplate.attached


def test_a_bare_outlet_has_no_faceplate_to_put_on(tab: Tab) -> None:
    with start_simulator(QUIET.replace('"pro"', '"bare"'), control=True) as sim:
        tab.open(sim)
        tab.wait("#faceplate-status", "this outlet has none")
        assert tab.role("switch", "Faceplate").is_disabled()
        tab.leave()


def test_a_slider_makes_a_reading_constant(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    with tab.answered("/state"):
        tab.role("slider", "Temperature").fill("25.5")
    tab.wait("#sensors output", "25.5 °C")
    assert sim.state.sensors.temp_celsius == 25.5


def test_the_nightlight_is_shown_and_switched(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.role("switch", "Light").click()
    tab.role("slider", "Brightness").fill("30")
    tab.role("img", "Nightlight: on, 30 %").wait_for()
    assert sim.state.nightlight.brightness == 30


def test_the_leds_have_their_colours(tab: Tab) -> None:
    leds = "leds = [[1, 100, [0, 100], 4000], [1, 50, [240, 100], 4000]]"
    with start_simulator(f"{AURA}\n[color_light]\nmode = 1\n{leds}", control=True) as sim:
        tab.open(sim)
        tab.role("img", "LED 1: on, 100 %, hue 0, saturation 100").wait_for()
        colors = "[...document.querySelectorAll('#leds span')].map((one) => one.style.cssText)"
        styles = tab.page.evaluate(colors)
        assert "hsl(0 100% 50%)" in styles[0]
        assert "hsl(240 100% 50%)" in styles[1]
        assert tab.page.get_by_role("img", name="LED").count() == 9
        tab.leave()


def test_an_update_shows_its_progress(sim: SimulatorHandle, tab: Tab) -> None:
    sim.clock.pause()
    tab.open(sim)
    tab.press("Update faceplate")
    tab.wait("#update-words", "Updating the faceplate: 0 %")
    sim.clock.advance(5)
    tab.wait("#update-words", "Updating the faceplate: 50 %")
    assert tab.page.evaluate("document.querySelector('#update-bar').value") == 50
    sim.clock.advance(100)
    tab.page.locator("#update-progress").wait_for(state="hidden")
    tab.wait("#updates", "0.5.1")


# Faults


def test_a_fault_from_the_form_touches_the_next_reply(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.page.get_by_text("Add a fault").click()
    tab.find("#fault-kind").select_option("fail")
    tab.page.locator("[data-path='when.callback']").fill("20")
    tab.press("Add fault")
    tab.wait("#faults", "applied 0 of 0")
    with connect(sim.tcp_address) as client:
        assert exchange(client)["PUBACK"] == 0
    tab.wait("#faults", "applied 1 of 1")
    tab.wait("[role=log] .fault", "fail")
    tab.role("switch", "Fault fail#1").click()
    tab.wait_for_switch("Fault fail#1", on=False)
    with connect(sim.tcp_address) as client:
        assert exchange(client)["PUBACK"] == 1
    tab.press("Remove fault fail#1")
    tab.wait("#no-faults", "Nothing goes wrong.")
    assert list(sim.faults) == []


def test_a_problem_is_shown_at_its_field(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.page.get_by_text("Add a fault").click()
    tab.find("#fault-kind").select_option("delay")
    tab.page.locator("[data-path='when.callback']").fill("twenty")
    tab.press("Add fault")
    tab.wait("#fault-form .problem", 'expected a number, found "twenty"')
    tab.page.locator("[data-path='when.callback']").fill("20")
    tab.press("Add fault")
    tab.wait("#fault-form .problem", "a value is required")
    tab.page.locator("[data-path='seconds']").last.fill("-1")
    tab.press("Add fault")
    tab.wait("#fault-form .problem", "expected a number from 0")
    tab.errors.clear()  # the browser reports each answer that refuses something


def test_every_kind_of_fault_has_a_form(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.page.get_by_text("Add a fault").click()
    kind = tab.find("#fault-kind")
    offered = kind.locator("option").all_inner_texts()
    assert set(offered) == set(KINDS)
    for name in offered:
        kind.select_option(name)
        tab.page.locator("[data-path='when.callback']").wait_for()


# Connections and time


def test_a_connection_is_ended(sim: SimulatorHandle, tab: Tab) -> None:
    with connect(sim.tcp_address) as client:
        exchange(client)
        number = sim.wait_for_connection().connection
        tab.open(sim)
        tab.press(f"Close: connection {number}")
        assert client.recv(1) == b""
        tab.wait("#no-connections", "No client is connected.")


def test_time_is_paused_sped_up_and_advanced(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.press("Pause")
    tab.wait("#pause", "Go on")
    assert sim.clock.paused
    before = sim.clock.sim()
    tab.page.get_by_label("Advance by").fill("7200")
    tab.press("Advance")
    tab.wait("#clock", "2:0")
    assert sim.clock.sim() == before + 7200
    with tab.answered("/clock"):
        tab.find("#speed").select_option("10")
    tab.press("Go on")
    tab.wait("#pause", "Pause")
    assert (sim.clock.paused, sim.clock.speed) == (False, 10)


# The journal


def test_a_row_opens_and_shows_the_bytes_of_both_directions(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    with connect(sim.tcp_address) as client:
        request = make_request(20)
        client.sendall(request)
        reply = client.recv(4096)
    row = tab.row("20 available updates")
    row.locator("summary").first.click()
    received, sent = row.locator(".bytes").nth(0), row.locator(".bytes").nth(1)
    assert received.locator("pre").first.inner_text() == request.decode()
    assert sent.locator("pre").first.inner_text() == reply.decode()
    sent.locator("summary").click()
    assert reply[:16].hex(" ") in sent.locator("details pre").inner_text()


def test_very_many_entries_leave_the_newest(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    late = faults.Delay(seconds=1000, overtake=True, when=faults.When(callback=12))
    sim.inject(late)
    with connect(sim.tcp_address) as client:
        client.sendall(make_request(12))
        client.sendall(make_request(20) * 600)
        tab.wait("#row-count", "400 of")
        sim.clock.advance(1000)
        tab.find("#filter-callback").fill("12")
        tab.wait("[role=log] .fault", "delay")
        tab.wait_for_count("[role=log] > details", 1)
        tab.press("Show all")
        tab.wait_for_count("[role=log] > details", 400)
        assert tab.row("20 available updates").count() == 1


def test_a_row_that_is_read_stays_in_view(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    with connect(sim.tcp_address) as client:
        exchange(client, callback=12)
        row = tab.row("12 device information")
        row.locator("summary").first.click()
        client.sendall(make_request(20) * 100)
        tab.wait_for_count("[role=log] > details", 102)
        assert not tab.find("#newest").is_checked()
        tab.find("#newest").check()
        tab.row("20 available updates").wait_for()
        at = "document.querySelector('#log')"
        assert tab.page.evaluate(f"{at}.scrollTop + {at}.clientHeight >= {at}.scrollHeight - 8")


def test_rows_are_filtered(sim: SimulatorHandle, tab: Tab) -> None:
    sim.inject(faults.Fail(when=faults.When(callback=12)))
    with connect(sim.tcp_address) as client:
        for callback in (20, 9, 12):
            exchange(client, callback=callback)
    tab.open(sim)
    rows = "[role=log] > details"
    tab.wait("[role=log]", "12 device information")
    every = tab.page.locator(rows).count()
    for name, value, expected in (
        ("callback", "20", 1),
        ("text", 'CALLBACKNAME": 9', 1),
        ("fault", "fail", 1),
        ("connection", "4711", 0),
    ):
        tab.find(f"#filter-{name}").fill(value)
        tab.wait_for_count(rows, expected)
        tab.press("Show all")
        tab.wait_for_count(rows, every)
    tab.find("#filter-kind").select_option("connected")
    tab.wait_for_count(rows, 1)


def test_what_clients_send_is_shown_as_text(sim: SimulatorHandle, tab: Tab) -> None:
    hostile = "<img src=x onerror=alert(1)>\u202e"
    sim.set(names={"outlet1": hostile})
    sim.inject(faults.Delay(seconds=0, name=hostile))
    tab.open(sim)
    with connect(sim.tcp_address) as client:
        client.sendall(make_request(4, hostile))
        client.recv(4096)
    row = tab.row("4 configure accessory names")
    row.locator("summary").first.click()
    tab.wait("[role=log] .bytes", hostile[:-1])
    tab.wait("#name1", hostile[:-1] + "\\u202e")
    assert tab.page.locator("main img").count() == 0


def test_rows_stay_when_the_process_ends_and_the_page_goes_on(tab: Tab) -> None:
    with start_simulator(PRO, control=True) as sim:
        port = int(sim.control_url.rstrip("/").rpartition(":")[2])
        tab.open(sim)
        with connect(sim.tcp_address) as client:
            exchange(client, packet_id=111111)
        tab.wait("[role=log]", "20 available updates")
    tab.wait("#alert", "The simulator does not answer.")
    tab.row("20 available updates").locator("summary").first.click()
    tab.wait("[role=log] .bytes", "111111")
    with start_simulator(PRO, control=True, control_port=port) as sim:
        tab.wait("#online", "Online")
        with connect(sim.tcp_address) as client:
            exchange(client, callback=12)
        tab.wait("[role=log]", "12 device information")
        tab.wait("[role=log]", "The simulator has started anew")
        tab.wait("[role=log]", "20 available updates")
        tab.role("switch", "Outlet 1").click()
        tab.wait_for_switch("Outlet 1", on=True)
        tab.leave()
    tab.errors.clear()  # the browser reports each connection that was refused


def saved(tab: Tab, name: str, folder: Path) -> Path:
    """Press a button that gives a file to save, and save it."""
    with tab.page.expect_download() as download:
        tab.press(name)
    path: Path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_the_journal_is_saved_digit_by_digit(
    sim: SimulatorHandle, tab: Tab, tmp_path: Path
) -> None:
    with connect(sim.tcp_address) as client:
        exchange(client, packet_id=10**40 + 1)
    tab.open(sim)
    tab.wait("[role=log]", "20 available updates")
    journal = Journal.load(saved(tab, "Save journal", tmp_path))
    assert [one.packet_id for one in journal.exchanges()] == [10**40 + 1]
    assert journal.header.seed == sim.seed


def test_the_outlet_is_saved_as_a_scenario(sim: SimulatorHandle, tab: Tab, tmp_path: Path) -> None:
    sim.set(outlets={"states": [1, 0]})
    sim.inject(faults.Drop(when=faults.When(callback=20)))
    tab.open(sim)
    with start_simulator(saved(tab, "Save scenario", tmp_path), tcp_port=0, ws_port=0) as again:
        assert again.state.outlets.states == (1, 0)
        assert [one.name for one in again.faults] == ["drop"]


# For everyone


@pytest.mark.parametrize(
    ("scenario", "size", "scheme"), [(PRO, WIDE, "light"), (AURA, NARROW, "dark")]
)
def test_there_is_no_barrier(scenario: str, size: Any, scheme: str, tab: Tab) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with (
        start_simulator(scenario, control=True) as sim,
        connect(sim.tcp_address) as client,
        connect(sim.tcp_address) as other,
    ):
        sim.inject(faults.Fail(when=faults.When(callback=12)))
        exchange(client, callback=12)
        exchange(other, callback=20)
        sim.clock.pause()
        sim.update("PM")
        tab.open(sim, size, scheme)
        tab.page.get_by_text("Add a fault").click()
        if scenario == PRO:
            tab.page.get_by_text("More readings").click()
        tab.row("12 device information").locator("summary").first.click()
        tab.page.locator("details[open] .bytes").first.wait_for()
        found = Axe().run(tab.page)
        assert found.violations_count == 0, found.generate_report()
        # Nothing has to be scrolled sideways.
        width = tab.page.evaluate("document.documentElement.scrollWidth")
        assert width == size["width"]
        tab.leave()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_the_guides_are_a_link_away_and_have_no_barrier(size: Any, scheme: str, tab: Tab) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with start_simulator(control=True) as sim:
        tab.open(sim, size, scheme)
        tab.role("link", "Guides").click()
        for guide in ("Send us your outlet", "faults"):
            tab.role("link", guide).click()
            tab.page.get_by_role("heading", level=1).wait_for()
            found = Axe().run(tab.page)
            assert found.violations_count == 0, found.generate_report()
            width = tab.page.evaluate("document.documentElement.scrollWidth")
            assert width == size["width"]
        tab.leave()


def test_what_is_refused_is_said_and_forgotten(sim: SimulatorHandle, tab: Tab) -> None:
    tab.open(sim)
    tab.press("Update outlet")
    tab.wait("#alert", "update: no update available")
    tab.errors.clear()  # the browser reports each answer that refuses something
    tab.press("Restart faceplate")
    tab.find("#alert").wait_for(state="hidden")


def test_the_page_is_opened_with_a_token(tab: Tab) -> None:
    with start_simulator(QUIET, control=True, control_host="0.0.0.0") as sim:
        url = sim.control_url.replace("0.0.0.0", "127.0.0.1")
        tab.open(f"{url}?token={sim.control_token}")
        assert tab.page.url == url  # what is in an address is copied, and kept in the history
        tab.role("switch", "Outlet 1").click()
        tab.wait_for_switch("Outlet 1", on=True)
        tab.wait("[role=log]", "API")
        tab.leave()


# Several outlets


def test_another_outlet_of_the_process_is_chosen(tab: Tab) -> None:
    with two_outlets(QUIET, "0003C44077") as (url, first, second):
        tab.open(url)
        tab.find("#outlet-choice").select_option("0003C44077")
        expected = second.addresses["tcp"]
        tab.wait("#addresses", f"{expected[0]}:{expected[1]}")
        with connect(second.addresses["tcp"]) as client:
            exchange(client, callback=12)
        tab.wait("[role=log]", "12 device information")
        tab.role("switch", "Outlet 2").click()
        tab.wait_for_switch("Outlet 2", on=True)
        assert (first.state.outlets.states, second.state.outlets.states) == ((0, 0), (0, 1))
        tab.leave()
