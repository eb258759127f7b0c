"""The real client, `invisoutlet`, needs Python 3.13, and its command-line tool an extra of its own.

Where it is required, to skip its tests is to fail.
"""

import importlib.util
import os
from pathlib import Path
from typing import NoReturn

import pytest


class _Skipped(pytest.Module):
    """A module whose tests are skipped without being collected, which takes a while."""

    def collect(self) -> NoReturn:
        reason = _why_not(self.path)
        if os.environ.get("INVIS_SIM_REQUIRE_REAL_CLIENT"):
            raise pytest.UsageError(f"the real client is required, and {reason}")
        pytest.skip(str(reason), allow_module_level=True)


def _why_not(path: Path) -> str | None:
    """Return why the tests in the file cannot run; None: they can."""
    if importlib.util.find_spec("invisoutlet") is None:
        return "invisoutlet is not installed (it needs Python 3.13)"
    if path.name == "test_command_line.py" and importlib.util.find_spec("typer") is None:
        return "its command-line tool is not installed: invisoutlet[cli]"
    return None


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    if _why_not(module_path) is None:
        return None
    return _Skipped.from_parent(parent, path=module_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if "real_client" in item.path.parts]
    for item in ours:
        # The client leaves one behind where it is closed just while it connects by WebSocket.
        leak = "ignore:Unclosed client session:ResourceWarning"
        item.add_marker(pytest.mark.filterwarnings(leak))


@pytest.fixture
def quick_reconnection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tries again soon after it has lost the connection, and not after a second."""
    monkeypatch.setattr("invisoutlet.client._RECONNECT_INITIAL_DELAY", 0.05)
