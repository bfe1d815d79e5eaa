"""word2vec's binary file, as `word2vec -binary 1` and gensim write it.

header    `words width` in decimal digits, a newline
a word    its bytes in UTF-8, a space, `width` float32 in little endian, a newline or not
"""

import re
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import UserError
from ..messages import translate
from .matrices import MAX_WIDTH, MatrixBuilder
from .packed_files import open_packed, pack, reading_bar
from .word_table import WordTable

_HEADER = re.compile(rb"(-?\d{1,30}) (-?\d{1,30})[ \t\r]*\n")
_BLOCK = 1 << 20
_MAX_WORD = 1 << 16


def sniff(head: bytes) -> bool:
    """Whether a file begins with a header that no text follows."""
    found = _HEADER.match(head)
    if not found:
        return False
    behind = head[found.end() :]
    return b"\0" in behind or not _is_text(behind)


def _is_text(behind: bytes) -> bool:
    """Whether what follows a word reads as numbers."""
    _, _, numbers = behind.partition(b" ")
    return not numbers or bool(re.match(rb"[-+.\dnNiI]", numbers))


def read(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read such a file; the arguments are those of `text_vectors.read`.

    Raises:
        UserError: for a header that lies, a word that is no UTF-8, or a file that ends too early or too late.
    """
    with open_packed(path) as (file, size), reading_bar(size, progress) as bar:
        first = file.readline(100)
        found = _HEADER.fullmatch(first)
        if not found:
            raise UserError(f"{path} is no word2vec file: it does not begin with the number of words and the width")
        rows, width = int(found[1]), int(found[2])
        if rows < 0 or not 1 <= width <= MAX_WIDTH:
            raise UserError(
                f"{path} promises {rows} words of width {width}, but there must be no less than 0, of a width of 1 to "
                f"{MAX_WIDTH:,}"
            )
        if size is not None and rows * (4 * width + 1) > size:
            raise UserError(f"{path} promises {rows:,} words of width {width}, which its {size:,} bytes cannot hold")
        wanted = rows if limit is None else min(rows, limit)
        builder = MatrixBuilder(width, None if size is None else wanted, target)
        words = _read_words(path, file, wanted, width, builder, bar, to_end=wanted == rows)
    return WordTable(words, builder.close()).check(path)


def _read_words(
    path: Path, file: IO[bytes], rows: int, width: int, builder: MatrixBuilder, bar: object, to_end: bool
) -> list[str]:
    words: list[str] = []
    pending, at, size = b"", 0, 4 * width
    while True:
        # As many words as are whole in what has been read.
        while len(words) < rows:
            space = pending.find(b" ", at)
            if space < 0 or len(pending) < space + 1 + size:
                break
            word = pending[at:space].lstrip(b"\n")
            if space - at > _MAX_WORD:
                raise UserError(f"{path}: word {len(words) + 1:,} is longer than {_MAX_WORD:,} bytes")
            try:
                words.append(word.decode())
            except UnicodeDecodeError:
                shown = word[:40]
                raise UserError(f"{path}: word {len(words) + 1:,}, {shown!r}, is no UTF-8") from None
            if b"\0" in word:
                raise UserError(f"{path}: word {len(words):,} holds a zero byte: is one before it not of one piece?")
            row = builder.free()[0]
            row[:] = np.frombuffer(pending, "<f4", width, space + 1)
            if not np.isfinite(row).all():
                raise UserError(
                    f"{path}: the vector of word {len(words):,}, {words[-1][:40]!r}, holds no finite number"
                )
            builder.add(1)
            at = space + 1 + size
        pending, at = pending[at:], 0
        if len(words) == rows:
            rest = (pending + file.read(2)).strip(b"\r\n")
            if to_end and rest:
                raise UserError(f"{path} promises {rows:,} words, but more bytes follow them")
            return words
        if len(pending) > _MAX_WORD + size + 1:
            raise UserError(f"{path}: word {len(words) + 1:,} is longer than {_MAX_WORD:,} bytes")
        more = file.read(_BLOCK)
        bar.update(len(more))  # type: ignore[attr-defined]
        if not more:
            raise UserError(f"{path} promises {rows:,} words, but ends after {len(words):,}")
        pending += more


def write(table: WordTable, path: Path) -> None:
    """Write such a file; words that it cannot hold are left out, which a note tells."""
    rows = [row for row, word in enumerate(table.words) if word and " " not in word and "\n" not in word]
    with pack(path) as file:
        file.write(f"{len(rows)} {table.width}\n".encode())
        for row in rows:
            file.write(table.words[row].encode("utf-8", "surrogatepass") + b" ")
            file.write(np.asarray(table.matrix[row], "<f4").tobytes() + b"\n")
    if len(rows) < len(table.words):
        table.notes.append(
            translate("{count} words hold spaces or line breaks: left out.", count=len(table.words) - len(rows))
        )
