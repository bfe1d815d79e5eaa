"""Where vectors are read to: memory or a file on disk, no larger than what has really come."""

from pathlib import Path

import numpy as np

from ..errors import UserError

MAX_WIDTH = 1 << 16
_FIRST_ROWS = 1 << 12


class MatrixBuilder:
    """A matrix float32 that grows row by row.

    A number of rows that a file merely promises takes no memory: there is room for what was read, and a quarter more.

    Args:
        width: numbers of a row.
        rows: how many there will be, where that is certain.
        target: a file to hold them, memory-mapped, in place of memory.

    Raises:
        UserError: for a width that no vectors have.
    """

    def __init__(self, width: int, rows: int | None = None, target: Path | None = None):
        if not 1 <= width <= MAX_WIDTH:
            raise UserError(f"the width of the vectors is {width}, but must be 1 to {MAX_WIDTH:,}")
        self.width, self._target, self.rows = width, target, 0
        self._matrix = self._room(_FIRST_ROWS if rows is None else max(rows, 1))

    def free(self) -> np.ndarray:
        """Rows to write to next, float32 `(at least one, width)`; then tell by `add` how many were written."""
        if self.rows == len(self._matrix):
            self._resize(self.rows + max(self.rows // 4, _FIRST_ROWS))
        return self._matrix[self.rows :]

    def add(self, rows: int) -> None:
        """That many rows were written to what `free` gave."""
        self.rows += rows

    def append(self, rows: np.ndarray) -> None:
        """Add rows of any float type, `(rows, width)`."""
        while len(rows):
            free = self.free()
            part = rows[: len(free)]
            free[: len(part)] = part
            self.add(len(part))
            rows = rows[len(part) :]

    def close(self) -> np.ndarray:
        """The matrix, float32 `(rows, width)`."""
        if self.rows != len(self._matrix):
            self._resize(max(self.rows, 1))
        return self._matrix[: self.rows]

    def _room(self, rows: int) -> np.ndarray:
        if self._target is None:
            try:
                return np.empty((rows, self.width), np.float32)
            except (MemoryError, ValueError) as error:
                size = rows * self.width * 4 / 1e9
                raise UserError(f"{rows:,} vectors of width {self.width} need {size:,.0f} GB of memory") from error
        return np.memmap(self._target, np.float32, "w+", shape=(rows, self.width))

    def _resize(self, rows: int) -> None:
        if self._target is None:
            self._matrix.resize((rows, self.width), refcheck=False)
            return
        memory_map: np.memmap = self._matrix  # type: ignore[assignment]
        memory_map.flush()
        with self._target.open("r+b") as file:
            file.truncate(rows * self.width * 4)
        self._matrix = np.memmap(self._target, np.float32, "r+", shape=(rows, self.width))


def all_finite(matrix: np.ndarray) -> bool:
    """Whether a matrix, perhaps on disk, holds neither infinity nor what is no number."""
    return all(bool(np.isfinite(matrix[start : start + 4096]).all()) for start in range(0, len(matrix), 4096))
