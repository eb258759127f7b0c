"""Beside a real outlet: capture it as a scenario, replay what was recorded, tell where it differs
from the simulated one.
"""
