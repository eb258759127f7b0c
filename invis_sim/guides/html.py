"""Lays a guide out as HTML: elements without styles, scripts or anything from elsewhere."""

import re
from html import escape

from invis_sim.guides.markdown import (
    Block,
    Code,
    Heading,
    Items,
    Paragraph,
    Span,
    Table,
    blocks,
    linked_guide,
    spans,
)

__all__ = ["anchor", "as_html"]


def as_html(text: str) -> str:
    """Return the body of a page that shows the guide; links to other guides lead to their names."""
    return "\n".join(map(_element, blocks(text)))


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _element(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="{escape(anchor(text))}">{_inline(text)}</h{level}>'
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Items(ordered, texts):
            name = "ol" if ordered else "ul"
            items = "".join(f"<li>{_inline(text)}</li>" for text in texts)
            return f"<{name}>{items}</{name}>"
        case Table(head, rows):
            first = _row("th", head, ' scope="col"') if any(head) else ""
            others = "".join(_row("td", row) for row in rows)
            # What is wider than the window is scrolled, by keyboard too.
            return (
                '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>'
                f"<thead>{first}</thead><tbody>{others}</tbody></table></div>"
            )
        case Code(_, text):
            return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _row(name: str, cells: tuple[str, ...], attributes: str = "") -> str:
    return f"<tr>{''.join(f'<{name}{attributes}>{_inline(cell)}</{name}>' for cell in cells)}</tr>"


def _inline(text: str) -> str:
    return "".join(map(_span, spans(text)))


def _span(span: Span) -> str:
    text = escape(span.text)
    match span.kind:
        case "code":
            return f"<code>{text}</code>"
        case "strong":
            return f"<strong>{text}</strong>"
        case "link" if target := _followed(span.target):
            return f'<a href="{escape(target)}">{text}</a>'
        case _:
            return text


def _followed(target: str) -> str:
    """Return where a link may lead: to a guide, a place in this one, or a page; "" for others."""
    guide = linked_guide(target)
    if guide is not None:
        return "".join(guide)
    return target if target.startswith(("#", "https://")) else ""
