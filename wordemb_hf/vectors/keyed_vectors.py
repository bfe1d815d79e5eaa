"""Words, their vectors, and which lie near which."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import UserError
from .search import best_rows, cosine_scores, inverse_norms, product_scores, unit

if TYPE_CHECKING:
    from .word_tests import AnalogyResult, SimilarityResult

# A word, a vector `(width,)`, or one of them with its weight.
Term = str | np.ndarray | tuple[str | np.ndarray, float]
Found = list[tuple[str, float]]
Method = Literal["3cosadd", "3cosmul"]


class KeyedVectors:
    """Word vectors by word.

    Args:
        words: the words, the most frequent first; special tokens do not belong here.
        matrix: their vectors, float32 `(words, width)`; it may lie on disk (`numpy.memmap`), and is never copied.
        normalize: what the tokenizer does to a word before it looks it up, such as lower-casing.
        compose: the vector of a word that is not among `words`, `(width,)`, or None where it has none.
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: np.ndarray,
        normalize: Callable[[str], str] = str,
        compose: Callable[[str], np.ndarray | None] = lambda word: None,
    ):
        if matrix.ndim != 2 or len(words) != len(matrix):
            raise UserError(f"{len(words)} words do not go with vectors of shape {matrix.shape}")
        self.words, self.matrix = list(words), matrix
        self.normalize, self.compose = normalize, compose
        self._index = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def load(cls, source: str | Path, revision: str | None = None) -> "KeyedVectors":
        """Read the vectors of a model folder, a file of vectors (`vectors.formats`), or a Hub repository.

        Args:
            source: a path, or a name on the Hub, of which the tokenizer, the config and the weights are downloaded.
            revision: a branch, tag or commit of the repository.

        Raises:
            UserError: when there is no such thing, or it holds no vectors.
        """
        path = Path(source)
        if path.is_dir():
            return cls.from_folder(path)
        if path.is_file():
            from .formats import read_vectors

            table = read_vectors(path)
            compose = getattr(table, "compose", None)  # of files with n-grams
            return cls(table.words, table.matrix, **({} if compose is None else {"compose": compose}))
        from .sources import downloaded

        return cls.from_folder(downloaded(str(source), revision))

    @classmethod
    def from_folder(cls, folder: str | Path) -> "KeyedVectors":
        """Read the vectors of any model folder of this package with a word or character tokenizer.

        They stay on disk until they are looked at. Where vectors are made of character n-grams, they come as they are
        used, and unseen words have some too.

        Raises:
            UserError: when a file is missing or does not fit.
        """
        from .model_folder import read_folder

        return cls(*read_folder(Path(folder)))

    @classmethod
    def from_gensim(cls, vectors: Any) -> "KeyedVectors":
        """Those of gensim's `KeyedVectors`, `FastTextKeyedVectors`, or a model that has some as `wv`.

        The matrix is shared. fastText's vectors of unseen words come along.

        Raises:
            UserError: for anything else.
        """
        from .gensim_vectors import from_gensim

        return cls(*from_gensim(vectors))

    def to_gensim(self) -> Any:
        """A `gensim.models.KeyedVectors` with the same words and a copy of their vectors; of n-grams it has none.

        Raises:
            UserError: when gensim is not installed.
        """
        from .gensim_vectors import to_gensim

        return to_gensim(self.words, self.matrix)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return self.normalize(word) in self._index

    def __getitem__(self, word: str | Sequence[str]) -> np.ndarray:
        """The vector of a word `(width,)`, or of several `(words, width)`; also of one that has n-grams alone.

        Raises:
            UserError: when a word has no vector.
        """
        if not isinstance(word, str):
            return np.stack([self[one] for one in word]) if len(word) else self.matrix[:0]
        known = self._index.get(self.normalize(word))
        composed = self.compose(self.normalize(word)) if known is None else None
        return self.matrix[self.row(word)] if composed is None else composed

    def row(self, word: str) -> int:
        """The number of a word.

        Raises:
            UserError: when there is no such word.
        """
        index = self._index.get(self.normalize(word))
        if index is None:
            raise UserError(f"the word {word!r} is not in the vocabulary of {len(self.words)} words")
        return index

    @cached_property
    def _inverse(self) -> np.ndarray:
        """One through the lengths of the vectors, `(words,)`: all of them with length one would be a copy."""
        return inverse_norms(self.matrix)

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words.

        Raises:
            UserError: when a word has no vector.
        """
        return float(unit(self[one]) @ unit(self[other]))

    def nearest(
        self,
        word: Term | None = None,
        top: int = 10,
        *,
        positive: Term | Sequence[Term] = (),
        negative: Term | Sequence[Term] = (),
        restrict_vocab: int | None = None,
    ) -> Found:
        """The `top` words with the largest cosine to `word`, which is not among them, and the cosines.

        Args:
            word: a word or a vector; it is one more of `positive`.
            top: how many words.
            positive: words or vectors to be near to, each with a weight if it is not 1: `("tea", 0.5)`. What is
                searched for is the mean of their directions.
            negative: those to be far from.
            restrict_vocab: look among so many of the first, most frequent words.

        Raises:
            UserError: when a word has no vector, nothing is asked for, or a number is below 1.
        """
        positive, negative = _terms(positive), _terms(negative)
        if word is not None:
            positive = [word, *positive]
        if not positive and not negative:
            raise UserError("nothing is asked for: give a word, or positive or negative ones")
        vectors, weights, rows = self._looked_up([*positive, *negative])
        weights[len(positive) :] *= -1
        return self._nearest(unit(weights @ unit(vectors))[None], [rows], top, restrict_vocab)[0]

    def nearest_each(
        self, words: Sequence[str | np.ndarray], top: int = 10, restrict_vocab: int | None = None
    ) -> list[Found]:
        """The nearest words to each of many words or vectors, in one search: as `nearest` of each, and much faster.

        Raises:
            UserError: when a word has no vector, or a number is below 1.
        """
        return self._nearest(*self.looked_up(words), top, restrict_vocab) if len(words) else []

    def looked_up(self, words: Sequence[str | np.ndarray]) -> tuple[np.ndarray, list[list[int]]]:
        """Directions `(words, width)`, of length one, and for each the rows that are the word itself.

        Raises:
            UserError: when a word has no vector.
        """
        found = [self._looked_up([word]) for word in words]
        return unit(np.concatenate([vector for vector, _, _ in found])), [rows for _, _, rows in found]

    def analogy(
        self, a: str, b: str, c: str, method: Method = "3cosadd", top: int = 10, restrict_vocab: int | None = None
    ) -> Found:
        """The words that are to `c` as `b` is to `a`, best first: `analogy("man", "king", "woman")`.

        Args:
            a: the first word of the pair that is known.
            b: the second.
            c: the first word of the other pair.
            method: `3cosadd`, the cosine to b − a + c (Mikolov et al. 2013), or `3cosmul`, cosines multiplied and
                divided, in which no term outweighs the others (Levy & Goldberg 2014).
            top: how many words.
            restrict_vocab: look among so many of the first, most frequent words.

        Raises:
            UserError: when a word has no vector, for another method, or a number below 1.
        """
        return self.analogies([(a, b, c)], method, top, restrict_vocab)[0]

    def analogies(
        self,
        questions: Sequence[tuple[str, str, str]],
        method: Method = "3cosadd",
        top: int = 10,
        restrict_vocab: int | None = None,
    ) -> list[Found]:
        """The answers to many questions, in one search: as `analogy` of each.

        Raises:
            UserError: as `analogy`.
        """
        if not len(questions):
            return []
        looked_up = [self._looked_up(question) for question in questions]
        terms = unit(np.stack([vectors for vectors, _, _ in looked_up]))  # (questions, 3, width)
        excluded = [rows for _, _, rows in looked_up]
        return self.answers(*self.search_analogies(terms, excluded, method, top, restrict_vocab))

    def search_analogies(
        self,
        terms: np.ndarray,
        excluded: Sequence[Sequence[int]],
        method: Method = "3cosadd",
        top: int = 10,
        restrict_vocab: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores of the answers, both `(questions, top)`; see `best_rows`.

        Args:
            terms: a, b and c of each question, `(questions, 3, width)`, of length one.
            excluded: rows that are no answer to each.

        Raises:
            UserError: for another method, or a number below 1.
        """
        if method not in ("3cosadd", "3cosmul"):
            raise UserError(f"method is {method!r}, but must be 3cosadd or 3cosmul")
        rows = self._checked(top, restrict_vocab)
        if method == "3cosmul":
            score = product_scores(self.matrix, self._inverse, terms[:, 1:], terms[:, :1])
        else:
            score = cosine_scores(self.matrix, self._inverse, unit(terms[:, 1] - terms[:, 0] + terms[:, 2]))
        return best_rows(score, len(terms), rows, top, excluded)

    def doesnt_match(self, words: Sequence[str]) -> str:
        """The word that is farthest from the mean direction of all: the odd one out.

        Raises:
            UserError: for fewer than three words, or one without a vector.
        """
        if isinstance(words, str) or len(words) < 3:
            raise UserError(f"words must be at least three, to have one that does not match, not {words!r}")
        directions = unit(self[words])
        return words[int((directions @ directions.mean(0)).argmin())]

    def closer_than(self, word: str, other: str) -> list[str]:
        """The words that are nearer to `word` than `other` is, in the order of the vocabulary.

        Raises:
            UserError: when `word` has no vector, or `other` is not in the vocabulary.
        """
        row, known = self.row(other), self._index.get(self.normalize(word))
        score = cosine_scores(self.matrix, self._inverse, unit(self[word])[None])
        cosines = score(slice(0, 1), slice(0, len(self)))[0]  # (words,)
        return [self.words[index] for index in np.flatnonzero(cosines > cosines[row]) if index != known]

    def rank(self, word: str, other: str) -> int:
        """Which neighbour of `word` the other is, from 1.

        Raises:
            UserError: when `word` has no vector, or `other` is not in the vocabulary.
        """
        return len(self.closer_than(word, other)) + 1

    def evaluate_word_pairs(self, file: str | Path, **options: Any) -> "SimilarityResult":
        """How well cosines agree with people's judgements: see `word_tests.evaluate_word_pairs`."""
        from .word_tests import evaluate_word_pairs

        return evaluate_word_pairs(self, file, **options)

    def evaluate_analogies(self, file: str | Path, **options: Any) -> "AnalogyResult":
        """How many analogies are solved: see `word_tests.evaluate_analogies`."""
        from .word_tests import evaluate_analogies

        return evaluate_analogies(self, file, **options)

    def answers(self, rows: np.ndarray, scores: np.ndarray) -> list[Found]:
        """Words and scores in place of rows and scores, both `(queries, top)`."""
        return [
            [(self.words[row], score) for row, score in zip(*found, strict=True) if row >= 0]
            for found in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def _nearest(
        self, queries: np.ndarray, excluded: list[list[int]], top: int, restrict_vocab: int | None
    ) -> list[Found]:
        rows = self._checked(top, restrict_vocab)
        score = cosine_scores(self.matrix, self._inverse, queries)
        return self.answers(*best_rows(score, len(queries), rows, top, excluded))

    def _looked_up(self, terms: Iterable[Term]) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Vectors `(terms, width)` and weights `(terms,)` of what is asked for, and the rows of known words."""
        vectors, weights, rows = [], [], []
        for term in terms:
            item, weight = term if isinstance(term, tuple) else (term, 1.0)
            if isinstance(item, str):
                row = self._index.get(self.normalize(item))
                vectors.append(self[item])
                rows += [] if row is None else [row]
            else:
                vectors.append(self._width_checked(np.asarray(item, np.float32)))
            weights.append(weight)
        return np.stack(vectors), np.array(weights, np.float32), rows

    def _width_checked(self, vector: np.ndarray) -> np.ndarray:
        if vector.shape != self.matrix.shape[1:]:
            raise UserError(f"a vector has shape {vector.shape}, but those here have width {self.matrix.shape[1]}")
        return vector

    def _checked(self, top: int, restrict_vocab: int | None) -> int:
        """The number of rows to look at."""
        for name, value in (("top", top), ("restrict_vocab", restrict_vocab)):
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}, but must be at least 1")
        return min(len(self), restrict_vocab or len(self))


def _terms(given: Any) -> list[Term]:
    """A list of what is asked for, also of a single word, vector, or one with its weight."""
    if isinstance(given, str | np.ndarray):
        return [given]
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], int | float):
        return [given]
    return list(given)
