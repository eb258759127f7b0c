"""The real client, `invisoutlet`, needs Python 3.13.

Where it is required, to skip its tests is to fail.
"""

import importlib.util
import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("invisoutlet") is not None:
        return
    if os.environ.get("INVIS_SIM_REQUIRE_REAL_CLIENT"):
        raise pytest.UsageError("the real client is required, and invisoutlet is not installed")
    skip = pytest.mark.skip(reason="the real client is not installed (it needs Python 3.13)")
    for item in items:
        if "real_client" in item.path.parts:
            item.add_marker(skip)
