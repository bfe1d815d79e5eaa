"""Labels that are not one name for each text: several names, or a number. See `corpus.LabelKind`."""

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from .corpus import Examples, label_names, require_known_labels
from .errors import UserError
from .hub_datasets import HubSplit
from .records import Source, example_records, json_type, suffix_of, text_cell
from .splits import EXAMPLE_SUFFIXES
from .splits import find_parts as find_parts_of

PROBLEMS = ("single_label_classification", "multi_label_classification", "regression")
SEPARATOR = "|"  # of the labels in one cell of csv and tsv
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LARGEST = 1e30  # its square is still a number in 64 bits, and no measure of a text comes near it


class SeveralLabels:
    """Each text has any number of labels, a list of names: an array of strings in JSON, else names between bars."""

    def read(self, path: Source, line: int, cells: dict[str, object], column: str) -> list[str]:
        value = cells[column]
        where = f"{path}, line {line}: {column}"
        if isinstance(value, list):
            names = [text_cell(path, line, {column: name}, column, integers=True) for name in value]
        elif suffix_of(path) == ".jsonl":
            raise UserError(f"{where} must be an array of strings, as elsewhere, not {json_type(value)}")
        else:
            cell = text_cell(path, line, cells, column)
            names = [name.strip() for name in cell.split(SEPARATOR)] if cell else []
        if not all(names):
            raise UserError(f"{where} holds an empty name; a text without a label has an empty cell or array")
        return list(dict.fromkeys(names))

    def check(self, train: Examples, others: Sequence[Examples]) -> None:
        known = names_of(train)
        if not known:
            raise UserError(f"no text in {train.source} has a label: a classifier needs at least one")
        if all(set(labels) == set(train.labels[0]) for labels in train.labels):
            raise UserError(f"every text in {train.source} has the same labels: there is nothing to learn")
        for part in others:
            require_known_labels(flat(part), known)

    def hold_out(self, train: Examples, seed: int, fraction: float) -> set[int]:
        """A share of the texts, at least one; the last text with a label always stays."""
        left = Counter(chain.from_iterable(train.labels))
        chosen: set[int] = set()
        for row in _shuffled(train, seed):
            if len(chosen) >= _share(train, fraction):
                break
            if all(left[label] > 1 for label in train.labels[row]):
                left.subtract(train.labels[row])
                chosen.add(row)
        return chosen


class Numbers:
    """Each text has a number, finite: a number or a string in JSON."""

    def read(self, path: Source, line: int, cells: dict[str, object], column: str) -> float:
        value = cells[column]
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        elif isinstance(value, str):
            value = text_cell(path, line, cells, column)
        else:
            raise UserError(f"{path}, line {line}: {column} must be a number, not {json_type(value)}")
        if not _NUMBER.fullmatch(value) or not abs(number := float(value)) <= _LARGEST:
            shown = value if len(value) <= 40 else value[:39] + "…"
            raise UserError(
                f"{path}, line {line}: {column} is {shown!r}, but must be a finite number, at most {_LARGEST:.0e}"
            )
        return number

    def check(self, train: Examples, others: Sequence[Examples]) -> None:
        if len(set(train.labels)) < 2:
            raise UserError(f"every label in {train.source} is {train.labels[0]:g}: there is nothing to learn")

    def hold_out(self, train: Examples, seed: int, fraction: float) -> set[int]:
        """A share of the texts, at least one, of which two different numbers stay."""
        rows = _shuffled(train, seed)
        other = next(row for row in rows if train.labels[row] != train.labels[rows[0]])
        free = [row for row in rows[1:] if row != other]
        return set(free[: _share(train, fraction)])


SEVERAL_LABELS, NUMBERS = SeveralLabels(), Numbers()


def problem_of_data(data: Path, label_column: str = "label") -> str:
    """The kind of problem that a file, or the training part of a folder, holds: several labels where one is an array.

    Nothing is said of what cannot be read: whoever reads the whole says it better.
    """
    try:
        path, *_ = find_parts_of(data, None, None, EXAMPLE_SUFFIXES, 0.0)
        if isinstance(path, HubSplit) or suffix_of(path) in (".jsonl", ".parquet"):
            records = example_records(path, label_column, label_column, (label_column, label_column), "")
            if isinstance(next(records)[1][label_column], list):
                return "multi_label_classification"
    except (UserError, StopIteration):
        pass
    return "single_label_classification"


def flat(examples: Examples) -> Examples:
    """The labels of texts with several, one after the other, and no texts."""
    return Examples([], list(chain.from_iterable(examples.labels)), examples.source)


def names_of(examples: Examples) -> list[str]:
    """The distinct labels of texts with several, in the order of `label_names`."""
    return label_names(flat(examples))


def _shuffled(examples: Examples, seed: int) -> list[int]:
    rows = list(range(len(examples)))
    random.Random(seed).shuffle(rows)
    return rows


def _share(examples: Examples, fraction: float) -> int:
    """How many texts are held out: none where one is all there is."""
    return min(len(examples) - 1, max(math.floor(len(examples) * fraction + 0.5), int(fraction > 0)))
