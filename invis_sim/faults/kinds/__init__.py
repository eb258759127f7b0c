"""The kinds of faults, a file for each layer."""
