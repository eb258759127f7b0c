"""What the tests of the page share."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import trio

from invis_sim import open_simulator
from invis_sim.server.simulator import Simulator
from invis_sim.testing.handle import SimulatorHandle
from tests.support import TIMEOUT

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page, Request

__all__ = ["NARROW", "WIDE", "Tab", "chromium", "two_outlets"]

NARROW = {"width": 400, "height": 800}
WIDE = {"width": 1600, "height": 1000}


def chromium() -> str | None:
    """The path of the system's Chromium, by the names under which systems have it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def two_outlets(scenario: str, other_sn: str) -> Iterator[tuple[str, Simulator, Simulator]]:
    """Two outlets in one process: the address of their page, and both, to be read only."""
    ready: Future[tuple[str, Simulator, Simulator, trio.Event, Any]] = Future()

    async def serve() -> None:
        async with (
            open_simulator(scenario, control=True) as first,
            open_simulator(scenario, sn=other_sn, runtime=first.runtime) as second,
        ):
            control, stop = first.runtime.control, trio.Event()
            assert control is not None
            token = trio.lowlevel.current_trio_token()
            ready.set_result((control.url, first, second, stop, token))
            await stop.wait()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(trio.run, serve)
        url, first, second, stop, token = ready.result(TIMEOUT)
        try:
            yield url, first, second
        finally:
            token.run_sync_soon(stop.set)
            ended.result(TIMEOUT)


class Tab:
    """The page in a browser, as a user has it.

    errors: what the console reports. foreign: addresses of another server that were loaded.
    """

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self._url = ""
        self._stack = ExitStack()
        # Imported here: this file is read, too, where there is no Playwright.
        from playwright.sync_api import expect

        self._expect = expect
        expect.set_options(timeout=TIMEOUT * 1000)
        page.set_default_timeout(TIMEOUT * 1000)
        for event, listener in (
            ("console", self._on_console),
            ("pageerror", lambda error: self.errors.append(str(error))),
            ("request", self._on_request),
        ):
            page.on(event, listener)  # type: ignore[call-overload, unused-ignore]
            self._stack.callback(page.remove_listener, event, listener)

    def open(self, at: SimulatorHandle | str, size: Any = WIDE, scheme: Any = "light") -> None:
        """Load the page of an outlet, or at an address, and wait until it shows the outlet."""
        url = at if isinstance(at, str) else at.control_url
        self._url = url.partition("?")[0]
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto(url)
        self.wait("#online", "Online")

    def leave(self) -> None:
        """Leave the page, so that it does not notice that its simulator ends."""
        self.page.goto("about:blank")

    def close(self) -> None:
        """Leave the page, and look at the browser no longer."""
        self.leave()
        self._stack.close()

    def _on_console(self, message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _on_request(self, request: "Request") -> None:
        if not request.url.startswith((self._url, "blob:", "about:", "data:")):
            self.foreign.append(request.url)

    # What the user sees and does

    def role(self, role: Any, name: str) -> "Locator":
        """What a screen reader calls so."""
        return self.page.get_by_role(role, name=name, exact=True)

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.role("button", name).click()

    @contextmanager
    def answered(self, path: str) -> Iterator[None]:
        """What is done in the block changes something at a path that ends so; wait for that."""

        def changes(response: Any) -> bool:
            return response.request.method != "GET" and str(response.url).endswith(path)

        with self.page.expect_response(changes):
            yield

    def find(self, selector: str) -> "Locator":
        """The first of what a CSS selector selects."""
        return self.page.locator(selector).first

    def wait(self, selector: str, text: str) -> None:
        """Wait until there is something with this text."""
        self.page.locator(selector, has_text=text).first.wait_for()

    def wait_for_count(self, selector: str, count: int) -> None:
        """Wait until there are so many of something."""
        self._expect(self.page.locator(selector)).to_have_count(count)

    def wait_for_focus(self, selector: str) -> None:
        """Wait until something has the focus."""
        self._expect(self.find(selector)).to_be_focused()

    def wait_for_switch(self, name: str, *, on: bool) -> None:
        """Wait until a switch is on, or off."""
        self.page.get_by_role("switch", name=name, exact=True, checked=on).wait_for()

    def row(self, text: str) -> "Locator":
        """The newest row of the journal with this text."""
        return self.role("log", "Journal").locator("details", has_text=text).last
