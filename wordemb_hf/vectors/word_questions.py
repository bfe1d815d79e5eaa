"""Files of words to compare and of analogies, as tests of word vectors are handed round."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from ..records import read_lines


class Pair(NamedTuple):
    """Two words, and how similar people find them, where the file tells."""

    one: str
    other: str
    judgement: float | None = None


class Question(NamedTuple):
    """`a` is to `b` as `c` is to the answer, where the file tells it."""

    section: str
    a: str
    b: str
    c: str
    answer: str | None = None


def read_pairs(path: str | Path) -> list[Pair]:
    """Read two words a line, with or without a number behind them: apart by tabs, else by commas (.csv) or spaces.

    Empty lines and those that begin with `#` are skipped, and so is a first line whose third field is no number: names
    of columns.

    Raises:
        UserError: for a file without pairs, a line that is none, or pairs of which some have numbers and some have not.
    """
    pairs: list[Pair] = []
    for number, line in _lines(path):
        fields = _fields(Path(path), line)
        if len(fields) not in (2, 3) or not all(fields):
            raise UserError(f"{path}, line {number}: {line!r} is not two words, or two words and a number")
        judgement = _number(fields[2]) if len(fields) == 3 else None
        if len(fields) == 2 or judgement is not None:
            pairs.append(Pair(fields[0], fields[1], judgement))
        elif number > 1:
            raise UserError(f"{path}, line {number}: {fields[2]!r} is no number")
    if not pairs:
        raise UserError(f"{path} has no pairs of words")
    if len({pair.judgement is None for pair in pairs}) > 1:
        raise UserError(f"{path} has a number behind some pairs and none behind others")
    return pairs


def read_questions(path: str | Path) -> list[Question]:
    """Read analogies: three words a line, or four with the answer, in sections that a line `: name` begins.

    Raises:
        UserError: for a file without any, a line that is none, or some of them with an answer and some without.
    """
    questions: list[Question] = []
    section = ""
    for number, line in _lines(path):
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        words = line.split("\t") if "\t" in line else line.split()
        if len(words) not in (3, 4) or not all(words):
            raise UserError(f"{path}, line {number}: {line!r} is not three words, or four with the answer")
        questions.append(Question(section, *words))
    if not questions:
        raise UserError(f"{path} has no analogies")
    if len({question.answer is None for question in questions}) > 1:
        raise UserError(f"{path} has an answer to some analogies and none to others")
    return questions


def _lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers."""
    if not Path(path).is_file():
        raise UserError(f"no such file: {path}")
    for number, line in read_lines(Path(path)):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _number(text: str) -> float | None:
    """What the text says, if it is a number that can be compared with others."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _fields(path: Path, line: str) -> list[str]:
    if "\t" in line:
        return [field.strip() for field in line.split("\t")]
    if path.name.lower().removesuffix(".gz").endswith(".csv"):
        return [field.strip() for field in line.split(",")]
    return line.split()
