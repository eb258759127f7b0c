"""The guide to faults shows their catalogue as it is."""

import inspect
import re

from invis_sim.faults.catalogue import KINDS
from tests.guides.blocks import ROOT

GUIDE = ROOT / "invis_sim/guides/faults.md"


def test_the_guide_lists_kinds_in_their_order_with_the_first_sentence_of_their_manuals() -> None:
    shown = re.findall(r"^\| `(\w+)` \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = dict(shown)
    manuals = [(kind, inspect.getdoc(fault) or "") for kind, fault in KINDS.items()]
    said = [(kind, manual.split("\n\n")[0].replace("\n", " ")) for kind, manual in manuals]
    # A kind that is new need not be here yet; `invis-sim faults` has them all.
    assert shown == [(kind, sentence) for kind, sentence in said if kind in listed]
    assert len(shown) >= 47
