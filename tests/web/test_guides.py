"""The guides as pages."""

import re
from html import unescape
from html.parser import HTMLParser

from invis_sim.guides import guides, title
from tests.cases import for_each
from tests.web.support import Client, steered


def test_every_guide_is_a_page_without_scripts_that_links_to_the_others() -> None:
    with steered() as (_, client):
        overview = page(client, "/guides")
        for name, file in guides().items():
            heading = title(file.read_text(encoding="utf-8"))
            shown = page(client, f"/guides/{name}")
            assert f"<title>{heading} · invis-sim</title>" in unescape(shown)
            assert f'<a href="/guides/{name}" aria-current="page">' in shown
            assert f">{heading}</a>" in unescape(overview)
            assert re.findall(r'href="/guides/([\w-]+)"', shown) == list(guides())
            assert not Elements(shown).found & {"script", "style", "img", "iframe", "src"}
        assert 'href="/guides"' in page(client, "/")


def page(client: Client, path: str) -> str:
    """The HTML of a page."""
    answer = client.request("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    text: str = answer.body.decode()
    return text


class Elements(HTMLParser):
    """The names of the elements of a page, and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}


@for_each("path", ["/guides/nope", "/guides/", "/guides/..%2F__init__.py"])
def test_there_is_no_other_page(path: str) -> None:
    with steered() as (_, client):
        assert client.refused("GET", path).status == 404
