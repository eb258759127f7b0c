"""The kinds of faults, a file for each layer.

`invis_sim.faults` hands out the classes in each file's `__all__`.
"""
