"""What holds for the whole suite."""

from hypothesis import settings

# The machines that run this are shared: how long an example takes says nothing about what it tests.
settings.register_profile("invis-sim", deadline=None, print_blob=True)
settings.load_profile("invis-sim")
