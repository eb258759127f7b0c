"""Figures as tables of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Goal", "Ratios", "heading", "percentile", "table"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a ratio should be."""

    at_least: float | None = None
    at_most: float | None = None

    def verdict(self, value: float) -> str:
        """The goal, and whether the value reaches it."""
        if self.at_least is not None:
            return f">= {self.at_least:g}: {'yes' if value >= self.at_least else 'NO'}"
        if self.at_most is not None:
            return f"<= {self.at_most:g}: {'yes' if value <= self.at_most else 'NO'}"
        return ""


@dataclass(frozen=True, slots=True)
class Ratios:
    """The ratio of each round."""

    values: Sequence[float]

    @property
    def middle(self) -> float:
        """The median, which is what counts."""
        return median(self.values)

    @property
    def shown(self) -> str:
        """The median, as text."""
        return f"{self.middle:.2f}"

    @property
    def range(self) -> str:
        """From the least to the greatest, as text."""
        return f"({min(self.values):.2f}-{max(self.values):.2f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def heading(text: str) -> None:
    """Prints the title of a section."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def table(*rows: Sequence[str]) -> None:
    """Prints the rows, the first of which names the columns. The first column is words."""
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, *cells in rows:
        right = [cell.rjust(width) for cell, width in zip(cells, others, strict=True)]
        print("  ".join((" ", name.ljust(first), *right)).rstrip(), flush=True)
