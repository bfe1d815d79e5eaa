"""How good word vectors are: agreement with people's judgements of similarity, and analogies.

The rules are those of word2vec's `compute-accuracy` and of gensim, so that figures can be compared: words beyond the
most frequent 300,000 do not count, capitals do not matter, and what lacks a word is left out, and counted.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ..errors import UserError
from .search import unit
from .word_questions import Pair, Question, read_pairs, read_questions

if TYPE_CHECKING:
    from .keyed_vectors import KeyedVectors, Method

FREQUENT = 300_000
_QUESTIONS = 4096  # whose vectors are in memory at a time
Unseen = Literal["skip", "zero", "compose"]


class SimilarityResult(NamedTuple):
    """Correlations between −1 and 1, of how many pairs, and how many were left out or taken for 0."""

    spearman: float
    pearson: float
    pairs: int
    missing: int


class SectionResult(NamedTuple):
    """How many of the questions that could be asked have the right answer."""

    accuracy: float
    right: int
    asked: int


class AnalogyResult(NamedTuple):
    """The same of all questions, how many could not be asked, and each section by its name."""

    accuracy: float
    right: int
    asked: int
    missing: int
    sections: dict[str, SectionResult]


def correlations(measured: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Spearman's and Pearson's correlation of two rows of numbers; 0 where one of them is the same all over.

    Raises:
        UserError: for rows of different lengths, or fewer than two numbers.
    """
    from scipy.stats import pearsonr, spearmanr

    if len(measured) != len(wanted) or len(wanted) < 2:
        raise UserError(f"{len(measured)} and {len(wanted)} numbers have no correlation: it takes two of each")
    if np.ptp(measured) == 0 or np.ptp(wanted) == 0:
        return 0.0, 0.0
    return float(spearmanr(measured, wanted).statistic), float(pearsonr(measured, wanted).statistic)


def evaluate_word_pairs(
    vectors: "KeyedVectors",
    file: str | Path,
    *,
    restrict_vocab: int | None = FREQUENT,
    ignore_case: bool = True,
    unseen: Unseen = "skip",
) -> SimilarityResult:
    """How well the cosines of pairs of words agree with people's judgements.

    Args:
        vectors: the vectors.
        file: what `read_pairs` reads, with judgements.
        restrict_vocab: words behind so many count as missing; None for all words.
        ignore_case: whether a word stands for any with the same letters; the first of them counts.
        unseen: what becomes of a pair with a missing word: `skip` leaves it out, `zero` takes its similarity for 0,
            `compose` makes vectors of n-grams, where there are any.

    Raises:
        UserError: for a file that cannot be read, without judgements, or hardly a pair that the vectors know.
    """
    pairs = read_pairs(file)
    if pairs[0].judgement is None:
        raise UserError(f"{file} has no number behind the words to compare with")
    if unseen not in ("skip", "zero", "compose"):
        raise UserError(f"unseen is {unseen!r}, but must be skip, zero or compose")
    lookup = _Lookup(vectors, restrict_vocab, ignore_case)
    measured, wanted, missing = [], [], 0
    for pair in pairs:
        cosine = _cosine(lookup, pair, unseen == "compose")
        missing += cosine is None
        if cosine is not None or unseen == "zero":
            measured.append(cosine or 0.0)
            wanted.append(pair.judgement)
    if len(measured) < 2:
        raise UserError(f"{file} has {len(pairs)} pairs, and {len(measured)} of which the vectors know both words")
    return SimilarityResult(*correlations(np.array(measured), np.array(wanted)), len(measured), missing)


def evaluate_analogies(
    vectors: "KeyedVectors",
    file: str | Path,
    *,
    method: "Method" = "3cosadd",
    restrict_vocab: int | None = FREQUENT,
    ignore_case: bool = True,
    unseen: Literal["skip", "zero"] = "skip",
) -> AnalogyResult:
    """How many analogies are solved; the three given words are no answer.

    Args:
        vectors: the vectors.
        file: what `read_questions` reads, with answers.
        method: as in `KeyedVectors.analogy`.
        restrict_vocab: words behind so many count as missing, and are no answers; None for all words.
        ignore_case: whether a word stands for any with the same letters; the first of them counts.
        unseen: whether a question with a missing word is left out (`skip`) or wrong (`zero`).

    Raises:
        UserError: for a file that cannot be read, without answers, or without a question that can be asked.
    """
    questions = read_questions(file)
    if questions[0].answer is None:
        raise UserError(f"{file} has no answers: four words a line are needed")
    if unseen not in ("skip", "zero"):
        raise UserError(f"unseen is {unseen!r}, but must be skip or zero")
    lookup = _Lookup(vectors, restrict_vocab, ignore_case)
    known = [question for question in questions if all(lookup.rows(word or "") for word in question[1:])]
    missing = len(questions) - len(known)
    counted = questions if unseen == "zero" else known
    if not counted:
        raise UserError(f"{file} has {len(questions)} analogies, and none of which the vectors know all words")
    right: dict[str, int] = {}
    for start in range(0, len(known), _QUESTIONS):
        for question in _solved(lookup, known[start : start + _QUESTIONS], method):
            right[question.section] = right.get(question.section, 0) + 1
    sections = {}
    for name in dict.fromkeys(question.section for question in counted):
        asked = sum(question.section == name for question in counted)
        sections[name] = SectionResult(right.get(name, 0) / asked, right.get(name, 0), asked)
    solved = sum(right.values())
    return AnalogyResult(solved / len(counted), solved, len(counted), missing, sections)


class _Lookup:
    """The most frequent words of vectors, with their capitals or without."""

    def __init__(self, vectors: "KeyedVectors", restrict_vocab: int | None, ignore_case: bool):
        if restrict_vocab is not None and restrict_vocab < 1:
            raise UserError(f"restrict_vocab is {restrict_vocab}, but must be at least 1")
        self.vectors, self.restrict_vocab, self._ignore_case = vectors, restrict_vocab, ignore_case
        self._rows: dict[str, list[int]] = {}
        for row, word in enumerate(vectors.words[:restrict_vocab]):
            self._rows.setdefault(word.upper() if ignore_case else word, []).append(row)

    def rows(self, word: str) -> list[int]:
        """All rows that the word stands for, the first of them first."""
        word = self.vectors.normalize(word)
        return self._rows.get(word.upper() if self._ignore_case else word, [])

    def row(self, word: str) -> int | None:
        """The row of a word, if it has one."""
        return next(iter(self.rows(word)), None)


def _cosine(lookup: _Lookup, pair: Pair, compose: bool) -> float | None:
    """Of a pair of words that are known; with `compose` also of those that have n-grams."""
    vectors = lookup.vectors
    found = []
    for word in pair[:2]:
        row = lookup.row(word)
        vector = vectors.matrix[row] if row is not None else None
        if vector is None and compose:
            vector = vectors.compose(vectors.normalize(word))
        if vector is None:
            return None
        found.append(unit(vector))
    return float(found[0] @ found[1])


def _solved(lookup: _Lookup, questions: list[Question], method: "Method") -> list[Question]:
    """Those with the right answer; all words are known."""
    vectors = lookup.vectors
    rows = np.array([[lookup.row(word) for word in question[1:4]] for question in questions])  # (questions, 3)
    given = [[row for word in question[1:4] for row in lookup.rows(word)] for question in questions]
    found, _ = vectors.search_analogies(unit(vectors.matrix[rows]), given, method, 1, lookup.restrict_vocab)
    return [
        question
        for question, row in zip(questions, found[:, 0].tolist(), strict=True)
        if row in lookup.rows(question.answer or "")
    ]
