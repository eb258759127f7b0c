"""JSON as text: its tokens, and integers of any length."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invis_sim.protocol.json_text import MAX_DIGITS, TOKEN, TooManyDigits, encode_int, parse_int
from tests.faults.random_structs import json_trees

LONG = "9" * MAX_DIGITS


@given(st.one_of(st.integers(), st.integers(-(10**700), 10**700)))
def test_integers_come_back_as_they_were(number: int) -> None:
    assert encode_int(number) == str(number)
    assert parse_int(str(number)) == number


@pytest.mark.parametrize("digits", [LONG, f"-{LONG}"])
def test_integers_may_have_thousands_of_digits_and_not_more(digits: str) -> None:
    assert encode_int(parse_int(digits)) == digits
    with pytest.raises(TooManyDigits, match="4301 digits; at most 4300"):
        parse_int(f"{digits}0")


@given(json_trees, st.sampled_from([None, 1]))
def test_tokens_are_all_of_a_document_but_whitespace(tree: object, indent: int | None) -> None:
    document = json.dumps(tree, indent=indent, ensure_ascii=False)
    data = document.encode(errors="surrogatepass")
    tokens = TOKEN.findall(data)
    assert json.loads(b" ".join(tokens).decode(errors="surrogatepass")) == tree
    assert TOKEN.sub(b"", data).strip() == b""
