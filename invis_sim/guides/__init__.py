"""The guides: the manual of invis-sim in Markdown, a file for each subject.

They ship with the package. The files are read here, and taken apart and laid out by the modules
beside them. Their reference parts are made from the code by `make guides`.
"""

from invis_sim.protocol.package_files import PackageFile, named_files, package_folder

__all__ = ["guides", "title"]


def guides() -> dict[str, PackageFile]:
    """Return the guides: name → file, by name."""
    return named_files(package_folder("guides"), ".md")


def title(text: str) -> str:
    """Return the title of a guide: its first line, a heading."""
    return text.partition("\n")[0].lstrip("# ")
