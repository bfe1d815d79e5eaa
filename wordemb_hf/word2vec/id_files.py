"""The ids of a text, written to a folder in place of the numbers of its chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .. import kept_ids
from .chunk_words import Rows
from .scanned_text import TextReader
from .text_pieces import TextPieces


class NumberWriter(TextReader):
    """A reader that writes the numbers of the chunks to a file.

    Args:
        path: of the file.
        classes: of the bytes; `keep_empty` and they are as `ChunkTable.scan` has them.
    """

    def __init__(self, path: Path, classes: np.ndarray, keep_empty: bool):
        super().__init__(classes, keep_empty)
        self.path = path
        self.spans: dict[int, tuple[int, int]] = {}  # where the numbers of a piece begin, and how many they are
        self._file: BinaryIO

    def read(self, pieces: TextPieces) -> None:
        with self.path.open("wb") as self._file:
            super().read(pieces)

    def take(self, number: int, piece: np.ndarray, chunks: np.ndarray) -> None:
        self.spans[number] = (self._file.tell() // chunks.itemsize, len(chunks))
        self._file.write(chunks.data)


def write_ids(
    readers: Sequence[NumberWriter],
    numbers: Sequence[np.ndarray],
    rows: Rows,
    line_end: int,
    folder: Path,
    pool: Executor,
) -> tuple[int, int]:
    """Write the ids and offsets of the text to a folder, in place of the numbers of its chunks.

    Args:
        readers: who read the text.
        numbers: for each of them, what its chunks are called in `rows`.
        rows: the ids of each chunk.
        line_end: that of the end of a document, or -1.

    Returns:
        How many tokens and documents there are.
    """
    from .text_scanner import expand, measure

    starts = [rows.starts[own] for own in numbers]
    lengths = [rows.lengths[own] for own in numbers]
    spans = [(number, which, *span) for which, reader in enumerate(readers) for number, span in reader.spans.items()]
    spans.sort()  # as the pieces stand in the text
    for name in (kept_ids.IDS, kept_ids.OFFSETS):
        (folder / name).touch()
    _write_at(folder / kept_ids.OFFSETS, np.zeros(1, np.int64), 0)

    def read(span: tuple[int, int, int, int]) -> np.ndarray:
        _, which, start, count = span
        return np.fromfile(readers[which].path, np.int32, count, offset=4 * start)

    def count(span: tuple[int, int, int, int]) -> tuple[int, int]:
        return measure(read(span), lengths[span[1]], line_end)

    def write(span: tuple[int, int, int, int], tokens: int, documents: int, token: int, document: int) -> None:
        ids, ends = np.empty(tokens, np.int32), np.empty(documents, np.int64)
        expand(read(span), starts[span[1]], lengths[span[1]], rows.values, line_end, ids, ends)
        _write_at(folder / kept_ids.IDS, ids, token)
        _write_at(folder / kept_ids.OFFSETS, ends + token, document + 1)

    sizes = np.array(list(pool.map(count, spans)), np.int64).reshape(-1, 2)
    before = np.cumsum(sizes, axis=0) - sizes
    columns = np.concatenate([sizes, before], axis=1).T.tolist()
    deque(pool.map(write, spans, *columns), maxlen=0)
    for reader in readers:
        reader.path.unlink()
    tokens, documents = sizes.sum(axis=0).tolist()
    return tokens, documents


def _write_at(path: Path, array: np.ndarray, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(array.itemsize * place)
        file.write(array.data)
