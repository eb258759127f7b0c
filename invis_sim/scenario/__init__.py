"""Scenario files: what they may say (`model.py`, `listen.py`, `steps.py`), how they are read and
checked (`loading.py`, `validation.py`, `conflicts.py`, `ineffective.py`, `toml_positions.py`),
those that ship with the package (`bundled.py`), and their JSON Schema (`json_schema.py`).
"""

from invis_sim.scenario.bundled import bundled
from invis_sim.scenario.loading import ScenarioError, load, override, parse
from invis_sim.scenario.model import Scenario

__all__ = ["Scenario", "ScenarioError", "bundled", "load", "override", "parse"]
