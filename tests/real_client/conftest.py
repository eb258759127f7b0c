"""The real client, `invisoutlet`, needs Python 3.13, and its command-line tool an extra of its own.

Where it is required, to skip its tests is to fail.
"""

import importlib.util
import os

import pytest


def _skip(items: list[pytest.Item], reason: str) -> None:
    if items and os.environ.get("INVIS_SIM_REQUIRE_REAL_CLIENT"):
        raise pytest.UsageError(f"the real client is required, and {reason}")
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if "real_client" in item.path.parts]
    for item in ours:
        # The client leaves one behind where it is closed just while it connects by WebSocket.
        leak = "ignore:Unclosed client session:ResourceWarning"
        item.add_marker(pytest.mark.filterwarnings(leak))
    if importlib.util.find_spec("invisoutlet") is None:
        _skip(ours, "invisoutlet is not installed (it needs Python 3.13)")
    elif importlib.util.find_spec("typer") is None:
        of_the_tool = [item for item in ours if item.path.name == "test_command_line.py"]
        _skip(of_the_tool, "its command-line tool is not installed: invisoutlet[cli]")


@pytest.fixture
def quick_reconnection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tries again soon after it has lost the connection, and not after a second."""
    monkeypatch.setattr("invisoutlet.client._RECONNECT_INITIAL_DELAY", 0.05)
