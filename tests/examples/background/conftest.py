"""A fixture that runs the outlet in a thread beside the tests."""

from collections.abc import Iterator

import pytest

from invis_sim import SimulatorHandle, start_simulator


@pytest.fixture
def outlet() -> Iterator[SimulatorHandle]:
    """An outlet on free ports, with an update on offer."""
    with start_simulator("update-available") as simulator:
        yield simulator
