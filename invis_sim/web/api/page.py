"""The files of the page, in `static/`."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from starlette.responses import Response

from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

FOLDER = files("invis_sim.web") / "static"
"""In a folder or in a zip file, as the package is."""

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


def _operation(path: str, file: Traversable) -> Operation:
    media = MEDIA_TYPES[_suffix(file)]
    text = media.startswith("text/") or media.endswith(("json", "xml"))

    def handler(call: Call) -> Response:
        return Response(file.read_bytes(), media_type=f"{media}; charset=utf-8" if text else media)

    handler.__doc__ = f"Return {file.name} of the page."
    return Operation(method="GET", path=path, handler=handler, media=media)


def _files(folder: Traversable, path: str = "/") -> Iterator[tuple[str, Traversable]]:
    """Yield the files in a folder and in those below it, each with its path."""
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _files(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry


def _suffix(file: Traversable) -> str:
    return PurePosixPath(file.name).suffix


# An operation for each file that is there, so that no path of a client ever names a file.
OPERATIONS = (
    _operation("/", FOLDER / "index.html"),
    *(_operation(path, file) for path, file in _files(FOLDER) if _suffix(file) in MEDIA_TYPES),
)
