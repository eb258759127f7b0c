"""Random numbers that depend on a key."""

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.device.chance import chance


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_key_has_one_number_from_0_to_1(key: str) -> None:
    assert 0 <= chance(key) < 1
    assert chance(key) == chance(key)


def test_the_numbers_of_keys_that_are_alike_are_spread_evenly() -> None:
    tenths = [int(10 * chance(f"7/case/{number}")) for number in range(5000)]
    assert all(400 < tenths.count(tenth) < 600 for tenth in range(10))
