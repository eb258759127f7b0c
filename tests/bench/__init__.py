"""How fast the simulator is, side by side with servers that a user would write by hand.

`python -m tests.bench` (or `make bench`) measures; `--help` lists the sections. Every figure that
is compared comes from interleaved rounds of one run, so a slow minute of the machine slows all down
alike, and what counts is the ratio of each round. No figure makes a test fail.
"""
