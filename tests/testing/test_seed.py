"""The seed of an outlet, where the caller gives none."""

import random

from invis_sim import start_simulator
from tests.support import connect, exchange


def test_it_leaves_the_random_numbers_of_the_caller_alone() -> None:
    random.seed(1)
    before = random.getstate()
    with start_simulator("pro") as sim, connect(sim.tcp_address) as client:
        exchange(client)
        sim.sample()
    assert random.getstate() == before


def test_outlets_differ_also_where_a_tool_seeds_each_test() -> None:
    seeds = set()
    for _ in range(3):
        random.seed(1)  # as Hypothesis and pytest-randomly do
        with start_simulator() as sim:
            seeds.add(sim.seed)
    assert len(seeds) == 3
