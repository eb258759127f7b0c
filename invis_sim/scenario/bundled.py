"""The scenarios that ship with the package."""

import os

from invis_sim.protocol.package_files import PackageFile, named_files, package_folder

__all__ = ["bundled", "find_bundled"]

_SUFFIX = ".toml"


def find_bundled(name: str) -> PackageFile | None:
    """Return the bundled scenario of this name; None if there is none."""
    for folder in _folders():
        file = PackageFile(os.path.join(folder, name + _SUFFIX))
        try:
            file.read_bytes()
        except OSError:
            continue
        return file
    return None


def bundled() -> dict[str, PackageFile]:
    """Return the bundled scenarios: name → file, by name."""
    return next((found for one in _folders() if (found := named_files(one, _SUFFIX))), {})


def _folders() -> list[str]:
    # An installed package has them inside; a checkout has them beside the package.
    package = package_folder()
    return [os.path.join(folder, "scenarios") for folder in (package, os.path.dirname(package))]
