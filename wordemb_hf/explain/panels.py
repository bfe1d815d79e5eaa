"""What can be drawn of an answer: words with a number each, and a matrix of numbers."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

MOST_CELLS = 4_000  # of one matrix: what an eye can follow, and a browser can lay out
LONGEST = 40  # characters of a word


@dataclass(frozen=True)
class Highlights:
    """Words that speak for an answer, with positive numbers, or against it.

    Args:
        title: what the numbers are.
        words: as they stand in the text.
        weights: a number for each, `(words,)`.
        groups: groups of words with a number each, the strongest first.
    """

    title: str
    words: list[str]
    weights: np.ndarray
    groups: list[tuple[str, float]] = field(default_factory=list)

    def strengths(self) -> np.ndarray:
        """The numbers as shares of the largest, from -1 to 1."""
        largest = np.abs(self.weights).max(initial=0.0)
        return self.weights / largest if largest > 0 else self.weights


@dataclass(frozen=True)
class Matrix:
    """A number for each pair of a row and a column, none of them negative.

    Args:
        title: what the numbers are.
        rows: names of the rows.
        columns: names of the columns.
        values: `(rows, columns)`.
    """

    title: str
    rows: list[str]
    columns: list[str]
    values: np.ndarray

    def cut(self) -> "Matrix":
        """The beginning, where there is more than anyone could read."""
        rows = min(len(self.rows), 60)
        columns = min(len(self.columns), MOST_CELLS // max(rows, 1))
        return Matrix(self.title, self.rows[:rows], self.columns[:columns], self.values[:rows, :columns])

    def strengths(self) -> np.ndarray:
        """The numbers from 0 for the smallest to 1 for the largest; half of that where all are one."""
        low, high = self.values.min(initial=np.inf), self.values.max(initial=-np.inf)
        return (self.values - low) / (high - low) if high > low else np.full(self.values.shape, 0.5)

    def range(self) -> str:
        """The smallest number and the largest."""
        if not self.values.size:
            return ""
        return " … ".join(f"{round(float(edge), 3):g}" for edge in (self.values.min(), self.values.max()))


Panel: TypeAlias = Highlights | Matrix


def shown(word: str) -> str:
    """A word on one line, not too long, and one of spaces as something to see."""
    word = " ".join("".join(c if c.isprintable() else " " for c in word).split())
    return (word if len(word) <= LONGEST else word[: LONGEST - 1] + "…") or "␣"
