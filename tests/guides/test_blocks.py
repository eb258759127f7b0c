"""Each block of code in the documents is of a kind that is run or checked; files and TOML are
checked here.
"""

import re
import tomllib

import pytest

from invis_sim.scenario import Scenario, parse
from tests.cases import for_each
from tests.guides.blocks import ALL, ROOT, Block, as_scenario, block_of, blocks, shown


@for_each("block", [b for b in ALL if b.is_file], ids=str)
def test_a_block_that_shows_a_file_is_that_file(block: Block) -> None:
    assert block.text == (ROOT / block.remark).read_text(encoding="utf-8")


def test_every_remark_above_a_block_is_understood() -> None:
    remarks = {
        block.remark for block in ALL if block.remark and not (block.is_file or block.is_change)
    }
    assert [r for r in remarks if not re.fullmatch(r"not run|status [0-9]+", r)] == []


def test_every_block_is_run_or_checked_or_is_output() -> None:
    """`text` and a block without a language are output, or a drawing."""
    checked_here = {"console", "python", "toml"}
    others = {b for b in ALL if b.language not in {*checked_here, "text", ""}}
    assert {b for b in others if not (b.is_file or b.is_change)} == set()


@for_each("block", shown("toml"), ids=str)
def test_a_toml_block_is_a_scenario_or_a_fault(block: Block) -> None:
    check_toml(block)


def check_toml(block: Block) -> None:
    """Parse a scenario, or a fault where there is a `kind` at the top; a part of a pyproject.toml
    need only be TOML.
    """
    document = tomllib.loads(block.text) if "[project" in block.text else {}
    if not document.keys() & {"project", "tool", "build-system", "dependency-groups"}:
        assert isinstance(parse(as_scenario(block.text), str(block)), Scenario)


# That the above notices what is wrong


def test_blocks_are_found_with_their_lines_remarks_and_sections() -> None:
    text = (
        "# One\n\n```toml\nseed = 1\n```\n\n## Two\n\n- a list\n\n"
        "  <!-- not run -->\n  ```python\n  if x:\n      y()\n  ```\n\n    indented code\n"
    )
    assert list(blocks("f", text)) == [
        Block("f", 4, "toml", "seed = 1\n", "", 1),
        Block("f", 13, "python", "if x:\n    y()\n", "not run", 2),
    ]


@for_each("text", ["sede = 1", 'kind = "dealy"', '[[faults]]\nkind = "delay"'])
def test_toml_that_is_wrong_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match=r"README\.md:10"):
        check_toml(block_of("toml", text))


def test_toml_that_is_good_is_accepted() -> None:
    check_toml(block_of("toml", 'seed = 1\n[[faults]]\nkind = "drop"\n'))
    check_toml(block_of("toml", '# late\nkind = "delay"\nseconds = 1\n'))
    check_toml(block_of("toml", '[project.optional-dependencies]\ntest = ["invis-sim"]\n'))
