"""Guides taken apart, and laid out for a terminal and as HTML."""

import re
from html.parser import HTMLParser
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from invis_sim.guides import guides, title
from invis_sim.guides.html import as_html
from invis_sim.guides.markdown import (
    Code,
    Heading,
    Items,
    Paragraph,
    Span,
    Table,
    blocks,
    spans,
)
from invis_sim.guides.text import as_text
from tests.cases import for_each
from tests.cli.test_words import AVOIDED

GUIDE = """# A title

<!-- for writers
alone -->
A paragraph
in two lines with `code * | <b>`, **weight**, 2 \\* 2 and [a link](scenarios.md#an-outlet).

- one
  goes on
- two

1. first
2. second

| key | what |
|---|---|
| `a` | one \\| two |
| b | [here](#there), or [there](https://example.org/x) |

```toml
[a]

b = 1
```
"""

TEXTS = {name: file.read_text(encoding="utf-8") for name, file in guides().items()}


def test_a_guide_is_taken_apart() -> None:
    heading, paragraph, *rest = blocks(GUIDE)
    assert heading == Heading(1, "A title")
    assert isinstance(paragraph, Paragraph)
    assert list(spans(paragraph.text)) == [
        Span("text", "A paragraph in two lines with "),
        Span("code", "code * | <b>"),
        Span("text", ", "),
        Span("strong", "weight"),
        Span("text", ", 2 * 2 and "),
        Span("link", "a link", "scenarios.md#an-outlet"),
        Span("text", "."),
    ]
    assert rest == [
        Items(False, ("one goes on", "two")),
        Items(True, ("first", "second")),
        Table(
            ("key", "what"),
            (
                ("`a`", "one | two"),
                ("b", "[here](#there), or [there](https://example.org/x)"),
            ),
        ),
        Code("toml", "[a]\n\nb = 1"),
    ]


def test_on_a_terminal_it_is_markdown_that_fits() -> None:
    assert (
        as_text(GUIDE, 40, str.upper)
        == """# A TITLE

A paragraph in two lines with
`code * | <b>`, **weight**, 2 * 2 and a
link (`invis-sim guide scenarios`).

- one goes on
- two

1. first
2. second

key  what
---  -----------------------------------
`a`  one | two
b    here, or there
     (https://example.org/x)

    [a]

    b = 1"""
    )


def test_as_html_text_stays_text() -> None:
    html = as_html(GUIDE)
    assert '<h1 id="a-title">A title</h1>' in html
    assert "<code>code * | &lt;b&gt;</code>, <strong>weight</strong>, 2 * 2 and " in html
    assert '<a href="scenarios#an-outlet">a link</a>' in html
    assert "<ul><li>one goes on</li><li>two</li></ul>" in html
    assert "<ol><li>first</li><li>second</li></ol>" in html
    assert '<th scope="col">key</th>' in html
    assert (
        '<td><a href="#there">here</a>, or <a href="https://example.org/x">there</a></td>' in html
    )
    assert "<code>[a]\n\nb = 1</code></pre>" in html


def test_a_link_that_would_run_something_is_text() -> None:
    assert as_html("[a](javascript:alert(1)) [b](data:text/html,x)") == "<p>a) b</p>"


@given(
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.sampled_from("`*[](<>&\"'"))
)
def test_whatever_a_paragraph_says_makes_no_element(text: str) -> None:
    class Elements(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            found.add(tag)

    found: set[str] = set()
    Elements().feed(as_html(f"x {text}"))
    assert found <= {"p", "code", "strong", "a"}


@for_each("name", TEXTS)
def test_each_guide_begins_with_its_title_alone(name: str) -> None:
    levels = [block.level for block in blocks(TEXTS[name]) if isinstance(block, Heading)]
    assert TEXTS[name].startswith(f"# {title(TEXTS[name])}\n")
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(title(TEXTS[name])) <= 60  # in a line of 80 columns, beside its name


@for_each("name", TEXTS)
def test_each_guide_uses_no_more_of_markdown_than_is_understood(name: str) -> None:
    code = r"```.*?^```|<!--.*?-->|`[^`]+`"
    text = re.sub(code, "", TEXTS[name], flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r".{0,20}(?<![\\*])\*(?!\*).{0,20}", text) == []  # emphasis
    html = re.sub(r"<(pre|code)\b.*?</\1>|<[^>]*>", "", as_html(TEXTS[name]), flags=re.DOTALL)
    assert re.findall(r".{0,20}(?:\*\*|[`|]|\]\(|^ *- |^#).{0,20}", html, re.MULTILINE) == []


@for_each("name", TEXTS)
def test_a_guide_has_none_of_the_words_to_avoid(name: str) -> None:
    assert AVOIDED.findall(TEXTS[name]) == []


@for_each("width", [80, 120])
@for_each("name", TEXTS)
def test_each_guide_fits_a_terminal_but_for_its_code(name: str, width: int) -> None:
    lines = as_text(TEXTS[name], width).split("\n")
    assert [line for line in lines if len(line) > width and not line.startswith("    ")] == []


@for_each("name", TEXTS)
def test_the_links_of_a_guide_work_where_it_is_shown(name: str) -> None:
    """It ships with the other guides alone."""
    for target in re.findall(r'<a href="([^"]*)"', as_html(TEXTS[name])):
        guide, _, _ = target.partition("#")
        assert guide in {"", *TEXTS} or target.startswith("https://"), target
