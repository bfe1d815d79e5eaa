"""Raw text in: documents as a stream (`read_texts`), labelled examples as lists (`read_examples`, `read_splits`).

Every file is UTF-8, with or without a byte order mark, plain or as `.gz`. What a file holds follows from its name:

    .txt     one document a line
    .jsonl   one JSON object a line
    .csv     a header; cells may be quoted
    .tsv     a header or, for labelled text, none: `label<TAB>text`. A quotation mark is text
"""

import csv
import gzip
import json
import math
import random
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from .errors import UserError

TEXT_SUFFIXES = (".txt", ".jsonl", ".csv", ".tsv")
EXAMPLE_SUFFIXES = (".tsv", ".csv", ".jsonl")
MAX_LINE = 16 * 2**20  # bytes; a longer line is a binary file or a corpus without line ends, and would fill the memory

# A record of a file: the line it ends on, and its cells by column name.
Record = tuple[int, dict[str, object]]

Part = TypeVar("Part")


DEV_FRACTION = 0.1  # of the training part, where there is no dev part


@dataclass
class Examples:
    """Labelled texts: `texts[i]` has the label `labels[i]`; `source` says where they come from, for messages.

    A label is a name; with another `LabelKind` several names, or a number.
    """

    texts: list[str]
    labels: list[Any]
    source: str

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: list[int], source: str) -> "Examples":
        """Some of the texts."""
        return Examples([self.texts[row] for row in rows], [self.labels[row] for row in rows], source)


class LabelKind(Protocol):
    """What the labels of a data set are."""

    def read(self, path: Path, line: int, cells: dict[str, object], column: str) -> Any:
        """The label of a record.

        Raises:
            UserError: when it holds no such thing.
        """
        ...

    def check(self, train: Examples, others: Sequence[Examples]) -> None:
        """Refuse a training part that nothing can be learnt from, and other parts that do not belong to it."""
        ...

    def hold_out(self, train: Examples, seed: int, fraction: float) -> set[int]:
        """The rows that become a development part."""
        ...


class OneLabel:
    """Each text has one label, a name; labels in JSON may be strings or integers. See `LabelKind`."""

    def read(self, path: Path, line: int, cells: dict[str, object], column: str) -> str:
        label = text_cell(path, line, cells, column, integers=True)
        if not label:
            raise UserError(f"{path}, line {line}: the {column} is empty")
        return label

    def check(self, train: Examples, others: Sequence[Examples]) -> None:
        known = require_classes(train)
        for part in others:
            require_known_labels(part, known)

    def hold_out(self, train: Examples, seed: int, fraction: float) -> set[int]:
        """A share of every class; the last example of a class always stays."""
        by_label: dict[str, list[int]] = {}
        for index, label in enumerate(train.labels):
            by_label.setdefault(label, []).append(index)
        shares = {label: min(len(rows) - 1, math.floor(len(rows) * fraction + 0.5)) for label, rows in by_label.items()}
        largest = max(sorted(by_label), key=lambda label: len(by_label[label]))
        if not any(shares.values()) and fraction > 0:
            shares[largest] = min(1, len(by_label[largest]) - 1)
        chosen: set[int] = set()
        generator = random.Random(seed)
        for label in label_names(train):
            chosen.update(generator.sample(by_label[label], shares[label]))
        return chosen


ONE_LABEL = OneLabel()


@dataclass
class Splits(Generic[Part]):
    """The parts of a labelled data set. `dev` is None only where nothing could or should be cut off `train`."""

    train: Part
    dev: Part | None
    test: Part | None


def read_texts(
    paths: str | Path | Sequence[str | Path], *, text_column: str = "text", keep_empty: bool = False
) -> Iterator[str]:
    """Stream the documents of files and folders, in order; a folder stands for its readable files, sorted by name.

    Documents are stripped of surrounding white space, and empty ones are skipped unless `keep_empty`, which keeps
    answers in step with lines. Memory is bounded by the longest line.

    Raises:
        UserError: at once for a path that is missing or of an unknown kind, while reading for what is wrong in a line.
    """
    return _stream(text_files(paths), text_column, keep_empty)  # missing files are found now, not at the first `next`


def text_files(paths: str | Path | Sequence[str | Path]) -> list[tuple[Path, list[Path]]]:
    """Each of the paths with its files of text: itself, or the readable files of a folder, sorted by name.

    Raises:
        UserError: for a path that is missing or of an unknown kind, or when there is none.
    """
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    if not sources:
        raise UserError("no text is given: name at least one file or folder")
    return [(Path(source), _readable_files(Path(source))) for source in sources]


def file_documents(path: Path, text_column: str) -> Iterator[str]:
    """The documents of one file, stripped of surrounding white space; empty ones too.

    Raises:
        UserError: for what is wrong in a line.
    """
    if suffix_of(path) == ".txt":
        return (text.strip() for _, text in read_lines(path))
    return (text_cell(path, line, cells, text_column) for line, cells in _records(path, (text_column,)))


