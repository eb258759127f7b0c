"""The files of the page, in `static/`."""

from pathlib import PurePosixPath

from starlette.responses import Response

from invis_sim.protocol.package_files import PackageFile, files_below, package_folder
from invis_sim.web.operation import Operation
from invis_sim.web.request import Call

__all__ = ["OPERATIONS"]

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


def _operation(path: str, file: PackageFile) -> Operation:
    media = MEDIA_TYPES[_suffix(path)]
    text = media.startswith("text/") or media.endswith(("json", "xml"))

    def handler(call: Call) -> Response:
        return Response(file.read_bytes(), media_type=f"{media}; charset=utf-8" if text else media)

    handler.__doc__ = f"Return {path.rpartition('/')[2] or 'the page'}."
    return Operation(method="GET", path=path, handler=handler, media=media)


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix or ".html"


_FILES = files_below(package_folder("web", "static"))

# An operation for each file that is there, so that no path of a client ever names a file.
OPERATIONS = (
    _operation("/", _FILES["index.html"]),
    *(
        _operation(f"/{path}", file)
        for path, file in _FILES.items()
        if _suffix(path) in MEDIA_TYPES
    ),
)
