"""Pairs of texts, a source and a target, to learn to write the one for the other.

.tsv       `source<TAB>target`, or a header with both columns
.csv       a header; cells may be quoted
.jsonl     one JSON object a line
.parquet   both columns as text

In place of a path, `namespace/name` is a data set of the Hub; columns may stand inside one called `translation`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .errors import UserError
from .records import Source, check_file, example_records, text_cell
from .splits import DEV_FRACTION, Splits, find_parts
from .splits import test_part as test_part_of

PAIR_SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
# What a verb calls the text, unless its user says otherwise, and what it is called here.
SOURCE_COLUMN = "source"


@dataclass
class Pairs:
    """`targets[i]` is to be written for `sources[i]`; `source` says where they come from, for messages."""

    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    source: str = ""

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def texts(self) -> list[str]:
        """All of them: what a vocabulary is made of."""
        return self.sources + self.targets

    def take(self, rows: list[int], source: str) -> "Pairs":
        """Some of the pairs."""
        return Pairs([self.sources[row] for row in rows], [self.targets[row] for row in rows], source)


def read_pairs(path: str | Source, *, text_column: str = SOURCE_COLUMN, target_column: str = "target") -> Pairs:
    """Read pairs from a .tsv, .csv, .jsonl or .parquet file, or a part of a data set of the Hub.

    A .tsv has a header when its first line holds both column names; otherwise every line is `source<TAB>target`.

    Raises:
        UserError: for a file that cannot be read, a missing column, an empty source or target, or no pair at all.
    """
    path = Path(path) if isinstance(path, str) else path
    check_file(path, PAIR_SUFFIXES)
    pairs = Pairs(source=str(path))
    for line, source, target in _rows(path, text_column, target_column):
        for name, text in (("source", source), ("target", target)):
            if not text:
                raise UserError(f"{path}, line {line}: the {name} is empty; a pair needs both")
        pairs.sources.append(source)
        pairs.targets.append(target)
    if not pairs.sources:
        raise UserError(f"{path} is empty: it holds no pair")
    return pairs


def read_pair_splits(
    data: str | Path,
    *,
    dev: str | Path | None = None,
    test: str | Path | None = None,
    text_column: str = SOURCE_COLUMN,
    target_column: str = "target",
    seed: int = 0,
    dev_fraction: float = DEV_FRACTION,
    most_dev: int = 1000,
) -> Splits[Pairs]:
    """Read a data set of pairs: a file to train on, or a folder with `train.*` and perhaps `dev.*` and `test.*`.

    Where there is no dev part, `dev_fraction` of the training part is cut off by `seed`, at most `most_dev` pairs: each
    of them has to be written word by word, and those with one source stay together.

    Raises:
        UserError: as `read_pairs`, and for two files that claim the same part.
    """
    files = find_parts(data, dev, test, PAIR_SUFFIXES, dev_fraction)
    train, dev_part, test_part = (
        None if file is None else read_pairs(file, text_column=text_column, target_column=target_column)
        for file in files
    )
    assert train is not None
    if dev_part is None and dev_fraction:
        train, dev_part = cut_dev(train, seed, min(round(len(train) * dev_fraction) or 1, most_dev))
    return Splits(train, dev_part, test_part)


def test_pairs(data: Path, text_column: str, target_column: str) -> Pairs:
    """A file, or the test part of a folder.

    Raises:
        UserError: as `read_pairs`, or for a folder without a test part.
    """
    return read_pairs(test_part_of(data, PAIR_SUFFIXES), text_column=text_column, target_column=target_column)


def cut_dev(train: Pairs, seed: int, size: int) -> tuple[Pairs, Pairs | None]:
    """Move pairs to a dev part, at least `size`; those of one source stay together."""
    rows_of: dict[str, list[int]] = {}
    for row, source in enumerate(train.sources):
        rows_of.setdefault(source, []).append(row)
    if len(rows_of) < 2:
        return train, None
    sources = list(rows_of)
    random.Random(seed).shuffle(sources)
    chosen: set[int] = set()
    while len(chosen) < size and len(sources) > 1:
        chosen.update(rows_of[sources.pop()])
    kept = [row for row in range(len(train)) if row not in chosen]
    return train.take(kept, train.source), train.take(sorted(chosen), f"{train.source} (the share held out as dev)")


def _rows(path: Source, text_column: str, target_column: str) -> Iterator[tuple[int, str, str]]:
    # The order of the columns where there is no header, and what such a line is.
    plain = (text_column, target_column)
    for line, cells in example_records(path, text_column, target_column, plain, "source<TAB>target"):
        yield line, text_cell(path, line, cells, text_column), text_cell(path, line, cells, target_column)
