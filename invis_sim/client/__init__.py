"""A client of any outlet, simulated or real."""
