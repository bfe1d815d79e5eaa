"""Arrays of which nobody knows beforehand how long they get, and rows of several lengths in one of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

import numpy as np

from .errors import UserError

LARGE = 256 << 20  # bytes; what is larger lies on disk


class GrowingArray:
    """Numbers that come piece by piece: in memory, or beyond `LARGE` bytes in a file without a name.

    Args:
        kind: of the numbers.
        path: a file for them, whatever their number; it is left there, and only read from then on.
    """

    def __init__(self, kind: type[np.generic], path: Path | None = None):
        self._kind = np.dtype(kind)
        self._bytes = bytearray()
        self._mode: Literal["c", "r"] = "c" if path is None else "r"
        self._file: Any = None if path is None else path.open("wb+")

    def append(self, numbers: np.ndarray) -> None:
        """Add some.

        Raises:
            UserError: when the disk is full.
        """
        data = np.ascontiguousarray(numbers, self._kind).tobytes()
        try:
            if self._file is None and len(self._bytes) + len(data) > LARGE:
                self._file = TemporaryFile()  # noqa: SIM115
                self._file.write(self._bytes)
                self._bytes = bytearray()
            (self._bytes.extend if self._file is None else self._file.write)(data)
        except OSError as error:
            raise UserError(f"the ids of the text cannot be written ({error.strerror or error}): make room") from error

    def finish(self) -> np.ndarray:
        """All of them; what is written to them stays in memory."""
        if self._file is None:
            return np.frombuffer(self._bytes, self._kind)
        self._file.flush()
        if not self._file.tell():
            return np.zeros(0, self._kind)
        return np.asarray(np.memmap(self._file, self._kind, self._mode))


class Ragged(Sequence[np.ndarray]):
    """Rows of several lengths, end to end.

    Args:
        flat: all of them, `(numbers,)`.
        offsets: where each begins, and the end of the last, `(rows + 1,)`.
    """

    def __init__(self, flat: np.ndarray, offsets: np.ndarray):
        self.flat, self.offsets = flat, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row):
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))


class GrowingRows:
    """Rows of several lengths that come one after the other."""

    def __init__(self) -> None:
        self._flat, self._ends, self._total = GrowingArray(np.int32), GrowingArray(np.int64), 0
        self._ends.append(np.zeros(1))

    def append(self, rows: Sequence[Sequence[int]]) -> None:
        """Add some rows."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        self._flat.append(np.fromiter((number for row in rows for number in row), np.int32, int(lengths.sum())))
        self._ends.append(self._total + np.cumsum(lengths))
        self._total += int(lengths.sum())

    def finish(self) -> Ragged:
        """All of them."""
        return Ragged(self._flat.finish(), self._ends.finish())
