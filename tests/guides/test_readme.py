"""The README is short, and names every guide."""

import re

from invis_sim.guides import guides
from tests.guides.blocks import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_read_in_ten_minutes() -> None:
    assert len(README.splitlines()) <= 150


def test_its_picture_is_small() -> None:
    (path,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert 10_000 < (ROOT / path).stat().st_size <= 200_000


def test_it_links_to_each_guide() -> None:
    linked = re.findall(r"\(invis_sim/guides/([\w-]+)\.md\)", README)
    assert sorted(linked) == sorted(guides())


def test_nothing_is_said_to_be_installed_from_where_it_is_not() -> None:
    for text in (README, *(path.read_text("utf-8") for path in guides().values())):
        for command in re.findall(r"pip install [^`\n]*invis-sim[^`\n]*", text):
            # `[control]` alone is what a message of the program says.
            assert "/invis-sim" in command or "pip install 'invis-sim[" in command, command
