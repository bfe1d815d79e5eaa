"""Files of text as lines, and files with columns as records.

Every file of text is UTF-8, with or without a byte order mark, plain or as `.gz`. A parquet file and a part of a data
set of the Hub have columns too.
"""

import codecs
import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import UserError
from .hub_datasets import HubSplit, split_records

MAX_LINE = 16 * 2**20  # bytes; a longer line is a binary file or a corpus without line ends, and would fill the memory

# A record of a file: the line it ends on, and its cells by column name.
Record = tuple[int, dict[str, object]]

Source = Path | HubSplit

# The first bytes of frequent Chinese characters: those of level 1 in GB 2312 and in Big5.
_FREQUENT = {"gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6)}


def suffix_of(path: Source) -> str:
    """The extension that says what is inside: that before `.gz`, in lower case; none for what is no file."""
    if isinstance(path, HubSplit):
        return ""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def check_file(path: Source, allowed: Sequence[str]) -> None:
    """Check that `path`, unless it is on the Hub, is a file with one of the extensions.

    Raises:
        UserError: when it is not.
    """
    if isinstance(path, HubSplit):
        return
    if path.is_dir():
        raise UserError(f"{path} is a folder, where a file is expected")
    if not path.exists():
        raise UserError(f"no such file: {path}")
    if suffix_of(path) not in allowed:
        raise UserError(f"{path} has an unknown extension: {', '.join(allowed)} are read, text also as .gz")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines with their numbers from 1, without their ends; only a line feed ends a line.

    Raises:
        UserError: for a file that cannot be read or is no text in UTF-8, or a line beyond `MAX_LINE`.
    """
    offset = 0
    number = 0
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            while raw := file.readline(MAX_LINE + 1):
                number += 1
                if len(raw) > MAX_LINE:
                    raise UserError(
                        f"{path}, line {number}: longer than {MAX_LINE >> 20} MiB; end lines where documents end"
                    )
                if b"\0" in raw:
                    raise UserError(
                        f"{path}, line {number}: a NUL byte; the file is binary or UTF-16, and UTF-8 is expected"
                    )
                try:
                    text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    # `error.object` is what the codec counted in: the line, perhaps without its byte order mark.
                    where = offset + len(raw) - len(error.object) + error.start
                    raise UserError(f"{path}, line {number}, byte {where}: not UTF-8{_other_encoding(raw)}") from None
                offset += len(raw)
                yield number, text.removesuffix("\n").removesuffix("\r")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged or not gzip, behind line {number}: {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None


def _other_encoding(line: bytes) -> str:
    """What a line may be that is no UTF-8, by its mark or its frequent characters, and what to do."""
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ", but perhaps UTF-16; convert the file: iconv -f utf-16 -t utf-8"
    shares = {}
    for encoding, (first, last) in _FREQUENT.items():
        try:
            letters = [letter.encode(encoding) for letter in line.decode(encoding) if not letter.isascii()]
        except UnicodeDecodeError:
            continue
        shares[encoding] = sum(first <= letter[0] <= last for letter in letters) / len(letters)
    best = max(shares, key=shares.__getitem__, default="")
    if not best or shares[best] < 0.5:
        return "; convert the file to UTF-8"
    return f", but perhaps {best.upper()}; convert the file: iconv -f {best} -t utf-8"


def records(path: Source, columns: Sequence[str]) -> Iterator[Record]:
    """The records of a source with columns (a .csv or .tsv with a header), each of which has all of `columns`."""
    if isinstance(path, HubSplit):
        yield from split_records(path, columns)
        return
    if suffix_of(path) == ".parquet":
        from .tables import parquet_records

        yield from parquet_records(path, columns)
        return
    if suffix_of(path) == ".jsonl":
        for line, text in read_lines(path):
            if text.strip():
                record = json_object(path, line, text)
                check_columns(f"{path}, line {line}", columns, list(record))
                yield line, record
        return
    rows = _csv_rows(path) if suffix_of(path) == ".csv" else _tsv_rows(path)
    line, first = next(rows, (0, []))
    if not line:
        return
    header = [cell.strip() for cell in first]
    check_columns(f"the header of {path}", columns, header)
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(f"{path}, line {line}: {len(row)} cells, where the header has {len(header)}")
        yield line, dict(zip(header, row, strict=True))


def example_records(
    path: Source, text_column: str, other_column: str, order: tuple[str, str], shown: str
) -> Iterator[Record]:
    """The records of a source with two columns; a .tsv may be without a header.

    Args:
        path: the file.
        text_column: one column.
        other_column: the other one.
        order: both of them, in the order of a line without a header.
        shown: such a line, for messages.

    Raises:
        UserError: for what is wrong in the header or in a line.
    """
    if isinstance(path, HubSplit) or suffix_of(path) != ".tsv":
        yield from records(path, (text_column, other_column))
        return
    _, first = next(_tsv_rows(path), (0, []))
    if {text_column, other_column} <= {cell.strip() for cell in first}:
        yield from records(path, (text_column, other_column))
        return
    for line, text in read_lines(path):
        if not text.strip():
            continue
        before, tab, rest = text.partition("\t")
        if not tab:
            raise UserError(f"{path}, line {line}: no tab; a line without a header above it is {shown}")
        yield line, {order[0]: before, order[1]: rest}


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    return ((line, text.split("\t")) for line, text in read_lines(path) if text.strip())


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    # The limit is the process's and can only be widened safely; the default, 128 KiB, is less than a long article.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    reader = csv.reader((text + "\n" for _, text in read_lines(path)), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        hint = "is a quotation mark left open?" if "limit" in str(error) or "end of data" in str(error) else "check it"
        raise UserError(f"{path}, line {reader.line_num}: not a row of csv ({error}); {hint}") from None


def json_object(path: Path, line: int, text: str) -> dict[str, object]:
    """The object that a line of .jsonl holds.

    Raises:
        UserError: when it holds something else.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {line}: not JSON ({error})") from None
    if not isinstance(record, dict):
        raise UserError(f"{path}, line {line}: a JSON object is expected, not {json_type(record)}")
    return record


def json_type(value: object) -> str:
    """What a value is called in JSON, and by its type's name where that knows none."""
    names = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def check_columns(where: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Check that the columns that are wanted are there.

    Raises:
        UserError: naming the first that is not.
    """
    for column in wanted:
        if column not in present:
            listed = ", ".join(repr(name[:40]) for name in present[:20]) or "none at all"
            raise UserError(f"{where} has no column {column!r}; it has {listed}")


def text_cell(path: Source, line: int, cells: dict[str, object], column: str, *, integers: bool = False) -> str:
    """A cell of a record, stripped of surrounding white space.

    Raises:
        UserError: when it holds no text, or, with `integers`, no integer either.
    """
    value = cells[column]
    if integers and type(value) is int:  # not a boolean, which is an int too
        value = str(value)
    if not isinstance(value, str):
        allowed = "a string or an integer" if integers else "a string"
        raise UserError(f"{path}, line {line}: {column} must be {allowed}, not {json_type(value)}")
    check_text(f"{path}, line {line}: {column}", value)
    return value.strip()


def check_text(where: str, value: str) -> None:
    """Check that a string of JSON can be written in UTF-8.

    Raises:
        UserError: when it cannot.
    """
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # "\ud83d" alone is legal in JSON, and no tokenizer takes it
            raise UserError(f"{where} holds half of a surrogate pair, which is not text") from None
