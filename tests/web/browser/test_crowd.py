"""The list of all outlets on the page, in a real browser, with a thousand of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import connect, exchange
from tests.web.browser.support import NARROW, WIDE, Tab
from tests.web.support import Client, Several, several

COUNT = 1000


@pytest.fixture(scope="module")
def outlets() -> Iterator[Several]:
    with several(COUNT, ws=False) as started:
        yield started


def rows(tab: Tab) -> list[str]:
    """The serial numbers in the list."""
    found: list[str] = tab.page.locator("#crowd-rows th").all_inner_texts()
    return found


def test_a_thousand_outlets_are_listed_in_parts(outlets: Several, tab: Tab) -> None:
    tab.open(outlets.url)
    tab.wait("#crowd-part", f"1 to 25 of {COUNT}")
    assert rows(tab) == list(outlets.names[:25])
    tab.press("Rows after")
    tab.wait("#crowd-part", "26 to 50")
    assert rows(tab) == list(outlets.names[25:50])
    assert tab.role("button", "Rows before").is_enabled()


def test_outlets_are_found_and_one_is_followed(outlets: Several, tab: Tab) -> None:
    wanted = outlets.names[776]
    tab.open(outlets.url)
    tab.role("searchbox", "Find").fill(wanted[-5:])
    tab.wait("#crowd-part", "1 to 1 of 1")
    tab.role("link", wanted).click()
    tab.page.locator(f"#crowd-rows a[aria-current=true]:text-is('{wanted}')").wait_for()
    tab.role("switch", "Outlet 1").click()
    tab.wait_for_switch("Outlet 1", on=True)
    states = [one.state.outlets.states for one in outlets.outlets]
    assert [index for index, one in enumerate(states) if one == (1, 0)] == [776]
    # The menu above has the first outlets, and the one that is followed.
    assert tab.page.locator("#outlet-choice").input_value() == wanted


def test_what_happens_to_an_outlet_is_seen_at_a_glance(
    outlets: Several, client: Client, tab: Tab
) -> None:
    sn = outlets.names[3]
    tab.open(outlets.url)
    fault = {"inject": {"kind": "fail", "when": {"callback": 9}}}
    client.send("POST", f"/api/commands?sn={sn}", fault)
    with connect(outlets.outlets[3].tcp_address) as other:
        exchange(other, callback=9)
        row = tab.page.get_by_role("row", name=sn)
        tab.wait("#crowd-rows td", "1, applied 1")
        assert row.locator("td").all_inner_texts() == [
            "",
            "Online",
            "pro",
            "1",
            "1",
            "1, applied 1",
        ]
        tab.role("combobox", "State").select_option("with a client")
        tab.wait("#crowd-part", "1 to 1 of 1")
        assert rows(tab) == [sn]
    client.send("POST", f"/api/commands?sn={sn}", {"remove": "fail"})


def test_a_command_goes_to_those_that_are_chosen(
    outlets: Several, client: Client, tab: Tab
) -> None:
    tab.open(outlets.url)
    chosen = [outlets.names[0], outlets.names[30]]
    tab.role("checkbox", f"Choose {chosen[0]}").check()
    tab.press("Rows after")
    tab.role("checkbox", f"Choose {chosen[1]}").check()
    tab.wait("#crowd-chosen", "2 chosen")
    tab.page.get_by_text("Command for the chosen outlets").click()
    tab.role("combobox", "Command").select_option("faceplate")
    tab.page.locator("#crowd-form [data-path=faceplate]").select_option("off")
    tab.press("Carry out")
    tab.wait("#crowd-form [role=status]", "faceplate: carried out by 2 outlets.")
    given = client.get("/api/journal?kind=command&limit=10000")
    assert [one["sn"] for one in given if one["command"] == "faceplate off"] == chosen
    tab.role("combobox", "Command").select_option("enable")
    tab.page.locator("#crowd-form [data-path=enable]").fill("nope")
    tab.press("Carry out")
    tab.wait("#crowd-form .problem", f"(outlets {chosen[0]} and {chosen[1]})")
    tab.errors.clear()  # the browser reports each answer that refuses something


def test_all_that_are_found_are_chosen(outlets: Several, client: Client, tab: Tab) -> None:
    tab.open(outlets.url)
    tab.role("searchbox", "Find").fill("C4050")
    tab.press("Choose all 10")
    tab.wait("#crowd-chosen", "10 chosen")
    tab.role("checkbox", "Choose these rows").uncheck()
    tab.wait("#crowd-chosen", "None is chosen.")
    tab.press("Show every outlet")
    tab.press(f"Choose all {COUNT}")
    tab.wait("#crowd-chosen", f"{COUNT} chosen")
    tab.page.get_by_text("Command for the chosen outlets").click()
    tab.role("combobox", "Command").select_option("sample")
    tab.press("Carry out")
    tab.wait("#crowd-form [role=status]", f"sample: carried out by {COUNT} outlets.")
    tab.press("Choose none")
    tab.find("#crowd-commands").wait_for(state="hidden")


def test_the_list_is_used_by_keyboard(outlets: Several, tab: Tab) -> None:
    tab.open(outlets.url)
    tab.wait("#crowd-part", "1 to 25")
    tab.role("searchbox", "Find").focus()
    keyboard = tab.page.keyboard
    for _ in range(30):
        keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.ariaLabel") == f"Choose {outlets.names[0]}":
            break
    keyboard.press("Space")
    tab.wait("#crowd-chosen", "1 chosen")
    keyboard.press("Tab")
    keyboard.press("Enter")
    tab.page.wait_for_url(f"**/#{outlets.names[0]}")
    # A refresh keeps the place of the focus.
    assert tab.page.evaluate("document.activeElement.textContent") == outlets.names[0]


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_the_list_has_no_barrier(outlets: Several, size: Any, scheme: str, tab: Tab) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab.open(outlets.url, size, scheme)
    tab.role("checkbox", f"Choose {outlets.names[0]}").check()
    tab.page.get_by_text("Command for the chosen outlets").click()
    tab.role("combobox", "Command").select_option("inject")
    found = Axe().run(tab.page)
    assert found.violations_count == 0, found.generate_report()
    assert tab.page.evaluate("document.documentElement.scrollWidth") == size["width"]