def read_examples(
    path: str | Path, *, text_column: str = "text", label_column: str = "label", kind: LabelKind = ONE_LABEL
) -> Examples:
    """Read labelled texts from a .tsv, .csv or .jsonl file.

    A .tsv has a header when its first line holds both column names; otherwise every line is `label<TAB>text`, split
    at the first tab. Labels are what `kind` says. A text may be empty: a model must label that too.

    Raises:
        UserError: for a file that cannot be read, a missing column, an empty label, or no example at all.
    """
    path = Path(path)
    check_file(path, EXAMPLE_SUFFIXES)
    records = example_records(path, text_column, label_column, (label_column, text_column), "label<TAB>text")
    examples = Examples([], [], str(path))
    for line, cells in records:
        examples.texts.append(text_cell(path, line, cells, text_column))
        examples.labels.append(kind.read(path, line, cells, label_column))
    if not examples.texts:
        raise UserError(f"{path} is empty: it holds no example")
    return examples


def read_splits(
    data: str | Path,
    *,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    text_column: str = "text",
    label_column: str = "label",
    seed: int = 0,
    dev_fraction: float = DEV_FRACTION,
    kind: LabelKind = ONE_LABEL,
) -> Splits[Examples]:
    """Read a labelled data set: a file to train on, or a folder with `train.*` and perhaps `dev.*` and `test.*`.

    `validation.*` and `valid.*` are other names of `dev.*`; files given as `dev` and `test` win over the folder's.
    Where there is no dev part, `dev_fraction` (of every class) is cut off the training part by `seed`; 0 cuts nothing.

    Raises:
        UserError: as `read_examples`, and for two files that claim the same part, fewer than two classes in the
            training part, or a label in another part that the training part lacks.
    """
    train_file, dev_file, test_file = find_parts(data, dev, test, EXAMPLE_SUFFIXES, dev_fraction)

    def read(path: str | Path) -> Examples:
        return read_examples(path, text_column=text_column, label_column=label_column, kind=kind)

    train = read(train_file)
    dev_part, test_part = (None if path is None else read(path) for path in (dev_file, test_file))
    kind.check(train, [part for part in (dev_part, test_part) if part is not None])
    if dev_part is None:
        train, dev_part = cut_dev(train, kind.hold_out(train, seed, dev_fraction))
    return Splits(train, dev_part, test_part)


def find_parts(
    data: str | Path, dev: str | Path | None, test: str | Path | None, suffixes: Sequence[str], dev_fraction: float
) -> tuple[Path, Path | None, Path | None]:
    """The files of the training, dev and test parts: `data` is the first, or a folder with any of them.

    Raises:
        UserError: for a folder without a training part, two files that claim the same part, or an impossible share.
    """
    if not 0 <= dev_fraction < 1:
        raise UserError(f"dev_fraction must be at least 0 and less than 1, not {dev_fraction}")
    data, dev, test = Path(data), None if dev is None else Path(dev), None if test is None else Path(test)
    if not data.is_dir():
        return data, dev, test
    train = part_file(data, "train", suffixes=suffixes)
    if train is None:
        raise UserError(f"the folder {data} has no training part: train{', train'.join(suffixes)} or .gz")
    dev = dev or part_file(data, "dev", "validation", "valid", suffixes=suffixes)
    return train, dev, test or part_file(data, "test", suffixes=suffixes)


def gather_texts(texts: list[str] | None, file: Path | None, text_column: str) -> list[str]:
    """The texts given one by one, in a file, or, when there is neither, on standard input.

    Raises:
        UserError: when there is nothing, or both.
    """
    if isinstance(texts, str):  # a caller's slip that would label every letter
        texts = [texts]
    if texts and file:
        raise UserError("give texts or --file, not both")
    if file:
        return list(read_texts(file, text_column=text_column, keep_empty=True))
    if not texts and not sys.stdin.isatty():
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    if not texts:
        raise UserError("no text is given: name one or more, or --file")
    return texts


def test_part(data: Path, suffixes: Sequence[str] = EXAMPLE_SUFFIXES) -> Path:
    """`data` itself, or the test part of a folder.

    Raises:
        UserError: for a folder without one.
    """
    if not data.is_dir():
        return data
    found = part_file(data, "test", suffixes=suffixes)
    if found is None:
        raise UserError(f"the folder {data} has no test part: test{', test'.join(suffixes)} or .gz")
    return found


def label_names(examples: Examples) -> list[str]:
    """The distinct labels in order: by number where all are integers, else by code point."""
    labels = set(examples.labels)
    if all(re.fullmatch(r"[+-]?[0-9]{1,18}", label) for label in labels):
        return sorted(labels, key=lambda label: (int(label), label))
    return sorted(labels)


