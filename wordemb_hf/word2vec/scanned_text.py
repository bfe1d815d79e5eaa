"""Files of text, read by the compiled scanner in threads: the different chunks, and how often each occurs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..corpus import read_texts
from ..errors import UserError
from ..tokenizer_kinds import all_special_tokens
from .text_pieces import Refusal, TextPieces

SMALL = 4 << 20  # bytes of files below which the Rust tokenizer has done before the scanner is loaded
PIECE = 1 << 20  # bytes of text that a thread scans at a time, at most

Groups = Sequence[tuple[Path, list[Path]]]  # as `text_files` gives them


def scanner_classes(groups: Groups, kind: str, special_tokens: Sequence[str]) -> np.ndarray | None:
    """What bytes mean to the scanner; None where it is not to read the text, or Numba is missing."""
    if _size(groups) < SMALL:
        return None
    try:
        from .text_scanner import byte_classes
    except ImportError:
        return None
    return byte_classes(kind, all_special_tokens(special_tokens))


class TextReader:
    """A thread's table of chunks.

    Args:
        classes: of the bytes; `keep_empty` and they are as `ChunkTable.scan` has them.
    """

    def __init__(self, classes: np.ndarray, keep_empty: bool = False):
        from .text_scanner import ChunkTable

        self.table = ChunkTable()
        self._classes, self._keep_empty = classes, keep_empty

    def read(self, pieces: TextPieces) -> None:
        """Scan pieces until there are no more."""
        while (taken := pieces.take()) is not None:
            number, piece = taken
            self.take(number, piece, self.table.scan(piece, self._classes, keep_empty=self._keep_empty))

    def take(self, number: int, piece: np.ndarray, chunks: np.ndarray) -> None:
        """Look at a piece of the text and the numbers of its chunks."""
        raise NotImplementedError


Reader = TypeVar("Reader", bound=TextReader)


def scan_text(
    groups: Groups, text_column: str, threads: int, pool: Executor, make_reader: Callable[[int], Reader]
) -> list[Reader]:
    """All pieces of the text, read.

    Args:
        groups: files.
        text_column: of those with columns.
        threads: of the pool.
        make_reader: that of each number from 0.

    Raises:
        Refusal: where the scanner cannot read the text.
    """
    _require_documents(groups, text_column)
    total = _size(groups)
    size = max(min(PIECE, total // (4 * threads)), 1)
    pieces = TextPieces([file for _, files in groups for file in files], text_column, size)
    readers = [make_reader(number) for number in range(min(threads, total // size + 1))]
    try:
        for done in [pool.submit(reader.read, pieces) for reader in readers]:
            done.result()
    finally:
        pieces.close()
    return readers


def merged_chunks(readers: Iterable[TextReader]) -> tuple[list[str], np.ndarray, list[np.ndarray]]:
    """The different chunks of all readers, how often each occurs, and what the chunks of each reader are called there.

    The tables of the readers are used up.

    Raises:
        Refusal: for a text that is not UTF-8.
    """
    table, *others = (reader.table for reader in readers)
    numbers = [np.arange(len(table)), *map(table.absorb, others)]
    try:
        chunks = table.joined.tobytes().decode().split(" ")
    except UnicodeDecodeError as error:
        raise Refusal from error
    chunks.pop()  # behind the last space
    return chunks, table.counts, numbers


def _require_documents(groups: Groups, text_column: str) -> None:
    try:
        for source, _ in groups:
            next(read_texts(source, text_column=text_column))
    except UserError as error:  # but another file may come first with what is wrong in it
        raise Refusal from error


def _size(groups: Groups) -> int:
    return sum(file.stat().st_size for _, files in groups for file in files)
