"""Raw text in: documents as a stream (`read_texts`), labelled examples as lists (`read_examples`, `read_splits`).

Every file is UTF-8, with or without a byte order mark, plain or as `.gz`. What a file holds follows from its name:

    .txt     one document a line
    .jsonl   one JSON object a line
    .csv     a header; cells may be quoted
    .tsv     a header or, for labelled text, none: `label<TAB>text`. A quotation mark is text
    .parquet columns of text, and of labels as text or numbers

In place of a path, `namespace/name` is a data set of the Hub (`hub_datasets`).
"""

import math
import random
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import UserError
from .hub_datasets import HubSplit, stream_records
from .records import Source, check_file, check_text, example_records, read_lines, records, suffix_of, text_cell
from .splits import DEV_FRACTION, EXAMPLE_SUFFIXES, Splits, find_parts

TEXT_SUFFIXES = (".txt", ".jsonl", ".csv", ".tsv", ".parquet")


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

    def read(self, path: Source, line: int, cells: dict[str, object], column: str) -> Any:
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

    def read(self, path: Source, line: int, cells: dict[str, object], column: str) -> str:
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


def read_texts(
    paths: str | Source | Sequence[str | Source], *, text_column: str = "text", keep_empty: bool = False
) -> Iterator[str]:
    """Stream the documents of files and folders, in order; a folder stands for its readable files, sorted by name.

    Parts of data sets of the Hub come as they are read over the network.

    Documents are stripped of surrounding white space, and empty ones are skipped unless `keep_empty`, which keeps
    answers in step with lines. Memory is bounded by the longest line.

    Raises:
        UserError: at once for a path that is missing or of an unknown kind, while reading for what is wrong in a line.
    """
    groups: list[tuple[Source, Sequence[Source]]] = []  # missing files are found now, not at the first `next`
    for source in [paths] if isinstance(paths, str | Source) else paths:
        groups += [(source, [source])] if isinstance(source, HubSplit) else text_files(source)
    return _stream(groups or text_files([]), text_column, keep_empty)


def text_files(paths: str | Path | Sequence[str | Path]) -> list[tuple[Path, list[Path]]]:
    """Each of the paths with its files of text: itself, or the readable files of a folder, sorted by name.

    Raises:
        UserError: for a path that is missing or of an unknown kind, or when there is none.
    """
    sources = [paths] if isinstance(paths, str | Path) else list(paths)
    if not sources:
        raise UserError("no text is given: name at least one file or folder")
    return [(Path(source), _readable_files(Path(source))) for source in sources]


def file_documents(path: Source, text_column: str) -> Iterator[str]:
    """The documents of one file, stripped of surrounding white space; empty ones too.

    Raises:
        UserError: for what is wrong in a line.
    """
    if isinstance(path, HubSplit):
        rows = stream_records(path, (text_column,))
    elif suffix_of(path) == ".txt":
        return (text.strip() for _, text in read_lines(path))
    else:
        rows = records(path, (text_column,))
    return (text_cell(path, line, cells, text_column) for line, cells in rows)


def read_examples(
    path: str | Source, *, text_column: str = "text", label_column: str = "label", kind: LabelKind = ONE_LABEL
) -> Examples:
    """Read labelled texts from a .tsv, .csv, .jsonl or .parquet file, or a part of a data set of the Hub.

    A .tsv has a header when its first line holds both column names; otherwise every line is `label<TAB>text`, split
    at the first tab. Labels are what `kind` says. A text may be empty: a model must label that too.

    Raises:
        UserError: for a file that cannot be read, a missing column, an empty label, or no example at all.
    """
    path = Path(path) if isinstance(path, str) else path
    check_file(path, EXAMPLE_SUFFIXES)
    rows = example_records(path, text_column, label_column, (label_column, text_column), "label<TAB>text")
    examples = Examples([], [], str(path))
    for line, cells in rows:
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

    In place of a folder, `namespace/name` is a data set of the Hub. `validation.*`, `valid.*` and `val.*` are other
    names of `dev.*`; files given as `dev` and `test` win over the folder's. A test part on the Hub whose labels are
    kept secret is left out, with a warning.
    Where there is no dev part, `dev_fraction` (of every class) is cut off the training part by `seed`; 0 cuts nothing.

    Raises:
        UserError: as `read_examples`, and for two files that claim the same part, fewer than two classes in the
            training part, or a label in another part that the training part lacks.
    """
    train_file, dev_file, test_file = find_parts(data, dev, test, EXAMPLE_SUFFIXES, dev_fraction)

    if isinstance(test_file, HubSplit) and test is None and not _has_labels(test_file, label_column):
        warnings.warn(f"{test_file} has no labels and is left out: give --test for another", stacklevel=2)
        test_file = None

    def read(path: Source) -> Examples:
        return read_examples(path, text_column=text_column, label_column=label_column, kind=kind)

    train = read(train_file)
    dev_part, test_part = (None if path is None else read(path) for path in (dev_file, test_file))
    kind.check(train, [part for part in (dev_part, test_part) if part is not None])
    if dev_part is None:
        train, dev_part = cut_dev(train, kind.hold_out(train, seed, dev_fraction))
    return Splits(train, dev_part, test_part)


def gather_texts(texts: list[str] | None, file: Path | None, text_column: str) -> list[str]:
    """The texts given one by one, in a file, or, when there is neither, on standard input.

    Raises:
        UserError: when there is nothing, or both, or for half of a surrogate pair, which no tokenizer takes.
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
    for number, text in enumerate(texts, 1):
        check_text(f"text {number}", text)
    return texts


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


def _has_labels(split: HubSplit, column: str) -> bool:
    return any(cells[column] is not None for _, cells in records(split, (column,)))


def _stream(groups: Sequence[tuple[Source, Sequence[Source]]], text_column: str, keep_empty: bool) -> Iterator[str]:
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


def _readable_files(path: Path) -> list[Path]:
    if not path.is_dir():
        check_file(path, TEXT_SUFFIXES)
        return [path]
    # Names that begin with a dot are what editors and file managers leave behind.
    files = [file for file in path.iterdir() if not file.name.startswith(".") and file.is_file()]
    files = sorted(file for file in files if suffix_of(file) in TEXT_SUFFIXES)
    if not files:
        raise UserError(f"the folder {path} has no file to read: {', '.join(TEXT_SUFFIXES)} are, text also as .gz")
    return files
