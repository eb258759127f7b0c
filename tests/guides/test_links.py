"""Each link of the documents leads somewhere."""

import re
from pathlib import Path

from invis_sim.guides.html import anchor as anchor_of
from tests.cases import for_each
from tests.guides.blocks import DOCUMENTS

_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return set(map(anchor_of, headings))


def broken_links(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    broken = []
    for match in _LINK.finditer(text):
        path, anchor = match.groups()
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(match[0])
    return broken


@for_each("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    assert broken_links(document) == []


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    document = tmp_path / "one.md"
    document.write_text(
        "# It's `here`: 1\n[a](#its-here-1) [b](#there) [c](two.md) [d](https://e.x/y)"
    )
    assert broken_links(document) == ["](#there)", "](two.md)"]
