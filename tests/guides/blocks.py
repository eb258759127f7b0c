"""The blocks of code in README.md, CONTRIBUTING.md and the guides, and how their examples are run.

An HTML comment just above a block says what else it is: `<!-- tests/examples/… -->`: the same as
that file, which is tested there. `<!-- not run -->`: a sketch. `<!-- status N -->`: its commands
end with this status. `<!-- new file: PATH -->`, `<!-- in PATH, before: LINE -->` and so on: what
`tests/test_contributing.py` does with it to a copy of the project.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ALL",
    "DOCUMENTS",
    "ROOT",
    "Block",
    "as_scenario",
    "block_of",
    "blocks",
    "scenario_before",
    "shown",
]

ROOT = Path(__file__).parent.parent.parent

DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "invis_sim/guides").glob("*.md")),
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    document, line: where its text begins; lines from 1.
    remark: what the HTML comment above it says; "" if there is none.
    section: the number of headings before it.
    """

    document: str
    line: int
    language: str
    text: str
    remark: str
    section: int

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def is_file(self) -> bool:
        """Whether it is the text of a file that is tested elsewhere."""
        return self.remark.startswith("tests/")

    @property
    def is_change(self) -> bool:
        """Whether it is a change of the project, which is made to a copy elsewhere."""
        return self.remark.startswith(("new file: ", "in "))


_FENCE = re.compile(
    r"(?:^ *<!-- (?P<remark>(?!end )[^\n]*?) -->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(document: str, text: str) -> Iterator[Block]:
    """The blocks of code in a text of Markdown."""
    headings = 0
    position = 0
    for match in _FENCE.finditer(text):
        headings += len(re.findall(r"^#+ ", text[position : match.start()], re.MULTILINE))
        position = match.end()
        yield Block(
            document,
            text.count("\n", 0, match.start("text")) + 1,
            match["language"],
            textwrap.dedent(match["text"]),
            match["remark"] or "",
            headings,
        )


ALL = [
    block
    for path in DOCUMENTS
    if path.exists()
    for block in blocks(path.name, path.read_text(encoding="utf-8"))
]
"""Every block, in the order of the documents."""


def block_of(language: str, text: str, remark: str = "") -> Block:
    """A block as of line 10 of the README, for the tests of what is done with blocks."""
    return Block("README.md", 10, language, text, remark, 1)


def shown(language: str) -> list[Block]:
    """The blocks in a language that are to be run or checked."""
    return [
        block
        for block in ALL
        if block.language == language and block.remark != "not run" and not block.is_change
    ]


def as_scenario(text: str) -> str:
    """The text of a scenario file that has what the text shows."""
    return f"[[faults]]\n{text}" if re.search(r"\A\s*(?:#.*\n\s*)*(name|kind) *=", text) else text


def scenario_before(block: Block) -> str:
    """The TOML that the document has shown last before this block; an empty file if none."""
    before = [b for b in ALL if b.document == block.document and b.line < block.line]
    texts = [as_scenario(b.text) for b in before if b.language == "toml"]
    return texts[-1] if texts else ""
