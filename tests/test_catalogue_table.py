"""The README shows the catalogue of faults as it is."""

import inspect
import re
from pathlib import Path

from invis_sim.faults.catalogue import KINDS
from invis_sim.faults.fault import LAYERS

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_lists_every_kind_by_layer_with_the_first_sentence_of_its_manual() -> None:
    shown = re.findall(r"^\| `(\w+)` \| (.+) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    by_layer = sorted(KINDS.values(), key=lambda fault: LAYERS.index(fault.layer))
    manuals = [(fault.kind(), inspect.getdoc(fault) or "") for fault in by_layer]
    said = [(kind, manual.split("\n\n")[0].replace("\n", " ")) for kind, manual in manuals]
    assert shown == said
