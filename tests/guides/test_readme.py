"""The README is short, and names every guide."""

import re

from invis_sim.guides import guides
from tests.cli.process import process
from tests.guides.blocks import ALL, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_read_in_ten_minutes() -> None:
    assert len(README.splitlines()) <= 150


def test_its_picture_is_small() -> None:
    (path,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert 10_000 < (ROOT / path).stat().st_size <= 200_000


def test_it_links_to_each_guide() -> None:
    linked = re.findall(r"\(invis_sim/guides/([\w-]+)\.md\)", README)
    assert sorted(linked) == sorted(guides())


def test_it_shows_what_an_outlet_says_at_its_start() -> None:
    (shown,) = (b.text for b in ALL if b.document == "README.md" and b.language == "text")
    ports = ("--tcp-port", "0", "--ws-port", "0", "--control", "0")
    with process("run", *ports) as running:
        printed = "".join(running.line() for _ in shown.splitlines())
    assert _alike(printed) == _alike(shown)


def _alike(text: str) -> str:
    """A text without what differs: ports, the seed, how the command was started, and the width."""
    return " ".join(re.sub(r"(:|seed )\d+|Try: .* (?=send)", r"\1", text).split())


def test_nothing_is_said_to_be_installed_from_where_it_is_not() -> None:
    for text in (README, *(path.read_text("utf-8") for path in guides().values())):
        for command in re.findall(r"pip install [^`\n]*invis-sim[^`\n]*", text):
            # `[control]` alone is what a message of the program says.
            assert "/invis-sim" in command or "pip install 'invis-sim[" in command, command
