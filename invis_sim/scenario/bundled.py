"""The scenarios that ship with the package."""

from pathlib import Path

__all__ = ["bundled"]


def bundled() -> dict[str, Path]:
    """The bundled scenarios: name → file, by name."""
    package = Path(__file__).parent.parent
    # An installed package has them inside; a checkout has them beside the package.
    installed, checkout = package / "scenarios", package.parent / "scenarios"
    folder = installed if installed.is_dir() else checkout
    paths = {path.stem: path for path in folder.glob("*.toml")}
    return {name: paths[name] for name in sorted(paths)}