def require_classes(examples: Examples) -> list[str]:
    """The labels of `examples`, which must be at least two.

    Raises:
        UserError: if there is only one.
    """
    names = label_names(examples)
    if len(names) < 2:
        raise UserError(f"only one class ({names[0]!r}) in {examples.source}: a classifier needs at least two")
    return names


def require_known_labels(examples: Examples, known: Sequence[str]) -> None:
    """Check that every label of `examples` is one of `known`.

    Raises:
        UserError: naming the first label that is not.
    """
    allowed = set(known)
    for label in examples.labels:
        if label not in allowed:
            shown = ", ".join(map(repr, known[:10])) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
            raise UserError(f"the label {label!r} in {examples.source} does not occur in the training part: {shown}")


def _stream(groups: list[tuple[Path, list[Path]]], text_column: str, keep_empty: bool) -> Iterator[str]:
    for source, files in groups:
        empty = True
        for path in files:
            for document in file_documents(path, text_column):
                if document or keep_empty:
                    empty = False
                    yield document
        if empty:
            raise UserError(f"{source} is empty: it holds no document")


def cut_dev(train: Examples, chosen: set[int]) -> tuple[Examples, Examples | None]:
    """Move texts to a dev part, those of the rows that were chosen."""
    if not chosen:
        return train, None
    kept = [row for row in range(len(train)) if row not in chosen]
    return train.take(kept, train.source), train.take(sorted(chosen), f"{train.source} (the share held out as dev)")


def suffix_of(path: Path) -> str:
    """The extension that says what is inside: that before `.gz`, in lower case."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def check_file(path: Path, allowed: Sequence[str]) -> None:
    """Check that `path` is a file with one of the extensions.

    Raises:
        UserError: when it is not.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, where a file is expected")
    if not path.exists():
        raise UserError(f"no such file: {path}")
    if suffix_of(path) not in allowed:
        raise UserError(f"{path} has an unknown extension: {', '.join(allowed)} are read, each also with .gz")


def _readable_files(path: Path) -> list[Path]:
    if not path.is_dir():
        check_file(path, TEXT_SUFFIXES)
        return [path]
    # Names that begin with a dot are what editors and file managers leave behind.
    files = [file for file in path.iterdir() if not file.name.startswith(".") and file.is_file()]
    files = sorted(file for file in files if suffix_of(file) in TEXT_SUFFIXES)
    if not files:
        raise UserError(f"the folder {path} has no file to read: {', '.join(TEXT_SUFFIXES)} are, each also with .gz")
    return files


def part_file(folder: Path, *names: str, suffixes: Sequence[str] = EXAMPLE_SUFFIXES) -> Path | None:
    """The one file in `folder` whose whole stem is one of `names`: `train.fine.tsv` is not `train`.

    Raises:
        UserError: for two of them.
    """
    allowed = {f"{name}{suffix}{gz}" for name in names for suffix in suffixes for gz in ("", ".gz")}
    found = sorted(file for file in folder.iterdir() if file.name.lower() in allowed and file.is_file())
    if len(found) > 1:
        listed = " and ".join(file.name for file in found)
        raise UserError(f"the folder {folder} has {listed}: keep one as {names[0]}, or name the files one by one")
    return found[0] if found else None


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
                    raise UserError(
                        f"{path}, line {number}, byte {where}: not UTF-8; convert the file to UTF-8"
                    ) from None
                offset += len(raw)
                yield number, text.removesuffix("\n").removesuffix("\r")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged or not gzip, behind line {number}: {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None


def _records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The records of a .jsonl, or of a .csv or .tsv with a header, each of which has all of `columns`."""
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
    path: Path, text_column: str, other_column: str, order: tuple[str, str], shown: str
) -> Iterator[Record]:
    """The records of a .csv, .jsonl or .tsv file with two columns; a .tsv may be without a header.

    Args:
        path: the file.
        text_column: one column.
        other_column: the other one.
        order: both of them, in the order of a line without a header.
        shown: such a line, for messages.

    Raises:
        UserError: for what is wrong in the header or in a line.
    """
    _, first = next(_tsv_rows(path), (0, [])) if suffix_of(path) == ".tsv" else (0, [])
    if suffix_of(path) != ".tsv" or {text_column, other_column} <= {cell.strip() for cell in first}:
        yield from _records(path, (text_column, other_column))
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
    """What a value that JSON gave is called there."""
    names = {
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")


def check_columns(where: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Check that the columns that are wanted are there.

    Raises:
        UserError: naming the first that is not.
    """
    for column in wanted:
        if column not in present:
            listed = ", ".join(repr(name[:40]) for name in present[:20]) or "none at all"
            raise UserError(f"{where} has no column {column!r}; it has {listed}")


def text_cell(path: Path, line: int, cells: dict[str, object], column: str, *, integers: bool = False) -> str:
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
