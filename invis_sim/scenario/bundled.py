"""The scenarios that ship with the package."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["bundled"]


def bundled() -> "dict[str, Traversable]":
    """The bundled scenarios: name → file, by name. The package may be a folder or a zip file."""
    from importlib.resources import files  # only where one is wanted: it slows down a start

    # A folder or a place in a zip file. Both have a parent, which the type of `files` does not say.
    package: Any = files("invis_sim")
    # An installed package has them inside; a checkout has them beside the package.
    installed, checkout = package / "scenarios", package.parent / "scenarios"
    folder: Traversable = installed if installed.is_dir() else checkout
    paths = {PurePosixPath(file.name): file for file in folder.iterdir()}
    found = {path.stem: file for path, file in paths.items() if path.suffix == ".toml"}
    return dict(sorted(found.items()))
