"""JSON as text: its tokens, and integers of any length."""

import re
import sys
from decimal import Decimal

__all__ = ["TOKEN", "encode_int", "parse_int"]

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
"""One token of a JSON document in bytes: a string with its quotes, a bracket, a comma, a colon, or
a number or word. Between two matches there is only whitespace."""


def parse_int(digits: str) -> int:
    """An integer of any length.

    digits: decimal, perhaps with a sign.
    """
    # Python refuses to convert more digits than sys.set_int_max_str_digits() allows (4300 by
    # default); Decimal does not. `int` is faster, and up to this length it never refuses.
    if len(digits) <= sys.int_info.str_digits_check_threshold:
        return int(digits)
    return int(Decimal(digits))


def encode_int(number: int) -> str:
    """An integer of any length in decimal digits, which `str` refuses beyond its limit."""
    return str(Decimal(number))
