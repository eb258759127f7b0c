"""The files that come with the package, such as the scenarios, the guides and the page.

They are found where a test has put a faked file system in place of the real one, as pyfakefs does,
and in a zip file: both serve Python's own import system, and not `importlib.resources`.
"""

import importlib
import os
from collections.abc import Iterator
from typing import Any

import invis_sim

__all__ = ["PackageFile", "files_below", "named_files", "package_folder"]


class PackageFile:
    """A file of the package.

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
            content: bytes = _loader().get_data(self._path)
            return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return its content as text. Raises OSError."""
        return self.read_bytes().decode(encoding)


def package_folder(*names: str) -> str:
    """Return the path of the package, or of a folder or file in it."""
    return os.path.join(os.path.dirname(invis_sim.__file__), *names)


def files_below(folder: str) -> dict[str, PackageFile]:
    """Return the files in a folder of the package and in those below it: their paths from the
    folder on, with slashes, in order → file. Empty where there is no such folder.
    """
    try:
        paths = [*_paths_below(folder)]
    except OSError:
        paths = _paths_in_zip(folder)
    return {path: PackageFile(os.path.join(folder, *path.split("/"))) for path in sorted(paths)}


def named_files(folder: str, suffix: str) -> dict[str, PackageFile]:
    """Return the files with this suffix in a folder of the package: their names without it, in
    order → file.
    """
    found = files_below(folder).items()
    named = {path.removesuffix(suffix): file for path, file in found if path.endswith(suffix)}
    return dict(sorted(named.items()))


def _paths_below(folder: str, prefix: str = "") -> Iterator[str]:
    # The module of C that `os` is made of: a test fakes that one, and not this.
    system: Any = importlib.import_module(os.name)
    for entry in system.scandir(folder):
        if entry.is_dir():
            yield from _paths_below(entry.path, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name


def _paths_in_zip(folder: str) -> list[str]:
    archive = getattr(_loader(), "archive", None)
    if archive is None:
        return []
    import zipfile  # seldom needed, and slow to import

    prefix = f"{os.path.relpath(folder, archive)}/".replace(os.sep, "/")
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
    return [
        name.removeprefix(prefix)
        for name in names
        if name.startswith(prefix) and not name.endswith("/")
    ]


def _loader() -> Any:
    assert invis_sim.__spec__ is not None
    return invis_sim.__spec__.loader
