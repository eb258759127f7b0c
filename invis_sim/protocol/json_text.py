"""JSON as text: its tokens, and integers of any length that is allowed."""

import re
import sys
from decimal import Decimal

__all__ = ["MAX_DIGITS", "TOKEN", "TooManyDigits", "encode_int", "has_long_integer", "parse_int"]

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
"""One token of a JSON document in bytes: a string with its quotes, a bracket, a comma, a colon, or
a number or word. Between two matches there is only whitespace."""

MAX_DIGITS = 4300
"""How many digits an integer may have: what Python itself allows by default. Twice as many take
four times as long, and an outlet must not stand still for one client. A real packetID has six."""

# The first digit is looked for, or many integers that are almost as long would take a time that is
# quadratic in them.
_LONG_INTEGER = re.compile(rb"(?<![0-9])[0-9]{%d}" % (sys.int_info.str_digits_check_threshold + 1))


class TooManyDigits(ValueError):
    """An integer is longer than `MAX_DIGITS`.

    digits: how many it has.
    """

    def __init__(self, digits: int) -> None:
        super().__init__(f"an integer of {digits} digits; at most {MAX_DIGITS} are read")
        self.digits = digits

    def __reduce__(self) -> tuple[type["TooManyDigits"], tuple[int], dict[str, object]]:
        # What a copy is made from; by default it would be the message.
        return type(self), (self.digits,), self.__dict__


def has_long_integer(document: bytes) -> bool:
    """Return whether there are as many digits behind one another as Python, as it may be
    configured, refuses; `parse_int` does not.
    """
    is_long = len(document) > sys.int_info.str_digits_check_threshold
    return is_long and _LONG_INTEGER.search(document) is not None


def parse_int(digits: str) -> int:
    """An integer. Raises TooManyDigits.

    digits: decimal, perhaps with a sign.
    """
    # Python refuses to convert more digits than sys.set_int_max_str_digits() allows (4300 by
    # default); Decimal does not. `int` is faster, and up to this length it never refuses.
    if len(digits) <= sys.int_info.str_digits_check_threshold:
        return int(digits)
    number = len(digits.lstrip("-"))
    if number > MAX_DIGITS:
        raise TooManyDigits(number)
    return int(Decimal(digits))


def encode_int(number: int) -> str:
    """An integer of any length in decimal digits, which `str` refuses beyond its limit."""
    return str(Decimal(number))
