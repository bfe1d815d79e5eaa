"""A word and its numbers on a line: word2vec's text, fastText's .vec, and GloVe's.

    word2vec, .vec: a header `words width`, then lines `word number … number`
    GloVe: the same lines without a header

Numbers are decimal, apart by spaces or tabs; what stands before the last `width` of them is the word, so that it may
hold spaces itself, as some of GloVe's 840B do. A number is read as float64 and rounded to float32, as by gensim. It is
written with the fewest digits that give the same float32 again.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import UserError
from ..messages import translate
from .matrices import MAX_WIDTH, MatrixBuilder
from .packed_files import open_packed, pack, reading_bar
from .word_table import WordTable

_BLOCK = 8 << 20
_MAX_LINE = 4 << 20
_HEADER = re.compile(rb"(-?\d{1,30})[ \t]+(-?\d{1,30})[ \t]*\r?")
_LARGEST = float.fromhex("0x1.ffffffp+127")  # from here on, float32 has infinity alone
_FIRST_LINES = 1000  # that tell the width where there is no header


def sniff(head: bytes) -> bool:
    """Whether a file that begins so is text with numbers behind words."""
    first, newline, rest = head.partition(b"\n")
    if not newline:
        return False
    line = rest.partition(b"\n")[0] if _HEADER.fullmatch(first) else first
    fields = line.split()
    return len(fields) > 1 and all(map(_is_number, fields[-min(len(fields) - 1, 3) :]))


def read(path: Path, limit: int | None = None, target: Path | None = None, progress: bool = False) -> WordTable:
    """Read text with or without a header.

    Args:
        path: the file, perhaps packed.
        limit: words to read, at most.
        target: a file to hold the matrix in place of memory.
        progress: whether to show a bar.

    Raises:
        UserError: naming the line, for one that is not what the format promises.
    """
    with open_packed(path) as (file, size), reading_bar(size, progress) as bar:
        return _Reader(path, limit, target).read(file, size, bar)


def write(table: WordTable, path: Path, header: bool = True) -> None:
    """Write text; words that a line cannot hold are left out, which a note tells."""
    rows = [row for row, word in enumerate(table.words) if word.strip(" \t\r\n") and "\n" not in word]
    if not header and rows and _HEADER.fullmatch(_line(table, rows[0])):
        header = True  # of width 1, a first line that would pass for a header
    with pack(path) as file:
        if header:
            file.write(f"{len(rows)} {table.width}\n".encode())
        for row in rows:
            file.write(_line(table, row))
            file.write(b"\n")
    if len(rows) < len(table.words):
        table.notes.append(
            translate(
                "{count} words hold line breaks or nothing but spaces: left out.", count=len(table.words) - len(rows)
            )
        )


def _line(table: WordTable, row: int) -> bytes:
    numbers = " ".join(np.asarray(table.matrix[row]).astype("U").tolist())
    return f"{table.words[row]} {numbers}".encode("utf-8", "surrogatepass")


class _Reader:
    """One reading of one file."""

    def __init__(self, path: Path, limit: int | None, target: Path | None):
        self._path, self._limit, self._target = path, limit, target
        self._parts: list[str] = []  # words, each with a newline behind it
        self._line = 0
        self._promised: int | None = None
        self._builder: Any = None

    def read(self, file: IO[bytes], size: int | None, bar: Any) -> WordTable:
        head = file.read(_BLOCK)
        bar.update(len(head))
        head = self._without_header(head.removeprefix(b"\xef\xbb\xbf"), size)
        # A promise is believed where the file is long enough to keep it.
        rows = self._promised if size is not None else None
        if rows is not None and self._limit is not None:
            rows = min(rows, self._limit)
        self._builder = MatrixBuilder(self._width, rows, self._target)
        scan = self._scan_compiled if find_spec("numba") else self._scan_plainly
        for lines in self._blocks(head, file, bar):
            scan(lines)
            if self._full():
                break
        words = "".join(self._parts).split("\n")[:-1]
        if self._promised is not None and len(words) != self._promised and not self._full():
            raise UserError(f"{self._path} promises {self._promised:,} words in its first line, but has {len(words):,}")
        return WordTable(words, self._builder.close()).check(self._path)

    def _full(self) -> bool:
        return self._limit is not None and self._builder.rows >= self._limit

    def _without_header(self, head: bytes, size: int | None) -> bytes:
        """What is behind the header, and set the width; without a header the first lines tell it."""
        first = head[:_MAX_LINE].partition(b"\n")[0]
        found = _HEADER.fullmatch(first)
        if not found:
            lines = head.split(b"\n", _FIRST_LINES + 1)
            widths = [len(line.split()) - 1 for line in lines[:_FIRST_LINES] if line.strip()]
            # A word that holds spaces makes its line longer; the last line may be cut.
            widths = (
                widths[:-1] if len(widths) > 1 and len(lines) <= _FIRST_LINES + 1 and head[-1:] != b"\n" else widths
            )
            self._width = min(widths, default=0)
            if not 1 <= self._width <= MAX_WIDTH:
                raise UserError(f"{self._path} is no text of word vectors: line 1 is no word with its numbers")
            return head
        self._line = 1
        self._promised, self._width = int(found[1]), int(found[2])
        if self._promised < 0 or not 1 <= self._width <= MAX_WIDTH:
            raise UserError(
                f"{self._path} promises {self._promised} words of width {self._width} in its first line, but there "
                f"must be no less than 0, of a width of 1 to {MAX_WIDTH:,}"
            )
        if size is not None and self._promised * (2 * self._width + 1) > size:
            raise UserError(
                f"{self._path} promises {self._promised:,} words of width {self._width} in its first line, which its "
                f"{size:,} bytes cannot hold"
            )
        return head[len(first) + 1 :]

    def _blocks(self, head: bytes, file: IO[bytes], bar: Any) -> Iterator[bytes]:
        """Whole lines, some MB at a time."""
        pending = head
        while True:
            stop = pending.rfind(b"\n") + 1
            if stop:
                yield pending[:stop]
                pending = pending[stop:]
            if len(pending) > _MAX_LINE:
                raise UserError(f"{self._path}, line {self._line + 1:,}: longer than {_MAX_LINE:,} bytes")
            more = file.read(_BLOCK)
            bar.update(len(more))
            if not more:
                if pending:
                    yield pending + b"\n"
                return
            pending += more

    def _scan_compiled(self, lines: bytes) -> None:
        from ..word2vec.vector_lines import FULL, POSITION, ROWS, STRANGE, USED, scan

        text = np.frombuffer(lines, np.uint8)
        words = np.empty(len(text) + 1, np.uint8)
        state = np.zeros(3, np.int64)
        while True:
            free = self._builder.free()
            if self._limit is not None:
                free = free[: self._limit - self._builder.rows]
            state[ROWS] = state[USED] = 0
            ended = scan(text, free, words, state)
            self._builder.add(int(state[ROWS]))
            self._line += int(state[ROWS])
            if state[USED]:
                self._take_words(words[: state[USED]].tobytes())
            if self._full() or ended not in (FULL, STRANGE):
                return
            if ended == STRANGE:
                position = int(state[POSITION])
                stop = lines.index(b"\n", position)
                self._take_line(lines[position:stop])
                state[POSITION] = stop + 1

    def _scan_plainly(self, lines: bytes) -> None:
        """The same without Numba: numbers by NumPy, which is slower and takes as much care."""
        for line in lines.split(b"\n")[:-1]:
            if self._full():
                return
            stop = line.find(b" ", 1)
            try:
                numbers = np.fromstring(line[stop:], np.float32, sep=" ") if stop > 0 else None
            except (ValueError, DeprecationWarning):
                numbers = None
            if numbers is None or len(numbers) != self._width or b"\t" in line or not np.isfinite(numbers).all():
                self._take_line(line)
                continue
            self._builder.free()[0] = numbers
            self._builder.add(1)
            self._line += 1
            self._take_words(line[:stop] + b"\n")

    def _take_words(self, words: bytes) -> None:
        try:
            self._parts.append(words.decode())
        except UnicodeDecodeError:
            lines = words.split(b"\n")
            number = next(
                number for number, word in enumerate(lines, self._line - len(lines) + 2) if not _is_utf8(word)
            )
            raise UserError(
                f"{self._path}, about line {number:,}: the word is no UTF-8; convert the file, as by iconv"
            ) from None

    def _take_line(self, line: bytes) -> None:
        """One line, with a word that holds spaces perhaps, or with a number of more digits than is usual."""
        self._line += 1
        line = line.rstrip(b" \t\r\n")
        if not line:
            return
        fields = line.rsplit(b" ", self._width)
        if len(fields) <= self._width or not all(map(_is_number, fields[1:])):
            fields = line.rsplit(None, self._width)
        if len(fields) != self._width + 1 or not fields[0]:
            raise UserError(
                f"{self._path}, line {self._line:,}: a word and {self._width} numbers are expected, but there are "
                f"{len(line.split())} fields"
            )
        numbers = []
        for field in fields[1:]:
            number = float(field) if _is_number(field) else np.nan
            if not abs(number) < _LARGEST:
                shown = field[:40].decode("utf-8", "replace")
                raise UserError(f"{self._path}, line {self._line:,}: {shown!r} is no finite number")
            numbers.append(number)
        self._builder.free()[0] = numbers
        self._builder.add(1)
        self._take_words(fields[0] + b"\n")


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_number(field: bytes) -> bool:
    # float() also takes 1_000 and digits of other scripts.
    if b"_" in field or not field.isascii():
        return False
    try:
        float(field)
    except ValueError:
        return False
    return True
