"""A real Chromium, driven by Playwright. Where it is required, to skip its tests is to fail."""

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.web.browser.support import Tab, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if "browser" in item.path.parts]
    wanted = ("playwright", "axe_playwright_python")
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"{missing[0]} is not installed: pip install '.[browser]'"
    elif chromium() is None:
        reason = "there is no Chromium: apt-get install chromium"
    else:
        return
    if ours and os.environ.get("INVIS_SIM_REQUIRE_BROWSER"):
        raise pytest.UsageError(f"a browser is required, and {reason}")
    for item in ours:
        item.add_marker(pytest.mark.skip(reason=reason))


# Of a module: while Playwright is there, an event loop of its own is in the way of other tests.
@pytest.fixture(scope="module")
def page() -> Iterator["Page"]:
    """The only page of the browser; each test loads it anew."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        yield browser.new_page(accept_downloads=True)
        browser.close()


@pytest.fixture
def tab(page: "Page") -> Iterator[Tab]:
    """The page, which must neither report an error nor load anything from elsewhere."""
    tab = Tab(page)
    yield tab
    tab.close()
    assert tab.errors == []
    assert tab.foreign == []
