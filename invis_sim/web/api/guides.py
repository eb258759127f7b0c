"""The guides as pages, each laid out here: they need no script, and can be linked to."""

from html import escape

from starlette.responses import HTMLResponse, Response

from invis_sim.guides import guides, title
from invis_sim.guides.html import as_html
from invis_sim.protocol.package_files import PackageFile
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

_PAGE = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{title} · invis-sim</title>
    <link rel="icon" href="/icon.svg">
    <link rel="stylesheet" href="/style.css">
    <link rel="stylesheet" href="/guides.css">
  </head>
  <body>
    <a class="skip" href="#guide">Skip to the guide</a>
    <header class="top"><a href="/">The outlet</a></header>
    <div class="guides">
      <nav aria-label="Guides"><ul>{links}</ul></nav>
      <main id="guide">{body}</main>
    </div>
  </body>
</html>
"""


def _page(name: str, heading: str, body: str) -> Response:
    """Return a page with the guide of this name, and links to the others."""
    links = "".join(
        f'<li><a href="/guides/{one}"{_CURRENT if one == name else ""}>{one}</a></li>'
        for one in _GUIDES
    )
    return HTMLResponse(_PAGE.format(title=escape(heading), links=links, body=body))


def _overview(call: Call) -> Response:
    """Return the list of the guides."""
    items = "".join(
        f'<li><a href="/guides/{name}">{escape(title(file.read_text()))}</a></li>'
        for name, file in _GUIDES.items()
    )
    return _page("", "Guides", f"<h1>Guides</h1><ul>{items}</ul>")


def _operation(name: str, file: PackageFile) -> Operation:
    def handler(call: Call) -> Response:
        text = file.read_text()
        return _page(name, title(text), as_html(text))

    handler.__doc__ = f"Return the guide {name}."
    return Operation(method="GET", path=f"/guides/{name}", handler=handler, media="text/html")


_CURRENT = ' aria-current="page"'

_GUIDES = guides()

# An operation for each guide that is there, so that no path of a client ever names a file.
OPERATIONS = (
    Operation(method="GET", path="/guides", handler=_overview, media="text/html"),
    *(_operation(name, file) for name, file in _GUIDES.items()),
)
