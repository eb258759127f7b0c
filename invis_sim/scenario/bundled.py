"""The scenarios that ship with the package."""

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import invis_sim

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["BundledFile", "bundled", "find_bundled"]


class BundledFile:
    """A file of the package, as Python's own import system reads it: from a folder or a zip file,
    also where a test has put a faked file system in place of the real one.

    path: where it is.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __str__(self) -> str:
        return self._path

    def read_bytes(self) -> bytes:
        """Return its content. Raises OSError."""
        from importlib.machinery import SourceFileLoader

        try:
            # Not the package's own loader: under pytest that is one which opens files as tests do.
            return SourceFileLoader("", self._path).get_data(self._path)
        except OSError:  # a zip file has a loader of its own
            spec: Any = invis_sim.__spec__
            content: bytes = spec.loader.get_data(self._path)
            return content


def find_bundled(name: str) -> BundledFile | None:
    """Return the bundled scenario of this name; None if there is none."""
    package = os.path.dirname(invis_sim.__file__)
    # An installed package has them inside; a checkout has them beside the package.
    for folder in (package, os.path.dirname(package)):
        file = BundledFile(os.path.join(folder, "scenarios", f"{name}.toml"))
        try:
            file.read_bytes()
        except OSError:
            continue
        return file
    return None


def bundled() -> "dict[str, Traversable]":
    """The bundled scenarios: name → file, by name. The package may be a folder or a zip file.
    Empty where a test has faked the file system: then only `find_bundled` finds them.
    """
    from importlib.resources import files  # only where all are wanted: it slows down a start

    # A folder or a place in a zip file. Both have a parent, which the type of `files` does not say.
    package: Any = files("invis_sim")
    installed, checkout = package / "scenarios", package.parent / "scenarios"
    folder: Traversable = installed if installed.is_dir() else checkout
    try:
        paths = {PurePosixPath(file.name): file for file in folder.iterdir()}
    except FileNotFoundError:
        return {}
    found = {path.stem: file for path, file in paths.items() if path.suffix == ".toml"}
    return dict(sorted(found.items()))
