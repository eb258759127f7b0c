"""The files of the page, in `static/`."""

from pathlib import Path

from starlette.responses import Response

from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

FOLDER = Path(__file__).parent.parent / "static"

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".json": "application/json",
}
"""Suffix → media type of the files that are served; others are not."""


def _operation(path: str, file: Path) -> Operation:
    media = MEDIA_TYPES[file.suffix]
    text = media.startswith("text/") or media.endswith(("json", "xml"))

    def handler(call: Call) -> Response:
        return Response(file.read_bytes(), media_type=f"{media}; charset=utf-8" if text else media)

    handler.__doc__ = f"Return {file.name} of the page."
    return Operation(method="GET", path=path, handler=handler, media=media)


# An operation for each file that is there, so that no path of a client ever names a file.
OPERATIONS = (
    _operation("/", FOLDER / "index.html"),
    *(
        _operation(f"/{file.relative_to(FOLDER).as_posix()}", file)
        for file in sorted(FOLDER.rglob("*"))
        if file.suffix in MEDIA_TYPES
    ),
)
