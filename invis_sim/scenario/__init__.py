"""Scenario files: what they may say (`model.py`, `steps.py`), how they are read (`loading.py`,
`validation.py`, `lines.py`), and their JSON Schema (`schema.py`).
"""

from invis_sim.scenario.loading import ScenarioError, bundled, load, override, parse
from invis_sim.scenario.model import Scenario

__all__ = ["Scenario", "ScenarioError", "bundled", "load", "override", "parse"]
