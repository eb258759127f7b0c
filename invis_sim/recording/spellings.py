"""How else a text may be written that identifies an outlet or its owner."""

import base64
import json
import re
import unicodedata
from urllib.parse import quote

from invis_sim.protocol.printable import printable

__all__ = ["other_spellings"]

_HARDWARE_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5}")


def other_spellings(value: str, pseudonym: str) -> list[tuple[str, str]]:
    """How else the same value is written: as part of an address of the web, in Base64, in UTF-16,
    escaped, with composed and decomposed letters; a hardware address with other marks, or none.
    """
    forms = [(encode(value), encode(pseudonym)) for encode in _ENCODINGS]
    if _HARDWARE_ADDRESS.fullmatch(value):
        real, fake = (re.sub("[:-]", "", one) for one in (value, pseudonym))
        forms += [
            (mark.join(_cut(real, size)), mark.join(_cut(fake, size)))
            for mark, size in ((":", 2), ("-", 2), ("_", 2), (" ", 2), (".", 4), ("", 12))
        ]
    return [(real, fake) for real, fake in forms if real != value]


def _cut(digits: str, size: int) -> list[str]:
    return [digits[start : start + size] for start in range(0, len(digits), size)]


def _base64(value: str) -> str:
    return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()


_ENCODINGS = (
    lambda value: quote(value, safe="", errors="surrogatepass"),
    _base64,
    lambda value: _base64(value).rstrip("="),
    # As these bytes look where UTF-8 is expected.
    lambda value: value.encode("utf-16-le", "surrogatepass").decode("utf-8", "surrogateescape"),
    lambda value: value.encode("utf-16-be", "surrogatepass").decode("utf-8", "surrogateescape"),
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    printable,
    lambda value: unicodedata.normalize("NFC", value),
    lambda value: unicodedata.normalize("NFD", value),
)
