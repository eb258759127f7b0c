"""A pattern of serial numbers → those of the outlets of a fleet."""

import re
from collections.abc import Iterable

from invis_sim.schema.describe import quote

__all__ = ["serial_numbers"]

_NUMBER = re.compile(r"\{n(?::(0?[0-9]{0,2}[bdoXx]?))?\}")
"""Where the number of the outlet comes, and how. No more than this: the format strings of Python
also read attributes."""

_VALID = re.compile(r"[0-9A-F]{10,11}")


def serial_numbers(pattern: str, numbers: Iterable[int]) -> list[str]:
    """Return the serial number of each outlet.

    pattern: text with `{n}` in place of the number of the outlet, or `{n:05X}` for five hexadecimal
    digits. numbers: of the outlets.

    Raises ValueError for another pattern, or where a number has no valid serial number.
    """
    texts = _NUMBER.split(pattern)
    fixed, specs = texts[::2], texts[1::2]
    if any(brace in text for text in fixed for brace in "{}"):
        raise ValueError(
            "expected text with {n} in place of the number of the outlet, or {n:05X} for five "
            f"hexadecimal digits, found {quote(pattern)}"
        )
    found: list[str] = []
    for number in numbers:
        if not specs and found:
            raise ValueError(
                f"{quote(pattern)} gives each outlet the same serial number; write {{n}} or "
                "{n:05X} in place of the number of the outlet"
            )
        digits = [format(number, spec or "") for spec in specs]
        sn = fixed[0] + "".join(map("".join, zip(digits, fixed[1:], strict=True)))
        if not _VALID.fullmatch(sn):
            raise ValueError(
                f"{quote(pattern)} gives outlet {number} the serial number {quote(sn)}; expected "
                "ten or eleven upper-case hexadecimal digits"
            )
        found.append(sn)
    return found
