"""The README shows the catalogue of faults as it is."""

import inspect
import re
from pathlib import Path

from invis_sim.faults.catalogue import KINDS

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_lists_kinds_in_their_order_with_the_first_sentence_of_their_manuals() -> None:
    shown = re.findall(r"^\| `(\w+)` \| (.+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    listed = dict(shown)
    manuals = [(kind, inspect.getdoc(fault) or "") for kind, fault in KINDS.items()]
    said = [(kind, manual.split("\n\n")[0].replace("\n", " ")) for kind, manual in manuals]
    # A kind that is new need not be here yet; `invis-sim faults` has them all.
    assert shown == [(kind, sentence) for kind, sentence in said if kind in listed]
    assert len(shown) >= 47
