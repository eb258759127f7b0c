"""The guides: the manual of invis-sim in Markdown, a file for each subject.

They ship with the package. The files are read here, and taken apart and laid out by the modules
beside them. Their reference parts are made from the code by `make guides`.
"""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["guides", "title"]


def guides() -> "dict[str, Traversable]":
    """Return the guides: name → file, by name. The package may be a folder or a zip file."""
    from importlib.resources import files  # only where one is wanted: it slows down a start

    paths = {PurePosixPath(file.name): file for file in files("invis_sim.guides").iterdir()}
    found = {path.stem: file for path, file in paths.items() if path.suffix == ".md"}
    return dict(sorted(found.items()))


def title(text: str) -> str:
    """Return the title of a guide: its first line, a heading."""
    return text.partition("\n")[0].lstrip("# ")
