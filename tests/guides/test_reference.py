"""The reference parts of the guides are what the code says now."""

import re

from invis_sim.device.state import Quirks
from invis_sim.faults.catalogue import KINDS
from invis_sim.guides import guides
from tests.cases import for_each
from tests.guides.reference import GUIDES, PARTS, filled


@for_each("name", guides())
def test_the_reference_parts_of_a_guide_are_as_the_code_says(name: str) -> None:
    text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
    assert text == filled(text), "`make guides` writes what is new"


def test_each_part_is_in_one_guide() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in GUIDES.glob("*.md"))
    assert sorted(re.findall(r"<!-- made by make guides: (\w+) -->", texts)) == sorted(PARTS)


def test_a_part_is_replaced_between_its_markers_alone() -> None:
    text = "before\n<!-- made by make guides: commands -->\nold\n<!-- end -->\nafter <!-- end -->\n"
    found = filled(text)
    assert found.startswith("before\n<!-- made by make guides: commands -->\n\n| command |")
    assert found.endswith("|\n\n<!-- end -->\nafter <!-- end -->\n")
    assert "old" not in found


def test_the_table_of_quirks_has_each_of_them_once() -> None:
    text = (GUIDES / "scenarios.md").read_text("utf-8")
    (table,) = re.findall(r"\| about \| quirks \|\n\|---\|---\|\n((?:\|.*\n)+)", text)
    named = re.findall(r"`(\w+)`", re.sub(r"; and .*", "", table))
    assert sorted(named) == sorted(Quirks.__struct_fields__)


def test_the_table_of_faults_by_purpose_has_each_kind() -> None:
    text = (GUIDES / "faults.md").read_text("utf-8")
    table = text.partition("## Which fault tests what")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(KINDS)
