"""Files of text as pieces for a scanner: whole lines of some megabytes, handed out one by one to threads."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from ..corpus import file_documents
from ..errors import UserError
from ..records import MAX_LINE, suffix_of

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Refusal(Exception):
    """This text is left to `read_texts` and the tokenizer: it is wrong, or they read it differently."""


class TextPieces:
    """The pieces of files in order, numbered from 0, for any number of threads.

    Args:
        files: of text, in the formats that `read_texts` knows.
        text_column: of those with columns.
        size: of a piece in bytes, about; a line is never cut.
    """

    def __init__(self, files: Sequence[Path], text_column: str, size: int):
        self._pieces = enumerate(piece for path in files for piece in _file_pieces(path, text_column, size))
        self._lock = Lock()

    def take(self) -> tuple[int, np.ndarray] | None:
        """The next piece, uint8 and read-only, with its number; None behind the last.

        Raises:
            Refusal: for a file that cannot be read.
        """
        with self._lock:
            try:
                return next(self._pieces, None)
            except (OSError, EOFError, zlib.error, UserError) as error:
                raise Refusal from error

    def close(self) -> None:
        """Hand out no more pieces."""
        with self._lock:
            self._pieces = enumerate(())


def _file_pieces(path: Path, text_column: str, size: int) -> Iterator[np.ndarray]:
    if suffix_of(path) != ".txt":
        pieces = _document_pieces(file_documents(path, text_column), size)
    else:
        pieces = _text_pieces(path, size)
    yield from (np.frombuffer(piece, np.uint8) for piece in pieces)


def _text_pieces(path: Path, size: int) -> Iterator[bytes]:
    # Read, and not mapped into memory: pages of a map stay until somebody else wants them.
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        block = file.read(size).removeprefix(BYTE_ORDER_MARK)
        while more := file.read(size):
            end = block.rfind(b"\n") + 1
            if end:
                yield block[:end]
            elif len(block) > MAX_LINE:
                raise Refusal
            block = block[end:] + more
    if block:
        yield block


def _document_pieces(documents: Iterator[str], size: int) -> Iterator[bytes]:
    block: list[bytes] = []
    length = 0
    for document in documents:
        # A cell may hold line ends, which separate words and no documents.
        block.append(document.replace("\n", " ").encode() + b"\n")
        length += len(block[-1])
        if length >= size:
            yield b"".join(block)
            block, length = [], 0
    if block:
        yield b"".join(block)
