"""Chromium without a window, steered over its debugging protocol: for tests of pages."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from tests.support import TIMEOUT

__all__ = ["CHROMIUM", "Page", "open_page"]

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
"""The browser; None where there is none."""


class Page:
    """A page in the browser.

    problems: what the page has written to the console as errors, and what its policy has blocked.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.problems: list[str] = []

    def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol, and return its result."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (message := self._next()).get("id") != self._number:
            pass
        assert "error" not in message, message["error"]
        return message["result"]

    def open(self, url: str, width: int = 1600, height: int = 1000, *, dark: bool = False) -> None:
        """Load a page at a size; return when it has loaded."""
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.call("Log.enable")
        self.resize(width, height, dark=dark)
        self.call("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def resize(self, width: int, height: int = 1000, *, dark: bool = False) -> None:
        """Change the size of the window, and between dark and light."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript."""
        done = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def screenshot(self) -> bytes:
        """Return a picture of what can be seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv(TIMEOUT))
        match message:
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error"} as entry}}:
                self.problems.append(entry["text"])
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.problems.append(str(details))
        return message


@contextmanager
def open_page() -> Iterator[Page]:
    """A page in a browser of its own, which ends with the block."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as browser:
            try:
                assert browser.stderr is not None
                url = _page_url(browser.stderr)
                with connect(url, max_size=None, open_timeout=TIMEOUT) as connection:
                    yield Page(connection)
            finally:
                browser.kill()


def _page_url(stderr: IO[str]) -> str:
    """Where the page is steered, as the browser says where it is steered itself."""
    for line in stderr:
        if found := re.search(r"ws://([\d.:]+)/", line):
            break
    else:
        raise AssertionError("the browser has not started")
    with urlopen(f"http://{found[1]}/json/list", timeout=TIMEOUT) as answer:
        targets = json.load(answer)
    url: str = next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
    return url
